// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "prop.h"
#include <stdlib.h>

static uint64_t splitmix(uint64_t *x)
{
	uint64_t z = (*x += 0x9e3779b97f4a7c15u);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

struct prop prop_seeded(uint64_t seed)
{
	struct prop p = {.seed = seed};

	for (size_t i = 0; i < 4; i++)
		p.state[i] = splitmix(&seed);
	return p;
}

struct prop prop_from_environment(uint64_t fallback)
{
	const char *text = getenv("MERLON_SEED");

	return prop_seeded(text == NULL ? fallback : strtoull(text, NULL, 0));
}

static uint64_t rotate(uint64_t v, int bits)
{
	return v << bits | v >> (64 - bits);
}

uint64_t prop_u64(struct prop *p)
{
	uint64_t *s = p->state;
	const uint64_t result = rotate(s[1] * 5, 7) * 9;
	const uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = rotate(s[3], 45);
	return result;
}

uint64_t prop_below(struct prop *p, uint64_t bound)
{
	const uint64_t reject_below = (0u - bound) % bound;

	for (;;) {
		const uint64_t v = prop_u64(p);
		if (v >= reject_below)
			return v % bound;
	}
}

double prop_unit(struct prop *p)
{
	return (double)(prop_u64(p) >> 11) * 0x1p-53;
}

void prop_fill(struct prop *p, struct span_mut out)
{
	for (size_t i = 0; i < out.len; i++)
		out.at[i] = (uint8_t)(prop_u64(p) >> 32);
}

static struct err fill(void *ctx, struct span_mut out)
{
	prop_fill(ctx, out);
	return OK;
}

struct entropy prop_entropy(struct prop *p)
{
	return (struct entropy){.ctx = p, .fill = fill};
}
