// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Sequence numbers without a write for each: SEQ = unit + DIF [TS 33.102 Annex C.1.1.3; C.3.1,
 * partly time-based].
 *
 * A unit is one second of a clock that all subscribers share, and DIF the subscriber's durable,
 * signed offset to it. A subscriber's units only rise: max(last + 1, clock). `last` is kept in
 * memory alone. What makes that safe is the lease: units up to a ceiling, recorded durably, under
 * an epoch, before the first is used. Whoever owns the numbers next (after a crash, a failover, a
 * restored process) starts above the recorded ceiling, for all subscribers, and so above any `last`
 * that was lost.
 *
 *         floor                 clock                      ceiling
 *   ───────┼──────────────────────┼───────────────────────────┼──────> units
 *    used before, perhaps   units of a quiet subscriber   a burst may reach here: the limit against
 * harvesting
 *
 * Within one process the clock is the monotonic one, based once on the calendar: set back or forth,
 * it does not move. At the start a calendar behind the floor is overruled by the floor, which then
 * goes on at half the clock's pace until the calendar has caught up.
 *
 * DIF moves at import and at resynchronisation alone, durably first. Each lowering of it begins a
 * new generation, in which numbers of an earlier one may come again: the card asked for it, and
 * proved it by AUTS.
 *
 * A database restored from an older backup records too low a ceiling. So the next owner starts above
 * what the calendar allows for as well: the lost ceilings lay at most `ahead` over their time, and
 * that has passed.
 *
 * Not covered, both with a restored backup alone. One: it is from before a DIF was raised, and the
 * clock is wrong as well. Two: its lost owner had itself started above its calendar and gave numbers
 * more than today's `ahead` above it: by a burst less than `ahead` seconds after that start, after many
 * starts in a short time, or with a larger `ahead`. They may come again until the clock has passed them.
 */
#include "auc/auc.h"
#include "base/env.h"

/* How far above the clock a lease reaches by default: what one subscriber may take in one burst,
 * and what a crash costs of the 2^28 units that a card tolerates. */
enum { SQN_AHEAD_DEFAULT = 4096, SQN_AHEAD_MAX = 1 << 20 };

struct sqn_lease {
	uint64_t epoch;
	uint64_t floor;   /* the first unit of this epoch */
	uint64_t ceiling; /* the last unit that is durably ours; below floor: none yet */
	uint64_t ahead;
	uint64_t base_unit, base_mono_ms;
};

/* `recorded` is the ceiling of the epoch before: 0 for a new database. Nothing is leased yet. */
void sqn_lease_start(
	struct sqn_lease *l, struct moment now, uint64_t epoch, uint64_t recorded, uint64_t ahead);
/* The unit of a subscriber who has taken none for long. */
uint64_t sqn_unit(const struct sqn_lease *l, struct moment now);
/* The ceiling to record next; 0 while the one we hold reaches far enough. */
uint64_t sqn_ceiling_due(const struct sqn_lease *l, struct moment now);
/* It is durable now. */
void sqn_lease_granted(struct sqn_lease *l, uint64_t ceiling);

struct sqn_state {
	int64_t dif;
	uint64_t last;       /* unit; 0: none in this epoch */
	uint32_t generation; /* of DIF: rises with each resynchronisation that moved it */
};

/*
 * Takes `count` consecutive SEQs; *seq is the first. ERR_LIMIT where the ceiling, or the end of all
 * 43 bits, is reached: then nothing is taken.
 */
MUST_USE struct err sqn_take(const struct sqn_lease *l, struct moment now, struct sqn_state *s,
	size_t count, uint64_t *seq);

/* The SEQ that comes next; below 1 or above 43 bits: none that we give. */
int64_t sqn_next(const struct sqn_lease *l, struct moment now, const struct sqn_state *s);
/* The DIF with which the next SEQ is `seq` (at import; at resynchronisation). */
int64_t sqn_dif_for(
	const struct sqn_lease *l, struct moment now, const struct sqn_state *s, uint64_t seq);
