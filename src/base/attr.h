// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

/* Words for the compiler, in one place. */
#define MUST_USE __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))
#define ARRAY_LEN(array) (sizeof(array) / sizeof((array)[0]))
