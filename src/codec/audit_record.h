// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One record of the audit log: one line, in exactly this form, without spaces.
 *
 *   {"seq":7,"unix_ms":1800000000000,"event":{…},"prev":"<64 hex>","hash":"<64 hex>"}
 *
 * `hash` is SHA-256 of all that stands before `,"hash":`, so of `prev` too, which is the hash of the record
 * before: a record that is changed, taken out, put in or moved breaks the chain from there on. What the chain
 * alone cannot show is the loss of its end; for that its head must be kept elsewhere. The first
 * record has number 1, and 64 zeros for `prev`.
 *
 * There is one spelling for each record, so that a line that decodes encodes to itself. The hash is computed by the
 * caller (this room has no cryptography).
 */
#include "codec/audit_event.h"
#include "wire/writer.h"

enum { AUDIT_HASH_OCTETS = 32, AUDIT_LINE_MAX = AUDIT_EVENT_MAX + 256 };

struct audit_record {
	uint64_t seq, unix_ms;
	struct span event;
	uint8_t prev[AUDIT_HASH_OCTETS], hash[AUDIT_HASH_OCTETS];
};

/* The part that is hashed; then, with the hash, the rest and the newline. */
void audit_record_begin(struct writer *w, const struct audit_record *record);
void audit_record_finish(struct writer *w, const struct audit_record *record);

/* The next whole line, without its newline; false where none is whole. */
bool audit_line_take(struct reader *r, struct span *line);
/* `hashed` is the part of the line that record->hash must be the hash of. */
MUST_USE struct err audit_record_decode(struct span line, struct audit_record *record,
	struct span *hashed, struct wire_fault *fault);

/* A place in the chain: what the next record must be. All zero, and next_seq 1, before the first. */
struct audit_chain {
	uint64_t next_seq; /* 0: any record may follow (the walk began within the log) */
	uint8_t head[AUDIT_HASH_OCTETS];
};
/* Moves on by one record; NULL, or what is wrong with it as the end of a sentence. */
const char *audit_chain_step(struct audit_chain *chain, const struct audit_record *record,
	const uint8_t computed[static AUDIT_HASH_OCTETS]);
