// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Taking the shard over: the epoch, what the owner before left (an import half moved is completed), all
 * subscribers into memory, and the first lease. */
#include "ledger_inner.h"
#include <stdlib.h>
#include <sys/mman.h>

struct taken_over {
	struct ledger *ledger;
	uint64_t ahead;
	bool is_right;
};

static void took_over(void *ctx, struct err err, const struct store_result *r)
{
	struct taken_over *t = ctx;
	struct ledger *l = t->ledger;

	if (failed(err) || store_result_rows(r, 0) != 1)
		return;
	const struct store_value *lease = store_result_row(r, 0, 0)->columns;
	sqn_lease_start(
		&l->lease, ledger_now(l), (uint64_t)lease[0].i64, (uint64_t)lease[1].i64, t->ahead);
	l->counts.epoch = l->lease.epoch;
	t->is_right = lease[1].i64 >= 0 && ledger_keys_read(l, r, 2);
	for (size_t i = 0; i < store_result_rows(r, 1) && t->is_right; i++) {
		const struct store_value *ind = store_result_row(r, 1, i)->columns;
		t->is_right = !failed(
			ind_restore(&l->inds, (uint8_t)ind[0].i64, (enum auth_domain)ind[1].i64,
				(const char *)ind[2].bytes.at, (uint64_t)ind[3].i64));
	}
}

/* The epoch first: from here on a former owner leases nothing more, and we know its last ceiling. */
static struct err take_over(struct ledger *l, uint64_t ahead)
{
	struct taken_over t = {.ledger = l, .ahead = ahead};
	const struct store_value shard = STORE_I64_VALUE(LEDGER_SHARD);
	struct store_batch *b = store_batch_open();

	store_batch_add(b, LEDGER_EPOCH_NEXT, &shard, 1);
	store_batch_add(b, LEDGER_INDS, &shard, 1);
	store_batch_add(b, LEDGER_KEYS, &shard, 1);
	const struct err e = store_run(l->store, b, took_over, &t);
	return failed(e) ? e : t.is_right ? OK : ERR(INPUT);
}

struct err ledger_row_keep(struct ledger *l, const struct store_row *row, bool *is_new)
{
	const struct store_value *v = row->columns;
	const char *imsi = (const char *)v[COLUMN_IMSI].bytes.at;
	struct subscriber *s;

	if (!imsi_is_valid(imsi) || v[COLUMN_GENERATION].i64 < 0 ||
		v[COLUMN_GENERATION].i64 > UINT32_MAX)
		return ERR(INPUT);
	struct err e = register_add(&l->subscribers, imsi, &s, is_new);
	if (!failed(e))
		e = ledger_seal(l, s, v[COLUMN_SEALED].bytes);
	if (failed(e))
		return e;
	s->dif = v[COLUMN_DIF].i64;
	s->generation = (uint32_t)v[COLUMN_GENERATION].i64;
	s->is_disabled = (v[COLUMN_FLAGS].i64 & LEDGER_DISABLED) != 0;
	s->resync = (unsigned)v[COLUMN_RESYNC].i64 & 7;
	s->resynced_s = (uint32_t)v[COLUMN_RESYNCED].i64;
	l->counts.subscribers = register_count(&l->subscribers);
	return OK;
}

/* ---- imports that were closed, and not all of whose rows have moved ---- */

enum { CLOSED_MAX = 16 }; /* there is one, or none; more where a closed one was empty */

struct closed {
	uint64_t imports[CLOSED_MAX];
	size_t count;
};

static void closed_read(void *ctx, struct err err, const struct store_result *r)
{
	struct closed *closed = ctx;
	const size_t rows = failed(err) ? 0 : store_result_rows(r, 1);

	for (; closed->count < rows && closed->count < CLOSED_MAX; closed->count++)
		closed->imports[closed->count] =
			(uint64_t)store_result_row(r, 1, closed->count)->columns[0].i64;
}

struct moved {
	char last[IMSI_TEXT];
	bool is_end;
};

static void on_moved(void *ctx, struct err err, const struct store_result *r)
{
	struct moved *moved = ctx;

	if (!failed(err))
		moved->is_end = !ledger_move_next(r, moved->last);
}

static struct err move_all(struct ledger *l, uint64_t import_id)
{
	struct moved moved = {0};
	struct err e = OK;

	while (!failed(e) && !moved.is_end)
		e = store_run(
			l->store, ledger_move_batch(l, import_id, moved.last), on_moved, &moved);
	return e;
}

/* What was not closed goes; what was closed has happened. */
static struct err imports_complete(struct ledger *l)
{
	const struct store_value params[] = {
		STORE_I64_VALUE(LEDGER_SHARD), STORE_I64_VALUE(l->lease.epoch)};
	struct store_batch *b = store_batch_open();
	struct closed closed = {0};

	store_batch_add(b, LEDGER_IMPORT_CLEAR, params, 2);
	store_batch_add(b, LEDGER_IMPORT_CLOSED, params, 1);
	struct err e = store_run(l->store, b, closed_read, &closed);
	for (size_t i = 0; i < closed.count && !failed(e); i++)
		e = move_all(l, closed.imports[i]);
	return e;
}

struct page {
	struct ledger *ledger;
	struct err err;
	size_t rows;
	char last[IMSI_TEXT];
};

static void keep_page(void *ctx, struct err err, const struct store_result *r)
{
	struct page *p = ctx;
	bool is_new;

	p->err = err;
	p->rows = store_result_rows(r, 0);
	for (size_t i = 0; i < p->rows && !failed(p->err); i++)
		p->err = ledger_row_keep(p->ledger, store_result_row(r, 0, i), &is_new);
	if (p->rows > 0 && !failed(p->err))
		memcpy(p->last, store_result_row(r, 0, p->rows - 1)->columns[0].bytes.at,
			store_result_row(r, 0, p->rows - 1)->columns[0].bytes.len + 1);
}

static struct err load_all(struct ledger *l)
{
	struct page p = {.ledger = l};

	do {
		const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
			STORE_TEXT_VALUE(p.last), STORE_I64_VALUE(l->page)};
		struct store_batch *b = store_batch_open();
		store_batch_add(b, LEDGER_SUBSCRIBERS, params, ARRAY_LEN(params));
		const struct err e = store_run(l->store, b, keep_page, &p);
		if (failed(e) || failed(p.err))
			return failed(e) ? e : p.err;
	} while (p.rows == l->page);
	return OK;
}

static void count_changes(void *ctx, struct err err, const struct store_result *r)
{
	*(int64_t *)ctx = failed(err) ? 0 : store_result_changes(r, 0);
}

static struct err lease_first(struct ledger *l)
{
	const uint64_t ceiling = sqn_ceiling_due(&l->lease, ledger_now(l));
	const struct store_value params[] = {STORE_I64_VALUE(LEDGER_SHARD),
		STORE_I64_VALUE(l->lease.epoch), STORE_I64_VALUE(ceiling)};
	struct store_batch *b = store_batch_open();
	int64_t changes = 0;

	store_batch_add(b, LEDGER_CEILING_SET, params, ARRAY_LEN(params));
	const struct err e = store_run(l->store, b, count_changes, &changes);
	if (failed(e))
		return e;
	if (changes != 1)
		return ERR(STATE);
	sqn_lease_granted(&l->lease, ceiling);
	l->counts.leases++;
	l->counts.ceiling = ceiling;
	return OK;
}

static struct limit limit_or(struct limit given, uint32_t burst, uint32_t per_hour)
{
	return given.burst > 0 ? given : (struct limit){.burst = burst, .per_hour = per_hour};
}

/* Of the operating system itself: what no subscriber has touched is not resident. */
static struct err memory_open(struct ledger *l, const struct ledger_settings *settings)
{
	l->vectors = limit_or(settings->vectors, LEDGER_VECTORS_BURST, LEDGER_VECTORS_PER_HOUR);
	l->resyncs = limit_or(settings->resyncs, LEDGER_RESYNCS_BURST, LEDGER_RESYNCS_PER_HOUR);
	l->inds.idle_uses = settings->ind_idle_uses;
	l->page = settings->page > 0 ? settings->page : LEDGER_PAGE;
	l->memory_octets = register_octets(settings->subscribers_max);
	void *memory = mmap(NULL, l->memory_octets, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED)
		return ERR(LIMIT);
	l->memory = memory;
	register_open(&l->subscribers, settings->subscribers_max, memory);
	return pool_open(&l->waiting, LEDGER_WAITING_MAX, sizeof(struct ledger_wait));
}

struct err ledger_open(struct ledger **out, struct store *store, struct clock_port clock,
	const struct ledger_settings *settings, struct complaint *c)
{
	struct ledger *l = calloc(1, sizeof *l);

	*out = NULL;
	if (l == NULL)
		return complain(c, ERR(LIMIT), "no memory for the subscribers");
	l->store = store;
	l->clock = clock;
	struct err e = memory_open(l, settings);
	if (failed(e)) {
		ledger_close(l);
		return complain(c, e, "no memory for %u subscribers", settings->subscribers_max);
	}
	e = take_over(l, settings->ahead);
	if (!failed(e))
		e = imports_complete(l);
	if (!failed(e))
		e = load_all(l);
	if (!failed(e))
		e = lease_first(l);
	if (failed(e)) {
		ledger_close(l);
		return complain(c, e, "cannot take over the subscribers: %s%s", err_word(e),
			e.kind == ERR_LIMIT ? " (are there more than subscribers_max?)" : "");
	}
	*out = l;
	return OK;
}

void ledger_close(struct ledger *l)
{
	pool_close(&l->waiting);
	if (l->memory != NULL)
		munmap(l->memory, l->memory_octets);
	free(l);
}
