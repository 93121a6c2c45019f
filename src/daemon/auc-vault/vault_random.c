// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_random.h"

static struct err refill(struct vault_random *r)
{
	const struct err e = entropy_fill(&r->source, secret_span_mut(&r->pool));

	r->at = failed(e) ? r->pool.len : 0;
	if (failed(e))
		secret_wipe(r->pool.bytes, r->pool.len);
	return e;
}

static struct err fill(void *ctx, struct span_mut out)
{
	struct vault_random *r = ctx;

	if (out.len > r->pool.len)
		return entropy_fill(&r->source, out);
	/* What is left and too short is thrown away: a value never stands in two pools. */
	if (out.len > r->pool.len - r->at) {
		const struct err e = refill(r);
		if (failed(e))
			return e;
	}
	memcpy(out.at, r->pool.bytes + r->at, out.len);
	secret_wipe(r->pool.bytes + r->at, out.len);
	r->at += out.len;
	return OK;
}

struct err vault_random_open(struct vault_random *r, struct entropy source)
{
	*r = (struct vault_random){.source = source, .at = VAULT_RANDOM_OCTETS};
	return secret_open(&r->pool, VAULT_RANDOM_OCTETS);
}

void vault_random_close(struct vault_random *r)
{
	secret_close(&r->pool);
	r->at = VAULT_RANDOM_OCTETS;
}

struct entropy vault_random_entropy(struct vault_random *r)
{
	return (struct entropy){.ctx = r, .fill = fill};
}
