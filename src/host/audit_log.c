// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/audit_log.h"
#include "crypt/digest.h"
#include <inttypes.h>
#include <stdlib.h>

/* -------- reading: a walk over the file, window by window -------- */

struct walk {
	const struct disk *disk;
	struct span_mut window;
	struct audit_chain chain;
	uint64_t offset, size; /* of the line that is next; of the file */
	uint64_t records;
	bool is_torn; /* at `offset` */
	struct complaint *complaint;
};

static struct err broken(const struct walk *w, const char *what, const char *field)
{
	return complain(w->complaint, ERR(STATE),
		"%s is broken: the record at octet %" PRIu64 " %s%s; "
		"nothing is appended to a log that was changed",
		AUDIT_FILE, w->offset, what, field);
}

static struct err line_check(struct walk *w, struct span line)
{
	struct wire_fault fault = {0};
	struct audit_record record;
	struct span hashed;
	uint8_t computed[SHA256_OCTETS];

	if (failed(audit_record_decode(line, &record, &hashed, &fault)))
		return broken(w, "is no record: ", fault.field);
	const struct err e = sha256(hashed, computed);
	if (failed(e))
		return complain(w->complaint, e, "SHA-256 is not to be had");
	const char *wrong = audit_chain_step(&w->chain, &record, computed);
	return wrong == NULL ? OK : broken(w, wrong, "");
}

/* Lines that are whole in this window; stops at a torn one. */
static struct err window_check(struct walk *w, struct span window)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(window, &fault);
	struct span line;
	struct err e = OK;

	while (!failed(e) && audit_line_take(&r, &line)) {
		w->is_torn = line.len > 0 && memchr(line.at, '\0', line.len) != NULL;
		if (w->is_torn)
			return OK;
		e = line_check(w, line);
		w->offset += line.len + 1;
		w->records += !failed(e);
	}
	return e;
}

static struct err window_read(struct walk *w, struct span *window)
{
	size_t len = 0;
	const struct err e = w->disk->read(w->disk->ctx, AUDIT_FILE, w->offset, w->window, &len);

	*window = span_of(w->window.at, len);
	return failed(e) ? complain(w->complaint, e, "cannot read %s", AUDIT_FILE) : OK;
}

static struct err walk_on(struct walk *w)
{
	while (w->offset < w->size && !w->is_torn) {
		const uint64_t before = w->offset;
		struct span window;
		struct err e = window_read(w, &window);
		if (!failed(e))
			e = window_check(w, window);
		if (failed(e))
			return e;
		/* No line was whole, in a window longer than any record: it is unfinished. */
		w->is_torn = w->is_torn || w->offset == before;
	}
	return OK;
}

/* From within the file: the line that the window begins in is skipped. */
static struct err walk_enter(struct walk *w)
{
	struct wire_fault fault = {0};
	struct span window, line;

	if (w->size <= w->window.len)
		return OK;
	w->offset = w->size - w->window.len;
	w->chain.next_seq = 0;
	const struct err e = window_read(w, &window);
	if (failed(e))
		return e;
	struct reader r = reader_of(window, &fault);
	if (!audit_line_take(&r, &line))
		return broken(w, "has no end", "");
	w->offset += line.len + 1;
	return OK;
}

static struct err size_read(const struct disk *disk, uint64_t *size, struct complaint *c)
{
	const struct err e = disk->size(disk->ctx, AUDIT_FILE, size);

	if (e.kind == ERR_ABSENT) {
		*size = 0;
		return OK;
	}
	return failed(e) ? complain(c, e, "cannot read %s", AUDIT_FILE) : OK;
}

struct err audit_log_verify(
	const struct disk *disk, struct audit_summary *summary, struct complaint *c)
{
	struct walk w = {.disk = disk, .chain.next_seq = 1, .complaint = c};
	struct err e = size_read(disk, &w.size, c);

	*summary = (struct audit_summary){0};
	if (failed(e))
		return e;
	w.window = span_mut_of(malloc(AUDIT_WINDOW), AUDIT_WINDOW);
	if (w.window.at == NULL)
		return complain(c, ERR(LIMIT), "no memory to read %s", AUDIT_FILE);
	e = walk_on(&w);
	free(w.window.at);
	summary->records = w.records;
	summary->octets = w.offset;
	summary->torn_octets = w.size - w.offset;
	memcpy(summary->head, w.chain.head, sizeof summary->head);
	if (!failed(e) && summary->torn_octets > AUDIT_GROUP_MAX)
		e = broken(&w, "is torn, and more follows it than a crash leaves", "");
	return e;
}

/* -------- opening and writing -------- */

static struct err torn_cut(struct audit_log *log, const struct walk *w)
{
	log->cut_octets = w->size - w->offset;
	if (log->cut_octets > AUDIT_GROUP_MAX)
		return broken(w, "is torn, and more follows it than a crash leaves", "");
	const struct err e = log->disk->cut(log->disk->ctx, AUDIT_FILE, w->offset);
	return failed(e) ? complain(w->complaint, e, "cannot cut the torn end of %s", AUDIT_FILE)
			 : OK;
}

/* What a killed process wrote and did not sync is seen by reading, and is not durable: sync first, and
 * after a cut. */
static struct err settled(const struct audit_log *log, const struct walk *w)
{
	if (w->size == 0)
		return OK;
	const struct err e = log->disk->sync(log->disk->ctx, AUDIT_FILE);
	return failed(e) ? complain(w->complaint, e, "cannot sync %s", AUDIT_FILE) : OK;
}

static struct err tail_check(struct audit_log *log, struct complaint *c)
{
	struct walk w = {.disk = log->disk,
		.window = span_mut_of(log->memory, AUDIT_WINDOW),
		.chain.next_seq = 1,
		.complaint = c};
	struct err e = size_read(log->disk, &w.size, c);

	if (!failed(e))
		e = settled(log, &w);
	if (!failed(e))
		e = walk_enter(&w);
	if (!failed(e))
		e = walk_on(&w);
	if (!failed(e) && w.is_torn)
		e = torn_cut(log, &w);
	if (!failed(e) && w.is_torn)
		e = settled(log, &w);
	if (!failed(e) && w.chain.next_seq == 0)
		e = broken(&w, "stands where none can be told from a torn one", "");
	log->chain = w.chain;
	log->octets = w.offset;
	return e;
}

static void group_begin(struct audit_log *log)
{
	log->group = writer_of(span_mut_of(log->memory, AUDIT_GROUP_MAX));
}

struct err audit_log_open(struct audit_log *log, const struct disk *disk, struct complaint *c)
{
	*log = (struct audit_log){.disk = disk};
	log->memory = malloc(AUDIT_WINDOW);
	if (log->memory == NULL)
		return complain(c, ERR(LIMIT), "no memory for the audit log");
	const struct err e = tail_check(log, c);
	if (failed(e)) {
		audit_log_close(log);
		return e;
	}
	group_begin(log);
	return OK;
}

void audit_log_close(struct audit_log *log)
{
	free(log->memory);
	*log = (struct audit_log){.is_dead = true};
}

static struct err record_put(struct audit_log *log, struct audit_record *record)
{
	uint8_t line[AUDIT_LINE_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(line));
	struct span text;

	audit_record_begin(&w, record);
	struct err e = writer_result(&w, &text);
	if (!failed(e))
		e = sha256(text, record->hash);
	if (failed(e))
		return e;
	audit_record_finish(&w, record);
	e = writer_result(&w, &text);
	if (failed(e))
		return e;
	if (text.len > log->group.limit - log->group.len)
		return ERR(LIMIT);
	writer_span(&log->group, text);
	return OK;
}

struct err audit_log_add(struct audit_log *log, int64_t unix_ms, struct span event, uint64_t *seq,
	uint8_t hash[static AUDIT_HASH_OCTETS])
{
	struct wire_fault fault = {0};
	struct audit_record record = {.seq = log->chain.next_seq,
		.unix_ms = unix_ms < 0 ? 0 : (uint64_t)unix_ms,
		.event = event};

	if (log->is_dead)
		return ERR(IO);
	struct err e = audit_event_check(event, &fault);
	if (failed(e))
		return e;
	memcpy(record.prev, log->chain.head, sizeof record.prev);
	e = record_put(log, &record);
	if (failed(e))
		return e;
	log->chain.next_seq++;
	memcpy(log->chain.head, record.hash, sizeof log->chain.head);
	*seq = record.seq;
	memcpy(hash, record.hash, AUDIT_HASH_OCTETS);
	return OK;
}

struct err audit_log_sync(struct audit_log *log)
{
	if (log->is_dead)
		return ERR(IO);
	if (log->group.len == 0)
		return OK;
	struct err e = log->disk->append(log->disk->ctx, AUDIT_FILE, writer_span_done(&log->group));
	if (!failed(e))
		e = log->disk->sync(log->disk->ctx, AUDIT_FILE);
	log->is_dead = failed(e);
	if (failed(e))
		return ERR(IO);
	log->syncs++;
	group_begin(log);
	return OK;
}
