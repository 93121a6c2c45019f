// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * osmo-hlr under the same load: its own database tool makes the schema, we fill in the same
 * subscribers with the same keys. Once on the disk that is measured, where it syncs for each
 * request; once in memory, where it syncs to nothing.
 */
#include "cmd/bench/bench.h"
#include "cmd/lab/child.h"
#include <errno.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#define ADDRESS "127.0.0.9"
enum { TOOL_MS_MAX = 30000, START_MS = 1500, ALGORITHM_MILENAGE = 5 };

static const char config[] = "log stderr\n logging filter all 1\n logging level set-all fatal\n"
			     "line vty\n bind " ADDRESS "\nctrl\n bind " ADDRESS "\n"
			     "hlr\n gsup\n  bind ip " ADDRESS "\n";

static bool is_installed(void)
{
	return access("/usr/bin/osmo-hlr", X_OK) == 0 &&
	       access("/usr/bin/osmo-hlr-db-tool", X_OK) == 0;
}

static struct err fill(const char *path, uint32_t subscribers, struct complaint *c)
{
	sqlite3 *db = NULL;
	sqlite3_stmt *who = NULL, *keys = NULL;
	uint8_t k_opc[32];
	char text[33];

	bool is_good = sqlite3_open(path, &db) == SQLITE_OK &&
		       sqlite3_exec(db, "BEGIN", NULL, NULL, NULL) == SQLITE_OK &&
		       sqlite3_prepare_v2(db, "INSERT INTO subscriber (id, imsi) VALUES (?, ?)", -1,
			       &who, NULL) == SQLITE_OK &&
		       sqlite3_prepare_v2(db,
			       "INSERT INTO auc_3g (subscriber_id, algo_id_3g, k, opc, sqn, "
			       "ind_bitlen) VALUES (?, ?, ?, ?, 0, 5)",
			       -1, &keys, NULL) == SQLITE_OK;
	for (uint32_t i = 0; is_good && i < subscribers; i++) {
		bench_keys(BENCH_IMSI_FIRST + i, k_opc);
		snprintf(text, sizeof text, "%015llu", (unsigned long long)BENCH_IMSI_FIRST + i);
		sqlite3_bind_int64(who, 1, i + 1);
		sqlite3_bind_text(who, 2, text, -1, SQLITE_TRANSIENT);
		sqlite3_bind_int64(keys, 1, i + 1);
		sqlite3_bind_int(keys, 2, ALGORITHM_MILENAGE);
		hex_from_span(text, span_of(k_opc, 16));
		sqlite3_bind_text(keys, 3, text, -1, SQLITE_TRANSIENT);
		hex_from_span(text, span_of(k_opc + 16, 16));
		sqlite3_bind_text(keys, 4, text, -1, SQLITE_TRANSIENT);
		is_good = sqlite3_step(who) == SQLITE_DONE && sqlite3_step(keys) == SQLITE_DONE;
		sqlite3_reset(who);
		sqlite3_reset(keys);
	}
	is_good = is_good && sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK;
	const struct err e =
		is_good ? OK : complain(c, ERR(IO), "%s: %s", path, sqlite3_errmsg(db));
	sqlite3_finalize(who);
	sqlite3_finalize(keys);
	sqlite3_close(db);
	return e;
}

static struct err prepare(const char *folder, const struct bench_options *o, struct complaint *c)
{
	char db[BENCH_PATH_MAX + 16], cfg[BENCH_PATH_MAX + 16], said[1024];

	snprintf(db, sizeof db, "%s/hlr.db", folder);
	snprintf(cfg, sizeof cfg, "%s/hlr.cfg", folder);
	const char *const argv[] = {"osmo-hlr-db-tool", "-l", db, "create", NULL};
	const struct err e = child_run(NULL, NULL, argv, said, sizeof said, TOOL_MS_MAX, c);
	if (failed(e))
		return e;
	FILE *f = fopen(cfg, "we");
	const bool is_written = f != NULL && fputs(config, f) >= 0;
	if (f != NULL)
		fclose(f);
	return is_written ? fill(db, o->subscribers, c)
			  : complain(c, ERR(IO), "%s: %s", cfg, strerror(errno));
}

static struct err measure(const char *folder, const char *name, const struct bench_options *o,
	struct json_writer *j, struct complaint *c)
{
	char db[BENCH_PATH_MAX + 16], cfg[BENCH_PATH_MAX + 16], log[BENCH_PATH_MAX + 16];
	struct bench_server server = {.address = ADDRESS, .count = 1};
	struct child child;

	snprintf(db, sizeof db, "%s/hlr.db", folder);
	snprintf(cfg, sizeof cfg, "%s/hlr.cfg", folder);
	snprintf(log, sizeof log, "%s/hlr.log", folder);
	const char *const argv[] = {"osmo-hlr", "-c", cfg, "-l", db, NULL};
	struct err e = child_start(&child, "osmo-hlr", NULL, folder, log, argv, c);
	if (failed(e))
		return e;
	lab_sleep_ms(START_MS);
	server.pids[0] = child.pid;
	e = child_is_alive(&child) ? bench_load(o, &server, name, 0, j, NULL, c)
				   : complain(c, ERR(STATE), "osmo-hlr ended; see %s", log);
	child_stop(&child, 5000);
	return e;
}

static struct err one(const char *parent, bool in_memory, const char *name,
	const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	char folder[BENCH_PATH_MAX], said[64];
	const char *const argv[] = {"rm", "-rf", folder, NULL};

	snprintf(folder, sizeof folder, "%s/merlon-bench-hlr-XXXXXX", parent);
	if (mkdtemp(folder) == NULL)
		return complain(c, ERR(IO), "%s: %s", folder, strerror(errno));
	if (in_memory && mount("tmpfs", folder, "tmpfs", 0, "size=1g") != 0) {
		rmdir(folder);
		return complain(c, ERR(IO), "%s: tmpfs: %s", folder, strerror(errno));
	}
	struct err e = prepare(folder, o, c);
	if (!failed(e))
		e = measure(folder, name, o, j, c);
	if (in_memory)
		umount2(folder, MNT_DETACH);
	(void)!failed(child_run(NULL, NULL, argv, said, sizeof said, TOOL_MS_MAX, NULL));
	return e;
}

struct err bench_peer(const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	if (!is_installed())
		return complain(c, ERR(ABSENT), "osmo-hlr is not installed");
	json_open(j, "osmo_hlr", '{');
	struct err e = one(o->folder, true, "in_memory", o, j, c);
	if (!failed(e))
		e = one(o->folder, false, "on_disk", o, j, c);
	json_close(j, '}');
	return e;
}
