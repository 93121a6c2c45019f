// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "subscriber_csv.h"

/* ---- lines and fields ---- */

bool csv_line(struct span text, bool is_end, struct span *line, size_t *len)
{
	const uint8_t *end = text.len == 0 ? NULL : memchr(text.at, '\n', text.len);

	if (end == NULL && !(is_end && text.len > 0))
		return false;
	*len = end == NULL ? text.len : (size_t)(end - text.at) + 1;
	*line = span_of(text.at, end == NULL ? text.len : *len - 1);
	if (line->len > 0 && line->at[line->len - 1] == '\r')
		line->len--;
	return true;
}

bool csv_is_blank(struct span line)
{
	return line.len == 0 || line.at[0] == '#';
}

static struct err refuse(struct csv_fault *fault, size_t column, const char *expected)
{
	*fault = (struct csv_fault){.column = column, .expected = expected};
	return ERR(INPUT);
}

/* The next field of a line: what stands before the next comma, or the end. False after the last. */
struct fields {
	struct span line;
	size_t next; /* where the next begins; line.len + 1: none left */
	size_t column;
	struct span field;
};

static bool next_field(struct fields *f)
{
	if (f->next > f->line.len)
		return false;
	struct wire_fault none = {0};
	struct reader r = reader_of(f->line, &none);
	reader_cut(&r, f->next, "fields before");
	const struct span rest = reader_rest(&r);
	const uint8_t *comma = rest.len == 0 ? NULL : memchr(rest.at, ',', rest.len);
	f->field = span_of(rest.at, comma == NULL ? rest.len : (size_t)(comma - rest.at));
	f->column = f->next + 1;
	f->next += f->field.len + 1;
	return true;
}

/* ---- one field each; all answer NULL, or what is expected ---- */

static const char *take_imsi(struct span s, struct csv_row *row)
{
	char imsi[IMSI_TEXT] = {0};

	if (s.len > 0 && s.len < sizeof imsi)
		memcpy(imsi, s.at, s.len);
	if (s.len >= sizeof imsi || strlen(imsi) != s.len || !imsi_is_valid(imsi))
		return "an IMSI of 6 to 15 digits";
	memcpy(row->clear.imsi, imsi, sizeof imsi);
	return NULL;
}

static const char *take_k(struct span s, struct csv_row *row)
{
	return hex_digits_to_span(span_mut_of(row->clear.keys.k, 16), s) ? NULL
									 : "K of 32 hex digits";
}

static const char *take_op(struct span s, struct csv_row *row)
{
	row->clear.is_op = true;
	return hex_digits_to_span(span_mut_of(row->clear.keys.opc, 16), s) ? NULL
									   : "OP of 32 hex digits";
}

static const char *take_opc(struct span s, struct csv_row *row)
{
	return hex_digits_to_span(span_mut_of(row->clear.keys.opc, 16), s) ? NULL
									   : "OPc of 32 hex digits";
}

static const char *take_algorithm(struct span s, struct csv_row *row)
{
	row->clear.keys.algorithm = AUC_MILENAGE;
	return span_equal(s, span_str("milenage")) ? NULL : "the algorithm milenage";
}

static const char *take_amf(struct span s, struct csv_row *row)
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

static const char *take_sqn(struct span s, struct csv_row *row)
{
	const bool is_hex = s.len > 2 && s.at[0] == '0' && s.at[1] == 'x';
	const unsigned base = is_hex ? 16 : 10;
	uint64_t v = 0;

	for (size_t i = is_hex ? 2 : 0; i < s.len; i++) {
		const int digit = digit_of(s.at[i], base);
		if (digit < 0 || v >> 48 != 0)
			return "SQN of 48 bits, decimal or 0x and hex";
		v = v * base + (uint64_t)digit;
	}
	row->has_sqn = true;
	row->sqn = v;
	return v >> 48 == 0 ? NULL : "SQN of 48 bits, decimal or 0x and hex";
}

static const char *take_msisdn(struct span s, struct csv_row *row)
{
	char text[AUC_MSISDN_TEXT] = {0};

	if (s.len >= sizeof text)
		return "an MSISDN of at most 15 digits";
	memcpy(text, s.at, s.len);
	if (strspn(text, "0123456789") != s.len)
		return "an MSISDN of at most 15 digits";
	memcpy(row->msisdn, text, sizeof text);
	return NULL;
}

static const struct {
	const char *name;
	const char *(*take)(struct span s, struct csv_row *row);
} fields[CSV_FIELDS] = {
	[CSV_IMSI] = {"imsi", take_imsi},
	[CSV_K] = {"k", take_k},
	[CSV_OP] = {"op", take_op},
	[CSV_OPC] = {"opc", take_opc},
	[CSV_ALGORITHM] = {"algorithm", take_algorithm},
	[CSV_AMF] = {"amf", take_amf},
	[CSV_SQN] = {"sqn", take_sqn},
	[CSV_MSISDN] = {"msisdn", take_msisdn},
};

/* ---- lines ---- */

static size_t field_named(struct span name)
{
	for (size_t i = 0; i < CSV_FIELDS; i++)
		if (span_equal(name, span_str(fields[i].name)))
			return i;
	return CSV_FIELDS;
}

struct err csv_header_decode(struct span line, struct csv_shape *shape, struct csv_fault *fault)
{
	struct fields f = {.line = line};
	unsigned seen = 0;

	*shape = (struct csv_shape){0};
	while (next_field(&f)) {
		const size_t field = field_named(f.field);
		if (field == CSV_FIELDS)
			return refuse(fault, f.column,
				"one of imsi, k, op, opc, algorithm, amf, sqn, msisdn");
		if ((seen & 1u << field) != 0 || shape->count == CSV_FIELDS_MAX)
			return refuse(fault, f.column, "each field once");
		seen |= 1u << field;
		shape->fields[shape->count++] = (uint8_t)field;
	}
	const unsigned wanted = 1u << CSV_IMSI | 1u << CSV_K;
	if ((seen & wanted) != wanted || (seen & (1u << CSV_OP | 1u << CSV_OPC)) == 0)
		return refuse(fault, 1, "a header with imsi, k, and op or opc");
	return OK;
}

struct err csv_row_decode(struct span line, const struct csv_shape *shape, struct csv_row *row,
	struct csv_fault *fault)
{
	struct fields f = {.line = line};
	unsigned seen = 0;
	size_t column = 0;

	*row = (struct csv_row){.clear.keys = {.algorithm = AUC_MILENAGE,
					.amf = {0x80, 0x00},
					.k_len = 16,
					.opc_len = 16}};
	for (; next_field(&f); column++) {
		if (column == shape->count)
			return refuse(fault, f.column, "as many fields as the header has");
		const uint8_t field = shape->fields[column];
		if (f.field.len == 0)
			continue; /* not given, as if the header did not name it */
		const char *expected = fields[field].take(f.field, row);
		if (expected != NULL)
			return refuse(fault, f.column, expected);
		seen |= 1u << field;
	}
	if (column != shape->count)
		return refuse(fault, line.len + 1, "as many fields as the header has");
	if ((seen & 1u << CSV_IMSI) == 0)
		return refuse(fault, 1, "an IMSI of 6 to 15 digits");
	if ((seen & 1u << CSV_K) == 0)
		return refuse(fault, 1, "K of 32 hex digits");
	if (((seen & 1u << CSV_OP) == 0) == ((seen & 1u << CSV_OPC) == 0))
		return refuse(fault, 1, "either OP or OPc");
	return OK;
}
