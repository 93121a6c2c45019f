// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The database of an osmo-hlr: SQLite, tables subscriber, auc_2g and auc_3g, up to the version of the
 * schema that osmo-hlr 1.9 has (7). It is opened read-only.
 *
 * One subscriber has one algorithm with us. Who has 3G keys is taken with those: triplets follow from
 * the quintuples [TS 33.102 §6.8.1.2]; 2G keys beside them are noted and left. `sqn` is the last one
 * used there. Cards whose IND is longer than our 5 bits: what they compare is SQN without IND, so the
 * number is raised to the end of that block, and ours begins above it [TS 33.102 §6.3.2, Annex C.3].
 */
#include "cmd/migrate_osmo_hlr.h"
#include "base/secret.h"
#include "cmd/subscriber.h"
#include <inttypes.h>
#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

enum { SCHEMA_MAX = 7, IND_BITS = 5, SQN_BITS = 48 };

/* The numbers of libosmogsm's enum osmo_auth_algo. */
static const struct algorithm {
	int id;
	const char *word; /* ours; NULL: not taken */
	const char *reason;
} algorithms[] = {
	{1, NULL,
		"COMP128v1: its keys can be computed from a card's answers; a new card is needed"},
	{2, "comp128v2", NULL},
	{3, "comp128v3", NULL},
	{4, "xor", NULL},
	{5, "milenage", NULL},
	{6, NULL, "XOR-2G, which is for test cards alone"},
	{7, "tuak", NULL},
};

static const struct algorithm *algorithm_of(int64_t id)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (algorithms[i].id == id)
			return &algorithms[i];
	return NULL;
}

/* An empty text is nothing, as for the importer. */
static const char *take(struct subscriber_row *row, enum subscriber_field field, const char *text)
{
	struct subscriber_fault fault = {0};

	if (text == NULL || text[0] == '\0')
		return NULL;
	return failed(subscriber_row_take(row, field, span_str(text), 1, &fault)) ? fault.expected
										  : NULL;
}

static const char *take_number(
	struct subscriber_row *row, enum subscriber_field field, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%" PRIu64, value);
	return take(row, field, text);
}

static uint64_t sqn_above(int64_t sqn, int64_t ind_bits)
{
	return ind_bits > IND_BITS ? (uint64_t)sqn | ((UINT64_C(1) << ind_bits) - 1)
				   : (uint64_t)sqn;
}

/* OPc where both are there: OP was but its origin. */
static const char *take_op(
	struct subscriber_row *row, const struct osmo_hlr_row *from, bool is_tuak)
{
	const bool has_opc = from->opc != NULL && from->opc[0] != '\0';
	const enum subscriber_field field = is_tuak ? (has_opc ? SUBSCRIBER_TOPC : SUBSCRIBER_TOP)
						    : (has_opc ? SUBSCRIBER_OPC : SUBSCRIBER_OP);

	return take(row, field, has_opc ? from->opc : from->op);
}

static const char *take_3g(struct subscriber_row *row, const struct osmo_hlr_row *from)
{
	const bool is_xor = row->clear.keys.algorithm == AUC_XOR;

	if (from->sqn < 0 || from->sqn >> SQN_BITS != 0 || from->ind_bits < 0 ||
		from->ind_bits > 28)
		return "an SQN of 48 bits and an IND of 0 to 28";
	const char *wrong = take(row, SUBSCRIBER_K, from->k);
	if (wrong == NULL && !is_xor)
		wrong = take_op(row, from, row->clear.keys.algorithm == AUC_TUAK);
	if (wrong == NULL && from->sqn > 0)
		wrong = take_number(row, SUBSCRIBER_SQN, sqn_above(from->sqn, from->ind_bits));
	return wrong;
}

const char *osmo_hlr_convert(const struct osmo_hlr_row *from, struct subscriber_row *row)
{
	const bool is_3g = from->algorithm_3g > 0;
	const int64_t id = is_3g ? from->algorithm_3g : from->algorithm_2g;
	const struct algorithm *algorithm = algorithm_of(id);
	struct subscriber_fault fault = {0};

	subscriber_row_begin(row);
	if (id == 0)
		return "no keys stand there";
	if (algorithm == NULL)
		return "an algorithm that osmo-hlr 1.9 does not know";
	if (algorithm->word == NULL)
		return algorithm->reason;
	const char *wrong = take(row, SUBSCRIBER_IMSI, from->imsi);
	if (wrong == NULL)
		wrong = take(row, SUBSCRIBER_ALGORITHM, algorithm->word);
	if (wrong == NULL)
		wrong = take(row, SUBSCRIBER_MSISDN, from->msisdn);
	if (wrong == NULL)
		wrong = is_3g ? take_3g(row, from) : take(row, SUBSCRIBER_K, from->ki);
	if (wrong == NULL && failed(subscriber_row_end(row, &fault)))
		wrong = fault.expected;
	return wrong;
}

/* ---- the database ---- */

static const char query[] =
	"SELECT s.imsi, s.msisdn, coalesce(g.algo_id_2g, 0), g.ki, coalesce(u.algo_id_3g, 0), u.k,"
	" u.op, u.opc, coalesce(u.sqn, 0), coalesce(u.ind_bitlen, 5), s.nam_cs, s.nam_ps"
	" FROM subscriber s LEFT JOIN auc_2g g ON g.subscriber_id = s.id"
	" LEFT JOIN auc_3g u ON u.subscriber_id = s.id ORDER BY s.imsi";

static const char *text_of(sqlite3_stmt *s, int column)
{
	return (const char *)sqlite3_column_text(s, column);
}

static bool row_migrate(sqlite3_stmt *s, struct migration *m)
{
	const struct osmo_hlr_row from = {.imsi = text_of(s, 0),
		.msisdn = text_of(s, 1),
		.algorithm_2g = sqlite3_column_int64(s, 2),
		.ki = text_of(s, 3),
		.algorithm_3g = sqlite3_column_int64(s, 4),
		.k = text_of(s, 5),
		.op = text_of(s, 6),
		.opc = text_of(s, 7),
		.sqn = sqlite3_column_int64(s, 8),
		.ind_bits = sqlite3_column_int64(s, 9)};
	const char *imsi = from.imsi != NULL ? from.imsi : "(no IMSI)";
	struct subscriber_row row;
	bool is_read = true;

	const char *wrong = osmo_hlr_convert(&from, &row);
	if (wrong != NULL) {
		migration_refuse(m, imsi, wrong);
	} else {
		if (from.algorithm_3g > 0 && from.algorithm_2g > 0)
			migration_note(m, imsi,
				"2G keys of his own are left; triplets come from "
				"the 3G keys");
		if (sqlite3_column_int(s, 10) == 0 || sqlite3_column_int(s, 11) == 0)
			migration_note(m, imsi,
				"was kept from CS or PS there, and is not here: "
				"`merlon subscriber disable` shuts out from both");
		is_read = migration_take(m, &row);
	}
	secret_wipe(&row, sizeof row);
	return is_read;
}

static int schema_of(sqlite3 *db)
{
	sqlite3_stmt *s = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &s, NULL) == SQLITE_OK &&
		sqlite3_step(s) == SQLITE_ROW)
		version = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return version;
}

static int rows_migrate(sqlite3 *db, struct migration *m)
{
	sqlite3_stmt *s = NULL;
	int status = sqlite3_prepare_v2(db, query, -1, &s, NULL);

	while (status == SQLITE_OK || status == SQLITE_ROW) {
		status = sqlite3_step(s);
		if (status == SQLITE_ROW && !row_migrate(s, m))
			status = SQLITE_ABORT;
	}
	sqlite3_finalize(s);
	return status;
}

bool migrate_osmo_hlr(const char *path, struct migration *m)
{
	sqlite3 *db = NULL;
	int status = sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL);
	const int version = status == SQLITE_OK ? schema_of(db) : 0;

	if (version > SCHEMA_MAX) {
		fail(EXIT_CONFIG, "%s: schema version %d; up to %d is known", path, version,
			SCHEMA_MAX);
		sqlite3_close(db);
		return false;
	}
	if (status == SQLITE_OK)
		status = rows_migrate(db, m);
	if (status == SQLITE_ABORT)
		fail(EXIT_FAILED, "%s: nobody reads what is converted", path);
	else if (status != SQLITE_DONE)
		fail(EXIT_CONFIG, "%s: no database of osmo-hlr: %s", path, sqlite3_errmsg(db));
	sqlite3_close(db);
	return status == SQLITE_DONE;
}
