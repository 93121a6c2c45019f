// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_history.h"
#include "kms/shelf.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <yyjson.h>

enum field {
	UNIX_MS,
	SITE,
	LINK,
	BLOCK_ID,
	STATE,
	ABORT,
	QBER,
	TEST_QBER,
	REVEALED,
	FINAL_BITS,
	REFILL_BITS,
	FIELDS
};

static const int64_t year_9999_ms = 253402300799999;
static const uint64_t bits_max = UINT64_C(1) << 53; /* a double still counts them */
static_assert(HISTORY_BLOCKS_MAX == 10000 && HISTORY_SERIES_MAX == 8 && HISTORY_LINE_MAX == 4096 &&
		      HISTORY_NAME_MAX == 64 && HISTORY_BLOCK_ID == 16,
	"the words below say so");
#define NAME_EXPECTED "a string of 1 to 64 printable characters of ASCII"
#define BITS_EXPECTED "a whole number from 0 to 2^53"
static const struct {
	const char *name, *expected;
} fields[FIELDS] = {
	[UNIX_MS] = {"unix_ms", "whole milliseconds from 0 (1970) to the end of the year 9999"},
	[SITE] = {"site", NAME_EXPECTED},
	[LINK] = {"link", NAME_EXPECTED},
	[BLOCK_ID] = {"block_id", "a string of 32 hex digits"},
	[STATE] = {"state", "pending, final, agreed, ready, spent, void or aborted"},
	[ABORT] = {"abort", "none or a reason to abort that Merlon knows"},
	[QBER] = {"qber", "a number from 0 to 1"},
	[TEST_QBER] = {"test_qber", "a number from 0 to 1"},
	[REVEALED] = {"revealed", BITS_EXPECTED},
	[FINAL_BITS] = {"final_bits", BITS_EXPECTED},
	[REFILL_BITS] = {"refill_bits", BITS_EXPECTED},
};

/* One line, as far as it is read. */
struct record {
	struct history_block block;
	struct history_series names;
	uint64_t revealed, final_bits, refill_bits;
	size_t columns[FIELDS]; /* 0: not there yet */
};

static struct err refuse(struct history_fault *fault, enum err_kind kind, size_t column,
	const char *field, const char *expected)
{
	*fault = (struct history_fault){.column = column, .field = field, .expected = expected};
	return (struct err){kind};
}

/* ---- values ---- */

static bool name_take(yyjson_val *value, char out[static HISTORY_NAME_MAX + 1])
{
	const char *text = yyjson_get_str(value);
	const size_t len = yyjson_get_len(value);

	if (text == NULL || len == 0 || len > HISTORY_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	memcpy(out, text, len);
	out[len] = '\0';
	return true;
}

static bool id_take(yyjson_val *value, uint8_t out[static HISTORY_BLOCK_ID])
{
	const char *text = yyjson_get_str(value);

	return text != NULL && hex_digits_to_span((struct span_mut){out, HISTORY_BLOCK_ID},
				       span_of(text, yyjson_get_len(value)));
}

static bool outcome_take(yyjson_val *value, enum history_outcome *out)
{
	for (unsigned i = 0; i < BLOCK_STATES; i++)
		if (yyjson_equals_str(value, block_state_word((enum block_state)i))) {
			*out = i == BLOCK_PENDING ? HISTORY_PENDING
			       : i == BLOCK_VOID  ? HISTORY_VOID
						  : HISTORY_KEY;
			return true;
		}
	*out = HISTORY_ABORTED;
	return yyjson_equals_str(value, "aborted");
}

static bool abort_take(yyjson_val *value, enum qkd_abort *out)
{
	for (unsigned i = 0; i < QKD_ABORTS; i++)
		if (yyjson_equals_str(value, qkd_abort_word((enum qkd_abort)i))) {
			*out = (enum qkd_abort)i;
			return true;
		}
	return false;
}

static bool rate_take(yyjson_val *value, double *out)
{
	*out = yyjson_get_num(value);
	return yyjson_is_num(value) && *out >= 0 && *out <= 1;
}

static bool bits_take(yyjson_val *value, uint64_t *out)
{
	*out = yyjson_get_uint(value);
	return yyjson_is_uint(value) && *out <= bits_max;
}

static bool time_take(yyjson_val *value, int64_t *out)
{
	const uint64_t ms = yyjson_get_uint(value);

	*out = (int64_t)ms;
	return yyjson_is_uint(value) && ms <= (uint64_t)year_9999_ms;
}

static bool value_take(struct record *r, enum field field, yyjson_val *value)
{
	switch (field) {
	case UNIX_MS:
		return time_take(value, &r->block.unix_ms);
	case SITE:
		return name_take(value, r->names.site);
	case LINK:
		return name_take(value, r->names.link);
	case BLOCK_ID:
		return id_take(value, r->block.id);
	case STATE:
		return outcome_take(value, &r->block.outcome);
	case ABORT:
		return abort_take(value, &r->block.abort);
	case QBER:
		return rate_take(value, &r->block.qber);
	case TEST_QBER:
		return rate_take(value, &r->block.test_qber);
	case REVEALED:
		return bits_take(value, &r->revealed);
	case FINAL_BITS:
		return bits_take(value, &r->final_bits);
	case REFILL_BITS:
		return bits_take(value, &r->refill_bits);
	case FIELDS:
		break;
	}
	return false;
}

/* ---- a line ---- */

static enum field field_named(yyjson_val *key)
{
	unsigned i = 0;

	while (i < FIELDS && !yyjson_equals_str(key, fields[i].name))
		i++;
	return (enum field)i;
}

static struct err members_take(
	struct record *r, yyjson_val *object, const uint8_t *copy, struct history_fault *fault)
{
	yyjson_obj_iter iter = yyjson_obj_iter_with(object);

	for (yyjson_val *key = yyjson_obj_iter_next(&iter); key != NULL;
		key = yyjson_obj_iter_next(&iter)) {
		/* Read in place, a name lies where it stood, behind its quote. */
		const size_t column = (size_t)((const uint8_t *)yyjson_get_str(key) - copy);
		const enum field field = field_named(key);

		if (field == FIELDS)
			continue;
		if (r->columns[field] != 0)
			return refuse(
				fault, ERR_INPUT, column, fields[field].name, "no second one");
		r->columns[field] = column;
		if (!value_take(r, field, yyjson_obj_iter_get_val(key)))
			return refuse(fault, ERR_INPUT, column, fields[field].name,
				fields[field].expected);
	}
	return OK;
}

/* What one member does not say alone. */
static struct err record_end(struct record *r, struct history_fault *fault)
{
	for (unsigned i = 0; i < FIELDS; i++)
		if (r->columns[i] == 0) {
			const struct err e =
				refuse(fault, ERR_INPUT, 1, fields[i].name, fields[i].expected);
			fault->is_absent = true;
			return e;
		}
	if (r->refill_bits > r->final_bits)
		return refuse(fault, ERR_INPUT, r->columns[REFILL_BITS], fields[REFILL_BITS].name,
			"at most as many as final_bits");
	if (r->block.outcome == HISTORY_ABORTED && r->block.abort == QKD_GOES_ON)
		return refuse(fault, ERR_INPUT, r->columns[ABORT], fields[ABORT].name,
			"a reason, as the block is aborted,");
	r->block.secret_bits = r->final_bits - r->refill_bits;
	r->block.was_tested = r->revealed > 0;
	return OK;
}

static struct err series_find(struct history *h, struct record *r, struct history_fault *fault)
{
	size_t i = 0;

	while (i < h->series_count && (strcmp(h->series[i].site, r->names.site) != 0 ||
					      strcmp(h->series[i].link, r->names.link) != 0))
		i++;
	if (i == HISTORY_SERIES_MAX)
		return refuse(fault, ERR_LIMIT, r->columns[LINK], fields[LINK].name,
			"one of at most 8 links, each end counted, (`qkd blocks` takes --site "
			"and --link)");
	if (i == h->series_count)
		h->series[h->series_count++] = r->names;
	r->block.series = (uint8_t)i;
	return OK;
}

static struct err record_add(struct history *h, struct record *r, struct history_fault *fault)
{
	if (h->block_count == HISTORY_BLOCKS_MAX)
		return refuse(fault, ERR_LIMIT, 1, "block", "one of at most 10000");
	const struct err e = series_find(h, r, fault);
	if (failed(e))
		return e;
	r->block.order = h->block_count;
	h->blocks[h->block_count++] = r->block;
	return OK;
}

static bool is_blank(struct span line)
{
	size_t i = 0;

	while (i < line.len && (line.at[i] == ' ' || line.at[i] == '\t' || line.at[i] == '\r'))
		i++;
	return i == line.len;
}

struct err history_take(struct history *h, struct span line, struct history_fault *fault)
{
	static const char object[] = "an object { … } of at most 4096 octets";
	enum { POOL_AT = 8 << 10 };
	static_assert(
		HISTORY_LINE_MAX + YYJSON_PADDING_SIZE <= (int)POOL_AT, "the copy ends before");
	struct record r = {0};
	yyjson_read_err error = {0};
	yyjson_alc memory;

	if (line.len > HISTORY_LINE_MAX)
		return refuse(fault, ERR_LIMIT, 1, "JSON", object);
	if (is_blank(line))
		return OK;
	memcpy(h->scratch, line.at, line.len);
	memset(h->scratch + line.len, 0, YYJSON_PADDING_SIZE);
	yyjson_alc_pool_init(&memory, h->scratch + POOL_AT, HISTORY_SCRATCH - POOL_AT);
	yyjson_doc *doc =
		yyjson_read_opts((char *)h->scratch, line.len, YYJSON_READ_INSITU, &memory, &error);
	if (doc == NULL)
		return refuse(fault, ERR_INPUT, error.pos < line.len ? error.pos + 1 : line.len + 1,
			"JSON", object);
	if (!yyjson_is_obj(yyjson_doc_get_root(doc)))
		return refuse(fault, ERR_INPUT, 1, "JSON", object);
	struct err e = members_take(&r, yyjson_doc_get_root(doc), h->scratch, fault);
	if (!failed(e))
		e = record_end(&r, fault);
	return failed(e) ? e : record_add(h, &r, fault);
}

/* ---- all ---- */

static int by_series_and_time(const void *a, const void *b)
{
	const struct history_block *x = a, *y = b;
	const int id = memcmp(x->id, y->id, sizeof x->id);

	if (x->series != y->series)
		return x->series < y->series ? -1 : 1;
	if (x->unix_ms != y->unix_ms)
		return x->unix_ms < y->unix_ms ? -1 : 1;
	if (id != 0)
		return id;
	return x->order < y->order ? -1 : 1;
}

static bool is_same(const struct history_block *x, const struct history_block *y)
{
	return x->series == y->series && x->unix_ms == y->unix_ms &&
	       memcmp(x->id, y->id, sizeof x->id) == 0;
}

void history_end(struct history *h)
{
	size_t kept = 0;

	qsort(h->blocks, h->block_count, sizeof h->blocks[0], by_series_and_time);
	for (size_t i = 0; i < h->block_count; i++) {
		kept += i > 0 && !is_same(&h->blocks[kept], &h->blocks[i]);
		h->blocks[kept] = h->blocks[i];
	}
	h->block_count = h->block_count == 0 ? 0 : kept + 1;
}
