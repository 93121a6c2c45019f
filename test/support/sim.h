// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The deterministic simulator: one process, one thread, one seed. It owns simulated time and a queue of
 * events, and carries messages between nodes with loss, delay, duplication and reorder as
 * configured. Rooms run in it unchanged. A node may be crashed and started again: its
 * messages in flight to it are lost, its timers die with it.
 */
#include "support/prop.h"

enum { SIM_NODES_MAX = 8, SIM_EVENTS_MAX = 65536, SIM_MESSAGE_MAX = 1 << 20 };

struct sim_network {
	uint32_t loss_permille, duplicate_permille;
	uint32_t delay_ms_min, delay_ms_max; /* a spread reorders */
};

struct sim;

struct sim_node {
	void *ctx;
	void (*message)(void *ctx, struct sim *s, size_t from, struct span bytes);
	void (*timer)(void *ctx, struct sim *s, uint64_t tag);
};

struct sim *sim_open(uint64_t seed, struct sim_network network);
void sim_close(struct sim *s);
struct prop *sim_prop(struct sim *s);
struct moment sim_now(const struct sim *s);
struct clock_port sim_clock(struct sim *s);

void sim_node_set(struct sim *s, size_t node, struct sim_node behaviour);
/* All events of the node die; until sim_node_set() it receives nothing. */
void sim_crash(struct sim *s, size_t node);

void sim_send(struct sim *s, size_t from, size_t to, struct span bytes);
void sim_timer(struct sim *s, size_t node, uint64_t delay_ms, uint64_t tag);

/* One event; false where none is left. */
bool sim_step(struct sim *s);
/* Steps until the queue is empty or simulated `until_ms` is reached. */
void sim_run(struct sim *s, uint64_t until_ms);
