// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * One computation of `merlon auc compute`: from the members that were given to all that follows.
 *
 * An algorithm of a card (milenage, tuak, …) computes its functions; then every derivation runs whose
 * inputs are there, given or computed: with snid comes KASME, with snn come XRES*, HXRES*, KAUSF and
 * KSEAF, with supi KAMF. A derivation can also be asked for by its own name, from its inputs, and
 * then answers itself alone. What is both given and computed has to agree.
 */
#include "codec/compute.h"
#include "crypt/aes128.h"

/* Whether the algorithm is one that is refused whatever the other members are. To be asked before
 * anything is said about those: a mistake in them must not hide the reason, which `fault` then has. */
bool compute_refuses(const struct compute *c, struct compute_fault *fault);

/* ERR_INPUT: `fault` says which member is missing or wrong. ERR_CRYPTO: libcrypto refused. */
MUST_USE struct err compute_run(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault);

/* What there is, for --list: the i-th algorithm or derivation; false after the last. The texts are as
 * long as they need to be, and cut otherwise. */
struct compute_listed {
	const char *word, *clause;
	char needs[160], gives[160];
};
bool compute_list(size_t i, struct compute_listed *listed);
