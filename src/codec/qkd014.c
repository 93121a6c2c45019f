// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd014.h"
#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

/* --- UUIDs --- */

static const uint8_t uuid_dash_before[] = {4, 6, 8, 10}; /* octets */

static bool is_dash_before(size_t octet)
{
	return memchr(uuid_dash_before, (int)octet, sizeof uuid_dash_before) != NULL;
}

void qkd014_uuid_write(char text[static 37], const struct kms_key_id *id)
{
	for (size_t i = 0; i < KMS_KEY_ID_OCTETS; i++) {
		if (is_dash_before(i))
			*text++ = '-';
		hex_from_span(text, span_of(&id->octets[i], 1));
		text += 2;
	}
	*text = '\0';
}

bool qkd014_uuid_read(struct kms_key_id *id, const char *text)
{
	if (strlen(text) != 36)
		return false;
	for (size_t i = 0; i < KMS_KEY_ID_OCTETS; i++) {
		if (is_dash_before(i) && *text++ != '-')
			return false;
		const char pair[3] = {text[0], text[1], '\0'};
		if (!hex_to_span(span_mut_of(&id->octets[i], 1), pair))
			return false;
		text += 2;
	}
	return true;
}

/* --- paths --- */

/* One segment up to '/' or the end, percent-decoded [RFC 3986 §2.1]; moves *text behind it. */
static struct err segment_decode(struct kms_name *name, const char **text)
{
	*name = (struct kms_name){0};
	for (; **text != '\0' && **text != '/'; ++*text) {
		uint8_t octet = (uint8_t)**text;
		if (octet == '%') {
			const char pair[3] = {
				(*text)[1], (*text)[1] == '\0' ? '\0' : (*text)[2], '\0'};
			if (!hex_to_span(span_mut_of(&octet, 1), pair))
				return ERR(INPUT);
			*text += 2;
		}
		/* Names go into audit records and logs: visible ASCII alone. */
		if (octet <= ' ' || octet > '~' || name->len == KMS_SAE_MAX)
			return ERR(INPUT);
		name->text[name->len++] = (char)octet;
	}
	return name->len == 0 ? ERR(INPUT) : OK;
}

struct err qkd014_path_decode(struct qkd014_path *path, const char *text)
{
	static const char prefix[] = "/api/v1/keys/";
	static const char *const calls[] = {[QKD014_STATUS] = "/status",
		[QKD014_ENC_KEYS] = "/enc_keys",
		[QKD014_DEC_KEYS] = "/dec_keys"};

	if (strncmp(text, prefix, sizeof prefix - 1) != 0)
		return ERR(ABSENT);
	text += sizeof prefix - 1;
	const char *rest = strchr(text, '/');
	for (size_t i = 0; rest != NULL && i < ARRAY_LEN(calls); i++)
		if (strcmp(rest, calls[i]) == 0) {
			path->call = (enum qkd014_call)i;
			return segment_decode(&path->sae, &text);
		}
	return ERR(ABSENT);
}

/* --- faults --- */

static struct err refuse(struct qkd014_fault *fault, const char *message)
{
	fault->message = message;
	fault->extension[0] = '\0';
	return ERR(INPUT);
}

static struct err number_set(struct qkd014_enc_request *m, uint64_t v, struct qkd014_fault *fault)
{
	if (v == 0 || v > KMS_KEYS_MAX)
		return refuse(fault, "number is out of range");
	m->number = (uint32_t)v;
	return OK;
}

static struct err size_set(struct qkd014_enc_request *m, uint64_t v, struct qkd014_fault *fault)
{
	if (v % 8 != 0)
		return refuse(fault, QKD014_SIZE_NOT_OCTETS);
	if (v == 0 || v > 8 * KMS_KEY_OCTETS_MAX)
		return refuse(fault, "size is out of range");
	m->size_bits = (uint32_t)v;
	return OK;
}

/* --- queries --- */

enum { QUERY_TEXT_MAX = 64 };

struct query_item {
	char name[QUERY_TEXT_MAX], value[QUERY_TEXT_MAX];
};

/* The next name=value; false at the end. Percent-encoding has no business in numbers and UUIDs. */
static bool query_next(const char **query, struct query_item *item, struct err *e)
{
	const size_t len = strcspn(*query, "&");
	const char *equals = memchr(*query, '=', len);

	*item = (struct query_item){0};
	if (**query == '\0')
		return false;
	const size_t name_len = equals == NULL ? len : (size_t)(equals - *query);
	const size_t value_len = equals == NULL ? 0 : len - name_len - 1;
	if (name_len >= QUERY_TEXT_MAX || value_len >= QUERY_TEXT_MAX) {
		*e = ERR(INPUT);
		return false;
	}
	memcpy(item->name, *query, name_len);
	if (equals != NULL)
		memcpy(item->value, equals + 1, value_len);
	*query += len + ((*query)[len] == '&');
	return true;
}

/* Digits alone: no sign, no space, no more than nine. */
static bool digits_read(const char *text, uint64_t *v)
{
	const size_t len = strlen(text);

	*v = 0;
	if (len == 0 || len > 9 || strspn(text, "0123456789") != len)
		return false;
	for (; *text != '\0'; text++)
		*v = *v * 10 + (uint64_t)(*text - '0');
	return true;
}

struct err qkd014_enc_query_decode(
	struct qkd014_enc_request *m, const char *query, struct qkd014_fault *fault)
{
	struct query_item item;
	struct err e = OK;
	bool has_number = false, has_size = false;
	uint64_t v;

	*m = (struct qkd014_enc_request){.number = 1};
	while (!failed(e) && query_next(&query, &item, &e)) {
		bool *has = strcmp(item.name, "number") == 0 ? &has_number
			    : strcmp(item.name, "size") == 0 ? &has_size
							     : NULL;
		if (has == NULL)
			return refuse(
				fault, "only number and size may stand in the query: use POST");
		if (*has || !digits_read(item.value, &v))
			return refuse(
				fault, "number and size are positive integers, each given once");
		*has = true;
		e = has == &has_number ? number_set(m, v, fault) : size_set(m, v, fault);
		if (failed(e))
			return e;
	}
	return failed(e) ? refuse(fault, "the query is malformed") : OK;
}

struct err qkd014_dec_query_decode(
	struct qkd014_dec_request *m, const char *query, struct qkd014_fault *fault)
{
	struct query_item item;
	struct err e = OK;

	m->count = 0;
	while (!failed(e) && query_next(&query, &item, &e)) {
		if (strcmp(item.name, "key_ID") != 0 || m->count == 1)
			return refuse(fault, "one key_ID alone may stand in the query: use POST");
		if (!qkd014_uuid_read(&m->ids[0], item.value))
			return refuse(fault, "key_ID is not a UUID");
		m->count = 1;
	}
	return failed(e) || m->count == 0 ? refuse(fault, "key_ID is missing") : OK;
}

/* --- bodies --- */

static yyjson_doc *object_read(struct span body, yyjson_val **root)
{
	yyjson_doc *doc = body.len > QKD014_BODY_MAX ? NULL
						     : yyjson_read((const char *)body.at, body.len,
							       YYJSON_READ_NOFLAG);

	*root = yyjson_doc_get_root(doc);
	if (yyjson_is_obj(*root))
		return doc;
	yyjson_doc_free(doc);
	return NULL;
}

/* A list that may be absent; at most `max` long. */
static struct err list_get(yyjson_val *root, const char *name, size_t max, yyjson_val **list,
	struct qkd014_fault *fault)
{
	*list = yyjson_obj_get(root, name);
	if (*list != NULL && !yyjson_is_arr(*list))
		return refuse(fault, "a list is expected where there is none");
	if (yyjson_arr_size(*list) > max)
		return refuse(fault, "a list is too long");
	return OK;
}

static struct err additional_read(
	struct qkd014_enc_request *m, yyjson_val *list, struct qkd014_fault *fault)
{
	yyjson_val *item;
	size_t at, count;

	if (list != NULL && yyjson_arr_size(list) == 0)
		return refuse(fault, "additional_slave_SAE_IDs is empty");
	yyjson_arr_foreach(list, at, count, item)
	{
		struct kms_name *name = &m->additional[at];
		const char *text = yyjson_get_str(item);
		const char *end = text;
		if (text == NULL || strlen(text) != yyjson_get_len(item) ||
			!kms_name_set(name, text) || strpbrk(text, "/%") != NULL ||
			failed(segment_decode(name, &end)))
			return refuse(fault, "additional_slave_SAE_IDs holds what is no SAE ID");
		for (size_t i = 0; i < at; i++)
			if (kms_name_equal(&m->additional[i], name))
				return refuse(
					fault, "additional_slave_SAE_IDs names one SAE twice");
		m->additional_count++;
	}
	return OK;
}

/* We support no extension: a mandatory one is refused by name, an optional one ignored [§6.2]. */
static struct err mandatory_read(yyjson_val *list, struct qkd014_fault *fault)
{
	yyjson_val *first = yyjson_arr_get_first(list);
	yyjson_obj_iter iter = yyjson_obj_iter_with(first);
	const char *name = yyjson_get_str(yyjson_obj_iter_next(&iter));

	if (first == NULL)
		return OK;
	const struct err e = refuse(fault, QKD014_MANDATORY_UNKNOWN);
	snprintf(fault->extension, sizeof fault->extension, "%s", name == NULL ? "" : name);
	return e;
}

static struct err enc_read(
	struct qkd014_enc_request *m, yyjson_val *root, struct qkd014_fault *fault)
{
	yyjson_val *number = yyjson_obj_get(root, "number"), *size = yyjson_obj_get(root, "size");
	yyjson_val *additional, *mandatory;

	if ((number != NULL && !yyjson_is_uint(number)) || (size != NULL && !yyjson_is_uint(size)))
		return refuse(fault, "number and size are positive integers");
	struct err e = number == NULL ? OK : number_set(m, yyjson_get_uint(number), fault);
	if (!failed(e) && size != NULL)
		e = size_set(m, yyjson_get_uint(size), fault);
	if (!failed(e))
		e = list_get(
			root, "additional_slave_SAE_IDs", KMS_SLAVES_MAX - 1, &additional, fault);
	if (!failed(e))
		e = additional_read(m, additional, fault);
	if (!failed(e))
		e = list_get(root, "extension_mandatory", 64, &mandatory, fault);
	return failed(e) ? e : mandatory_read(mandatory, fault);
}

struct err qkd014_enc_body_decode(
	struct qkd014_enc_request *m, struct span body, struct qkd014_fault *fault)
{
	yyjson_val *root;

	*m = (struct qkd014_enc_request){.number = 1};
	if (body.len == 0)
		return OK;
	yyjson_doc *doc = object_read(body, &root);
	if (doc == NULL)
		return refuse(fault, "the body is not a JSON object");
	const struct err e = enc_read(m, root, fault);
	yyjson_doc_free(doc);
	return e;
}

static struct err ids_read(
	struct qkd014_dec_request *m, yyjson_val *list, struct qkd014_fault *fault)
{
	yyjson_val *item;
	size_t at, count;

	if (yyjson_arr_size(list) == 0)
		return refuse(fault, "key_IDs is missing or empty");
	yyjson_arr_foreach(list, at, count, item)
	{
		const char *text = yyjson_get_str(yyjson_obj_get(item, "key_ID"));
		if (text == NULL || !qkd014_uuid_read(&m->ids[m->count], text))
			return refuse(fault, "key_ID is not a UUID");
		m->count++;
	}
	return OK;
}

struct err qkd014_dec_body_decode(
	struct qkd014_dec_request *m, struct span body, struct qkd014_fault *fault)
{
	yyjson_val *root, *list;

	m->count = 0;
	yyjson_doc *doc = object_read(body, &root);
	if (doc == NULL)
		return refuse(fault, "the body is not a JSON object");
	struct err e = list_get(root, "key_IDs", KMS_KEYS_MAX, &list, fault);
	if (!failed(e))
		e = ids_read(m, list, fault);
	yyjson_doc_free(doc);
	return e;
}

/* --- answers --- */

static void text_write(struct writer *w, const char *text)
{
	writer_span(w, span_str(text));
}

static void quoted_write(struct writer *w, const char *text)
{
	writer_u8(w, '"');
	for (; *text != '\0'; text++) {
		char escape[8];
		if (*text == '"' || *text == '\\' || (uint8_t)*text < ' ' || (uint8_t)*text > '~') {
			snprintf(escape, sizeof escape, "\\u%04x", (uint8_t)*text);
			text_write(w, escape);
		} else {
			writer_u8(w, (uint8_t)*text);
		}
	}
	writer_u8(w, '"');
}

/* Without a table: neither branch nor address depends on the key. */
static uint8_t base64_digit(uint32_t v)
{
	const uint32_t upper = (v - 26) >> 31, lower = (v - 52) >> 31, digit = (v - 62) >> 31;
	const uint32_t plus = (v - 63) >> 31;
	const uint32_t is_lower = lower & ~upper, is_digit = digit & ~lower,
		       is_plus = plus & ~digit;

	return (uint8_t)(upper * (v + 'A') + is_lower * (v - 26 + 'a') + is_digit * (v - 52 + '0') +
			 is_plus * '+' + (plus ^ 1) * '/');
}

static void base64_write(struct writer *w, struct span bytes)
{
	for (size_t i = 0; i < bytes.len; i += 3) {
		const size_t left = bytes.len - i;
		const uint32_t v = (uint32_t)bytes.at[i] << 16 |
				   (left > 1 ? (uint32_t)bytes.at[i + 1] << 8 : 0) |
				   (left > 2 ? bytes.at[i + 2] : 0);
		writer_u8(w, base64_digit(v >> 18));
		writer_u8(w, base64_digit(v >> 12 & 63));
		writer_u8(w, left > 1 ? base64_digit(v >> 6 & 63) : '=');
		writer_u8(w, left > 2 ? base64_digit(v & 63) : '=');
	}
}

void qkd014_keys_encode(struct writer *w, const struct kms_keys *m)
{
	char uuid[37];

	text_write(w, "{\"keys\":[");
	for (size_t i = 0; i < m->count; i++) {
		qkd014_uuid_write(uuid, &m->items[i].id);
		text_write(w, i == 0 ? "{\"key_ID\":\"" : ",{\"key_ID\":\"");
		text_write(w, uuid);
		text_write(w, "\",\"key\":\"");
		base64_write(w, m->items[i].key);
		text_write(w, "\"}");
	}
	text_write(w, "]}");
}

void qkd014_status_encode(struct writer *w, const struct kms_status_answer *m)
{
	const struct {
		const char *name, *text;
	} texts[] = {
		{"{\"source_KME_ID\":", m->source_kme.text},
		{",\"target_KME_ID\":", m->target_kme.text},
		{",\"master_SAE_ID\":", m->master.text},
		{",\"slave_SAE_ID\":", m->slave.text},
	};
	const struct {
		const char *name;
		uint32_t v;
	} numbers[] = {
		{"key_size", m->key_size_bits},
		{"stored_key_count", m->stored_key_count},
		{"max_key_count", m->max_key_count},
		{"max_key_per_request", m->max_key_per_request},
		{"max_key_size", m->max_key_size_bits},
		{"min_key_size", m->min_key_size_bits},
		{"max_SAE_ID_count", m->max_sae_id_count},
	};
	char member[64];

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		text_write(w, texts[i].name);
		quoted_write(w, texts[i].text);
	}
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		snprintf(member, sizeof member, ",\"%s\":%" PRIu32, numbers[i].name, numbers[i].v);
		text_write(w, member);
	}
	text_write(w, "}");
}

void qkd014_fault_encode(struct writer *w, const struct qkd014_fault *fault)
{
	char text[96];

	text_write(w, "{\"message\":");
	quoted_write(w, fault->message);
	if (fault->extension[0] != '\0') {
		snprintf(text, sizeof text, "%s is not supported", fault->extension);
		text_write(w, ",\"details\":[{\"extension_mandatory_unsupported\":");
		quoted_write(w, text);
		text_write(w, "}]");
	}
	text_write(w, "}");
}
