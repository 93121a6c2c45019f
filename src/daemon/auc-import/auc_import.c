// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Import of subscribers: a short-lived process with one file, a vault of its own, and the store.
 *
 * It reads the file twice. First every line is checked, and what is wrong is told with its line and
 * column: if anything is, nothing happens. Then rows go, a batch after the other, to the vault,
 * which seals their keys, and sealed to the store, which keeps them aside; one last message makes
 * all of them subscribers at once. Keys in clear are in this process and in its vault alone, in
 * secrets, and in no message to the store.
 */
#include "base/secret.h"
#include "codec/subscriber_csv.h"
#include "host/process.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { TEXT_MAX = 64 << 10, COMPLAINTS_MAX = 10, ASK_MS_MAX = 30000, COMMIT_MS_MAX = 300000 };
enum { PROGRESS_ROWS = 10240, NEIGHBOURS_MS_MAX = 15000 };

struct clear {
	uint8_t text[TEXT_MAX]; /* of the file, a part at a time */
	struct csv_row rows[AUC_ROWS_MAX];
	struct auc_clear_rows clear_rows;
	uint8_t message[AUC_ROWS_OCTETS];
};

/* A walk over the lines of the file. */
struct walk {
	size_t len, at; /* of what is in `text`: all, and read already */
	size_t line;    /* number of the last line that was given */
	bool is_end, has_shape;
	struct csv_shape shape;
};

struct import {
	struct process *process;
	struct channel *store, *vault;
	int file;
	char name[256];
	struct secret secret; /* struct clear */
	struct loop_timer patience;
	struct walk walk;
	uint64_t *seen; /* IMSIs, as a set: open addressing */
	size_t seen_count, seen_limit;
	char complaints[2048];
	size_t complaint_count, complaint_len;
	uint64_t id, rows, sent;
	uint64_t started_ms;
	size_t batch;
	bool is_committing;
	bool is_over; /* told once how it ended; answers that come later concern nobody */
	struct auc_import message;
};

static struct import the;

static struct clear *clear_of(void)
{
	return (struct clear *)(void *)the.secret.bytes;
}

static void finish(struct err err, struct span text)
{
	if (the.is_over)
		return;
	the.is_over = true;
	secret_close(&the.secret);
	process_result(the.process, err, text);
}

static void give_up(struct err err, const char *what)
{
	char text[512];

	snprintf(
		text, sizeof text, "%s: %s: %s; nothing was stored", the.name, what, err_word(err));
	finish(err, span_str(text));
}

/* ---- the file, line by line ---- */

/* More text behind what is left of the last piece. */
static struct err refill(void)
{
	struct clear *clear = clear_of();
	struct walk *w = &the.walk;

	memmove(clear->text, clear->text + w->at, w->len - w->at);
	w->len -= w->at;
	w->at = 0;
	if (w->len == sizeof clear->text)
		return ERR(LIMIT); /* a line longer than all of it */
	const ssize_t got = read(the.file, clear->text + w->len, sizeof clear->text - w->len);
	if (got < 0)
		return ERR(IO);
	w->is_end = got == 0;
	w->len += (size_t)got;
	return OK;
}

/* The next line that says something; ERR_ABSENT at the end of the file. */
static struct err next_line(struct span *line)
{
	struct walk *w = &the.walk;
	size_t len;

	for (;;) {
		while (!csv_line(
			span_of(clear_of()->text + w->at, w->len - w->at), w->is_end, line, &len)) {
			if (w->is_end)
				return ERR(ABSENT);
			const struct err e = refill();
			if (failed(e))
				return e;
		}
		w->at += len;
		w->line++;
		if (!csv_is_blank(*line))
			return OK;
	}
}

static void complain_line(size_t column, const char *expected)
{
	if (the.complaint_count++ >= COMPLAINTS_MAX)
		return;
	const int len = snprintf(the.complaints + the.complaint_len,
		sizeof the.complaints - the.complaint_len, "%s%s:%zu:%zu: %s is expected",
		the.complaint_len == 0 ? "" : "\n", the.name, the.walk.line, column, expected);
	if (len > 0 && (size_t)len < sizeof the.complaints - the.complaint_len)
		the.complaint_len += (size_t)len;
}

/* The next row; the header is read on the way. ERR_INPUT: the line is wrong, and was complained
 * about. */
static struct err next_row(struct csv_row *row)
{
	struct csv_fault fault = {0};
	struct span line;

	struct err e = next_line(&line);
	if (!failed(e) && !the.walk.has_shape) {
		e = csv_header_decode(line, &the.walk.shape, &fault);
		the.walk.has_shape = true;
		if (!failed(e))
			e = next_line(&line);
	}
	if (!failed(e))
		e = csv_row_decode(line, &the.walk.shape, row, &fault);
	if (fault.expected != NULL)
		complain_line(fault.column, fault.expected);
	return e;
}

static struct err rewind_file(void)
{
	the.walk = (struct walk){0};
	return lseek(the.file, 0, SEEK_SET) == 0 ? OK : ERR(IO);
}

/* ---- first pass: is every row right, and none twice? ---- */

static uint64_t key_of(const char *imsi)
{
	uint64_t key = strlen(imsi);

	for (; *imsi != '\0'; imsi++)
		key = key * 10 + (uint64_t)(*imsi - '0');
	return key + (key == 0); /* 0 means a free place */
}

/* False where it is there already. */
static bool set_add(uint64_t *set, size_t limit, uint64_t key)
{
	size_t at = (size_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 20) & (limit - 1);

	for (; set[at] != 0; at = (at + 1) & (limit - 1))
		if (set[at] == key)
			return false;
	set[at] = key;
	return true;
}

static struct err set_grow(void)
{
	const size_t limit = the.seen_limit == 0 ? 1 << 14 : 2 * the.seen_limit;
	uint64_t *set = calloc(limit, sizeof *set);

	if (set == NULL)
		return ERR(LIMIT);
	for (size_t i = 0; i < the.seen_limit; i++)
		if (the.seen[i] != 0)
			set_add(set, limit, the.seen[i]);
	free(the.seen);
	the.seen = set;
	the.seen_limit = limit;
	return OK;
}

static struct err check_row(const struct csv_row *row)
{
	struct err e = OK;

	if (2 * the.seen_count >= the.seen_limit)
		e = set_grow();
	if (failed(e))
		return e;
	if (set_add(the.seen, the.seen_limit, key_of(row->clear.imsi)))
		the.seen_count++;
	else
		complain_line(1, "an IMSI that did not stand above");
	return OK;
}

static struct err check_file(void)
{
	struct csv_row *row = &clear_of()->rows[0];
	struct err e = rewind_file();

	while (!failed(e)) {
		e = next_row(row);
		if (!failed(e)) {
			the.rows++;
			e = check_row(row);
		} else if (e.kind == ERR_INPUT && the.walk.shape.count > 0) {
			e = OK; /* complained about; there may be more */
		}
	}
	free(the.seen);
	the.seen = NULL;
	return e.kind == ERR_ABSENT || e.kind == ERR_INPUT ? OK : e;
}

/* ---- second pass: seal, keep aside, and so on to the end ---- */

static void next_batch(void);

static void on_committed(void *ctx, struct err err, struct span body)
{
	char text[256];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(text));

	(void)ctx, (void)body;
	if (the.is_over)
		return;
	if (err.kind == ERR_IO || err.kind == ERR_TIMEOUT) {
		finish(err, span_str("the store ended while it took the subscribers: whether they "
				     "are there, "
				     "`merlon status` tells (process auc-store)"));
		return;
	}
	if (failed(err)) {
		give_up(err, "the store did not take the subscribers");
		return;
	}
	json_open(&j, NULL, '{');
	json_u64(&j, "subscribers", the.sent);
	json_f64(&j, "seconds",
		(double)(clock_now(&the.process->clock).mono_ms - the.started_ms) / 1000.0);
	json_close(&j, '}');
	finish(OK, json_done(&j));
}

static void commit(void)
{
	uint8_t buffer[8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	auc_u64_encode(&w, the.id);
	the.is_committing = true;
	const struct err e = channel_ask(the.store, AUC_IMPORT_COMMIT, writer_span_done(&w),
		COMMIT_MS_MAX, on_committed, NULL);
	if (failed(e))
		give_up(e, "cannot ask the store");
}

static void show_progress(void)
{
	struct log_record r;

	if (the.sent % PROGRESS_ROWS != 0)
		return;
	log_begin(&r, &the.process->log, LOG_INFO, "auc", "import_progress");
	log_u64(&r, "rows", the.sent);
	log_u64(&r, "of", the.rows);
	log_end(&r);
}

static void on_kept(void *ctx, struct err err, struct span body)
{
	(void)ctx, (void)body;
	if (the.is_over)
		return;
	if (failed(err)) {
		give_up(err, "the store did not keep the rows");
		return;
	}
	the.sent += the.batch;
	show_progress();
	next_batch();
}

static void on_sealed(void *ctx, struct err err, struct span body)
{
	static uint8_t buffer[AUC_ROWS_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span sealed[AUC_ROWS_MAX], message;
	struct wire_fault fault = {0};
	size_t count = 0;

	(void)ctx;
	if (the.is_over)
		return;
	if (!failed(err))
		err = auc_sealed_decode(body, sealed, &count, &fault);
	if (!failed(err) && count != the.batch)
		err = ERR(INPUT);
	the.message.id = the.id;
	the.message.count = failed(err) ? 0 : count;
	for (size_t i = 0; i < the.message.count; i++) {
		const struct csv_row *row = &clear_of()->rows[i];
		struct auc_import_row *to = &the.message.rows[i];
		*to = (struct auc_import_row){
			.has_sqn = row->has_sqn, .sqn = row->sqn, .sealed = sealed[i]};
		memcpy(to->imsi, row->clear.imsi, sizeof to->imsi);
		memcpy(to->msisdn, row->msisdn, sizeof to->msisdn);
	}
	auc_import_encode(&w, &the.message);
	if (!failed(err))
		err = writer_result(&w, &message);
	if (!failed(err))
		err = channel_ask(the.store, AUC_IMPORT_ROWS, message, ASK_MS_MAX, on_kept, NULL);
	if (failed(err))
		give_up(err, "cannot seal the rows");
}

static struct err read_batch(void)
{
	struct clear *clear = clear_of();
	struct err e = OK;

	for (the.batch = 0; the.batch < AUC_ROWS_MAX && !failed(e);) {
		e = next_row(&clear->rows[the.batch]);
		if (!failed(e)) {
			clear->clear_rows.rows[the.batch] = clear->rows[the.batch].clear;
			the.batch++;
		}
	}
	return e.kind == ERR_ABSENT ? OK : e;
}

static void next_batch(void)
{
	struct clear *clear = clear_of();
	struct writer w = writer_of(SPAN_MUT_ARRAY(clear->message));
	struct span message;

	struct err e = read_batch();
	if (!failed(e) && the.batch == 0) {
		if (the.sent == the.rows)
			commit();
		else
			give_up(ERR(STATE), "the file changed while it was read");
		return;
	}
	clear->clear_rows.count = the.batch;
	auc_clear_rows_encode(&w, &clear->clear_rows);
	if (!failed(e))
		e = writer_result(&w, &message);
	if (!failed(e))
		e = channel_ask(the.vault, AUC_SEAL, message, ASK_MS_MAX, on_sealed, NULL);
	secret_wipe(clear->message, w.len);
	if (failed(e))
		give_up(e, "cannot seal the rows");
}

/* ---- life ---- */

static void begin_import(void)
{
	char text[sizeof the.complaints + 128];
	struct err e = secret_open(&the.secret, sizeof(struct clear));

	the.started_ms = clock_now(&the.process->clock).mono_ms;
	if (!failed(e))
		e = entropy_fill(&the.process->entropy, span_mut_of(&the.id, sizeof the.id));
	the.id = (the.id >> 2) + 1; /* positive in SQL, and not 0 */
	if (!failed(e))
		e = check_file();
	if (!failed(e) && the.complaint_count == 0 && the.rows == 0)
		complain_line(1, "at least one subscriber");
	if (!failed(e) && the.complaint_count > 0) {
		snprintf(text, sizeof text, "%s\n%zu mistake%s; nothing was stored", the.complaints,
			the.complaint_count, the.complaint_count == 1 ? "" : "s");
		finish(ERR(INPUT), span_str(text));
		return;
	}
	if (!failed(e))
		e = rewind_file();
	if (failed(e))
		give_up(e, "cannot read the file");
	else
		next_batch();
}

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx;
	if (frame->kind == IPC_REQUEST) /* nobody asks an import anything */
		channel_answer(c, frame->request_id, frame->type, ERR(INPUT), span_of(NULL, 0));
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	(void)ctx, (void)why;
	if (c == the.store)
		the.store = NULL;
	if (c == the.vault)
		the.vault = NULL;
	if (!the.is_committing)
		give_up(ERR(IO), "the store or the vault ended");
}

static void on_channel(struct process *p, const char *peer, int fd)
{
	static const struct channel_events events = {on_frame, on_closed};
	struct channel **place = strcmp(peer, "auc-store") == 0 ? &the.store : &the.vault;

	if (strcmp(peer, "file") == 0) {
		the.file = fd;
	} else if (*place != NULL || failed(channel_open_fd(place, &p->loop, fd, &events, NULL))) {
		/* Whoever comes again had died: what it kept is gone, and so is this import. */
		give_up(ERR(IO), "a neighbour was restarted");
		return;
	}
	if (the.file >= 0 && the.store != NULL && the.vault != NULL && the.started_ms == 0)
		begin_import();
}

static void on_patience_over(void *ctx)
{
	(void)ctx;
	if (the.started_ms == 0)
		give_up(ERR(TIMEOUT), "the file, the store or the vault is missing");
}

static const struct setting_row rows[] = {
	{.name = "argument", .type = SETTING_TEXT, .is_optional = true, .size = sizeof the.name},
};

static struct err start(struct process *p, struct complaint *c)
{
	the.process = p;
	the.file = -1;
	snprintf(the.name, sizeof the.name, "file");
	loop_timer_open(&p->loop, &the.patience, on_patience_over, NULL);
	loop_timer_once(&the.patience, NEIGHBOURS_MS_MAX);
	return settings_read(&p->settings, rows, ARRAY_LEN(rows), the.name, c);
}

int main(int argc, char **argv)
{
	static const struct process_kind kind = {.name = "auc-import",
		.sandbox = SANDBOX_IMPORT,
		.start = start,
		.channel = on_channel};

	return process_main(argc, argv, &kind);
}
