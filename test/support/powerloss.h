// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A disk in memory that loses power.
 *
 * It keeps each file twice: as the process sees it, and as it would be found after a power loss; and between
 * the two the list of changes that nobody has synced. powerloss_crash() lets an arbitrary part of each list survive: a
 * write whole, not at all, or some of its 512-octet sectors, whatever came before or after it (so later
 * writes may survive earlier ones). What was synced is intact. The same disk is a SQLite VFS and a
 * `struct disk`; one seed gives one sequence of losses.
 *
 * What it grants, as Linux file systems do: a sync of a file makes its name durable too; replace is
 * atomic; sectors that were not written to are not harmed (SQLite's "powersafe overwrite"). A failed sync is as bad as it is on
 * Linux [fsyncgate]: what it should have saved is half lost, and a later sync that answers OK saves none of it.
 *
 *     struct powerloss *disk = powerloss_open("core", seed);
 *     store_open(&s, NULL, &(struct store_settings){.vfs = "core", .path = "auc.db", …}, &c);
 *     …
 *     powerloss_fault(disk, POWERLOSS_ANY, POWERLOSS_POWER_OFF, 17);  // or powerloss_crash(disk) now
 *     …
 *     store_close(s);                 // a dead process: reaches nothing any more
 *     powerloss_restart(disk);
 *     store_open(…);                  // the next life
 *
 * To use it in a test: `dependencies: support_store` (tests of host, daemon and cmd have it already).
 */
#include "base/env.h"

enum { POWERLOSS_FILES_MAX = 16, POWERLOSS_NAME_MAX = 128, POWERLOSS_SECTOR = 512 };

struct powerloss;
/* Registers a SQLite VFS of that name; NULL: for `struct disk` alone. */
struct powerloss *powerloss_open(const char *vfs_name, uint64_t seed);
void powerloss_close(struct powerloss *p);
struct disk powerloss_disk(struct powerloss *p);

void powerloss_crash(struct powerloss *p);
bool powerloss_is_off(const struct powerloss *p);
void powerloss_restart(struct powerloss *p);

/* ANY: each of those that may change something: all but READ and REOPEN, of a file that is there. */
enum powerloss_call {
	POWERLOSS_OPEN = 1,
	POWERLOSS_READ = 2,
	POWERLOSS_WRITE = 4,
	POWERLOSS_TRUNCATE = 8,
	POWERLOSS_SYNC = 16,
	POWERLOSS_DELETE = 32,
	POWERLOSS_REOPEN = 64,
	POWERLOSS_ANY = 61
};
enum powerloss_kind {
	POWERLOSS_FAIL,  /* that call answers an I/O error, once */
	POWERLOSS_SHORT, /* a write that puts half of its octets, then fails */
	POWERLOSS_FULL, /* no space: that call and all later writes, until powerloss_fault_clear() */
	POWERLOSS_POWER_OFF, /* the power goes in the middle of that call */
};
/* At the n-th such call from now, n > 0. One fault at a time. */
void powerloss_fault(struct powerloss *p, unsigned calls, enum powerloss_kind kind, uint64_t n);
void powerloss_fault_clear(struct powerloss *p);
bool powerloss_fault_fired(const struct powerloss *p);
/* No space after that many more octets; UINT64_MAX: endless. */
void powerloss_space(struct powerloss *p, uint64_t octets);

/* Syncs answer OK and do nothing: like a disk that lies, or a program that does not sync. */
void powerloss_sync_lies(struct powerloss *p, bool is_lying);
/* Locks are granted to everybody, as some network file systems do. */
void powerloss_no_locks(struct powerloss *p, bool has_none);
/* That SQLite pragma is answered with nothing and has no effect; NULL: none. */
void powerloss_swallow_pragma(struct powerloss *p, const char *name);

struct powerloss_counts {
	uint64_t syncs, writes, crashes, lost, torn; /* lost, torn: changes, over all crashes */
};
struct powerloss_counts powerloss_counts(const struct powerloss *p);
/* A look at a file as it is now, and a way to damage it. */
struct span_mut powerloss_content(struct powerloss *p, const char *name);
