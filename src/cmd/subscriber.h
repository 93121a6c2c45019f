// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the commands of `merlon subscriber` share: the one site that is meant, and an import, which
 * is a file or a feed. A feed writes rows into a pipe from a thread of its own, so that neither keys
 * from standard input nor those of a migration touch a disk; its last octet says that it was all
 * (daemon/auc-import/source.h), so a command that is killed meanwhile imports nothing.
 */
#include "cmd/command.h"
#include "cmd/sites.h"
#include "codec/import_options.h"

/* EXIT_OK, or the failure that was told. */
int subscriber_site(const struct invocation *in, struct site_found *site);

/* Writes all of it to `out`; false, and the failure was told: nothing shall be imported. */
typedef bool subscriber_feed_fn(void *ctx, int out);

struct subscriber_import {
	const struct site_found *site;
	struct import_options options;
	int fd; /* of a regular file; < 0: `feed` */
	subscriber_feed_fn *feed;
	void *ctx;
	bool wants_json;
};
int subscriber_import_run(const struct subscriber_import *import);

/* All of `bytes`; false when nobody reads any more. */
bool subscriber_write(int out, struct span bytes);
/* The feed that copies what is open for reading; ctx: its descriptor, an int. */
bool subscriber_feed_copy(void *ctx, int out);

/* ---- migration: what another system's subscribers become ---- */

struct subscriber_row;
struct migration;
/* Reads all of `path`; false, and the failure was told, where that cannot be done. */
typedef bool migration_read_fn(const char *path, struct migration *m);

struct migration {
	migration_read_fn *read;
	int out;                        /* where the rows go */
	uint64_t taken, refused, noted; /* noted: taken, but not all of it */
	bool is_skipping;               /* what cannot be taken is left out */
};
/* "osmo-hlr", "open5gs"; NULL for others. */
migration_read_fn *migration_named(const char *system);
migration_read_fn migrate_osmo_hlr, migrate_open5gs;

/* False when nobody reads any more. */
bool migration_take(struct migration *m, const struct subscriber_row *row);
/* On standard error, with the IMSI and the reason. */
void migration_refuse(struct migration *m, const char *imsi, const char *reason);
void migration_note(struct migration *m, const char *imsi, const char *what);
/* Whether nothing was refused, or that was wanted; tells the counts. */
bool migration_is_whole(const struct migration *m);
