// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ledger_schema.h"

#define SUBSCRIBER_COLUMNS                                                                         \
	"(shard INTEGER NOT NULL, imsi TEXT NOT NULL, epoch INTEGER NOT NULL, sealed BLOB NOT "    \
	"NULL, kek INTEGER NOT NULL, dif INTEGER NOT NULL, generation INTEGER NOT NULL, flags "    \
	"INTEGER NOT NULL, msisdn TEXT NOT NULL, algorithm INTEGER NOT NULL, import INTEGER NOT "  \
	"NULL, created INTEGER NOT NULL, changed INTEGER NOT NULL, resync INTEGER NOT NULL, "      \
	"resynced INTEGER NOT NULL, PRIMARY KEY (shard, imsi)) WITHOUT ROWID"
#define CREATE_IMPORT_ROW                                                                          \
	"CREATE TABLE auc_import_row (shard INTEGER NOT NULL, import INTEGER NOT NULL, imsi TEXT " \
	"NOT NULL, sealed BLOB NOT NULL, kek INTEGER NOT NULL, dif INTEGER NOT NULL, msisdn TEXT " \
	"NOT NULL, algorithm INTEGER NOT NULL, PRIMARY KEY (shard, import, imsi)) WITHOUT ROWID"
#define CREATE_KEY                                                                                 \
	"CREATE TABLE auc_key (shard INTEGER NOT NULL, id INTEGER NOT NULL, wrapped BLOB NOT "     \
	"NULL, made INTEGER NOT NULL, PRIMARY KEY (shard, id))"

static const char *const create[] = {
	"CREATE TABLE auc_lease (shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, "
	"ceiling INTEGER NOT NULL)",
	"CREATE TABLE auc_ind (shard INTEGER NOT NULL, ind INTEGER NOT NULL, domain INTEGER NOT "
	"NULL, "
	"node TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (shard, ind))",
	"CREATE TABLE auc_subscriber " SUBSCRIBER_COLUMNS,
	CREATE_IMPORT_ROW,
	CREATE_KEY,
	"INSERT INTO auc_lease (shard, epoch, ceiling) VALUES (0, 0, 0)",
	NULL,
};

/* From version 1. Every number stays; what an unfinished import left goes, as at each start. */
static const char *const migrate[] = {
	"CREATE TABLE auc_subscriber_2 " SUBSCRIBER_COLUMNS,
	"INSERT INTO auc_subscriber_2 (shard, imsi, epoch, sealed, kek, dif, generation, flags, "
	"msisdn, algorithm, import, created, changed, resync, resynced) SELECT shard, imsi, epoch, "
	"sealed, 0, dif, generation, 0, msisdn, 1, import, 0, 0, 0, 0 FROM auc_subscriber",
	"DROP TABLE auc_subscriber",
	"ALTER TABLE auc_subscriber_2 RENAME TO auc_subscriber",
	"DROP TABLE auc_import_row",
	CREATE_IMPORT_ROW,
	CREATE_KEY,
	NULL,
};

#define IS_OWNER "EXISTS (SELECT 1 FROM auc_lease WHERE shard = $1 AND epoch = $2)"
#define IS_THERE "(flags & 2) = 0"
#define COLUMNS "imsi, sealed, dif, generation, flags, resync, resynced"
#define LIST_COLUMNS "imsi, msisdn, algorithm, flags, kek, created, changed, dif, generation"

static const struct store_statement statements[LEDGER_STATEMENTS] = {
	[LEDGER_EPOCH_NEXT] = {"epoch_next",
		"UPDATE auc_lease SET epoch = epoch + 1 WHERE shard = $1 RETURNING epoch, ceiling"},
	[LEDGER_CEILING_SET] = {"ceiling_set", "UPDATE auc_lease SET ceiling = $3 WHERE shard = $1 "
					       "AND epoch = $2 AND ceiling < $3"},
	[LEDGER_INDS] = {"inds", "SELECT ind, domain, node, used FROM auc_ind WHERE shard = $1"},
	[LEDGER_IND_SET] = {"ind_set",
		"INSERT INTO auc_ind (shard, ind, domain, node, used) SELECT $1, $3, $4, $5, $6 "
		"WHERE " IS_OWNER
		" ON CONFLICT (shard, ind) DO UPDATE SET domain = excluded.domain, "
		"node = excluded.node, used = excluded.used"},
	[LEDGER_SUBSCRIBERS] = {"subscribers",
		"SELECT " COLUMNS " FROM auc_subscriber WHERE shard = $1 AND imsi > $2 "
		"AND " IS_THERE " ORDER BY imsi LIMIT $3"},
	[LEDGER_LIST] = {"list",
		"SELECT " LIST_COLUMNS " FROM auc_subscriber WHERE shard = $1 AND imsi > $2 "
		"AND " IS_THERE " ORDER BY imsi LIMIT $3"},
	[LEDGER_SHOW] = {"show",
		"SELECT " LIST_COLUMNS " FROM auc_subscriber WHERE shard = $1 AND imsi = $2 "
		"AND " IS_THERE},
	[LEDGER_DIF_SET] = {"dif_set",
		"UPDATE auc_subscriber SET dif = $4, generation = $5, epoch = $2, resync = $6, "
		"resynced = $7 WHERE shard = $1 AND imsi = $3 AND " IS_OWNER},
	[LEDGER_FLAGS_SET] = {"flags_set",
		"UPDATE auc_subscriber SET flags = $4, changed = $5, epoch = $2 "
		"WHERE shard = $1 AND imsi = $3 AND " IS_THERE " AND " IS_OWNER},
	[LEDGER_REMOVE] = {"remove",
		"UPDATE auc_subscriber SET flags = 2, sealed = '', kek = 0, msisdn = '', "
		"changed = $4, epoch = $2 WHERE shard = $1 AND imsi = $3 AND " IS_THERE
		" AND " IS_OWNER},
	/* An import may have put other keys there since it was read. */
	[LEDGER_RESEAL] = {"reseal",
		"UPDATE auc_subscriber SET sealed = $5, kek = $6, epoch = $2 "
		"WHERE shard = $1 AND imsi = $3 AND sealed = $4 AND " IS_OWNER},
	[LEDGER_KEYS] = {"keys",
		"SELECT id, wrapped, made FROM auc_key WHERE shard = $1 ORDER BY id"},
	[LEDGER_KEY_ADD] = {"key_add", "INSERT INTO auc_key (shard, id, wrapped, made) "
				       "SELECT $1, $3, $4, $5 WHERE " IS_OWNER},
	[LEDGER_KEY_WRAP] = {"key_wrap", "UPDATE auc_key SET wrapped = $4 "
					 "WHERE shard = $1 AND id = $3 AND " IS_OWNER},
	[LEDGER_KEY_DROP] = {"key_drop",
		"DELETE FROM auc_key WHERE shard = $1 AND id = $3 AND " IS_OWNER
		" AND NOT EXISTS (SELECT 1 FROM auc_subscriber WHERE shard = $1 AND kek = $3)"
		" AND NOT EXISTS (SELECT 1 FROM auc_import_row WHERE shard = $1 AND kek = $3)"},
	[LEDGER_IMPORT_CLEAR] = {"import_clear",
		"DELETE FROM auc_import_row WHERE shard = $1 AND import NOT IN (SELECT import FROM "
		"auc_import_row WHERE shard = $1 AND imsi = '') AND " IS_OWNER},
	/* Without a look at the epoch for each: what an owner who was replaced puts aside, nobody
	 * takes; LEDGER_IMPORT_CLOSE looks. */
	[LEDGER_IMPORT_ROW] = {"import_row",
		"INSERT INTO auc_import_row (shard, import, imsi, sealed, kek, dif, msisdn, "
		"algorithm) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)"},
	[LEDGER_IMPORT_CLOSE] = {"import_close",
		"INSERT INTO auc_import_row (shard, import, imsi, sealed, kek, dif, msisdn, "
		"algorithm) SELECT $1, $3, '', '', 0, 0, '', 0 WHERE " IS_OWNER},
	[LEDGER_IMPORT_CLOSED] = {"import_closed",
		"SELECT import FROM auc_import_row WHERE shard = $1 AND imsi = ''"},
	/* No epoch is NULL: a constraint. What stands behind it in a batch need not look at the epoch,
	 * which would cost a third more for each row. */
	[LEDGER_FENCE] = {"fence", "UPDATE auc_lease SET epoch = CASE WHEN epoch = $2 THEN epoch "
				   "END WHERE shard = $1"},
	/* DIF is never lowered by an import: a card that is in use would see its numbers again. Who
	 * was removed is there again; who is disabled stays so. */
	[LEDGER_IMPORT_MOVE] = {"import_move",
		"INSERT INTO auc_subscriber (shard, imsi, epoch, sealed, kek, dif, generation, "
		"flags, msisdn, algorithm, import, created, changed, resync, resynced) "
		"SELECT shard, imsi, $2, sealed, kek, dif, 0, 0, msisdn, algorithm, import, $4, "
		"$4, 0, 0 FROM auc_import_row WHERE shard = $1 AND import = $3 AND imsi > '' "
		"AND imsi <= $5 ON CONFLICT (shard, imsi) DO UPDATE SET epoch = excluded.epoch, "
		"sealed = "
		"excluded.sealed, kek = excluded.kek, "
		"dif = CASE WHEN excluded.dif > auc_subscriber.dif THEN excluded.dif "
		"ELSE auc_subscriber.dif END, flags = auc_subscriber.flags & 1, msisdn = "
		"excluded.msisdn, algorithm = excluded.algorithm, import = excluded.import, "
		"changed = excluded.changed RETURNING " COLUMNS},
	[LEDGER_IMPORT_MOVED] = {"import_moved", "DELETE FROM auc_import_row WHERE shard = $1 AND "
						 "import = $2 AND imsi > '' AND imsi <= $3"},
	[LEDGER_IMPORT_NEXT] = {"import_next",
		"SELECT imsi FROM auc_import_row WHERE shard = $1 AND import = $2 AND imsi > '' "
		"ORDER BY imsi LIMIT 1 OFFSET $3"},
	[LEDGER_IMPORT_END] = {"import_end",
		"DELETE FROM auc_import_row WHERE shard = $1 AND import = $2 AND imsi = ''"},
};

const struct store_schema ledger_schema = {
	.name = "auc",
	.version = 2,
	.create = create,
	.migrate = migrate,
	.statements = statements,
	.statement_count = ARRAY_LEN(statements),
};
