// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The operator's questions and orders, and their answers in JSON: doc/auc.md has both. What a row of
 * the database does not know (the number that comes next, the last resynchronisation) is added from
 * memory. No answer carries a key: sealed keys do not even come here.
 */
#include "auc_store.h"
#include "daemon/auc-store/ledger_schema.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LIST_MAX = 1000, ROW_JSON_MAX = 448, ANSWER_MAX = LIST_MAX * ROW_JSON_MAX + 256 };

struct question {
	struct auc_store *s;
	struct pool_handle handle;
	struct process_query *query;
	char imsi[IMSI_TEXT];
	size_t limit;
	uint64_t sqn;
	bool has_sqn, is_disabled;
	int64_t dif_before;
};

static char buffer[ANSWER_MAX];

struct err query_open(struct auc_store *s)
{
	return pool_open(&s->questions, PROCESS_QUERIES_MAX, sizeof(struct question));
}

/* ---- answers ---- */

static void answer(struct question *q, struct err err, struct span json)
{
	struct auc_store *s = q->s;

	process_query_answer(q->query, err, json);
	pool_give(&s->questions, q->handle);
}

static void refuse(struct question *q, struct err err)
{
	const char *why = err.kind == ERR_ABSENT ? "there is no such subscriber"
			  : err.kind == ERR_INPUT
				  ? "an SQN that leaves numbers above it is expected"
			  : err.kind == ERR_LIMIT ? "too much waits, or a limit is reached"
						  : err_word(err);

	answer(q, err, span_str(why));
}

static void answer_json(struct question *q, const struct json_writer *j)
{
	answer(q, j->is_full ? ERR(LIMIT) : OK, json_done(j));
}

static struct json_writer json_begin(void)
{
	return json_writer_of(span_mut_of(buffer, sizeof buffer));
}

static const char *resync_word(enum resync_outcome outcome)
{
	static const char *const words[] = {[RESYNC_NEVER] = "never",
		[RESYNC_KEPT] = "kept",
		[RESYNC_RAISED] = "raised",
		[RESYNC_LOWERED] = "lowered",
		[RESYNC_RESET] = "reset"};

	return outcome <= RESYNC_RESET ? words[outcome] : "?";
}

/* `sqn`: what an import elsewhere is given so that it goes on with seq_next. */
static void numbers_write(struct json_writer *j, int64_t seq_next)
{
	json_i64(j, "seq_next", seq_next);
	json_u64(j, "sqn", seq_next > 0 ? sqn_of((uint64_t)seq_next - 1, SQN_INDS - 1) : 0);
}

static void row_write(struct json_writer *j, const struct ledger *l, const struct store_row *row)
{
	const struct store_value *v = row->columns;
	const char *imsi = (const char *)v[LIST_IMSI].bytes.at;
	const struct subscriber *s = ledger_find(l, imsi);
	struct sqn_state state = {
		.dif = v[LIST_DIF].i64, .generation = (uint32_t)v[LIST_GENERATION].i64};

	if (s != NULL)
		state = subscriber_sqn(s);
	json_text(j, "imsi", imsi);
	json_text(j, "msisdn", (const char *)v[LIST_MSISDN].bytes.at);
	json_text(j, "algorithm", auc_algorithm_word((uint8_t)v[LIST_ALGORITHM].i64));
	json_bool(j, "disabled", (v[LIST_FLAGS].i64 & LEDGER_DISABLED) != 0);
	numbers_write(j, ledger_seq_next(l, &state));
	json_i64(j, "dif", state.dif);
	json_u64(j, "generation", state.generation);
	json_text(j, "resync", resync_word(s == NULL ? RESYNC_NEVER : s->resync));
	json_u64(j, "resynced_unix", s == NULL ? 0 : s->resynced_s);
	json_i64(j, "kek", v[LIST_KEK].i64);
	json_i64(j, "created_unix", v[LIST_CREATED].i64);
	json_i64(j, "changed_unix", v[LIST_CHANGED].i64);
}

/* ---- show, list, count ---- */

static void on_shown(void *ctx, struct err err, const struct store_result *r)
{
	struct question *q = ctx;
	struct json_writer j = json_begin();

	if (!failed(err) && store_result_rows(r, 0) == 0)
		err = ERR(ABSENT);
	if (failed(err)) {
		refuse(q, err);
		return;
	}
	json_open(&j, NULL, '{');
	row_write(&j, q->s->ledger, store_result_row(r, 0, 0));
	json_close(&j, '}');
	answer_json(q, &j);
}

static void show(struct question *q)
{
	ledger_show(q->s->ledger, q->imsi, on_shown, q);
}

static void on_listed(void *ctx, struct err err, const struct store_result *r)
{
	struct question *q = ctx;
	struct json_writer j = json_begin();
	const size_t rows = failed(err) ? 0 : store_result_rows(r, 0);

	if (failed(err)) {
		refuse(q, err);
		return;
	}
	json_open(&j, NULL, '{');
	json_open(&j, "subscribers", '[');
	for (size_t i = 0; i < rows; i++) {
		json_open(&j, NULL, '{');
		row_write(&j, q->s->ledger, store_result_row(r, 0, i));
		json_close(&j, '}');
	}
	json_close(&j, ']');
	json_text(&j, "next",
		rows < q->limit ? NULL
				: (const char *)store_result_row(r, 0, rows - 1)
					  ->columns[LIST_IMSI]
					  .bytes.at);
	json_close(&j, '}');
	answer_json(q, &j);
}

static void list(struct question *q)
{
	ledger_list(q->s->ledger, q->imsi, q->limit, on_listed, q);
}

static void count(struct question *q)
{
	struct json_writer j = json_begin();

	json_open(&j, NULL, '{');
	json_u64(&j, "subscribers", ledger_counts(q->s->ledger).subscribers);
	json_u64(&j, "subscribers_max", q->s->settings.subscribers_max);
	json_close(&j, '}');
	answer_json(q, &j);
}

/* ---- orders ---- */

static void log_order(const struct question *q, const char *event)
{
	struct log_record r;

	log_begin(&r, &q->s->process->log, LOG_NOTICE, "auc", event);
	log_imsi(&r, "imsi", q->imsi);
	log_end(&r);
}

static void on_disabled(void *ctx, struct err err)
{
	struct question *q = ctx;
	struct json_writer j = json_begin();

	if (failed(err)) {
		refuse(q, err);
		return;
	}
	log_order(q, q->is_disabled ? "subscriber_disabled" : "subscriber_enabled");
	json_open(&j, NULL, '{');
	json_text(&j, "imsi", q->imsi);
	json_bool(&j, "disabled", q->is_disabled);
	json_close(&j, '}');
	answer_json(q, &j);
}

static void disable(struct question *q)
{
	q->is_disabled = true;
	ledger_disable(q->s->ledger, q->imsi, true, on_disabled, q);
}

static void enable(struct question *q)
{
	ledger_disable(q->s->ledger, q->imsi, false, on_disabled, q);
}

static void on_removed(void *ctx, struct err err)
{
	struct question *q = ctx;
	struct json_writer j = json_begin();

	if (failed(err)) {
		refuse(q, err);
		return;
	}
	log_order(q, "subscriber_removed");
	json_open(&j, NULL, '{');
	json_text(&j, "imsi", q->imsi);
	json_bool(&j, "removed", true);
	json_close(&j, '}');
	answer_json(q, &j);
}

static void drop(struct question *q)
{
	ledger_remove(q->s->ledger, q->imsi, on_removed, q);
}

static void on_reset(void *ctx, struct err err)
{
	struct question *q = ctx;
	struct json_writer j = json_begin();
	const struct subscriber *s = ledger_find(q->s->ledger, q->imsi);

	if (!failed(err) && s == NULL)
		err = ERR(ABSENT);
	if (failed(err)) {
		refuse(q, err);
		return;
	}
	const struct sqn_state state = subscriber_sqn(s);
	log_order(q, "sqn_reset");
	json_open(&j, NULL, '{');
	json_text(&j, "imsi", q->imsi);
	json_text(&j, "moved",
		state.dif < q->dif_before   ? "lowered"
		: state.dif > q->dif_before ? "raised"
					    : "kept");
	numbers_write(&j, ledger_seq_next(q->s->ledger, &state));
	json_u64(&j, "generation", state.generation);
	json_close(&j, '}');
	answer_json(q, &j);
}

static void reset_sqn(struct question *q)
{
	const struct subscriber *s = ledger_find(q->s->ledger, q->imsi);

	q->dif_before = s == NULL ? 0 : s->dif;
	ledger_reset(q->s->ledger, q->imsi, q->has_sqn ? sqn_seq(q->sqn) + 1 : 1, on_reset, q);
}

/* ---- key-encryption keys ---- */

void query_keys_status(const struct auc_store *s, struct json_writer *json)
{
	json_u64(json, "kek", keyring_newest(&s->keyring));
	json_bool(json, "kek_ready", s->keyring.is_ready);
	json_u64(json, "kek_rows_left", keyring_rows_left(&s->keyring));
	json_u64(json, "kek_resealed", s->keyring.resealed);
	json_u64(json, "kek_reseal_failed", s->keyring.reseal_failed);
}

static void keys_write(const struct auc_store *s, struct json_writer *j)
{
	const struct ledger_keys *keys = ledger_keys(s->ledger);
	uint32_t known = 0;

	json_open(j, "keys", '[');
	for (size_t i = 0; i < keys->count; i++) {
		const uint32_t rows = ledger_rows_under(s->ledger, keys->keys[i].id);
		json_open(j, NULL, '{');
		json_u64(j, "id", keys->keys[i].id);
		json_i64(j, "made_unix", keys->keys[i].made_s);
		json_u64(j, "rows", rows);
		json_bool(j, "seals", i + 1 == keys->count);
		json_close(j, '}');
		known += rows;
	}
	json_close(j, ']');
	json_u64(j, "rows_of_unknown_keys", ledger_counts(s->ledger).subscribers - known);
	json_u64(j, "rows_left", keyring_rows_left(&s->keyring));
	json_u64(j, "rows_failed", s->keyring.reseal_failed);
	json_bool(j, "ready", s->keyring.is_ready);
}

static void keys(struct question *q)
{
	struct json_writer j = json_begin();

	json_open(&j, NULL, '{');
	keys_write(q->s, &j);
	json_close(&j, '}');
	answer_json(q, &j);
}

static void on_rotated(void *ctx, struct err err)
{
	struct question *q = ctx;
	struct log_record r;

	if (failed(err)) {
		answer(q, err,
			span_str(err.kind == ERR_LIMIT
					 ? "too many keys still seal rows: wait until an earlier "
					   "rotation is done"
				 : err.kind == ERR_STATE
					 ? "the vault is not ready, or a rotation has just begun"
					 : "the vault made no new key; see the alarms"));
		return;
	}
	log_begin(&r, &q->s->process->log, LOG_NOTICE, "auc", "kek_rotated");
	log_u64(&r, "kek", keyring_newest(&q->s->keyring));
	log_end(&r);
	keys(q);
}

static void rotate(struct question *q)
{
	keyring_rotate(&q->s->keyring, on_rotated, q);
}

/* ---- what is asked ---- */

static bool take_imsi(struct question *q, const char *argument)
{
	if (!imsi_is_valid(argument))
		return false;
	snprintf(q->imsi, sizeof q->imsi, "%s", argument);
	return true;
}

/* IMSI, or IMSI SQN. */
static bool take_imsi_sqn(struct question *q, const char *argument)
{
	char imsi[IMSI_TEXT + 1] = {0};
	const size_t len = strcspn(argument, " ");
	char *end;

	if (len >= IMSI_TEXT)
		return false;
	memcpy(imsi, argument, len);
	if (argument[len] == ' ') {
		q->has_sqn = true;
		q->sqn = strtoull(argument + len + 1, &end, 0);
		if (argument[len + 1] < '0' || argument[len + 1] > '9' || *end != '\0' ||
			q->sqn >> 48 != 0)
			return false;
	}
	return take_imsi(q, imsi);
}

/* AFTER LIMIT; "-" is before all. */
static bool take_page(struct question *q, const char *argument)
{
	char after[IMSI_TEXT + 1] = {0};
	unsigned long limit = 0;
	char end;

	if (sscanf(argument, "%16s %lu%c", after, &limit, &end) != 2 || limit == 0 ||
		limit > LIST_MAX)
		return false;
	q->limit = limit;
	return strcmp(after, "-") == 0 || take_imsi(q, after);
}

static bool take_nothing(struct question *q, const char *argument)
{
	(void)q;
	return argument[0] == '\0';
}

static const struct {
	const char *verb;
	bool (*take)(struct question *q, const char *argument);
	void (*run)(struct question *q);
	const char *usage;
} verbs[] = {
	{"show", take_imsi, show, "show IMSI"},
	{"list", take_page, list, "list AFTER LIMIT: an IMSI or -, and 1 to 1000"},
	{"count", take_nothing, count, "count"},
	{"disable", take_imsi, disable, "disable IMSI"},
	{"enable", take_imsi, enable, "enable IMSI"},
	{"remove", take_imsi, drop, "remove IMSI"},
	{"reset-sqn", take_imsi_sqn, reset_sqn, "reset-sqn IMSI [SQN]: SQN of 48 bits"},
	{"rotate-kek", take_nothing, rotate, "rotate-kek"},
	{"keys", take_nothing, keys, "keys"},
};

void query_take(
	struct process *p, const char *verb, const char *argument, struct process_query *query)
{
	struct auc_store *s = p->state;
	struct pool_handle handle;
	void *item;

	if (failed(pool_take(&s->questions, &handle, &item))) {
		process_query_answer(query, ERR(LIMIT), span_str("too many questions"));
		return;
	}
	struct question *q = item;
	*q = (struct question){.s = s, .handle = handle, .query = query};
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		if (strcmp(verbs[i].verb, verb) != 0)
			continue;
		if (verbs[i].take(q, argument))
			verbs[i].run(q);
		else
			answer(q, ERR(INPUT), span_str(verbs[i].usage));
		return;
	}
	answer(q, ERR(INPUT), span_str("there is no such question"));
}
