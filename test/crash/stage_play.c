// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What the front and the importer ask, and what must hold of the answers. */
#include "codec/proc_msg.h"
#include "stage_inner.h"
#include <stdio.h>
#include <unistd.h>

enum { TRIES_MAX = 20, LEASE_US = 3000 };

/* ---- what is played ---- */

static enum stage_word await(
	struct stage *s, struct stage_end *e, uint16_t type, const struct writer *w)
{
	s->is_awaited_done = false;
	s->awaited = stage_ask(s, e, type, w);
	while (!s->is_dead && !s->is_awaited_done)
		stage_turn(s);
	if (!s->is_awaited_done)
		return STAGE_DEAD;
	return failed(s->awaited_err) ? STAGE_REFUSED : STAGE_OK;
}

static enum stage_word import_rows(
	struct stage *s, const struct stage_import *i, uint32_t first, uint32_t count)
{
	static struct auc_import import;
	static uint8_t buffer[AUC_ROWS_OCTETS];
	static uint8_t forms[STAGE_CARDS][STAGE_SEALED];
	const struct stage_key key =
		s->key_count == 0 ? (struct stage_key){0} : s->keys[s->key_count - 1];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	import.id = i->number;
	import.count = count;
	for (uint32_t n = 0; n < count; n++) {
		struct auc_import_row *row = &import.rows[n];
		*row = (struct auc_import_row){.has_sqn = i->seq != 0,
			.sqn = sqn_of(i->seq, 0),
			.algorithm = AUC_MILENAGE};
		stage_imsi(first + n, row->imsi);
		snprintf(row->msisdn, sizeof row->msisdn, "%u%010u", i->number, first + n);
		row->sealed = stage_sealed(row->imsi, i->number, key, forms[n]);
	}
	auc_import_encode(&w, &import);
	return await(s, &s->import, AUC_IMPORT_ROWS, &w);
}

enum stage_word stage_import(struct stage *s, uint32_t first, uint32_t count, uint64_t seq)
{
	struct stage_import *i = &s->imports[s->import_count++];
	uint8_t buffer[8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	*i = (struct stage_import){
		.number = (uint8_t)s->import_count, .first = first, .count = count, .seq = seq};
	for (uint32_t n = first; seq != 0 && n < first + count; n++)
		for (size_t ind = 0; ind < SQN_INDS; ind++)
			s->cards[n].usim.seq_ms[ind] =
				seq; /* what was used elsewhere, the card has seen */
	enum stage_word word = await(s, &s->import, AUC_KEYS, &(struct writer){0});
	if (word == STAGE_OK && count > 1)
		word = import_rows(s, i, first, count / 2);
	if (word == STAGE_OK)
		word = import_rows(s, i, first + count / 2, count - count / 2);
	auc_u64_encode(&w, i->number);
	if (word == STAGE_OK)
		word = await(s, &s->import, AUC_IMPORT_COMMIT, &w);
	i->is_told = word == STAGE_OK;
	for (uint32_t n = first; i->is_told && n < first + count; n++)
		s->cards[n].keys = i->number;
	return word;
}

/* 0: not known; else the number of the import by which the subscriber is what he is; -1: dead. */
static int import_of(struct stage *s, uint32_t card)
{
	uint8_t buffer[IMSI_TEXT + 1];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	char imsi[IMSI_TEXT];

	stage_imsi(card, imsi);
	auc_text_encode(&w, imsi);
	const enum stage_word word = await(s, &s->front, AUC_SUBSCRIBER, &w);
	if (word == STAGE_REFUSED && s->awaited_err.kind == ERR_ABSENT)
		return 0;
	return word == STAGE_OK ? s->awaited_text[0] - '0' : -1;
}

enum stage_word stage_check_subscribers(struct stage *s)
{
	for (size_t n = 0; n < s->import_count; n++) {
		struct stage_import *i = &s->imports[n];
		uint32_t there = 0;
		for (uint32_t card = i->first; card < i->first + i->count; card++) {
			const int number = import_of(s, card);
			if (number < 0)
				return STAGE_DEAD;
			there += number >= (int)i->number;
			s->faults.lost += number < (int)s->cards[card].keys;
			if (number > (int)s->cards[card].keys)
				s->cards[card].keys = (uint8_t)number;
		}
		s->faults.halved += there != 0 && there != i->count;
		i->is_told = i->is_told || there == i->count;
	}
	return STAGE_OK;
}

/* ---- the operator ---- */

enum stage_word stage_query(struct stage *s, const char *verb, const char *argument)
{
	uint8_t buffer[PROC_ARGUMENT_MAX + 2 * PROC_NAME_MAX + 16];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct proc_query m = {0};

	snprintf(m.verb, sizeof m.verb, "%s", verb);
	snprintf(m.argument, sizeof m.argument, "%s", argument);
	proc_query_encode(&w, &m);
	return await(s, &s->control, PROC_QUERY, &w);
}

enum stage_word stage_remove(struct stage *s, uint32_t card)
{
	char imsi[IMSI_TEXT];

	stage_imsi(card, imsi);
	s->cards[card].keys = 0; /* from here on he may have gone */
	return stage_query(s, "remove", imsi);
}

enum stage_word stage_rotate(struct stage *s)
{
	const enum stage_word word = stage_query(s, "rotate-kek", "");
	uint64_t rows = 0;

	for (uint32_t card = 0; card < STAGE_CARDS; card++)
		rows += s->cards[card].keys != 0;
	rows += s->resealed;
	while (word == STAGE_OK && !s->is_dead && s->resealed < rows)
		stage_turn(s);
	return s->is_dead ? STAGE_DEAD : word;
}

/* ---- vectors ---- */

static struct stage_question *ask_vectors(
	struct stage *s, uint32_t card, uint32_t node, uint8_t count, bool has_resync)
{
	uint8_t buffer[AUC_REQUEST_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct stage_question *a = s->asks;

	while (a->id != 0)
		a++;
	*a = (struct stage_question){.card = card,
		.request = {.domain = node % 2 == 0 ? AUTH_PS : AUTH_CS,
			.radio = AUTH_UTRAN,
			.vectors = count,
			.has_resync = has_resync}};
	stage_imsi(card, a->request.imsi);
	snprintf(a->request.node, sizeof a->request.node, "node-%u", node);
	auc_request_encode(&w, &a->request);
	a->id = stage_ask(s, &s->front, AUC_AUTHENTICATE, &w);
	return a;
}

static enum stage_word answer_of(struct stage *s, struct stage_question *a)
{
	while (!s->is_dead && !a->is_answered)
		stage_turn(s);
	a->id = 0;
	return !a->is_answered ? STAGE_DEAD : failed(a->err) ? STAGE_REFUSED : STAGE_OK;
}

/* At the ceiling "congestion" is right, and goes away as the clock goes on. */
static enum stage_word vectors_in_the_end(struct stage *s, uint32_t card, uint32_t node,
	uint8_t count, bool has_resync, bool *is_refused)
{
	enum stage_word word = STAGE_REFUSED;

	for (int i = 0; i < TRIES_MAX && word == STAGE_REFUSED; i++) {
		struct stage_question *a = ask_vectors(s, card, node, count, has_resync);
		word = answer_of(s, a);
		*is_refused = a->is_refused;
		if (word == STAGE_REFUSED && a->err.kind != ERR_LIMIT)
			break;
		if (word == STAGE_REFUSED) { /* time for the disk as well: the next lease */
			stage_wait_s(s, 2);
			usleep(LEASE_US);
		}
	}
	return word;
}

/* The card answers AUTS; what comes then it must take. */
static enum stage_word resynchronise(struct stage *s, uint32_t card, uint32_t node, uint8_t count)
{
	bool is_refused;

	s->faults.refused += !s->cards[card].may_refuse;
	const enum stage_word word = vectors_in_the_end(s, card, node, count, true, &is_refused);
	if (word == STAGE_OK) {
		s->faults.refused += is_refused;
		s->cards[card].may_refuse = false;
	}
	return word;
}

enum stage_word stage_vectors(struct stage *s, uint32_t card, uint32_t node, uint8_t count)
{
	bool is_refused;

	const enum stage_word word = vectors_in_the_end(s, card, node, count, false, &is_refused);
	return word == STAGE_OK && is_refused ? resynchronise(s, card, node, count) : word;
}

enum stage_word stage_vectors_at_once(
	struct stage *s, const uint32_t *cards, const uint32_t *nodes, size_t n)
{
	struct stage_question *asks[STAGE_ASKS_MAX];
	enum stage_word worst = STAGE_OK;

	for (size_t i = 0; i < n; i++)
		asks[i] = ask_vectors(s, cards[i], nodes[i], 2, false);
	for (size_t i = 0; i < n; i++) {
		const enum stage_word word = answer_of(s, asks[i]);
		if (word != STAGE_REFUSED || asks[i]->err.kind != ERR_LIMIT)
			worst = word > worst ? word : worst;
	}
	for (size_t i = 0; i < n && worst == STAGE_OK; i++)
		if (asks[i]->is_refused)
			worst = resynchronise(s, cards[i], nodes[i], 2);
	return worst;
}

void stage_replace_card(struct stage *s, uint32_t card, uint64_t seq)
{
	for (size_t i = 0; i < SQN_INDS; i++)
		s->cards[card].usim.seq_ms[i] = seq;
	s->cards[card].may_refuse = true;
}

void stage_wait_s(struct stage *s, int64_t seconds)
{
	s->clock->boot_ms += 1000 * seconds;
	s->clock->calendar_ms += 1000 * seconds;
}
