// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/audit_record.h"
#include <inttypes.h>
#include <stdio.h>

static const char seq_name[] = "{\"seq\":", time_name[] = ",\"unix_ms\":",
		  event_name[] = ",\"event\":", prev_name[] = ",\"prev\":\"",
		  hash_name[] = "\",\"hash\":\"", end_text[] = "\"}";

enum { HEX_OCTETS = 2 * AUDIT_HASH_OCTETS };
/* What follows the event has always the same length; hash_name begins with the quote that ends prev. */
enum {
	TAIL_OCTETS = sizeof prev_name + sizeof hash_name + sizeof end_text - 3 + 2 * HEX_OCTETS,
	UNHASHED_OCTETS = sizeof hash_name - 2 + HEX_OCTETS + sizeof end_text - 1
};

static void text_put(struct writer *w, const char *text)
{
	writer_span(w, span_str(text));
}

static void number_put(struct writer *w, uint64_t v)
{
	char digits[24];

	snprintf(digits, sizeof digits, "%" PRIu64, v);
	text_put(w, digits);
}

static void hash_put(struct writer *w, const uint8_t hash[static AUDIT_HASH_OCTETS])
{
	char hex[HEX_OCTETS + 1];

	hex_from_span(hex, span_of(hash, AUDIT_HASH_OCTETS));
	text_put(w, hex);
}

void audit_record_begin(struct writer *w, const struct audit_record *record)
{
	text_put(w, seq_name);
	number_put(w, record->seq);
	text_put(w, time_name);
	number_put(w, record->unix_ms);
	text_put(w, event_name);
	writer_span(w, record->event);
	text_put(w, prev_name);
	hash_put(w, record->prev);
	text_put(w, "\"");
}

void audit_record_finish(struct writer *w, const struct audit_record *record)
{
	text_put(w, hash_name + 1);
	hash_put(w, record->hash);
	text_put(w, end_text);
	text_put(w, "\n");
}

/* -------- reading -------- */

static void text_take(struct reader *r, const char *text, const char *field)
{
	reader_require(
		r, span_equal(reader_span(r, strlen(text), field), span_str(text)), field, NULL);
}

/* Digits up to `after`, which is taken too: no sign, no leading zero, no overflow. */
static uint64_t number_take(struct reader *r, const char *after, const char *field)
{
	uint64_t v = 0;
	size_t digits = 0;

	for (;;) {
		const uint8_t c = reader_u8(r, field);
		if (reader_failed(r) || c == (uint8_t)after[0])
			break;
		const bool fits = c >= '0' && c <= '9' && !(digits > 0 && v == 0) &&
				  v <= (UINT64_MAX - 9) / 10;
		if (!reader_require(r, fits, field, NULL))
			break;
		v = v * 10 + (uint64_t)(c - '0');
		digits++;
	}
	reader_require(r, digits > 0, field, NULL);
	text_take(r, after + 1, field);
	return v;
}

static void hash_take(struct reader *r, uint8_t hash[static AUDIT_HASH_OCTETS], const char *field)
{
	char hex[HEX_OCTETS + 1], again[HEX_OCTETS + 1];

	memset(hash, 0, AUDIT_HASH_OCTETS);
	reader_copy(r, span_mut_of(hex, HEX_OCTETS), field);
	hex[HEX_OCTETS] = '\0';
	if (!reader_require(r, hex_to_span(span_mut_of(hash, AUDIT_HASH_OCTETS), hex), field, NULL))
		return;
	hex_from_span(again, span_of(hash, AUDIT_HASH_OCTETS));
	reader_require(r, strcmp(hex, again) == 0, field, NULL); /* lower case */
}

bool audit_line_take(struct reader *r, struct span *line)
{
	const uint8_t *newline = reader_more(r) ? memchr(r->at, '\n', reader_left(r)) : NULL;

	if (newline == NULL)
		return false;
	*line = reader_span(r, (size_t)(newline - r->at), "line");
	reader_u8(r, "newline");
	return true;
}

struct err audit_record_decode(struct span line, struct audit_record *record, struct span *hashed,
	struct wire_fault *fault)
{
	struct reader all = reader_of(line, fault), r = reader_of(line, fault);

	*record = (struct audit_record){0};
	*hashed = span_of(NULL, 0);
	if (!reader_require(
		    &r, line.len >= UNHASHED_OCTETS && line.len < AUDIT_LINE_MAX, "line", NULL))
		return wire_result(fault);
	*hashed = reader_span(&all, line.len - UNHASHED_OCTETS, "hashed");
	text_take(&r, seq_name, "seq");
	record->seq = number_take(&r, time_name, "seq");
	record->unix_ms = number_take(&r, event_name, "unix_ms");
	const size_t left = reader_left(&r);
	reader_require(&r, left >= TAIL_OCTETS, "event", NULL);
	record->event = reader_span(&r, left >= TAIL_OCTETS ? left - TAIL_OCTETS : 0, "event");
	text_take(&r, prev_name, "prev");
	hash_take(&r, record->prev, "prev");
	text_take(&r, hash_name, "hash");
	hash_take(&r, record->hash, "hash");
	text_take(&r, end_text, "end");
	reader_end(&r, "record");
	return failed(wire_result(fault)) ? wire_result(fault)
					  : audit_event_check(record->event, fault);
}

/* -------- the chain -------- */

const char *audit_chain_step(struct audit_chain *chain, const struct audit_record *record,
	const uint8_t computed[static AUDIT_HASH_OCTETS])
{
	if (memcmp(computed, record->hash, AUDIT_HASH_OCTETS) != 0)
		return "has a hash that is not that of its content";
	if (record->seq == 0 || record->seq == UINT64_MAX)
		return "has an impossible number";
	if (chain->next_seq != 0 && record->seq != chain->next_seq)
		return "does not have the next number";
	if (chain->next_seq != 0 && memcmp(record->prev, chain->head, AUDIT_HASH_OCTETS) != 0)
		return "does not name the record before it";
	chain->next_seq = record->seq + 1;
	memcpy(chain->head, record->hash, AUDIT_HASH_OCTETS);
	return NULL;
}
