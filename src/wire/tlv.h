// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One walker for elements of type, length, value, driven by a table of rules.
 *
 * A row says what a clause of a standard says: which type, whether it must be there, how often, how
 * long, and who reads the inside. The walker does bounds, order, duplicates, missing and
 * unknown elements; take() reads three to ten lines of content. The same table serves the
 * decoder, the firewall's strictness, the documentation and the fuzzer's dictionary.
 */
#include "wire/reader.h"

enum tlv_presence { TLV_OPTIONAL, TLV_MANDATORY };

struct tlv_rule {
	uint16_t type;
	enum tlv_presence presence;
	uint16_t min, max;   /* length of the value, octets */
	uint16_t repeat_max; /* 1: once */
	const char *name;    /* as in the clause */
	const char *clause;
	/* Reads the value into `out`; what it leaves unread is a fault. NULL: known and skipped. */
	void (*take)(struct reader *value, void *out);
};

struct tlv_shape {
	uint8_t type_octets, length_octets; /* 1 or 2 each */
	bool first_is_first;                /* the first rule's element must come first */
	bool refuse_unknown;
	const struct tlv_rule *rules;
	size_t rule_count; /* at most TLV_RULES_MAX */
};

enum { TLV_RULES_MAX = 64 };

struct tlv_census {
	uint16_t seen[TLV_RULES_MAX]; /* by rule */
	uint32_t unknown;
};

/* Walks to the end of `r`. `census` may be NULL. Faults are in r->fault. */
void tlv_walk(
	struct reader *r, const struct tlv_shape *shape, void *out, struct tlv_census *census);
