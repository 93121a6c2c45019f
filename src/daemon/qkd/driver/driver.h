// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Drivers: where the records of the optical device come from. A driver hands over octets in the format of codec/qkd_driver.h, from
 * HELLO on; whoever has a device of another language translates it here, in one file, and adds one row to the table in driver.c.
 * doc/driver.md goes through it step by step.
 *
 * Life: prepare() before the sandbox (files are opened here or never); connect() again and again, each answered by `opened` and, at
 * last, `closed`; nothing comes from inside a call of connect(). Octets that the port refuses end the connection:
 * the driver closes it and says `closed`. A paused driver hands over nothing, and a device that can wait waits.
 */
#include "base/secret.h"
#include "codec/qkd_timestamps.h"
#include "daemon/qkd/options.h"
#include "host/loop.h"
#include "host/stream.h"

struct driver_port {
	void *ctx;
	void (*opened)(void *ctx);
	struct err (*bytes)(void *ctx, struct span bytes);
	/* `is_over`: there will be nothing more, do not connect again. */
	void (*closed)(void *ctx, bool is_over);
};

struct driver;
struct driver_kind {
	const char *word; /* of the setting driver.kind */
	bool is_replay;   /* not live: refused unless driver.replay_allowed */
	struct err (*prepare)(struct driver *d, struct complaint *c); /* NULL: nothing */
	struct err (*connect)(struct driver *d);                      /* failed: later again */
	void (*pause)(struct driver *d, bool is_paused);
};

/* What drivers of files have in common: octets that wait for their time. */
struct driver_tape {
	int fd;
	struct secret memory; /* raw key material */
	size_t len;
	struct loop_timer timer;
	bool is_open, is_paused;
	/* Since HELLO: when, and at which slot or picosecond; how many of them a second. */
	uint64_t begun_ms, begun_at;
	double per_second;
	bool has_begun;
	/* driver/timestamps.c */
	struct timestamps timestamps;
	uint64_t first_ps, next_ps;
};

struct driver {
	const struct driver_kind *kind;
	const struct options *options;
	struct loop *loop;
	struct clock_port clock;
	struct tls_profile *tls; /* the site's, of drivers over a network */
	struct driver_port port;
	struct stream *stream;
	struct driver_tape tape;
};

/* Before the sandbox: finds the kind and prepares it. */
MUST_USE struct err driver_prepare(struct driver *d, struct complaint *c);

/* driver/stream.c */
struct err driver_socket_connect(struct driver *d);
struct err driver_tcp_prepare(struct driver *d, struct complaint *c);
struct err driver_tcp_connect(struct driver *d);
void driver_stream_pause(struct driver *d, bool is_paused);
/* driver/tape.c */
struct err driver_tape_prepare(struct driver *d, struct complaint *c);
void driver_tape_pause(struct driver *d, bool is_paused);
/* Connects: `turn` is called every few milliseconds until driver_tape_end(). */
struct err driver_tape_begin(struct driver *d, void (*turn)(void *ctx));
void driver_tape_end(struct driver *d, bool is_over);
/* Fills the memory; false: the file's end, and nothing more came. */
bool driver_tape_read(struct driver *d);
void driver_tape_drop(struct driver *d, size_t octets);
/* Whether what stands at `at` (slots or picoseconds) is due; the first one is, and begins the time. */
bool driver_tape_is_due(struct driver *d, uint64_t at);
/* driver/file.c, driver/timestamps.c */
struct err driver_file_connect(struct driver *d);
struct err driver_timestamps_prepare(struct driver *d, struct complaint *c);
struct err driver_timestamps_connect(struct driver *d);
