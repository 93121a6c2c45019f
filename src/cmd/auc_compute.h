// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The options of `merlon auc compute`: one for each member that can be given (codec/compute.h). */
#include "cmd/command.h"
#include "codec/compute.h"

#define COUNT_GIVEN 1 +
#define COUNT_ANSWER
#define M(word, kind, min, max, role, help) COUNT_##role
enum { AUC_COMPUTE_OPTIONS = COMPUTE_MEMBERS(M) 2 };
#undef M
#undef COUNT_GIVEN
#undef COUNT_ANSWER

extern const struct option_row auc_compute_options[AUC_COMPUTE_OPTIONS];

int auc_compute_command(const struct invocation *in);
