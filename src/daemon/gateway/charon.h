// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The connection to charon's VICI socket: reconnects for ever, asks one command at a time in order, hands over events.
 * Every ask gets one answer: OK; ERR_STATE where charon says success=no (its reason is logged); ERR_VERSION for a
 * command it does not know; ERR_IO when the connection is lost, and ERR_TIMEOUT when charon hangs, which costs
 * it the connection.
 */
#include "base/secret.h"
#include "codec/vici.h"
#include "host/stream.h"

enum { CHARON_ASKS_MAX = 64, CHARON_ANSWER_MS_MAX = 5000, CHARON_RETRY_MS = 250 };

typedef void charon_answer_fn(void *ctx, uint32_t tag, struct err err, struct span message);

struct charon_events {
	void (*connected)(void *ctx);
	void (*event)(void *ctx, struct span name, struct span message);
	void (*lost)(void *ctx);
};

struct charon_ask {
	struct secret packet; /* may carry a PPK or a private key */
	const char *command;
	charon_answer_fn *answer;
	uint32_t tag;
};

struct charon {
	struct loop *loop;
	struct log *log;
	const char *path;
	const struct charon_events *events;
	void *ctx;
	struct stream *stream;
	bool is_connected;
	struct loop_timer retry, deadline;
	struct charon_ask asks[CHARON_ASKS_MAX]; /* a ring; the first is on its way */
	size_t first, count;
	size_t len;
	uint8_t received[VICI_PACKET_MAX + 4];
};

void charon_open(struct charon *c, struct loop *l, struct log *log, const char *path,
	const struct charon_events *events, void *ctx);
void charon_close(struct charon *c);

/* Begins a command in `w`, which stands on memory for secrets; then elements; then charon_ask(). */
struct charon_draft {
	struct writer w;
	size_t mark;
	const char *command;
	struct secret memory;
};
MUST_USE struct err charon_draft(
	struct charon_draft *d, enum vici_type type, const char *command, size_t size);
/* Sends it when its turn has come; the draft is gone. An error at once means that no answer will come. */
MUST_USE struct err charon_ask(
	struct charon *c, struct charon_draft *d, charon_answer_fn *answer, uint32_t tag);
