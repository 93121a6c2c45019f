// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * How the canary test learns values that nobody outside may know: a QKD block and a PPK.
 *
 * They are random, and no interface of the product gives them out; none is made for the test
 * either. Instead the lab, which is root, looks over a process's shoulder at the one moment when
 * the value passes from its maker to its keeper: it has strace write down what the process sends,
 * and reads the message out of that with the same codecs.
 *
 *   QKD block   qkd -> kms-store, QKD_BLOCK_PENDING
 *   PPK         gateway -> charon, VICI load-shared
 *
 * The record is deleted at once. It is the only place where the value may be, beside the processes
 * themselves.
 */
#include "base/err.h"
#include "base/span.h"
#include <stddef.h>

/*
 * strace's `-xx` strings, as octets, in their order. Returns their number; out.len must be at least
 * a quarter of the text's length.
 */
size_t watch_octets(struct span_mut out, struct span strace_text);

enum { WATCH_VALUE_MAX = 4096 };
struct watch_value {
	size_t len;                      /* 0: not seen yet */
	uint8_t octets[WATCH_VALUE_MAX]; /* a longer value's beginning */
};
typedef bool watch_find_fn(struct span octets, struct watch_value *value);
bool watch_find_qkd_block(struct span octets, struct watch_value *value);
bool watch_find_ppk(struct span octets, struct watch_value *value);
