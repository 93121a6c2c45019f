// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "subscriber_row.h"

static const char *const k_wanted = "K of 32 hex digits, for tuak also 64";

/* ---- one field each; all answer NULL, or what is expected ---- */

/* Digits and nothing else, into a text of `size` octets that is all zero. */
static bool digits_take(struct span s, char *out, size_t size)
{
	if (s.len >= size)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
	if (s.len > 0)
		memcpy(out, s.at, s.len);
	return true;
}

static const char *take_imsi(struct span s, struct subscriber_row *row)
{
	char imsi[IMSI_TEXT] = {0};

	if (!digits_take(s, imsi, sizeof imsi) || !imsi_is_valid(imsi))
		return "an IMSI of 6 to 15 digits";
	memcpy(row->clear.imsi, imsi, sizeof imsi);
	return NULL;
}

/* 32 or 64 hex digits; which of them is right is known when the algorithm is. */
static bool key_take(struct span s, uint8_t out[static 32], uint8_t *len)
{
	*len = s.len == 64 ? 32 : 16;
	return hex_digits_to_span(span_mut_of(out, *len), s);
}

static const char *take_k(struct span s, struct subscriber_row *row)
{
	return key_take(s, row->clear.keys.k, &row->clear.keys.k_len) ? NULL : k_wanted;
}

static const char *take_short_op(struct span s, struct subscriber_row *row, const char *wanted)
{
	row->clear.keys.opc_len = 16;
	return hex_digits_to_span(span_mut_of(row->clear.keys.opc, 16), s) ? NULL : wanted;
}

static const char *take_long_op(struct span s, struct subscriber_row *row, const char *wanted)
{
	row->clear.keys.opc_len = 32;
	return hex_digits_to_span(span_mut_of(row->clear.keys.opc, 32), s) ? NULL : wanted;
}

static const char *take_op(struct span s, struct subscriber_row *row)
{
	row->clear.is_op = true;
	return take_short_op(s, row, "OP of 32 hex digits");
}

static const char *take_opc(struct span s, struct subscriber_row *row)
{
	return take_short_op(s, row, "OPc of 32 hex digits");
}

static const char *take_top(struct span s, struct subscriber_row *row)
{
	row->clear.is_op = true;
	return take_long_op(s, row, "TOP of 64 hex digits");
}

static const char *take_topc(struct span s, struct subscriber_row *row)
{
	return take_long_op(s, row, "TOPc of 64 hex digits");
}

static const char *take_algorithm(struct span s, struct subscriber_row *row)
{
	/* Some 10,000 chosen challenges give the key away: it is no secret any more. */
	if (span_equal(s, span_str("comp128v1")))
		return "an algorithm other than comp128v1, whose keys can be computed from a "
		       "card's answers,";
	row->clear.keys.algorithm = auc_algorithm_from(s);
	return row->clear.keys.algorithm != 0
		       ? NULL
		       : "milenage, tuak, gsm-milenage, xor, comp128v2 or comp128v3";
}

static const char *take_amf(struct span s, struct subscriber_row *row)
{
	return hex_digits_to_span(SPAN_MUT_ARRAY(row->clear.keys.amf), s) ? NULL
									  : "AMF of 4 hex digits";
}

static int digit_of(uint8_t c, unsigned base)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (base == 16 && c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (base == 16 && c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Decimal, or 0x and hex; at most `max`. */
static bool number_take(struct span s, uint64_t max, uint64_t *v)
{
	const bool is_hex = s.len > 2 && s.at[0] == '0' && s.at[1] == 'x';
	const unsigned base = is_hex ? 16 : 10;

	*v = 0;
	for (size_t i = is_hex ? 2 : 0; i < s.len; i++) {
		const int digit = digit_of(s.at[i], base);
		if (digit < 0)
			return false;
		*v = *v * base + (uint64_t)digit;
		if (*v > max)
			return false;
	}
	return s.len > 0;
}

static const char *take_sqn(struct span s, struct subscriber_row *row)
{
	row->has_sqn = number_take(s, (UINT64_C(1) << 48) - 1, &row->sqn);
	return row->has_sqn ? NULL : "SQN of 48 bits, decimal or 0x and hex";
}

static const char *take_msisdn(struct span s, struct subscriber_row *row)
{
	char text[AUC_MSISDN_TEXT] = {0};

	if (!digits_take(s, text, sizeof text))
		return "an MSISDN of at most 15 digits";
	memcpy(row->msisdn, text, sizeof text);
	return NULL;
}

static const char *take_profile(struct span s, struct subscriber_row *row)
{
	uint64_t v;

	if (!number_take(s, UINT8_MAX, &v))
		return "a profile from 0 to 255";
	row->clear.keys.profile = (uint8_t)v;
	return NULL;
}

static const char *take_res_bits(struct span s, struct subscriber_row *row)
{
	uint64_t v;

	if (!number_take(s, 128, &v) || (v != 32 && v != 64 && v != 128))
		return "res_bits of 32, 64 or 128";
	row->clear.keys.res_octets = (uint8_t)(v / 8);
	return NULL;
}

static const char *take_iterations(struct span s, struct subscriber_row *row)
{
	uint64_t v;

	if (!number_take(s, UINT8_MAX, &v) || v == 0)
		return "iterations from 1 to 255";
	row->clear.keys.iterations = (uint8_t)v;
	return NULL;
}

static const struct {
	const char *name;
	const char *(*take)(struct span s, struct subscriber_row *row);
} fields[SUBSCRIBER_FIELDS] = {
	[SUBSCRIBER_IMSI] = {"imsi", take_imsi},
	[SUBSCRIBER_K] = {"k", take_k},
	[SUBSCRIBER_OP] = {"op", take_op},
	[SUBSCRIBER_OPC] = {"opc", take_opc},
	[SUBSCRIBER_TOP] = {"top", take_top},
	[SUBSCRIBER_TOPC] = {"topc", take_topc},
	[SUBSCRIBER_ALGORITHM] = {"algorithm", take_algorithm},
	[SUBSCRIBER_AMF] = {"amf", take_amf},
	[SUBSCRIBER_SQN] = {"sqn", take_sqn},
	[SUBSCRIBER_MSISDN] = {"msisdn", take_msisdn},
	[SUBSCRIBER_PROFILE] = {"profile", take_profile},
	[SUBSCRIBER_RES_BITS] = {"res_bits", take_res_bits},
	[SUBSCRIBER_ITERATIONS] = {"iterations", take_iterations},
};

size_t subscriber_field_named(struct span name)
{
	size_t i = 0;

	while (i < SUBSCRIBER_FIELDS && !span_equal(name, span_str(fields[i].name)))
		i++;
	return i;
}

const char *subscriber_field_name(enum subscriber_field field)
{
	return fields[field].name;
}

/* ---- a row ---- */

#define BIT(field) (UINT32_C(1) << SUBSCRIBER_##field)
#define OPS (BIT(OP) | BIT(OPC) | BIT(TOP) | BIT(TOPC))

static struct err refuse(struct subscriber_fault *fault, size_t column, const char *expected)
{
	*fault = (struct subscriber_fault){.column = column, .expected = expected};
	return ERR(INPUT);
}

void subscriber_row_begin(struct subscriber_row *row)
{
	*row = (struct subscriber_row){
		.clear.keys = {.algorithm = AUC_MILENAGE, .amf = {0x80, 0x00}}};
}

struct err subscriber_row_take(struct subscriber_row *row, enum subscriber_field field,
	struct span text, size_t column, struct subscriber_fault *fault)
{
	if ((row->given & 1u << field) != 0)
		return refuse(fault, column, "each field once");
	const char *expected = fields[field].take(text, row);
	if (expected != NULL)
		return refuse(fault, column, expected);
	row->given |= 1u << field;
	row->columns[field] = (uint16_t)(column < UINT16_MAX ? column : UINT16_MAX);
	return OK;
}

/* What an algorithm wants beside K: one of two fields, or none of the four; and what only it takes.
 */
static const struct rule {
	uint8_t algorithm;
	bool may_be_long; /* K of 64 hex digits */
	uint32_t op, extra;
	const char *op_wanted;
} rules[] = {
	{AUC_MILENAGE, false, BIT(OP) | BIT(OPC), BIT(PROFILE), "either op or opc"},
	{AUC_GSM_MILENAGE, false, BIT(OP) | BIT(OPC), BIT(PROFILE), "either op or opc"},
	{AUC_TUAK, true, BIT(TOP) | BIT(TOPC), BIT(RES_BITS) | BIT(ITERATIONS),
		"either top or topc"},
	{AUC_XOR, false, 0, 0, "neither op nor opc"},
	{AUC_COMP128_V2, false, 0, 0, "neither op nor opc"},
	{AUC_COMP128_V3, false, 0, 0, "neither op nor opc"},
};

static const struct rule *rule_of(uint8_t algorithm)
{
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(rules) && rules[i].algorithm != algorithm)
		i++;
	return &rules[i];
}

static bool is_one_bit(uint32_t bits)
{
	return bits != 0 && (bits & (bits - 1)) == 0;
}

/* Where the first of these fields stood; 1 where none did. */
static size_t column_of(const struct subscriber_row *row, uint32_t bits)
{
	for (size_t i = 0; i < SUBSCRIBER_FIELDS; i++)
		if ((row->given & bits & 1u << i) != 0)
			return row->columns[i];
	return 1;
}

struct err subscriber_row_end(struct subscriber_row *row, struct subscriber_fault *fault)
{
	struct auc_keys *keys = &row->clear.keys;
	const struct rule *rule = rule_of(keys->algorithm);
	const uint32_t ops = row->given & OPS;

	if ((row->given & BIT(IMSI)) == 0)
		return refuse(fault, 1, "an IMSI of 6 to 15 digits");
	if ((row->given & BIT(K)) == 0)
		return refuse(fault, 1, k_wanted);
	if (keys->k_len == 32 && !rule->may_be_long)
		return refuse(fault, column_of(row, BIT(K)), "K of 32 hex digits");
	if (rule->op == 0 ? ops != 0 : !is_one_bit(ops) || (ops & rule->op) == 0)
		return refuse(fault, column_of(row, OPS & ~rule->op), rule->op_wanted);
	const uint32_t extra = BIT(PROFILE) | BIT(RES_BITS) | BIT(ITERATIONS);
	const uint32_t foreign = row->given & extra & ~rule->extra;
	if (foreign != 0)
		return refuse(fault, column_of(row, foreign),
			(foreign & BIT(PROFILE)) != 0 ? "a profile for milenage alone"
						      : "res_bits and iterations for tuak alone");
	if (keys->algorithm == AUC_TUAK) {
		keys->res_octets = (row->given & BIT(RES_BITS)) != 0 ? keys->res_octets : 8;
		keys->iterations = (row->given & BIT(ITERATIONS)) != 0 ? keys->iterations : 1;
	}
	return OK;
}
