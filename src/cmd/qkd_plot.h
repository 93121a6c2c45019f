// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * merlon qkd plot --blocks FILE|-: what `merlon qkd blocks -o json` printed, as a picture (qkd_history_draw.h). Nothing is
 * written before all of it was read and found right; what is wrong is told as FILE:LINE:COLUMN: field: what is expected.
 */
#include "command.h"

/* All of `qkd plot`'s other options are about the other picture: beside them it is refused. */
int qkd_plot_blocks(const struct invocation *in, const char *path);
