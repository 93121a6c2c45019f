// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Random octets drawn in bulk: a call into the kernel for each RAND would cost as much as the
 * vector. They wait in locked memory, each is given out once and wiped as it is. After a failure
 * nothing that was drawn before is given out: whoever cannot draw stops.
 */
#include "base/env.h"
#include "base/secret.h"

enum { VAULT_RANDOM_OCTETS = 4096 };

struct vault_random {
	struct entropy source;
	struct secret pool;
	size_t at; /* what lies before has been given out */
};

MUST_USE struct err vault_random_open(struct vault_random *r, struct entropy source);
void vault_random_close(struct vault_random *r);
/* Draws from `r`, which stays where it is. */
struct entropy vault_random_entropy(struct vault_random *r);
