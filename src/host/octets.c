// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "octets.h"
#include "base/secret.h"
#include <assert.h>
#include <stdlib.h>

enum { LEAST = 4096, KEPT_WHEN_EMPTY = 128 << 10 };

static struct err make_room(struct octets *o, size_t more)
{
	size_t limit = o->limit == 0 ? LEAST : o->limit;

	if (o->head + o->len + more <= o->limit)
		return OK;
	while (limit < o->len + more)
		limit *= 2;
	uint8_t *at = malloc(limit);
	if (at == NULL)
		return ERR(LIMIT);
	if (o->len > 0)
		memcpy(at, o->at + o->head, o->len);
	const size_t len = o->len;
	octets_close(o);
	*o = (struct octets){.at = at, .len = len, .limit = limit};
	return OK;
}

struct err octets_put(struct octets *o, struct span bytes)
{
	if (bytes.len == 0)
		return OK;
	const struct err e = make_room(o, bytes.len);
	if (failed(e))
		return e;
	memcpy(o->at + o->head + o->len, bytes.at, bytes.len);
	o->len += bytes.len;
	return OK;
}

void octets_drop(struct octets *o, size_t len)
{
	assert(len <= o->len);
	if (len == 0)
		return;
	secret_wipe(o->at + o->head, len);
	o->head += len;
	o->len -= len;
	if (o->len > 0)
		return;
	o->head = 0;
	if (o->limit > KEPT_WHEN_EMPTY)
		octets_close(o);
}

void octets_close(struct octets *o)
{
	if (o->at != NULL)
		secret_wipe(o->at + o->head, o->len);
	free(o->at);
	*o = (struct octets){0};
}
