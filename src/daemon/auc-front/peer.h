// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The inside of the GSUP front, shared by peer.c (connections, from accept to close), serve.c (what
 * is asked on them), front.c (who may, and what is told of it) and auc_front.c (the process).
 *
 *   octets -> frames -> messages -> requests -> the line -> store -> answers
 *
 * A peer says who it is (IPA identity) before anything that it asks is heard. What it asks waits in
 * its own queue (line.h) until the store has room; who sends faster than that is not read any more
 * until its queue is short again, so TCP slows it down and an overloaded front does no work but
 * for requests that it will serve.
 */
#include "base/alarm.h"
#include "base/pool.h"
#include "base/secret.h"
#include "codec/auc_msg.h"
#include "codec/gsup.h"
#include "codec/ipa.h"
#include "daemon/auc-front/line.h"
#include "daemon/auc-front/roster.h"
#include "host/process.h"

/* Connections. */
enum {
	PEERS_DEFAULT = 256,
	PEERS_MAX = 4096,
	PEERS_PER_NAME_MAX = 8, /* more: the one that has been silent longest goes */
	MALFORMED_MAX = 16,     /* of one peer: then it loses its connection */
	SOURCES_MAX = 16,       /* nodes behind one peer that get an IND of their own */
};
/* Requests. */
enum {
	REQUESTS_MAX = 32768,         /* over all peers, waiting, at the store, or at the node */
	REQUESTS_PER_PEER_MAX = 4096, /* less where REQUESTS_MAX over the number of peers is less */
	STORE_WINDOW = 2048,          /* at the store at a time: the others wait */
	QUEUE_PAUSE = 1024, /* waiting, or half a smaller share: the peer is not read any more … */
	QUEUE_RESUME_PART = 4, /* … until a quarter of that is left */
	LOCATION_CHAINS = 1024,
};
/* Octets of answers that a peer has not taken: it is not read any more; it loses its connection. */
enum { UNREAD_PAUSE = 256 << 10, UNREAD_MAX = 4 << 20 };
/* Times. */
enum {
	STORE_MS_MAX = 5000,
	WAIT_MS_MAX = 1000, /* in the line; what is older is refused unasked */
	INSERT_DATA_MS_MAX = 10000,
	PACE_MS = 10, /* while something waits: held queues, stale requests, paused peers */
	TICK_MS = 1000,
	IDENTITY_MS_MAX = 10000, /* from the connection to the name */
	PARTIAL_MS_MAX = 10000,  /* from a frame's first octet to its last */
	UNREAD_MS_MAX = 30000,   /* too many answers not taken, for so long */
	QUIET_MS_MAX = 30000,    /* then we ping */
	DEAD_MS_MAX = 90000,     /* then we close */
	ALARM_MS_QUIET = 60000,  /* without another refusal: the alarm ends */
};
/* Records a second, so that a flood of refusals or connections is none of the log. */
enum { REFUSALS_LOGGED_PER_S = 10, REPORTS_LOGGED_PER_S = 10, CONNECTIONS_LOGGED_PER_S = 100 };

/* Why somebody is not served. Texts in front.c. */
enum refusal {
	REFUSED_ADDRESS,
	REFUSED_NAME,
	REFUSED_RENAME,
	REFUSED_PLMN,
	REFUSED_EARLY,
	REFUSED_STREAM,
	REFUSED_ROUTE,
	REFUSED_TYPE,
	REFUSED_SLOW,
	REFUSED_UNREAD,
	REFUSALS
};
enum shed { SHED_QUEUE, SHED_STALE, SHED_ROOM, SHEDS };

struct front_rules {
	uint64_t rate_per_s; /* of a peer whose row says nothing else; 0: no limit */
	struct roster roster;
};

struct auc_front {
	struct process *process;
	struct channel *store; /* NULL while there is none */
	struct listener *listener;
	struct pool peers;    /* of struct peer */
	struct pool requests; /* of struct request */
	struct loop_timer tick, pace;
	struct flush_item turn;
	struct line line;
	uint32_t at_store, paused;
	struct front_rules rules, next_rules; /* next: prepared, not committed */
	struct bucket row_buckets[ROSTER_MAX];
	/* Requests that wait for the answer to InsertSubscriberData: by IMSI and peer, and by age. */
	struct request *locations[LOCATION_CHAINS], *oldest_location, *newest_location;
	struct bucket refusals_logged, reports_logged, connections_logged;
	/* _ms: the last's time; told: in the alarm */
	uint64_t refusals_unlogged, refused_ms, refused_told_ms, shed_ms, shed_told_ms;
	uint64_t messages, vectors, refused, malformed, unexpected, locations_done, failure_reports;
	uint64_t refusals[REFUSALS], shed[SHEDS];
};

struct peer {
	struct auc_front *front;
	struct pool_handle handle;
	struct stream *stream;
	char name[AUTH_NODE_MAX];     /* "": has not said who it is */
	const struct roster_row *row; /* NULL: there is no roster, or no name yet */
	struct roster_prefix address;
	struct queue queue;
	struct bucket bucket; /* of a peer without a row */
	uint32_t in_flight, malformed, source_count;
	char sources[SOURCES_MAX][AUTH_NODE_MAX];           /* nodes behind it */
	uint64_t since_ms, heard_ms, partial_ms, unread_ms; /* partial, unread: 0, not now */
	bool is_pinged, is_closing, is_paused;
	const char *why;           /* we closed it; NULL: we did not */
	struct request *locations; /* its own, the newest first */
	struct ipa_assembly assembly;
};

struct request {
	struct line_item item; /* first */
	struct auc_front *front;
	struct pool_handle handle, peer;
	struct request *chain, *before, *after, *peer_before, *peer_after; /* locations; by age */
	uint64_t since_ms;
	struct gsup_origin origin;
	uint8_t domain, vectors, current_rat;
	bool has_auts;
	uint8_t rand[AUTH_RAND], auts[AUTH_AUTS];
};

/* ---- front.c ---- */
MUST_USE struct err front_open(struct auc_front *f, struct process *p);
/* Rules that were prepared come into force; who may not be here any more goes. */
void front_rules_commit(struct auc_front *f);
/* Counts, and logs as far as the log allows. `node`, `imsi` may be "". */
void front_refuse(struct auc_front *f, enum refusal why, const char *address, const char *node,
	const char *imsi);
void front_shed(struct auc_front *f, enum shed why);
void front_alarms_tick(struct auc_front *f, uint64_t now_ms);
void front_metrics_add(struct auc_front *f);
static inline uint64_t front_now_ms(const struct auc_front *f)
{
	return clock_now(&f->process->clock).mono_ms;
}

/* ---- peer.c ---- */
MUST_USE struct err peers_open(struct auc_front *f, const char *address, uint16_t port,
	uint32_t peers_max, struct complaint *c);
void peers_tick(struct auc_front *f, uint64_t now_ms);
void peers_close(struct auc_front *f);
/* A stream that was accepted becomes a peer, or ends. */
void peer_accept(struct auc_front *f, struct stream *s);
struct peer *peer_at(const struct auc_front *f, uint32_t slot); /* NULL: nobody */
void peer_send(struct peer *peer, const struct gsup *g);
/* `why`: a word for the log. */
void peer_drop(struct peer *peer, const char *why);
/* Its row of the roster and its bucket. False: no row is for that name from that address. */
MUST_USE bool peer_admit(struct peer *peer);
/* Counts and logs what could not be read; closes the peer when it is too much. */
void peer_malformed(struct peer *peer, const struct wire_fault *fault);
/* The peer sends faster than it is served, or does not read: it is not read until it is over. */
void peer_pause_if_due(struct peer *peer);
void peer_resume_if_due(struct peer *peer);

/* ---- serve.c ---- */
/* One whole GSUP message of a peer that has a name. */
void serve_message(struct peer *peer, struct span message);
/* How many requests each peer may have, so that there is always room for all. */
uint32_t serve_share(const struct auc_front *f);
/* The peer has gone: what waits, in its queue or for its answer, is nobody's. */
void serve_forget(struct peer *peer);
void serve_turn(void *ctx); /* flush item: from the line to the store */
void serve_pace(void *ctx); /* timer */
void serve_expire(struct auc_front *f, uint64_t now_ms);
