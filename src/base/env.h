// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The environment seam: time, randomness and disk as values and ports.
 *
 * Nothing below the daemons asks the operating system what time it is, draws a random octet or
 * touches a file. It is handed a `struct moment`, a `struct entropy` or a `struct disk`. The real ones are
 * in host/env_posix.c; the seeded ones, with loss, torn writes and failure at call n, are in test/sim.
 * That is why a whole site can be crashed a thousand times in a second and give the same result for
 * the same seed.
 */
#include "err.h"
#include "span.h"

/* A reading of both clocks. Durations come from `mono_ms` alone; `unix_ms` may be set back and forth. */
struct moment {
	uint64_t mono_ms;
	int64_t unix_ms;
};

struct clock_port {
	void *ctx;
	struct moment (*now)(void *ctx);
};

static inline struct moment clock_now(const struct clock_port *c)
{
	return c->now(c->ctx);
}

/* Random octets fit for keys. An error means: use nothing of `out`, stop making keys. */
struct entropy {
	void *ctx;
	struct err (*fill)(void *ctx, struct span_mut out);
};

MUST_USE static inline struct err entropy_fill(const struct entropy *e, struct span_mut out)
{
	return e->fill(e->ctx, out);
}

/*
 * A folder of small files: for state that is not in a database (audit log, lease marks). `append` and
 * `replace` are durable only once `sync` of the same name answered OK. After a failed sync the process must
 * stop: the kernel may have dropped the pages [fsyncgate].
 */
struct disk {
	void *ctx;
	/* Whole file into `out`; *len is its length. ERR_ABSENT, or ERR_LIMIT where it is longer. */
	struct err (*load)(void *ctx, const char *name, struct span_mut out, size_t *len);
	struct err (*append)(void *ctx, const char *name, struct span bytes);
	/* Atomically: after a crash the file has the old or the new content, whole. */
	struct err (*replace)(void *ctx, const char *name, struct span bytes);
	struct err (*sync)(void *ctx, const char *name);
	/* For files that only grow: the length; a part (*len is less than asked for at the end alone);
	 * and cutting off what follows `octets`, durable after sync like the others. ERR_ABSENT as above. */
	struct err (*size)(void *ctx, const char *name, uint64_t *octets);
	struct err (*read)(
		void *ctx, const char *name, uint64_t offset, struct span_mut out, size_t *len);
	struct err (*cut)(void *ctx, const char *name, uint64_t octets);
};
