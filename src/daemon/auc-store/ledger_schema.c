// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ledger_schema.h"

static const char *const create[] = {
	"CREATE TABLE auc_lease (shard INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, "
	"ceiling INTEGER NOT NULL)",
	"CREATE TABLE auc_ind (shard INTEGER NOT NULL, ind INTEGER NOT NULL, domain INTEGER NOT "
	"NULL, "
	"node TEXT NOT NULL, used INTEGER NOT NULL, PRIMARY KEY (shard, ind))",
	"CREATE TABLE auc_subscriber (shard INTEGER NOT NULL, imsi TEXT NOT NULL, epoch INTEGER "
	"NOT NULL, "
	"sealed BLOB NOT NULL, dif INTEGER NOT NULL, generation INTEGER NOT NULL, msisdn TEXT NOT "
	"NULL, "
	"import INTEGER NOT NULL, PRIMARY KEY (shard, imsi))",
	"CREATE TABLE auc_import_row (shard INTEGER NOT NULL, import INTEGER NOT NULL, imsi TEXT "
	"NOT NULL, "
	"sealed BLOB NOT NULL, dif INTEGER NOT NULL, msisdn TEXT NOT NULL, "
	"PRIMARY KEY (shard, import, imsi))",
	"INSERT INTO auc_lease (shard, epoch, ceiling) VALUES (0, 0, 0)",
	NULL,
};

#define IS_OWNER "EXISTS (SELECT 1 FROM auc_lease WHERE shard = $1 AND epoch = $2)"
#define COLUMNS "imsi, sealed, dif, generation, msisdn"

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
		"ORDER BY imsi LIMIT 1000"},
	[LEDGER_IMPORTED] = {"imported",
		"SELECT " COLUMNS
		" FROM auc_subscriber WHERE shard = $1 AND imsi > $2 AND import = $3 "
		"ORDER BY imsi LIMIT 1000"},
	[LEDGER_DIF_SET] = {"dif_set",
		"UPDATE auc_subscriber SET dif = $4, generation = $5, epoch = $2 "
		"WHERE shard = $1 AND imsi = $3 AND " IS_OWNER},
	[LEDGER_IMPORT_CLEAR] = {"import_clear", "DELETE FROM auc_import_row WHERE shard = $1"},
	[LEDGER_IMPORT_ROW] = {"import_row",
		"INSERT INTO auc_import_row (shard, import, imsi, sealed, dif, msisdn) "
		"SELECT $1, $3, $4, $5, $6, $7 WHERE " IS_OWNER},
	/* DIF is never lowered by an import: a card that is in use would see its numbers again. */
	[LEDGER_IMPORT_ALL] = {"import_all",
		"INSERT INTO auc_subscriber (shard, imsi, epoch, sealed, dif, generation, msisdn, "
		"import) "
		"SELECT shard, imsi, $2, sealed, dif, 0, msisdn, import FROM auc_import_row "
		"WHERE shard = $1 AND import = $3 AND " IS_OWNER " "
		"ON CONFLICT (shard, imsi) DO UPDATE SET epoch = excluded.epoch, sealed = "
		"excluded.sealed, "
		"dif = CASE WHEN excluded.dif > auc_subscriber.dif THEN excluded.dif "
		"ELSE auc_subscriber.dif END, msisdn = excluded.msisdn, import = excluded.import"},
};

const struct store_schema ledger_schema = {
	.name = "auc",
	.version = 1,
	.create = create,
	.statements = statements,
	.statement_count = ARRAY_LEN(statements),
};
