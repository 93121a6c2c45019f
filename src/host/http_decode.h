// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
#include "base/err.h"
#include "base/span.h"

/*
 * Percent-decodes one path segment or query value into `out` (NUL-terminated) [RFC 3986 §2.1]. '+'
 * is itself. ERR_INPUT on bad escapes, NUL or too long.
 */
MUST_USE struct err http_decode(struct span_mut out, struct span encoded);
