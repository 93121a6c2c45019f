// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "subscriber_json.h"
#include "base/secret.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

enum { COPY = SUBSCRIBER_LINE_MAX + YYJSON_PADDING_SIZE, POOL_AT = 8 << 10, NUMBER_TEXT = 24 };
static_assert((int)COPY <= (int)POOL_AT, "the copy of the line ends before the values");

static struct err refuse(struct subscriber_fault *fault, size_t column, const char *expected)
{
	*fault = (struct subscriber_fault){.column = column, .expected = expected};
	return ERR(INPUT);
}

static bool may_be_number(enum subscriber_field field)
{
	return field == SUBSCRIBER_SQN || field == SUBSCRIBER_PROFILE ||
	       field == SUBSCRIBER_RES_BITS || field == SUBSCRIBER_ITERATIONS;
}

static struct err take_member(
	struct subscriber_row *row, yyjson_val *key, size_t column, struct subscriber_fault *fault)
{
	yyjson_val *value = yyjson_obj_iter_get_val(key);
	const size_t field =
		subscriber_field_named(span_of(yyjson_get_str(key), yyjson_get_len(key)));
	char number[NUMBER_TEXT];

	if (field == SUBSCRIBER_FIELDS)
		return refuse(fault, column, "one of " SUBSCRIBER_FIELD_NAMES);
	if (yyjson_is_str(value))
		return subscriber_row_take(row, (enum subscriber_field)field,
			span_of(yyjson_get_str(value), yyjson_get_len(value)), column, fault);
	if (!may_be_number((enum subscriber_field)field))
		return refuse(fault, column, "a member that is a string");
	if (!yyjson_is_uint(value))
		return refuse(fault, column, "a member that is a string or a whole number from 0");
	snprintf(number, sizeof number, "%" PRIu64, yyjson_get_uint(value));
	return subscriber_row_take(
		row, (enum subscriber_field)field, span_str(number), column, fault);
}

static struct err take_object(struct subscriber_row *row, yyjson_doc *doc, const uint8_t *copy,
	struct subscriber_fault *fault)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(yyjson_doc_get_root(doc));

	if (!yyjson_is_obj(yyjson_doc_get_root(doc)))
		return refuse(fault, 1, "an object { … }");
	for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
		key = yyjson_obj_iter_next(&iter)) {
		/* Read in place, a name lies where it stood, behind its quote. */
		const size_t column = (size_t)((const uint8_t *)yyjson_get_str(key) - copy);
		const struct err e = take_member(row, key, column, fault);
		if (failed(e))
			return e;
	}
	return subscriber_row_end(row, fault);
}

struct err subscriber_json_decode(struct span line, uint8_t scratch[static SUBSCRIBER_JSON_SCRATCH],
	struct subscriber_row *row, struct subscriber_fault *fault)
{
	yyjson_read_err error = {0};
	yyjson_alc memory;

	if (line.len == 0 || line.len > SUBSCRIBER_LINE_MAX)
		return refuse(fault, 1, "an object { … } of at most 4096 octets");
	memcpy(scratch, line.at, line.len);
	memset(scratch + line.len, 0, YYJSON_PADDING_SIZE);
	yyjson_alc_pool_init(&memory, scratch + POOL_AT, SUBSCRIBER_JSON_SCRATCH - POOL_AT);
	yyjson_doc *doc =
		yyjson_read_opts((char *)scratch, line.len, YYJSON_READ_INSITU, &memory, &error);
	if (doc == NULL)
		return refuse(fault, error.pos < line.len ? error.pos + 1 : line.len + 1,
			"JSON: an object { … }");
	return take_object(row, doc, scratch, fault);
}

/* ---- encode ---- */

static void put(struct writer *w, const char *text)
{
	writer_span(w, span_str(text));
}

static void put_name(struct writer *w, enum subscriber_field field)
{
	put(w, field == SUBSCRIBER_IMSI ? "{\"" : ",\"");
	put(w, subscriber_field_name(field));
	put(w, "\":");
}

static void put_string(struct writer *w, enum subscriber_field field, const char *text)
{
	put_name(w, field);
	put(w, "\"");
	put(w, text);
	put(w, "\"");
}

static void put_hex(struct writer *w, enum subscriber_field field, struct span bytes)
{
	char text[2 * AUC_K_MAX + 1];

	hex_from_span(text, bytes);
	put_string(w, field, text);
	secret_wipe(text, sizeof text);
}

static void put_number(struct writer *w, enum subscriber_field field, uint64_t v)
{
	char text[NUMBER_TEXT];

	snprintf(text, sizeof text, "%" PRIu64, v);
	put_name(w, field);
	put(w, text);
}

static void put_field(struct writer *w, const struct subscriber_row *row, enum subscriber_field f)
{
	const struct auc_keys *keys = &row->clear.keys;

	switch (f) {
	case SUBSCRIBER_IMSI:
		put_string(w, f, row->clear.imsi);
		break;
	case SUBSCRIBER_K:
		put_hex(w, f, span_of(keys->k, keys->k_len));
		break;
	case SUBSCRIBER_OP:
	case SUBSCRIBER_OPC:
	case SUBSCRIBER_TOP:
	case SUBSCRIBER_TOPC:
		put_hex(w, f, span_of(keys->opc, keys->opc_len));
		break;
	case SUBSCRIBER_ALGORITHM:
		put_string(w, f, auc_algorithm_word(keys->algorithm));
		break;
	case SUBSCRIBER_AMF:
		put_hex(w, f, SPAN_ARRAY(keys->amf));
		break;
	case SUBSCRIBER_SQN:
		put_number(w, f, row->sqn);
		break;
	case SUBSCRIBER_MSISDN:
		put_string(w, f, row->msisdn);
		break;
	case SUBSCRIBER_PROFILE:
		put_number(w, f, keys->profile);
		break;
	case SUBSCRIBER_RES_BITS:
		put_number(w, f, 8u * keys->res_octets);
		break;
	case SUBSCRIBER_ITERATIONS:
		put_number(w, f, keys->iterations);
		break;
	case SUBSCRIBER_FIELDS:
		break;
	}
}

void subscriber_json_encode(struct writer *w, const struct subscriber_row *row)
{
	for (enum subscriber_field f = 0; f < SUBSCRIBER_FIELDS; f++)
		if (f == SUBSCRIBER_IMSI || (row->given & 1u << f) != 0)
			put_field(w, row, f);
	put(w, "}\n");
}
