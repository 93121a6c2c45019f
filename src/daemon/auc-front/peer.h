// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Peers of the GSUP front: connections of serving nodes, from accept to close. A peer says who it
 * is (IPA identity) before anything that it asks is heard. Inside daemon/auc-front alone.
 */
#include "base/pool.h"
#include "base/secret.h"
#include "codec/auc_msg.h"
#include "codec/gsup.h"
#include "codec/ipa.h"
#include "host/process.h"

enum {
	PEERS_DEFAULT = 256,
	PEERS_MAX = 4096,
	REQUESTS_MAX = 8192, /* in flight, over all peers; more get the cause "congestion" */
	REQUESTS_PER_PEER_MAX = 4096, /* so that one peer leaves room for others */
	MALFORMED_MAX = 16,           /* of one peer: then it loses its connection */
	STORE_MS_MAX = 5000,
	INSERT_DATA_MS_MAX = 10000,
	TICK_MS = 1000,
	QUIET_MS_MAX = 30000, /* then we ping */
	DEAD_MS_MAX = 90000,  /* then we close */
};

struct auc_front {
	struct process *process;
	struct channel *store; /* NULL while there is none */
	struct listener *listener;
	struct pool peers;    /* of struct peer */
	struct pool requests; /* of struct request */
	struct loop_timer tick;
	uint64_t messages, vectors, refused, malformed, shed, unexpected, locations,
		failure_reports;
};

struct peer {
	struct auc_front *front;
	struct pool_handle handle;
	struct stream *stream;
	char name[AUTH_NODE_MAX]; /* "": has not said who it is */
	uint32_t in_flight, malformed;
	uint64_t heard_ms;
	bool is_pinged, is_closing;
	struct ipa_assembly assembly;
};

struct request {
	struct auc_front *front;
	struct pool_handle handle, peer;
	enum { WAIT_STORE, WAIT_INSERT_DATA } wait;
	uint64_t since_ms;
	struct gsup gsup;
};

static inline struct request *request_at(const struct auc_front *f, uint32_t slot)
{
	return pool_find(&f->requests,
		(struct pool_handle){.slot = slot, .generation = f->requests.generations[slot]});
}

MUST_USE struct err peers_open(struct auc_front *f, const char *address, uint16_t port,
	uint32_t peers_max, struct complaint *c);
void peers_tick(struct auc_front *f, uint64_t now_ms);
void peers_close(struct auc_front *f);

void peer_send(struct peer *peer, const struct gsup *g);
void peer_answer_error(struct peer *peer, const struct gsup *request, enum gsup_cause cause);
/* Counts and logs what could not be read; closes the peer when it is too much. */
void peer_malformed(struct peer *peer, const struct wire_fault *fault);

/* In auc_front.c: one whole GSUP message of a peer that has a name. */
void on_gsup(struct peer *peer, struct span message);
