// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The metrics of one end of a link: its blocks, its pads, and what the watch sees of the device. doc/operations.md lists them. */
#include "host/metrics.h"
#include "qkd/link.h"

/* Borrows `status`, which the process keeps up to date. */
void figures_open(struct metrics *m, const struct qkd_link_status *status);
