// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The audit log: a file of records (codec/audit_record.h) that only grows, on a `struct disk`.
 *
 * Records are added, then synced as a group; none counts before audit_log_sync() said OK. Opening reads the
 * last AUDIT_WINDOW octets and refuses to go on from a broken chain. A crash may leave a torn last group behind: an
 * unfinished line, or zeros where sectors were lost (no record holds a zero). That was answered to nobody;
 * it is cut off and reported. Anything else that is no record is not a crash's doing, and is refused.
 */
#include "base/env.h"
#include "codec/audit_record.h"

enum { AUDIT_GROUP_MAX = 64 << 10, AUDIT_WINDOW = 192 << 10 };
#define AUDIT_FILE "audit.jsonl"

struct audit_log {
	const struct disk *disk;
	struct audit_chain chain; /* with what is added and not yet synced */
	struct writer group;
	uint8_t *memory; /* AUDIT_WINDOW octets: the group, and the window while opening */
	uint64_t octets, cut_octets; /* of the file when opened, and cut off then */
	uint64_t syncs;
	bool is_dead;
};

/* ERR_STATE: the chain is broken; `c` says where. */
MUST_USE struct err audit_log_open(
	struct audit_log *log, const struct disk *disk, struct complaint *c);
void audit_log_close(struct audit_log *log);

/* ERR_LIMIT: the group is full, sync first. ERR_INPUT: no event. */
MUST_USE struct err audit_log_add(struct audit_log *log, int64_t unix_ms, struct span event,
	uint64_t *seq, uint8_t hash[static AUDIT_HASH_OCTETS]);
/* After an error nothing more is taken on: the process must stop. */
MUST_USE struct err audit_log_sync(struct audit_log *log);

struct audit_summary {
	uint64_t records, octets;
	uint64_t torn_octets; /* at the end: a crash's, or being written just now */
	uint8_t head[AUDIT_HASH_OCTETS];
};
/* The whole file from its first record: for `merlon audit verify`. Changes nothing. */
MUST_USE struct err audit_log_verify(
	const struct disk *disk, struct audit_summary *summary, struct complaint *c);
