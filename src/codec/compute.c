// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "compute.h"
#include "base/secret.h"
#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <yyjson.h>

#define M(word, kind, min, max, role, help)                                                        \
	[COMPUTE_##word] = {#word, COMPUTE_##kind, min, max, COMPUTE_##role, help},
const struct compute_row compute_rows[COMPUTE_MEMBERS_END] = {COMPUTE_MEMBERS(M)};
#undef M

static_assert(COMPUTE_MEMBERS_END < 256, "a member fits an octet");

/* Other names that are in use for the same. */
static const struct {
	const char *word;
	uint8_t member;
} aliases[] = {
	{"ki", COMPUTE_k},
	{"keccak_iterations", COMPUTE_iterations},
	{"sn_id", COMPUTE_snid},
	{"plmn", COMPUTE_snid},
	{"plmn_id", COMPUTE_snid},
	{"visited_plmn_id", COMPUTE_snid},
	{"serving_network_id", COMPUTE_snid},
	{"serving_network_name", COMPUTE_snn},
	{"serving_network", COMPUTE_snn},
	{"sn_name", COMPUTE_snn},
	{"network", COMPUTE_network_name},
	{"ck'", COMPUTE_ck_prime},
	{"ik'", COMPUTE_ik_prime},
	{"res*", COMPUTE_res_star},
	{"xres*", COMPUTE_res_star},
	{"sqn_ak", COMPUTE_sqn_xor_ak},
	{"access_network_identity", COMPUTE_network_name},
	{"imsi", COMPUTE_supi},
	{"eea", COMPUTE_enc_alg},
	{"nea", COMPUTE_enc_alg},
	{"eia", COMPUTE_int_alg},
	{"nia", COMPUTE_int_alg},
	{"algorithm_type", COMPUTE_type},
	{"algorithm_type_distinguisher", COMPUTE_type},
	{"alg_type", COMPUTE_type},
	{"algorithm_identity", COMPUTE_alg},
	{"algorithm_id", COMPUTE_alg},
	{"alg_id", COMPUTE_alg},
	{"nas_count", COMPUTE_count},
	{"ul_nas_count", COMPUTE_count},
	{"dl_nas_count", COMPUTE_count},
	{"uplink_nas_count", COMPUTE_count},
	{"downlink_nas_count", COMPUTE_count},
	{"access_type", COMPUTE_access},
	{"access_type_distinguisher", COMPUTE_access},
	{"sync_input", COMPUTE_sync},
	{"arfcn_dl", COMPUTE_arfcn},
	{"earfcn", COMPUTE_arfcn},
	{"earfcn_dl", COMPUTE_arfcn},
	{"xres", COMPUTE_res},
	{"xres_star", COMPUTE_res_star},
};

/* Said about a line, not part of it. */
static const char *const skipped[] = {"comment", "name", "set", "source", "spec"};

static char lowered(uint8_t c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool compute_word_equal(const char *a, struct span b)
{
	size_t i = 0;

	for (;; a++, i++) {
		while (*a == '_' || *a == '-')
			a++;
		while (i < b.len && (b.at[i] == '_' || b.at[i] == '-'))
			i++;
		if (*a == '\0' || i == b.len)
			return *a == '\0' && i == b.len;
		if (lowered((uint8_t)*a) != lowered(b.at[i]))
			return false;
	}
}

enum compute_member compute_member_of(struct span word)
{
	for (size_t i = COMPUTE_NONE + 1; i < COMPUTE_MEMBERS_END; i++)
		if ((compute_rows[i].role == COMPUTE_GIVEN || i == COMPUTE_id) &&
			compute_word_equal(compute_rows[i].word, word))
			return (enum compute_member)i;
	for (size_t i = 0; i < ARRAY_LEN(aliases); i++)
		if (compute_word_equal(aliases[i].word, word))
			return (enum compute_member)aliases[i].member;
	return COMPUTE_NONE;
}

PRINTF_LIKE(3, 4)
static struct err refuse(struct compute_fault *fault, const char *field, const char *format, ...)
{
	va_list args;

	snprintf(fault->field, sizeof fault->field, "%s", field);
	va_start(args, format);
	vsnprintf(fault->text, sizeof fault->text, format, args);
	va_end(args);
	return ERR(INPUT);
}

/* ---- values ---- */

static struct err hex_set(
	struct compute *c, size_t m, struct span text, struct compute_fault *fault)
{
	const struct compute_row *row = &compute_rows[m];
	const size_t octets = text.len / 2;

	/* Sizes between are no size of anything but RES, MAC, ABBA and `key`. */
	const bool is_any = m == COMPUTE_res || m == COMPUTE_abba || m == COMPUTE_key;
	if (octets < row->min || octets > row->max ||
		(!is_any && octets != row->min && octets != row->max) ||
		!hex_digits_to_span(span_mut_of(c->octets[m], octets), text)) {
		secret_wipe(c->octets[m], sizeof c->octets[m]);
		if (row->min == row->max)
			return refuse(fault, row->word, "%" PRIu64 " hex digits are expected",
				2 * row->min);
		return refuse(fault, row->word,
			"%" PRIu64 " %s %" PRIu64 " hex digits are expected", 2 * row->min,
			is_any ? "to" : "or", 2 * row->max);
	}
	c->len[m] = (uint8_t)octets;
	return OK;
}

static void number_put(struct compute *c, size_t m, uint64_t v, size_t octets)
{
	for (size_t i = octets; i > 0; i--, v >>= 8)
		c->octets[m][i - 1] = (uint8_t)v;
	c->len[m] = (uint8_t)octets;
}

static struct err number_set(struct compute *c, size_t m, uint64_t v, struct compute_fault *fault)
{
	const struct compute_row *row = &compute_rows[m];
	const uint64_t max = row->kind == COMPUTE_SQN ? (UINT64_C(1) << 48) - 1 : row->max;

	if (v > max)
		return refuse(fault, row->word, "a number up to %" PRIu64 " is expected", max);
	number_put(c, m, v, (size_t)row->min);
	return OK;
}

/* Decimal, or 0x and hex digits. */
static bool number_from(struct span text, uint64_t *v)
{
	const bool is_hex = text.len > 2 && text.at[0] == '0' && lowered(text.at[1]) == 'x';

	*v = 0;
	if (text.len == 0 || text.len > 18)
		return false;
	for (size_t i = is_hex ? 2 : 0; i < text.len; i++) {
		const uint8_t digit = (uint8_t)lowered(text.at[i]);
		if (digit >= '0' && digit <= '9')
			*v = *v * (is_hex ? 16 : 10) + (uint64_t)(digit - '0');
		else if (is_hex && digit >= 'a' && digit <= 'f')
			*v = *v * 16 + 10 + (uint64_t)(digit - 'a');
		else
			return false;
	}
	return true;
}

/* COUNT may come as its eight hex digits too: no decimal COUNT in use has eight. */
static struct err number_text_set(
	struct compute *c, size_t m, struct span text, struct compute_fault *fault)
{
	uint8_t count[4];
	uint64_t v;

	if (m == COMPUTE_count && hex_digits_to_span(SPAN_MUT_ARRAY(count), text)) {
		memcpy(c->octets[m], count, sizeof count);
		c->len[m] = sizeof count;
		return OK;
	}
	if (!number_from(text, &v))
		return refuse(fault, compute_rows[m].word, "a number up to %" PRIu64 " is expected",
			compute_rows[m].max);
	return number_set(c, m, v, fault);
}

/* Without '"', '\\' and control characters: what comes back in an answer needs no escape. */
static struct err text_set(
	struct compute *c, size_t m, struct span text, struct compute_fault *fault)
{
	const struct compute_row *row = &compute_rows[m];
	bool is_plain = text.len >= row->min && text.len <= row->max;

	for (size_t i = 0; is_plain && i < text.len; i++)
		is_plain = text.at[i] >= ' ' && text.at[i] != '"' && text.at[i] != '\\' &&
			   text.at[i] != 0x7f;
	if (!is_plain)
		return refuse(fault, row->word,
			"text of %" PRIu64 " to %" PRIu64 " octets is expected, without quotes, "
			"backslashes and control characters",
			row->min, row->max);
	memcpy(c->octets[m], text.at, text.len);
	c->len[m] = (uint8_t)text.len;
	return OK;
}

/* Once, by whatever name. */
static struct err mark_given(struct compute *c, size_t m, struct compute_fault *fault)
{
	if (c->is_given[m])
		return refuse(fault, compute_rows[m].word, "given twice");
	c->is_given[m] = true;
	return OK;
}

static struct err string_set(
	struct compute *c, size_t m, struct span text, struct compute_fault *fault)
{
	switch (compute_rows[m].kind) {
	case COMPUTE_NUMBER:
		return number_text_set(c, m, text, fault);
	case COMPUTE_TEXT:
		return text_set(c, m, text, fault);
	case COMPUTE_HEX:
	case COMPUTE_SQN:
	case COMPUTE_BOOL:
		break;
	}
	return hex_set(c, m, text, fault);
}

struct err compute_set(struct compute *c, enum compute_member member, const char *text,
	struct compute_fault *fault)
{
	const struct err e = mark_given(c, member, fault);

	return failed(e) ? e : string_set(c, member, span_str(text), fault);
}

/* ---- JSON ---- */

static struct span json_text(yyjson_val *v)
{
	return span_of(yyjson_get_str(v), yyjson_get_len(v));
}

/* r and c as arrays: the same text as an option has, with commas. */
static struct err list_set(
	struct compute *c, size_t m, yyjson_val *list, struct compute_fault *fault)
{
	char text[256] = "";
	size_t at, count, len = 0;
	yyjson_val *item;
	struct err e = OK;

	yyjson_arr_foreach(list, at, count, item)
	{
		int n = -1;
		if (failed(e))
			continue;
		if (yyjson_is_str(item))
			n = snprintf(text + len, sizeof text - len, "%s%s", at > 0 ? "," : "",
				yyjson_get_str(item));
		else if (yyjson_is_uint(item))
			n = snprintf(text + len, sizeof text - len, "%s%" PRIu64, at > 0 ? "," : "",
				yyjson_get_uint(item));
		if (n < 0 || (size_t)n >= sizeof text - len)
			e = refuse(fault, compute_rows[m].word, "five values are expected");
		else
			len += (size_t)n;
	}
	if (!failed(e))
		e = text_set(c, m, span_of(text, len), fault);
	secret_wipe(text, sizeof text); /* an operator's constants are not for everybody */
	return e;
}

static struct err value_set(
	struct compute *c, size_t m, yyjson_val *value, struct compute_fault *fault)
{
	const struct compute_row *row = &compute_rows[m];
	char digits[24];

	if (yyjson_is_str(value))
		return string_set(c, m, json_text(value), fault);
	if (yyjson_is_uint(value) && (row->kind == COMPUTE_NUMBER || row->kind == COMPUTE_SQN))
		return number_set(c, m, yyjson_get_uint(value), fault);
	if (yyjson_is_uint(value) && m == COMPUTE_id) {
		snprintf(digits, sizeof digits, "%" PRIu64, yyjson_get_uint(value));
		c->is_id_number = true;
		return text_set(c, m, span_str(digits), fault);
	}
	if (yyjson_is_arr(value) && (m == COMPUTE_r || m == COMPUTE_c))
		return list_set(c, m, value, fault);
	return refuse(fault, row->word, "a string%s is expected",
		row->kind == COMPUTE_NUMBER || row->kind == COMPUTE_SQN ? " or a number" : "");
}

static bool is_skipped(struct span word)
{
	for (size_t i = 0; i < ARRAY_LEN(skipped); i++)
		if (span_equal(word, span_str(skipped[i])))
			return true;
	return false;
}

static bool is_answer(struct span word)
{
	for (size_t i = COMPUTE_NONE + 1; i < COMPUTE_MEMBERS_END; i++)
		if (compute_word_equal(compute_rows[i].word, word))
			return true;
	return false;
}

static struct err unknown(struct span word, struct compute_fault *fault)
{
	char field[40] = "";
	size_t len = word.len < sizeof field ? word.len : sizeof field - 1;

	if (is_skipped(word))
		return OK;
	while (len < word.len && len > 0 && (word.at[len] & 0xc0) == 0x80)
		len--; /* not within a character */
	memcpy(field, word.at, len);
	return refuse(fault, field,
		is_answer(word) ? "is an answer, and is not given"
				: "a member that is not known; 'merlon help auc compute' names "
				  "them all");
}

static struct err member_set(
	struct compute *c, struct span word, yyjson_val *value, struct compute_fault *fault)
{
	const enum compute_member m = compute_member_of(word);

	if (m == COMPUTE_NONE)
		return unknown(word, fault);
	if (yyjson_is_null(value))
		return OK; /* as if it were not there */
	struct err e = mark_given(c, m, fault);
	if (failed(e))
		return e;
	e = value_set(c, m, value, fault);
	if (failed(e))
		c->is_given[m] = false; /* what stands there is of another line */
	return e;
}

static bool comes_first(struct span word)
{
	return compute_word_equal("id", word) || compute_word_equal("algorithm", word);
}

static struct err members_set(
	struct compute *c, yyjson_val *object, bool is_first, struct compute_fault *fault)
{
	yyjson_val *name, *value;
	size_t at, count;
	struct err e = OK;

	yyjson_obj_foreach(object, at, count, name, value)
	{
		const struct span word = json_text(name);
		if (!failed(e) && comes_first(word) == is_first)
			e = member_set(c, word, value, fault);
	}
	return e;
}

struct err compute_decode(struct compute *c, struct span line, struct compute_fault *fault)
{
	/* Enough for any line of COMPUTE_LINE_MAX octets: yyjson takes at most 12 octets for one. */
	static char pool[16 * COMPUTE_LINE_MAX + 4096];
	yyjson_alc allocator;
	struct err e;

	memset(c->is_given, 0, sizeof c->is_given);
	memset(c->is_computed, 0, sizeof c->is_computed);
	memset(c->is_implied, 0, sizeof c->is_implied);
	c->is_id_number = c->is_left_out = false;
	if (line.len > COMPUTE_LINE_MAX)
		return refuse(
			fault, "", "a line of at most %d octets is expected", COMPUTE_LINE_MAX);
	yyjson_alc_pool_init(&allocator, pool, sizeof pool);
	yyjson_read_err where = {0};
	yyjson_doc *doc = yyjson_read_opts(
		(char *)(uintptr_t)line.at, line.len, YYJSON_READ_NOFLAG, &allocator, &where);
	yyjson_val *root = yyjson_doc_get_root(doc);
	if (doc == NULL)
		e = refuse(fault, "", "column %zu: JSON is expected: %s", where.pos + 1, where.msg);
	else if (!yyjson_is_obj(root))
		e = refuse(fault, "", "a JSON object is expected");
	else
		e = members_set(c, root, true, fault);
	if (!failed(e))
		e = members_set(c, root, false, fault);
	secret_wipe(pool, sizeof pool < 16 * line.len + 1024 ? sizeof pool : 16 * line.len + 1024);
	return e;
}

static void put(struct writer *w, const char *text)
{
	writer_span(w, span_str(text));
}

static void value_put(struct writer *w, const struct compute *c, size_t m)
{
	char text[2 * COMPUTE_OCTETS_MAX + 1];
	uint64_t v = 0;

	switch (compute_rows[m].kind) {
	case COMPUTE_BOOL:
		put(w, c->octets[m][0] != 0 ? "true" : "false");
		return;
	case COMPUTE_NUMBER:
		for (size_t i = 0; i < c->len[m]; i++)
			v = v << 8 | c->octets[m][i];
		snprintf(text, sizeof text, "%" PRIu64, v);
		put(w, text);
		return;
	case COMPUTE_TEXT:
		put(w, m == COMPUTE_id && c->is_id_number ? "" : "\"");
		writer_span(w, span_of(c->octets[m], c->len[m]));
		put(w, m == COMPUTE_id && c->is_id_number ? "" : "\"");
		return;
	case COMPUTE_HEX:
	case COMPUTE_SQN:
		break;
	}
	hex_from_span(text, span_of(c->octets[m], c->len[m]));
	put(w, "\"");
	put(w, text);
	put(w, "\"");
	secret_wipe(text, 2 * (size_t)c->len[m]);
}

static void member_put(struct writer *w, const struct compute *c, size_t m, bool *is_first)
{
	put(w, *is_first ? "\"" : ",\"");
	*is_first = false;
	put(w, compute_rows[m].word);
	put(w, "\":");
	value_put(w, c, m);
}

static void all_put(struct writer *w, const struct compute *c, bool wants_given)
{
	bool is_first = true;

	put(w, "{");
	for (size_t m = COMPUTE_NONE + 1; m < COMPUTE_MEMBERS_END; m++)
		if (wants_given ? c->is_given[m]
				: c->is_computed[m] || (m == COMPUTE_id && c->is_given[m]))
			member_put(w, c, m, &is_first);
	put(w, "}");
}

void compute_encode_given(struct writer *w, const struct compute *c)
{
	all_put(w, c, true);
}

void compute_encode_answer(struct writer *w, const struct compute *c)
{
	all_put(w, c, false);
}

/* yyjson's messages and ours hold no quotes and no backslashes; where one did, it is left out. */
static void text_put(struct writer *w, const char *text)
{
	put(w, "\"");
	for (; *text != '\0'; text++)
		if ((uint8_t)*text >= ' ' && *text != 0x7f && *text != '"' && *text != '\\')
			writer_u8(w, (uint8_t)*text);
	put(w, "\"");
}

void compute_encode_fault(
	struct writer *w, const struct compute *c, const struct compute_fault *fault, uint64_t line)
{
	char number[24];
	bool is_first = true;

	put(w, "{");
	if (c->is_given[COMPUTE_id]) {
		member_put(w, c, COMPUTE_id, &is_first);
		put(w, ",");
	}
	put(w, "\"error\":");
	text_put(w, fault->text);
	snprintf(number, sizeof number, "%" PRIu64, line);
	put(w, ",\"line\":");
	put(w, number);
	put(w, ",\"field\":");
	if (fault->field[0] != '\0')
		text_put(w, fault->field);
	else
		put(w, "null");
	put(w, "}");
}
