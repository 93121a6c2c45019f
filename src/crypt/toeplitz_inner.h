// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Between toeplitz.c and toeplitz_plan.c. */
#include "toeplitz.h"

size_t toeplitz_plan_octets(const struct toeplitz_plan *p, size_t out_bits, size_t key_bits);
