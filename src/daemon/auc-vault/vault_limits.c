// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_limits.h"
#include "base/secret.h"
#include <assert.h>
#include <stdlib.h>

static_assert((int)IMSI_TEXT == (int)AES128_BLOCK, "an IMSI is one block");

#define SECOND_NS UINT64_C(1000000000)

/* What is asked for is far below what a cell can hold: 2^63 ns are 292 years. */
static struct err meter_open(
	struct meter *m, uint64_t burst, uint64_t per, uint64_t span_ns, unsigned lines_bits)
{
	*m = (struct meter){.lines_bits = lines_bits};
	if (burst == 0 || per == 0)
		return OK;
	m->period_ns = span_ns / per;
	if (m->period_ns == 0 || burst > (UINT64_MAX >> 2) / m->period_ns)
		return ERR(LIMIT);
	m->tolerance_ns = burst * m->period_ns;
	m->cells = calloc((size_t)METER_LINE << lines_bits, sizeof m->cells[0]);
	return m->cells == NULL ? ERR(LIMIT) : OK;
}

static void meter_close(struct meter *m)
{
	free(m->cells);
	*m = (struct meter){0};
}

/* Where something stands in a meter, and what is there if it is granted. */
struct place {
	uint64_t *cells[2];
	uint64_t next;
};

static bool has_room(const struct meter *m, struct place *p, uint64_t now_ns, unsigned count)
{
	const uint64_t a = *p->cells[0], b = *p->cells[1], paid = a < b ? a : b;

	p->next = (paid > now_ns ? paid : now_ns) + count * m->period_ns;
	return p->next - now_ns <= m->tolerance_ns;
}

static void charge(const struct place *p)
{
	for (size_t i = 0; i < ARRAY_LEN(p->cells); i++)
		if (*p->cells[i] < p->next)
			*p->cells[i] = p->next;
}

static struct place place_of(const struct meter *m, const uint8_t hash[static AES128_BLOCK])
{
	size_t line = 0;

	for (size_t i = 0; i < 4; i++)
		line = line << 8 | hash[i];
	line &= ((size_t)1 << m->lines_bits) - 1;
	const size_t first = hash[4] % METER_LINE;
	const size_t second = (first + 1 + hash[5] % (METER_LINE - 1)) % METER_LINE;
	uint64_t *const cells = m->cells + line * METER_LINE;
	return (struct place){.cells = {cells + first, cells + second}};
}

static struct place place_of_imsi(
	const struct vault_limits *l, const struct meter *m, const char imsi[static IMSI_TEXT])
{
	uint8_t block[AES128_BLOCK] = {0};

	memcpy(block, imsi, strnlen(imsi, IMSI_TEXT));
	l->engine->encrypt(&l->hash, block, block, 1);
	return place_of(m, block);
}

struct err vault_limits_open(struct vault_limits *l, const struct vault_limits_settings *settings,
	struct clock_port clock, const struct entropy *entropy)
{
	uint8_t key[AES128_BLOCK];

	*l = (struct vault_limits){.clock = clock, .engine = aes128_engine()};
	l->open_ms = clock_now(&clock).mono_ms;
	struct err e = entropy_fill(entropy, SPAN_MUT_ARRAY(key));
	if (failed(e))
		return e;
	l->engine->expand(&l->hash, key);
	secret_wipe(key, sizeof key);
	e = meter_open(&l->total, settings->rate_per_s, settings->rate_per_s, SECOND_NS, 0);
	if (!failed(e))
		e = meter_open(&l->vectors, settings->subscriber_burst,
			settings->subscriber_per_hour, 3600 * SECOND_NS, METER_LINES_BITS_VECTORS);
	if (!failed(e))
		e = meter_open(&l->auts, settings->auts_burst, settings->auts_per_hour,
			3600 * SECOND_NS, METER_LINES_BITS_AUTS);
	if (failed(e))
		vault_limits_close(l);
	return e;
}

void vault_limits_close(struct vault_limits *l)
{
	meter_close(&l->total);
	meter_close(&l->vectors);
	meter_close(&l->auts);
}

static uint64_t now_ns(const struct vault_limits *l)
{
	const uint64_t now_ms = clock_now(&l->clock).mono_ms;

	/* A clock that went back does not grant anything. */
	return now_ms > l->open_ms ? (now_ms - l->open_ms) * (SECOND_NS / 1000) : 0;
}

struct err vault_limits_vectors(
	struct vault_limits *l, const char imsi[static IMSI_TEXT], unsigned count)
{
	struct place of_all = {.cells = {l->total.cells, l->total.cells}}, of_one = {0};
	const uint64_t now = now_ns(l);
	bool is_granted = true;

	if (l->vectors.cells != NULL) {
		of_one = place_of_imsi(l, &l->vectors, imsi);
		is_granted = has_room(&l->vectors, &of_one, now, count);
	}
	if (is_granted && l->total.cells != NULL)
		is_granted = has_room(&l->total, &of_all, now, count);
	if (!is_granted) {
		l->refused++;
		return ERR(LIMIT);
	}
	/* Both, or none. */
	if (l->vectors.cells != NULL)
		charge(&of_one);
	if (l->total.cells != NULL)
		charge(&of_all);
	return OK;
}

struct err vault_limits_auts(struct vault_limits *l, const char imsi[static IMSI_TEXT])
{
	if (l->auts.cells == NULL)
		return OK;
	struct place p = place_of_imsi(l, &l->auts, imsi);
	if (!has_room(&l->auts, &p, now_ns(l), 1)) {
		l->refused++;
		return ERR(LIMIT);
	}
	charge(&p);
	return OK;
}
