// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The lives of a ledger in tests: one after the other over a disk that loses power, with a clock that
 * the test sets. The world outlives them: what was issued, what the cards took, what was promised.
 */
#include "daemon/auc-store/ledger.h"
#include "daemon/auc-store/ledger_schema.h"
#include "support/numbers.h"
#include "support/powerloss.h"
#include "support/prop.h"
#include "support/usim.h"
#include <stdio.h>

enum { LIFE_SUBSCRIBERS = 32, LIFE_PAGE = 3, LIFE_AHEAD = 64, LIFE_BASE_S = 1800000000 };

struct life_card {
	struct usim usim;
	bool may_refuse; /* another card was put in its place: one AUTS is its right */
	uint64_t
		promised; /* import whose keys are durable for sure; 0: none, or he may be removed */
	bool has_history; /* was a subscriber before: his numbers go on whatever an import says */
};

/* A key-encryption key. Of two that were made under one id, the serial tells which. */
struct life_kek {
	uint32_t id, serial;
};

/* What stands for sealed keys: an envelope's head (crypt/envelope.h), and by which import they came. */
struct life_sealed {
	uint8_t version, algorithm, kek_id[4];
	uint8_t kek_serial[4], nonce[8];
	uint8_t import[8], tag[16];
};

struct life {
	uint32_t subscribers_more; /* than twice LIFE_SUBSCRIBERS */
	struct powerloss *disk;
	struct store *store;
	struct ledger *ledger;
	struct moment now;
	bool is_lost;
	bool is_unsafe; /* nothing is synced */
	const char *vfs;
	uint64_t ind_idle_uses; /* ledger.h */
	struct life_kek kek;    /* under which importers seal; id 0: none */
	/* The world. */
	struct numbers numbers;
	struct life_card cards[LIFE_SUBSCRIBERS];
	uint64_t refused; /* vectors that a card refused which had no reason to */
	uint64_t absent;  /* subscribers who were promised and were not known */
};

static inline struct moment life_clock(void *ctx)
{
	return ((struct life *)ctx)->now;
}

static inline void life_lost(void *ctx, const char *why)
{
	(void)why;
	((struct life *)ctx)->is_lost = true;
}

static inline void life_imsi(uint32_t card, char imsi[static IMSI_TEXT])
{
	snprintf(imsi, IMSI_TEXT, "00101%010u", card);
}

/* False: it does not open. */
static inline bool life_open(struct life *life, struct complaint *c)
{
	const struct ledger_settings settings = {.ahead = LIFE_AHEAD,
		.subscribers_max = 2 * LIFE_SUBSCRIBERS + life->subscribers_more,
		.ind_idle_uses = life->ind_idle_uses,
		.page = LIFE_PAGE};
	const struct store_settings on_disk = {.path = "auc.db",
		.schema = &ledger_schema,
		.vfs = life->vfs,
		.checkpoint_pages = 40,
		.unsafe_no_sync = life->is_unsafe};
	const struct clock_port clock = {.ctx = life, .now = life_clock};

	life->is_lost = false;
	if (failed(store_open(&life->store, NULL, &on_disk, c)))
		return false;
	if (failed(ledger_open(&life->ledger, life->store, clock, &settings, c))) {
		store_close(life->store);
		return false;
	}
	ledger_on_lost(life->ledger, life_lost, life);
	return true;
}

static inline void life_close(struct life *life)
{
	store_close(life->store);
	ledger_close(life->ledger);
}

static inline void life_settle(struct life *life)
{
	while (store_step(life->store))
		;
}

static inline void life_pass_ms(struct life *life, uint64_t ms)
{
	life->now.mono_ms += ms;
	life->now.unix_ms += (int64_t)ms;
}

/* Numbers for one card, as the front would get them. */
struct life_ask {
	struct life *life;
	uint32_t card;
	struct auth_request request;
	bool has_resync, is_refused;
	struct err err;
};

static inline void life_took(void *ctx, struct err err, const struct ledger_ticket *ticket)
{
	struct life_ask *a = ctx;
	struct life_card *card = &a->life->cards[a->card];

	a->err = err;
	a->life->absent += err.kind == ERR_ABSENT && card->promised != 0;
	for (uint8_t i = 0; !failed(err) && i < ticket->count; i++) {
		const uint64_t sqn = ticket->sqn_first + (uint64_t)i * SQN_INDS;
		numbers_add(&a->life->numbers, a->card, ticket->generation, sqn_seq(sqn));
		if (!usim_takes(&card->usim, sqn))
			a->is_refused = true;
	}
	a->life->refused += a->is_refused && (a->has_resync || !card->may_refuse);
	if (!failed(err) && a->has_resync)
		card->may_refuse = false;
}

static inline void life_moved(void *ctx, struct err err)
{
	struct life_ask *a = ctx;

	a->err = err;
	if (!failed(err))
		ledger_take(a->life->ledger, &a->request, life_took, a);
}

/* With has_resync: the card's AUTS comes along. `a` lives until the store has settled. */
static inline void life_ask(struct life_ask *a, struct life *life, uint32_t card, uint32_t node,
	uint8_t vectors, bool has_resync)
{
	*a = (struct life_ask){.life = life,
		.card = card,
		.has_resync = has_resync,
		.err = ERR(TIMEOUT),
		.request = {.domain = node % 2 == 0 ? AUTH_PS : AUTH_CS,
			.radio = AUTH_UTRAN,
			.vectors = vectors}};
	life_imsi(card, a->request.imsi);
	snprintf(a->request.node, sizeof a->request.node, "node-%u", node);
	if (has_resync)
		ledger_resync(life->ledger, a->request.imsi, usim_sqn_ms(&life->cards[card].usim),
			life_moved, a);
	else
		ledger_take(life->ledger, &a->request, life_took, a);
}

/* One question on its own; where the card refuses, its AUTS. */
static inline struct err life_vectors(
	struct life *life, uint32_t card, uint32_t node, uint8_t vectors)
{
	struct life_ask a;

	life_ask(&a, life, card, node, vectors, false);
	life_settle(life);
	if (failed(a.err) || !a.is_refused)
		return a.err;
	life_ask(&a, life, card, node, vectors, true);
	life_settle(life);
	return a.err;
}

/* ---- imports ---- */

struct life_import {
	struct life *life;
	struct auc_import rows;
	struct life_sealed sealed[AUC_ROWS_MAX];
	struct err err;
};

static inline void life_imported(void *ctx, struct err err, const struct auc_import_result *result)
{
	struct life_import *i = ctx;

	(void)result;
	i->err = err;
	for (size_t n = 0; n < i->rows.count && !failed(err); n++) {
		const uint32_t card = (uint32_t)strtoul(i->rows.rows[n].imsi + 5, NULL, 10);
		i->life->cards[card].promised = i->rows.id;
		i->life->cards[card].has_history = true;
	}
}

static inline void life_rows_kept(void *ctx, struct err err)
{
	struct life_import *i = ctx;

	i->err = err;
	if (!failed(err))
		ledger_import_commit(i->life->ledger, i->rows.id, life_imported, i);
}

static inline struct life_sealed life_seal(struct life_kek kek, uint64_t import)
{
	struct life_sealed s = {.version = 1, .algorithm = 1};

	for (int i = 0; i < 4; i++)
		s.kek_id[i] = (uint8_t)(kek.id >> (24 - 8 * i));
	memcpy(s.kek_serial, &kek.serial, sizeof s.kek_serial);
	memcpy(s.import, &import, sizeof s.import);
	return s;
}

static inline struct life_kek life_kek_of(const struct life_sealed *s)
{
	struct life_kek kek = {.id = (uint32_t)s->kek_id[0] << 24 | (uint32_t)s->kek_id[1] << 16 |
				     (uint32_t)s->kek_id[2] << 8 | s->kek_id[3]};

	memcpy(&kek.serial, s->kek_serial, sizeof kek.serial);
	return kek;
}

/* One row more. What stands for sealed keys names the import. `seq`: used elsewhere; 0: none. */
static inline void life_import_add(struct life_import *i, uint32_t card, uint64_t seq)
{
	const size_t n = i->rows.count++;
	struct auc_import_row *row = &i->rows.rows[n];

	*row = (struct auc_import_row){.has_sqn = seq != 0, .sqn = sqn_of(seq, 0)};
	life_imsi(card, row->imsi);
	i->sealed[n] = life_seal(i->life->kek, i->rows.id);
	row->sealed = span_of((const uint8_t *)&i->sealed[n], sizeof i->sealed[n]);
}

static inline void life_import(struct life_import *i)
{
	i->err = ERR(TIMEOUT);
	ledger_import_rows(i->life->ledger, &i->rows, life_rows_kept, i);
}

/* False: he is not known. */
static inline bool life_sealed_of(const struct life *life, uint32_t card, struct life_sealed *out)
{
	char imsi[IMSI_TEXT];

	life_imsi(card, imsi);
	const struct subscriber *s = ledger_find(life->ledger, imsi);
	if (s == NULL)
		return false;
	memcpy(out, ledger_sealed(life->ledger, s).at, sizeof *out);
	return true;
}

/* The import by which this subscriber has his keys; 0: he is not known. */
static inline uint64_t life_keys_of(const struct life *life, uint32_t card)
{
	struct life_sealed sealed;
	uint64_t id = 0;

	if (life_sealed_of(life, card, &sealed))
		memcpy(&id, sealed.import, sizeof id);
	return id;
}
