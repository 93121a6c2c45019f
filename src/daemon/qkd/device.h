// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The device of one end: octets of a driver (driver/driver.h) become records; those of a free-running receiver go through the
 * gate (qkd/gate.h); all go to the link. Where driver.record names a file, each record that was understood is
 * written to it first, octet for octet: raw key material, mode 0600, and only where driver.record_allowed says so.
 */
#include "daemon/qkd/driver/driver.h"
#include "host/process.h"
#include "qkd/gate.h"

struct device_port {
	void *ctx;
	void (*opened)(void *ctx);
	struct err (*record)(void *ctx, const struct driver_record *record);
	/* `why`: what the device said that nobody can use; OK for a mere end. */
	void (*closed)(void *ctx, bool is_over, struct err why);
	/* The recording has ended by `error` (errno), the link goes on. */
	void (*unrecorded)(void *ctx, int error);
};

struct device {
	const struct options *options;
	struct driver driver;
	struct device_port port;
	struct secret memory;
	size_t len;
	struct gate gate;
	struct entropy entropy;
	struct err why;
	int record_fd;     /* -1: nothing is recorded */
	uint64_t recorded; /* octets */
	bool is_there, is_free_running, is_paused;
};

/* Before the sandbox. `d` outlives the process. */
MUST_USE struct err device_open(struct device *d, struct process *p, const struct options *options,
	struct device_port port, struct entropy entropy, struct complaint *c);
MUST_USE struct err device_connect(struct device *d);
void device_pause(struct device *d, bool is_paused);
