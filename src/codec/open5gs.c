// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "open5gs.h"
#include "base/secret.h"
#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

/* ---- one document of many ---- */

static bool is_between(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == ',' || c == '[' || c == ']';
}

/* The octets of the object that begins `text`, by its braces outside of strings; 0: it does not
 * end here. What is inside is for the decoder to judge. */
static size_t object_length(struct span text)
{
	bool is_string = false, is_escaped = false;
	size_t depth = 0;

	for (size_t i = 0; i < text.len; i++) {
		const uint8_t c = text.at[i];
		if (is_string) {
			is_string = c != '"' || is_escaped;
			is_escaped = c == '\\' && !is_escaped;
		} else if (c == '"') {
			is_string = true;
		} else if (c == '{') {
			depth++;
		} else if (c == '}' && --depth == 0) {
			return i + 1;
		}
	}
	return 0;
}

struct err open5gs_cut(struct span text, struct span *document, size_t *len)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(text, &fault);
	size_t begin = 0;

	while (begin < text.len && is_between(text.at[begin]))
		begin++;
	*len = begin;
	if (begin == text.len)
		return ERR(ABSENT);
	if (text.at[begin] != '{')
		return ERR(INPUT);
	reader_span(&r, begin, "between");
	struct reader ahead = r;
	const size_t octets = object_length(reader_rest(&ahead));
	if (octets == 0)
		return ERR(STATE);
	*document = reader_span(&r, octets, "document");
	*len = begin + octets;
	return OK;
}

/* ---- its fields ---- */

/* Hex digits without the blanks that the web interface puts between them. */
static struct err take_hex(struct subscriber_row *row, enum subscriber_field field, yyjson_val *v,
	struct subscriber_fault *fault)
{
	char digits[2 * AUC_K_MAX + 1];
	const char *text = yyjson_get_str(v);
	size_t len = 0;

	for (; text != NULL && *text != '\0' && len < sizeof digits; text++)
		if (*text != ' ')
			digits[len++] = *text;
	const struct err e =
		text == NULL ? ERR(INPUT)
			     : subscriber_row_take(row, field, span_of(digits, len), 1, fault);
	secret_wipe(digits, sizeof digits);
	return e;
}

/* A number, or {"$numberLong": "97"} and its like [MongoDB Extended JSON v2]. */
static struct err take_sqn(
	struct subscriber_row *row, yyjson_val *v, struct subscriber_fault *fault)
{
	char text[24];
	yyjson_val *wrapped = yyjson_obj_get(v, "$numberLong");

	if (wrapped == NULL)
		wrapped = yyjson_obj_get(v, "$numberInt");
	if (wrapped == NULL)
		wrapped = yyjson_obj_get(v, "$numberDouble");
	if (yyjson_is_str(wrapped))
		snprintf(text, sizeof text, "%.20s", yyjson_get_str(wrapped));
	else if (yyjson_is_uint(v))
		snprintf(text, sizeof text, "%" PRIu64, yyjson_get_uint(v));
	else
		snprintf(text, sizeof text, "-");
	return subscriber_row_take(row, SUBSCRIBER_SQN, span_str(text), 1, fault);
}

static bool is_given(yyjson_val *v)
{
	return v != NULL && !yyjson_is_null(v) && !(yyjson_is_str(v) && yyjson_get_len(v) == 0);
}

static struct err take_security(
	struct subscriber_row *row, yyjson_val *security, struct subscriber_fault *fault)
{
	yyjson_val *opc = yyjson_obj_get(security, "opc"), *op = yyjson_obj_get(security, "op");
	yyjson_val *k = yyjson_obj_get(security, "k"), *amf = yyjson_obj_get(security, "amf");
	yyjson_val *sqn = yyjson_obj_get(security, "sqn");
	struct err e = OK;

	if (is_given(k))
		e = take_hex(row, SUBSCRIBER_K, k, fault);
	if (!failed(e) && is_given(opc))
		e = take_hex(row, SUBSCRIBER_OPC, opc, fault);
	else if (!failed(e) && is_given(op))
		e = take_hex(row, SUBSCRIBER_OP, op, fault);
	if (!failed(e) && is_given(amf))
		e = take_hex(row, SUBSCRIBER_AMF, amf, fault);
	if (!failed(e) && is_given(sqn))
		e = take_sqn(row, sqn, fault);
	return e;
}

static struct err take_text(struct subscriber_row *row, enum subscriber_field field, yyjson_val *v,
	struct subscriber_fault *fault)
{
	return subscriber_row_take(row, field,
		span_of(yyjson_get_str(v), yyjson_is_str(v) ? yyjson_get_len(v) : 0), 1, fault);
}

static struct err take_document(struct subscriber_row *row, yyjson_val *root, bool *has_more,
	struct subscriber_fault *fault)
{
	yyjson_val *msisdn = yyjson_obj_get(root, "msisdn");

	*has_more = yyjson_arr_size(msisdn) > 1;
	if (yyjson_is_arr(msisdn))
		msisdn = yyjson_arr_get_first(msisdn);
	struct err e = take_text(row, SUBSCRIBER_IMSI, yyjson_obj_get(root, "imsi"), fault);
	if (!failed(e) && is_given(msisdn))
		e = take_text(row, SUBSCRIBER_MSISDN, msisdn, fault);
	if (!failed(e))
		e = take_security(row, yyjson_obj_get(root, "security"), fault);
	return failed(e) ? e : subscriber_row_end(row, fault);
}

struct err open5gs_decode(struct span document, uint8_t scratch[static OPEN5GS_SCRATCH],
	struct subscriber_row *row, bool *has_more, const char **reason)
{
	struct subscriber_fault fault = {.expected = "text of hex digits"};
	struct err e = ERR(INPUT);
	yyjson_alc memory;

	*has_more = false;
	subscriber_row_begin(row);
	yyjson_alc_pool_init(&memory, scratch, OPEN5GS_SCRATCH);
	yyjson_doc *doc = document.len > OPEN5GS_DOCUMENT_MAX
				  ? NULL
				  : yyjson_read_opts((char *)(uintptr_t)document.at, document.len,
					    YYJSON_READ_NOFLAG, &memory, NULL);
	if (doc == NULL)
		fault.expected = "a JSON document of at most 128 KiB";
	else
		e = take_document(row, yyjson_doc_get_root(doc), has_more, &fault);
	*reason = fault.expected;
	return e;
}
