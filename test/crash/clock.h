// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The file by which a test sets the clocks of a process that it has started: see clock_preload.c. */
#include <stdint.h>

#define CRASH_CLOCK_VARIABLE "MERLON_TEST_CLOCK"

struct crash_clock {
	int64_t boot_ms, calendar_ms; /* added to what the kernel says */
};
