// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The lab's world: one process tree with mounts, process ids and networks of its own.
 *
 *   radio 10.90.1.2 bh0 ---- to-radio 10.90.1.1  backhaul  10.90.2.1 to-core ---- bh0 10.90.2.2
 * core 10.10.1.1 on lo                  (router, tap)                         10.10.2.1 on lo
 *
 * The kernel takes all of it down when the first process of the tree ends, by whatever: there is
 * nothing to clean up. The machine's own network is neither seen nor touched.
 */
#include "base/err.h"

#define NET_RADIO "radio"
#define NET_BACKHAUL "backhaul"
#define NET_CORE "core"
#define NET_TAP_RADIO "to-radio"
#define NET_TAP_CORE "to-core"

/*
 * Runs `inside` in a new world and returns its exit code; 128 + signal where one ended it. The
 * world dies with the caller. `folder` is made where it is absent, and gets an empty memory file
 * system that only the world sees.
 */
MUST_USE struct err net_world_run(const char *folder, int (*inside)(void *ctx), void *ctx,
	int *exit_code, struct complaint *c);

/* The three namespaces and what joins them; to be called in the world. */
MUST_USE struct err net_build(struct complaint *c);
/* Joins the sites to it, once the tap listens. */
MUST_USE struct err net_links_up(struct complaint *c);
