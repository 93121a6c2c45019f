// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd/ldpc.h"

#define FUZZ_MODE reconciler_ldpc
#define FUZZ_KEY_BITS 33000
#include "fuzz_reconciler.h"
