// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "sqn.h"
#include <assert.h>

static uint64_t higher(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

void sqn_lease_start(
	struct sqn_lease *l, struct moment now, uint64_t epoch, uint64_t recorded, uint64_t ahead)
{
	const uint64_t base_unit = now.unix_ms > 0 ? (uint64_t)now.unix_ms / 1000 : 0;
	/* What was recorded may be a restored backup's; a burst reached at most so far since then. */
	const uint64_t used = recorded == 0 ? 0 : higher(recorded, base_unit + ahead);

	assert(ahead >= AUTH_VECTORS_MAX && ahead <= SQN_AHEAD_MAX);
	*l = (struct sqn_lease){.epoch = epoch,
		.floor = used + 1,
		.ceiling = recorded,
		.ahead = ahead,
		.base_unit = base_unit,
		.base_mono_ms = now.mono_ms};
}

uint64_t sqn_unit(const struct sqn_lease *l, struct moment now)
{
	const uint64_t elapsed_ms =
		now.mono_ms > l->base_mono_ms ? now.mono_ms - l->base_mono_ms : 0;

	/* A floor above the calendar goes on at half its pace: numbers do not run out, and both meet again. */
	return higher(l->base_unit + elapsed_ms / 1000, l->floor + elapsed_ms / 2000);
}

uint64_t sqn_ceiling_due(const struct sqn_lease *l, struct moment now)
{
	const uint64_t wanted = sqn_unit(l, now) + l->ahead;

	/* Half a lease in hand is enough: so a lease is a write every ahead / 2 seconds. */
	return wanted > l->ceiling + l->ahead / 2 ? wanted : 0;
}

void sqn_lease_granted(struct sqn_lease *l, uint64_t ceiling)
{
	l->ceiling = higher(l->ceiling, ceiling);
}

static uint64_t next_unit(const struct sqn_lease *l, struct moment now, const struct sqn_state *s)
{
	return higher(s->last + 1, sqn_unit(l, now));
}

/* unit + dif, or 0 (which is no SEQ that we give) where that is not within 43 bits. */
static uint64_t seq_of(uint64_t unit, int64_t dif)
{
	const int64_t seq = (int64_t)unit + dif;

	return seq > 0 && (uint64_t)seq <= SQN_SEQ_MAX ? (uint64_t)seq : 0;
}

struct err sqn_take(const struct sqn_lease *l, struct moment now, struct sqn_state *s, size_t count,
	uint64_t *seq)
{
	const uint64_t first = next_unit(l, now, s), last = first + count - 1;

	if (last > l->ceiling || seq_of(first, s->dif) == 0 || seq_of(last, s->dif) == 0)
		return ERR(LIMIT);
	s->last = last;
	*seq = seq_of(first, s->dif);
	return OK;
}

int64_t sqn_dif_for(
	const struct sqn_lease *l, struct moment now, const struct sqn_state *s, uint64_t seq)
{
	return (int64_t)seq - (int64_t)next_unit(l, now, s);
}

int64_t sqn_next(const struct sqn_lease *l, struct moment now, const struct sqn_state *s)
{
	return (int64_t)next_unit(l, now, s) + s->dif;
}
