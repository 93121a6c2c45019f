// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Import of subscribers: a short-lived process with one file, a vault of its own, and the store.
 *
 *   read     rows, a batch at a time; what is wrong is listed with its line and column
 *   seal     the vault seals the keys of a batch
 *   keep     the store keeps the sealed batch aside, durable
 *   commit   one last message makes all of them subscribers at once
 *
 * The file is read once, so it may be a pipe. From the first mistake on nothing is sealed any more,
 * the rest is only checked, and nothing is committed: what was kept aside until then never counts,
 * as it never does when one of the processes dies. Several batches are under way at a time
 * (BATCHES_MAX): while the vault seals one, the store keeps another and the next is read.
 *
 * Keys in clear are in this process and in its vault alone, in secrets, and in no message to the
 * store. The vault gets its key-encryption keys from the store, wrapped, through this process.
 */
#include "auc/sqn.h"
#include "auc/vector.h"
#include "base/secret.h"
#include "daemon/auc-import/mistakes.h"
#include "daemon/auc-import/seen.h"
#include "daemon/auc-import/source.h"
#include "host/process.h"
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BATCHES_MAX = 8, LINES_A_TURN = 4096, PROGRESS_ROWS = 100 * AUC_ROWS_MAX };
enum { AUC_ALGORITHMS = AUC_COMP128_V3 + 1 };
enum { ASK_MS_MAX = 30000, COMMIT_MS_MAX = 300000, NEIGHBOURS_MS_MAX = 15000 };

/* In a secret. */
struct clear {
	struct source_memory file;
	struct subscriber_row row;
	struct auc_clear_rows rows; /* the batch that is being read */
	uint8_t message[AUC_ROWS_OCTETS];
};

/* What is no secret of a batch, from reading to the store's answer. */
struct batch {
	bool is_used;
	uint32_t line_first, line_last;
	struct auc_import import;
};

struct import_settings {
	char argument[512];
	bool allow_xor;
	uint64_t profiles; /* bits, by number */
};

static struct import {
	struct process *process;
	struct import_settings settings;
	struct import_options options;
	struct channel *store, *vault;
	int file;
	uint64_t octets; /* of the file; 0: a pipe */
	bool is_polled;  /* a pipe */
	uv_poll_t poll;
	struct loop_timer patience, turn;
	struct secret secret; /* struct clear */
	struct source source;
	struct seen seen;
	struct mistakes mistakes;
	struct batch batches[BATCHES_MAX], *filling;
	size_t batches_used;
	uint64_t id, rows, kept, warnings, progress_at;
	bool is_warned[AUC_ALGORITHMS]; /* by enum auc_algorithm */
	uint64_t started_ms;
	bool is_started, has_keys, is_read, is_committing;
	bool is_over; /* told once how it ended; answers that come later concern nobody */
} the;

static struct clear *clear_of(void)
{
	return (struct clear *)(void *)the.secret.bytes;
}

/* ---- the end ---- */

static void finish(struct err err, struct span text)
{
	if (the.is_over)
		return;
	the.is_over = true;
	loop_timer_stop(&the.turn);
	loop_timer_stop(&the.patience);
	if (the.is_polled)
		uv_close((uv_handle_t *)&the.poll, NULL);
	secret_close(&the.secret);
	process_result(the.process, err, text);
}

static void give_up(struct err err, const char *what)
{
	char text[512];

	snprintf(text, sizeof text, "%s: %s: %s; nothing was stored", the.options.name, what,
		err_word(err));
	finish(err, span_str(text));
}

static void finish_well(uint64_t added, uint64_t replaced)
{
	char text[1024];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(text));
	const uint64_t ms = clock_now(&the.process->clock).mono_ms - the.started_ms;

	json_open(&j, NULL, '{');
	json_bool(&j, "dry_run", the.options.is_dry_run);
	json_u64(&j, "subscribers", the.rows);
	json_u64(&j, "added", added);
	json_u64(&j, "replaced", replaced);
	json_u64(&j, "warnings", the.warnings);
	json_open(&j, "warned_of", '[');
	for (size_t i = 0; i < AUC_ALGORITHMS; i++)
		if (the.is_warned[i])
			json_text(&j, NULL, auc_algorithm_warning((uint8_t)i));
	json_close(&j, ']');
	json_f64(&j, "seconds", (double)ms / 1000.0);
	json_u64(&j, "rows_per_second", the.rows * 1000 / (ms == 0 ? 1 : ms));
	json_close(&j, '}');
	finish(OK, json_done(&j));
}

/* ---- commit ---- */

static void on_committed(void *ctx, struct err err, struct span body)
{
	struct auc_import_result result = {0};
	struct wire_fault fault = {0};

	(void)ctx;
	if (the.is_over)
		return;
	if (!failed(err))
		err = auc_import_result_decode(body, &result, &fault);
	if (err.kind == ERR_IO || err.kind == ERR_TIMEOUT)
		finish(err, span_str("the store ended while it took the subscribers: whether they "
				     "are there, `merlon status` tells (process auc-store)"));
	else if (failed(err))
		give_up(err, "the store did not take the subscribers");
	else
		finish_well(result.added, result.replaced);
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

/* Everything is read, and nothing is under way. */
static void conclude(void)
{
	if (the.rows == 0 && the.mistakes.count == 0)
		mistakes_add(&the.mistakes, the.source.line + 1, 1, "at least one subscriber");
	if (the.mistakes.count > 0)
		finish(ERR(INPUT), mistakes_done(&the.mistakes));
	else if (the.options.is_dry_run)
		finish_well(0, 0);
	else
		commit();
}

/* ---- a batch: sealed, kept aside ---- */

static void pump(void);

static void batch_done(struct batch *b)
{
	b->is_used = false;
	the.batches_used--;
	pump();
}

static void show_progress(void)
{
	struct log_record r;

	if (the.kept < the.progress_at + PROGRESS_ROWS)
		return;
	the.progress_at = the.kept;
	log_begin(&r, &the.process->log, LOG_INFO, "auc", "import_progress");
	log_u64(&r, "rows", the.kept);
	log_end(&r);
}

static void on_kept(void *ctx, struct err err, struct span body)
{
	struct batch *b = ctx;

	(void)body;
	if (the.is_over)
		return;
	if (failed(err)) {
		give_up(err, err.kind == ERR_LIMIT ? "more subscribers than the site takes "
						     "(auc.subscribers_max)"
						   : "the store did not keep the rows");
		return;
	}
	the.kept += b->import.count;
	show_progress();
	batch_done(b);
}

static struct err keep(struct batch *b)
{
	static uint8_t buffer[AUC_ROWS_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span message;

	auc_import_encode(&w, &b->import);
	const struct err e = writer_result(&w, &message);
	return failed(e) ? e
			 : channel_ask(the.store, AUC_IMPORT_ROWS, message, ASK_MS_MAX, on_kept, b);
}

static void not_sealed(const struct batch *b, struct err err)
{
	char what[160];

	if (err.kind == ERR_ABSENT && the.options.transport[0] != '\0') {
		snprintf(what, sizeof what, "auc.transport_keys has no key %s",
			the.options.transport);
		give_up(err, what);
		return;
	}
	snprintf(what, sizeof what, "the vault did not seal lines %" PRIu32 " to %" PRIu32 "%s%s",
		b->line_first, b->line_last,
		the.options.transport[0] != '\0' ? " with transport key " : "",
		the.options.transport);
	give_up(err, what);
}

static void on_sealed(void *ctx, struct err err, struct span body)
{
	struct span sealed[AUC_ROWS_MAX];
	struct wire_fault fault = {0};
	struct batch *b = ctx;
	size_t count = 0;

	if (the.is_over)
		return;
	if (!failed(err))
		err = auc_sealed_decode(body, sealed, &count, &fault);
	if (!failed(err) && count != b->import.count)
		err = ERR(INPUT);
	if (failed(err)) {
		not_sealed(b, err);
		return;
	}
	if (the.options.is_dry_run || the.mistakes.count > 0) {
		batch_done(b);
		return;
	}
	for (size_t i = 0; i < count; i++)
		b->import.rows[i].sealed = sealed[i];
	err = keep(b);
	if (failed(err))
		give_up(err, "cannot ask the store");
}

static struct err seal(struct batch *b)
{
	struct clear *clear = clear_of();
	struct writer w = writer_of(SPAN_MUT_ARRAY(clear->message));
	struct span message;

	clear->rows.count = b->import.count;
	memcpy(clear->rows.transport, the.options.transport, sizeof clear->rows.transport);
	auc_clear_rows_encode(&w, &clear->rows);
	struct err e = writer_result(&w, &message);
	if (!failed(e))
		e = channel_ask(the.vault, AUC_SEAL, message, ASK_MS_MAX, on_sealed, b);
	secret_wipe(clear->message, w.len);
	return e;
}

/* ---- reading ---- */

static void complain_row(size_t column, const char *expected)
{
	mistakes_add(&the.mistakes, the.source.line, column, "%s", expected);
}

/* What this site computes with. Of its profiles of constants this process knows which there are. */
static void keys_judge(const struct subscriber_row *row)
{
	static const struct milenage_constants some;
	struct auc_algorithms here = {.is_xor_allowed = the.settings.allow_xor};
	const struct auc_keys *keys = &row->clear.keys;
	const size_t column =
		row->columns[keys->profile != 0 ? SUBSCRIBER_PROFILE : SUBSCRIBER_ALGORITHM];

	for (size_t i = 1; i < AUC_PROFILES_MAX; i++)
		here.profiles[i] = (the.settings.profiles >> i & 1) != 0 ? &some : NULL;
	const char *refusal = auc_keys_refusal(&here, keys);
	if (refusal != NULL)
		mistakes_add(&the.mistakes, the.source.line, column > 0 ? column : 1,
			"an algorithm that is computed here (%s)", refusal);
	if (auc_algorithm_warning(keys->algorithm) != NULL) {
		the.is_warned[keys->algorithm] = true;
		the.warnings++;
	}
}

static struct err row_judge(const struct subscriber_row *row)
{
	uint32_t first;

	keys_judge(row);
	/* The store starts above it, with a lease ahead of that. */
	if (row->has_sqn && sqn_seq(row->sqn) + 1 + SQN_AHEAD_MAX > SQN_SEQ_MAX)
		mistakes_add(&the.mistakes, the.source.line, row->columns[SUBSCRIBER_SQN],
			"an SQN of at most 0xfffffdffffdf, so that numbers are left,");
	const struct err e = seen_add(&the.seen, row->clear.imsi, the.source.line, &first);
	if (first != 0)
		mistakes_add(&the.mistakes, the.source.line, row->columns[SUBSCRIBER_IMSI],
			"an IMSI other than that of line %" PRIu32, first);
	return e;
}

static void row_add(struct batch *b, const struct subscriber_row *row)
{
	const size_t i = b->import.count++;
	struct auc_import_row *to = &b->import.rows[i];

	clear_of()->rows.rows[i] = row->clear;
	*to = (struct auc_import_row){
		.has_sqn = row->has_sqn, .sqn = row->sqn, .algorithm = row->clear.keys.algorithm};
	memcpy(to->imsi, row->clear.imsi, sizeof to->imsi);
	memcpy(to->msisdn, row->msisdn, sizeof to->msisdn);
	b->line_first = i == 0 ? the.source.line : b->line_first;
	b->line_last = the.source.line;
}

/* Into the batch until it is full. ERR_ABSENT: that was all; ERR_STATE: more will come. */
static struct err fill(struct batch *b, unsigned *lines)
{
	struct subscriber_row *row = &clear_of()->row;
	struct err e = OK;

	while (!failed(e) && b->import.count < AUC_ROWS_MAX && *lines > 0) {
		struct subscriber_fault fault = {0};
		--*lines;
		e = source_next(&the.source, row, &fault);
		if (e.kind == ERR_INPUT) {
			complain_row(fault.column, fault.expected);
			e = OK;
			continue;
		}
		if (!failed(e)) {
			the.rows++;
			row_add(b, row);
			e = row_judge(row);
		}
	}
	return e;
}

static struct batch *batch_open(void)
{
	for (size_t i = 0; the.filling == NULL && i < BATCHES_MAX; i++) {
		struct batch *b = &the.batches[i];
		if (b->is_used)
			continue;
		b->is_used = true;
		b->import.id = the.id;
		b->import.count = 0;
		the.batches_used++;
		the.filling = b;
	}
	return the.filling;
}

/* Full, or the last one: to the vault; or nowhere, once there is a mistake. */
static struct err batch_send(struct batch *b)
{
	the.filling = NULL;
	if (b->import.count > 0 && the.mistakes.count == 0)
		return seal(b);
	b->is_used = false;
	the.batches_used--;
	return OK;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	(void)status, (void)events; /* the next read tells */
	uv_poll_stop(poll);
	pump();
}

static struct err wait_for_more(void)
{
	return the.is_polled && uv_poll_start(&the.poll, UV_READABLE, on_readable) == 0 ? OK
											: ERR(IO);
}

/* As far as it goes now: the file, the batches, or one turn's share of lines. */
static void pump(void)
{
	unsigned lines = LINES_A_TURN;
	struct err e = OK;

	while (!the.is_read && !failed(e) && lines > 0) {
		struct batch *b = batch_open();
		if (b == NULL)
			return; /* an answer will pump again */
		e = fill(b, &lines);
		if (e.kind == ERR_STATE) {
			e = wait_for_more();
			if (!failed(e))
				return;
		}
		the.is_read = e.kind == ERR_ABSENT;
		if (the.is_read)
			e = OK;
		if (!failed(e) && (the.is_read || b->import.count == AUC_ROWS_MAX))
			e = batch_send(b);
	}
	if (failed(e))
		give_up(e, e.kind == ERR_LIMIT     ? "too many subscribers"
			   : e.kind == ERR_TIMEOUT ? "the command ended before it had told all"
						   : "cannot read the file");
	else if (!the.is_read)
		loop_timer_once(&the.turn, 0);
	else if (the.batches_used == 0)
		conclude();
}

static void on_turn(void *ctx)
{
	(void)ctx;
	pump();
}

/* ---- life ---- */

static void on_keys_loaded(void *ctx, struct err err, struct span body)
{
	(void)ctx, (void)body;
	if (the.is_over)
		return;
	if (failed(err)) {
		give_up(err,
			err.kind == ERR_CRYPTO
				? "the vault does not open the site's key-encryption keys"
				: "the import's vault does not answer; where it refused to start "
				  "(a transport key?), the site's log has the cause");
		return;
	}
	the.has_keys = true;
	pump();
}

/* As they came: who wraps them and who opens them is the vault's business. */
static void on_keys(void *ctx, struct err err, struct span body)
{
	(void)ctx;
	if (the.is_over)
		return;
	if (!failed(err))
		err = channel_ask(the.vault, AUC_KEYS_LOAD, body, ASK_MS_MAX, on_keys_loaded, NULL);
	if (failed(err))
		give_up(err, "the store did not tell the key-encryption keys");
}

/* A regular file is always readable, and no poll takes it; all else is waited for. */
static struct err file_open(void)
{
	struct stat about;

	if (fstat(the.file, &about) != 0)
		return ERR(IO);
	the.octets = S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
	if (!S_ISREG(about.st_mode)) {
		if (uv_poll_init(&the.process->loop.uv, &the.poll, the.file) != 0)
			return ERR(IO);
		the.is_polled = true;
	}
	source_open(&the.source, the.file, the.is_polled, the.options.format, &clear_of()->file);
	return OK;
}

static void begin_import(void)
{
	the.is_started = true;
	the.started_ms = clock_now(&the.process->clock).mono_ms;
	struct err e = secret_open(&the.secret, sizeof(struct clear));
	if (!failed(e))
		e = mistakes_open(&the.mistakes, the.options.name, the.options.errors);
	if (!failed(e))
		e = entropy_fill(&the.process->entropy, span_mut_of(&the.id, sizeof the.id));
	the.id = (the.id >> 2) + 1; /* positive in SQL, and not 0 */
	if (!failed(e))
		e = file_open();
	if (failed(e)) {
		give_up(e, "cannot read the file");
		return;
	}
	e = channel_ask(the.store, AUC_KEYS, span_of(NULL, 0), ASK_MS_MAX, on_keys, NULL);
	if (failed(e))
		give_up(e, "cannot ask the store");
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
	if (the.file >= 0 && the.store != NULL && the.vault != NULL && !the.is_started)
		begin_import();
}

static void on_patience_over(void *ctx)
{
	(void)ctx;
	if (!the.is_started)
		give_up(ERR(TIMEOUT), "the file, the store or the vault is missing");
}

/* How far it is, for the command that waits. */
static void on_query(
	struct process *p, const char *verb, const char *argument, struct process_query *q)
{
	char text[512];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(text));

	(void)p, (void)argument;
	if (strcmp(verb, "progress") != 0) {
		process_query_answer(q, ERR(ABSENT), span_str("no such question"));
		return;
	}
	json_open(&j, NULL, '{');
	json_text(&j, "phase", the.is_committing ? "commit" : the.has_keys ? "rows" : "start");
	json_u64(&j, "rows", the.rows);
	json_u64(&j, "kept", the.kept);
	json_u64(&j, "mistakes", the.mistakes.count);
	json_u64(&j, "octets", the.source.octets);
	json_u64(&j, "of", the.octets);
	json_close(&j, '}');
	process_query_answer(q, OK, json_done(&j));
}

static const struct setting_row setting_rows[] = {
	SETTING_ROW("argument", SETTING_TEXT, true, struct import_settings, argument),
	SETTING_ROW("allow_xor", SETTING_BOOL, true, struct import_settings, allow_xor),
	SETTING_ROW("profiles", SETTING_U64, true, struct import_settings, profiles),
};

static struct err start(struct process *p, struct complaint *c)
{
	const char *word;

	the.process = p;
	the.file = -1;
	loop_timer_open(&p->loop, &the.patience, on_patience_over, NULL);
	loop_timer_open(&p->loop, &the.turn, on_turn, NULL);
	loop_timer_once(&the.patience, NEIGHBOURS_MS_MAX);
	struct err e = settings_read(
		&p->settings, setting_rows, ARRAY_LEN(setting_rows), &the.settings, c);
	if (failed(e))
		return e;
	e = import_options_read(span_str(the.settings.argument), &the.options, &word);
	return failed(e) ? complain(c, e, "argument: %s is wrong", word) : OK;
}

int main(int argc, char **argv)
{
	static const struct process_kind kind = {.name = "auc-import",
		.sandbox = SANDBOX_IMPORT,
		.start = start,
		.channel = on_channel,
		.query = on_query};

	return process_main(argc, argv, &kind);
}
