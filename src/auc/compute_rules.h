// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What compute.c (the algorithms of cards) and compute_derive.c (what follows from CK and IK) share. */
#include "auc/compute.h"
#include "auc/derive.h"

static inline bool compute_has(const struct compute *c, size_t m)
{
	return c->is_given[m] || c->is_computed[m] || c->is_implied[m];
}

PRINTF_LIKE(3, 4)
struct err compute_refuse(struct compute_fault *fault, size_t member, const char *format, ...);

/* Computed; where it was given, it has to agree. Its twin (RES and XRES) comes with it. */
MUST_USE struct err compute_put(
	struct compute *c, size_t m, struct span value, struct compute_fault *fault);
/* A default. */
void compute_imply(struct compute *c, size_t m, struct span value);
uint64_t compute_number(const struct compute *c, size_t m);

enum { COMPUTE_CONSTANT = 0x100 }; /* a parameter that is one octet of the rule itself */
enum { COMPUTE_OUTS = 10 };

/* One row of the KDF's table as members have it. */
struct compute_rule {
	const char *word;
	enum derivation which;
	uint8_t key[2];                 /* one key, or CK and IK */
	uint16_t p[KDF_PARAMETERS_MAX]; /* members, or COMPUTE_CONSTANT | octet */
	uint8_t out[2];                 /* two: 16 octets each */
	bool is_alone;                  /* when asked for by name only */
};
extern const struct compute_rule compute_rules[];
extern const size_t compute_rule_count;

/* What is no row of that table. */
struct compute_special {
	const char *word, *clause;
	uint8_t needs[COMPUTE_OUTS], gives[COMPUTE_OUTS];
};
extern const struct compute_special compute_specials[];
extern const size_t compute_special_count;

/* All that follows from what is there. */
MUST_USE struct err compute_chain(struct compute *c, bool is_eap, struct compute_fault *fault);
/* SRES and Kc by c2 and c3, where they are not there yet. */
MUST_USE struct err compute_triplet(struct compute *c, struct compute_fault *fault);
/* `word` by name. ERR_ABSENT: there is no such derivation. */
MUST_USE struct err compute_named(struct compute *c, struct span word, struct compute_fault *fault);
