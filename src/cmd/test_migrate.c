// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What subscribers of osmo-hlr and of Open5GS become. */
#include "cmd/migrate_osmo_hlr.h"
#include "cmd/subscriber.h"
#include "codec/open5gs.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define K "465b5ce8b199b49faa5f0a2ee238a6bc"
#define OPC "cd63cb71954a9f4e48a5994e37a02baf"

static const struct osmo_hlr_row good = {.imsi = "001010000000001",
	.msisdn = "49123",
	.algorithm_3g = 5,
	.k = K,
	.opc = OPC,
	.sqn = 0x1c84,
	.ind_bits = 5};

static void osmo_hlr_milenage_is_taken(void **state)
{
	struct osmo_hlr_row from = good;
	struct subscriber_row row;

	(void)state;
	assert_null(osmo_hlr_convert(&from, &row));
	assert_string_equal(row.clear.imsi, "001010000000001");
	assert_string_equal(row.msisdn, "49123");
	assert_int_equal(row.clear.keys.algorithm, AUC_MILENAGE);
	assert_true(row.has_sqn && row.sqn == 0x1c84 && !row.clear.is_op);
	from.opc = NULL;
	from.op = OPC;
	from.msisdn = NULL;
	from.sqn = 0;
	assert_null(osmo_hlr_convert(&from, &row));
	assert_true(row.clear.is_op && !row.has_sqn);
	from.opc = OPC; /* both: OP was but the origin */
	assert_null(osmo_hlr_convert(&from, &row));
	assert_false(row.clear.is_op);
}

static void osmo_hlr_other_algorithms(void **state)
{
	static const struct {
		int64_t algorithm_2g, algorithm_3g;
		const char *k, *opc;
		int algorithm; /* 0: refused */
	} rows[] = {
		{0, 7, K K, OPC OPC, AUC_TUAK},
		{0, 7, K, OPC OPC, AUC_TUAK},
		{0, 4, K, NULL, AUC_XOR},
		{2, 0, K, NULL, AUC_COMP128_V2},
		{3, 0, K, NULL, AUC_COMP128_V3},
		{1, 5, K, OPC, AUC_MILENAGE}, /* the 3G keys count */
		{1, 0, K, NULL, 0},           /* COMP128v1 */
		{6, 0, K, NULL, 0},           /* XOR-2G */
		{0, 8, K, OPC, 0},
		{0, 0, NULL, NULL, 0},
		{0, 5, K, NULL, 0},
		{0, 5, NULL, OPC, 0},
		{0, 5, "12", OPC, 0},
		{0, 7, K, OPC, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct osmo_hlr_row from = {.imsi = "001010000000001",
			.algorithm_2g = rows[i].algorithm_2g,
			.algorithm_3g = rows[i].algorithm_3g,
			.ki = rows[i].k,
			.k = rows[i].k,
			.opc = rows[i].opc,
			.ind_bits = 5};
		struct subscriber_row row;
		const char *wrong = osmo_hlr_convert(&from, &row);
		if ((wrong == NULL) != (rows[i].algorithm != 0) ||
			(wrong == NULL && row.clear.keys.algorithm != rows[i].algorithm))
			fail_msg("%zu: %s", i, wrong != NULL ? wrong : "taken");
	}
}

/* Whatever the length of the card's IND, the first number that we give after `sqn`, with the next SEQ
 * of 43 bits and any IND of ours, is above it for the card: SQN without its IND has grown
 * [TS 33.102 §6.3.3, Annex C.2]. */
static void osmo_hlr_sqn_goes_on_above_for_any_ind(void **state)
{
	static const int64_t sqns[] = {1, 31, 32, 0x1c84, 0xfffff, INT64_C(1) << 40};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(sqns); i++) {
		for (int64_t bits = 0; bits <= 28; bits++) {
			struct osmo_hlr_row from = good;
			struct subscriber_row row;
			from.sqn = sqns[i];
			from.ind_bits = bits;
			assert_null(osmo_hlr_convert(&from, &row));
			const uint64_t next = ((row.sqn >> 5) + 1) << 5;
			assert_true(next >> bits > (uint64_t)sqns[i] >> bits);
		}
	}
}

static void osmo_hlr_sqn_has_48_bits(void **state)
{
	struct osmo_hlr_row from = good;
	struct subscriber_row row;

	(void)state;
	from.sqn = INT64_C(1) << 48;
	assert_non_null(osmo_hlr_convert(&from, &row));
	from.sqn = -1;
	assert_non_null(osmo_hlr_convert(&from, &row));
	from.sqn = (INT64_C(1) << 48) - 1;
	assert_null(osmo_hlr_convert(&from, &row));
	from.ind_bits = 29;
	assert_non_null(osmo_hlr_convert(&from, &row));
}

static struct err open5gs(const char *text, struct subscriber_row *row, const char **reason)
{
	static _Alignas(16) uint8_t scratch[OPEN5GS_SCRATCH];
	bool has_more;

	return open5gs_decode(span_str(text), scratch, row, &has_more, reason);
}

#define SPACED_K "465B5CE8 B199B49F AA5F0A2E E238A6BC"
static void open5gs_documents_are_taken(void **state)
{
	struct subscriber_row row;
	const char *reason;

	(void)state;
	assert_false(failed(open5gs(
		"{\"_id\":{\"$oid\":\"65\"},\"imsi\":\"001010000000001\",\"msisdn\":[\"49123\"],"
		"\"security\":{\"k\":\"" SPACED_K "\",\"op\":null,\"opc\":\"" OPC
		"\",\"amf\":\"8000\",\"sqn\":{\"$numberLong\":\"97\"}},\"slice\":[{\"sst\":1}]}",
		&row, &reason)));
	assert_string_equal(row.clear.imsi, "001010000000001");
	assert_string_equal(row.msisdn, "49123");
	assert_int_equal(row.clear.keys.k[0], 0x46);
	assert_true(row.has_sqn && row.sqn == 97);
	assert_false(failed(open5gs("{\"imsi\":\"001010000000001\",\"security\":{\"k\":\"" K
				    "\",\"op\":\"" OPC "\",\"sqn\":64}}",
		&row, &reason)));
	assert_true(row.clear.is_op && row.sqn == 64);
}

static void open5gs_documents_are_refused(void **state)
{
	static const char *const texts[] = {
		"{}",
		"{\"imsi\":1010000000001}",
		"{\"imsi\":\"001010000000001\"}",
		"{\"imsi\":\"001010000000001\",\"security\":{\"k\":\"" K "\"}}",
		"{\"imsi\":\"001010000000001\",\"security\":{\"k\":7,\"opc\":\"" OPC "\"}}",
		"{\"imsi\":\"001010000000001\",\"security\":{\"k\":\"" K "\",\"opc\":\"" OPC
		"\",\"sqn\":-1}}",
		"{\"imsi\":\"001010000000001\",\"security\":{\"k\":\"" K "\",\"opc\":\"" OPC
		"\",\"sqn\":{\"$numberLong\":\"281474976710656\"}}}",
		"{\"imsi\":\"001010000000001\",\"security\":{\"k\":\"" K K K "\",\"opc\":\"" OPC
		"\"}}",
		"{\"imsi\":",
	};
	struct subscriber_row row;
	const char *reason;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		reason = NULL;
		if (!failed(open5gs(texts[i], &row, &reason)) || reason == NULL)
			fail_msg("%s", texts[i]);
	}
}

static void open5gs_documents_are_cut(void **state)
{
	struct span document;
	size_t len;

	(void)state;
	assert_false(failed(open5gs_cut(
		span_str("[\n {\"a\":\"}\\\"{\",\"b\":{}} , {\"c\":1}"), &document, &len)));
	assert_int_equal(document.len, 19);
	assert_int_equal(len, 22);
	assert_int_equal(open5gs_cut(span_str(" \n]"), &document, &len).kind, ERR_ABSENT);
	assert_int_equal(len, 3);
	assert_int_equal(open5gs_cut(span_str("{\"a\":{}"), &document, &len).kind, ERR_STATE);
	assert_int_equal(open5gs_cut(span_str("x{}"), &document, &len).kind, ERR_INPUT);
}

/* Across the pieces in which a file is read, with something left out. */
static void open5gs_files_are_read_in_pieces(void **state)
{
	char in[] = "/tmp/merlon-open5gs-XXXXXX", out[] = "/tmp/merlon-open5gs-XXXXXX";
	const int fd = mkstemp(in);
	struct migration m = {.out = mkstemp(out)};

	(void)state;
	dprintf(fd, "[\n");
	for (int i = 0; i < 5000; i++)
		dprintf(fd,
			"{\"imsi\":\"00101%010d\",\"security\":{\"k\":\"" SPACED_K
			"\",\"opc\":%s%s%s}},\n",
			i, i % 1000 == 7 ? "" : "\"", i % 1000 == 7 ? "null" : OPC,
			i % 1000 == 7 ? "" : "\"");
	dprintf(fd, "]\n");
	assert_true(migrate_open5gs(in, &m));
	assert_int_equal(m.taken, 4995);
	assert_int_equal(m.refused, 5);
	assert_false(migration_is_whole(&m));
	m.is_skipping = true;
	assert_true(migration_is_whole(&m));
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	dprintf(fd, "oh");
	assert_false(migrate_open5gs(in, &m));
	close(fd);
	close(m.out);
	unlink(in);
	unlink(out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(osmo_hlr_milenage_is_taken),
		cmocka_unit_test(osmo_hlr_other_algorithms),
		cmocka_unit_test(osmo_hlr_sqn_goes_on_above_for_any_ind),
		cmocka_unit_test(osmo_hlr_sqn_has_48_bits),
		cmocka_unit_test(open5gs_documents_are_taken),
		cmocka_unit_test(open5gs_documents_are_refused),
		cmocka_unit_test(open5gs_documents_are_cut),
		cmocka_unit_test(open5gs_files_are_read_in_pieces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
