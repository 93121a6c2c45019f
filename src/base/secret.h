// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Secrets: key material at rest in memory.
 *
 * A secret lives in an arena of its own: memfd_secret(2) where the kernel allows it, else locked
 * pages; never in a core dump, never inherited by a child, between guard pages, wiped
 * when it is closed. There is no formatter for it and none may be written: what must leave the
 * process leaves through a codec, by name, in one place.
 *
 * `struct secret` is a handle: keep one, pass its address, close it once. Copying the handle does
 * not copy the secret. Short-lived intermediate values on the stack are wiped at the function's
 * single exit with secret_wipe().
 */
#include "err.h"
#include "span.h"

struct secret {
	uint8_t *bytes; /* NULL when closed */
	size_t len;
};

/* Limit of all open secrets of one process, in octets. At it secret_open() answers ERR_LIMIT. */
#define SECRET_OCTETS_MAX ((size_t)1 << 30)

/* How the arena is protected; `doctor` shows it. */
enum secret_protection { SECRET_UNPROTECTED, SECRET_MLOCK, SECRET_MEMFD };

/* Opens a secret of `len` > 0 octets, all zero. ERR_LIMIT when memory for secrets is exhausted. */
MUST_USE struct err secret_open(struct secret *s, size_t len);

/* Opens a secret with a copy of `from`; the caller still has to wipe `from`. */
MUST_USE struct err secret_copy(struct secret *s, struct span from);

/* Wipes and gives back. Closing a closed (all-zero) secret does nothing. */
void secret_close(struct secret *s);

/* Overwrites octets in a way that the compiler may not drop. */
void secret_wipe(void *at, size_t len);

/*
 * What computing leaves behind: overwrites the stack below the caller, SECRET_STACK_OCTETS deep, and the vector
 * registers. To be called where work on secrets is over for the moment: a process that waits for its next message
 * keeps its registers, and so does a core dump of it.
 */
void secret_wipe_traces(void);

/* What the next secret_open() will get: decided at first use, the same for the whole process. */
enum secret_protection secret_protection(void);

/* Octets now in use, for tests and metrics. */
size_t secret_octets_open(void);

static inline struct span secret_span(const struct secret *s)
{
	return (struct span){s->bytes, s->len};
}

static inline struct span_mut secret_span_mut(struct secret *s)
{
	return (struct span_mut){s->bytes, s->len};
}

/* Stops core dumps and ptrace by others of the same user for this process. */
MUST_USE struct err secret_forbid_dumps(void);

/*
 * Keeps every page of this process, now and later, out of swap: for a vault, whose libraries hold round
 * keys in ordinary memory. Raises RLIMIT_MEMLOCK, so it is to be called before rights are dropped.
 * ERR_LIMIT where the system does not let it: then only secrets are locked. Pages are locked as
 * they are touched. Does nothing under sanitizers and valgrind.
 */
MUST_USE struct err secret_lock_all(void);
