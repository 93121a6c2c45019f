// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd/cascade.h"

#define FUZZ_MODE reconciler_cascade
#define FUZZ_KEY_BITS 9000
#include "fuzz_reconciler.h"
