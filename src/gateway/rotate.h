// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The rotation of the PPK, without I/O: events in, effects out (gateway.h for the words).
 *
 *   initiator   IDLE -START-> KEY -KEY-> OFFER -ACK-> LOAD -LOADED-> UP -UP-> CONFIRM -CONFIRMED-> IDLE
 *   responder   IDLE -OFFERED-> KEY -KEY-> LOAD -LOADED-> UP -ACTIVATED-> CONFIRM -CONFIRMED-> IDLE
 *
 * Every other way leads back to IDLE with ROTATE_FAILED: the old SA has not been touched, the new PPK is
 * unloaded on both sides and its key is burnt. A state that is left waiting ends by its deadline. An event that has no row in
 * the table for the state changes nothing and is counted.
 *
 * The machine also keeps the calendar: when the next rotation is due (period; after a failure a growing
 * pause), and when the SA has outlived its PPK's lifetime (ROTATE_EXPIRED, once).
 */
#include "base/env.h"

enum rotate_role { ROTATE_INITIATOR, ROTATE_RESPONDER, ROTATE_ROLES };

enum rotate_state {
	ROTATE_IDLE,
	ROTATE_KEY,     /* asked the key store */
	ROTATE_OFFER,   /* asked the peer to take the same key */
	ROTATE_LOAD,    /* asked charon to take PPK and connection */
	ROTATE_UP,      /* waiting for the SA: by events, or by the peer's word */
	ROTATE_CONFIRM, /* asked charon which SAs there are */
	ROTATE_STATES
};

enum rotate_event {
	ROTATE_ON_START,     /* the calendar or an operator */
	ROTATE_ON_OFFERED,   /* the peer's offer */
	ROTATE_ON_KEY,       /* the key store gave one */
	ROTATE_ON_NO_KEY,    /* the key store has none */
	ROTATE_ON_ACK,       /* the peer has it too */
	ROTATE_ON_LOADED,    /* charon took it */
	ROTATE_ON_REFUSED,   /* key store, peer or charon: no */
	ROTATE_ON_UP,        /* charon's event: an SA of this rotation is up, with child */
	ROTATE_ON_DOWN,      /* charon's event: the SA of this rotation failed */
	ROTATE_ON_ACTIVATED, /* the peer's word that it is up */
	ROTATE_ON_DROPPED,   /* the peer's word that it is not to be */
	ROTATE_ON_CONFIRMED, /* the list has it: new, with PPK, installed */
	ROTATE_ON_DENIED,    /* the list has it not */
	ROTATE_ON_CHARON_LOST,
	ROTATE_ON_TIMEOUT,
	ROTATE_EVENTS
};

/* What the driver has to do, in this order. */
enum rotate_effect {
	ROTATE_ABANDON = 1 << 0, /* wipe the key; unload its PPK, end what it began in charon */
	ROTATE_DROP = 1 << 1,    /* tell the peer to forget it */
	ROTATE_REFUSE = 1 << 2,  /* answer the peer's offer: no */
	ROTATE_TAKE_KEY =
		1 << 3, /* ask the key store: initiator a new key, responder the offered one */
	ROTATE_TELL_OFFER = 1 << 4,
	ROTATE_LOAD_PPK = 1 << 5,
	ROTATE_ACCEPT = 1 << 6, /* answer the peer's offer: yes */
	ROTATE_INITIATE = 1 << 7,
	ROTATE_LIST = 1 << 8,
	ROTATE_TELL_UP = 1 << 9,  /* tell the peer that it is up */
	ROTATE_RETIRE = 1 << 10,  /* wipe the key, unload its PPK; end all other SAs */
	ROTATE_DONE = 1 << 11,    /* count it */
	ROTATE_NO_KEY = 1 << 12,  /* critical alarm */
	ROTATE_FAILED = 1 << 13,  /* alarm, count it */
	ROTATE_EXPIRED = 1 << 14, /* end all SAs: the PPK's lifetime is over */
};

struct rotate_times {
	uint64_t period_ms; /* from one success to the next start */
	uint64_t
		lifetime_ms; /* from a success to the end of the SA, where no other success follows */
};

enum { ROTATE_PAUSE_MS_MIN = 1000, ROTATE_PAUSE_MS_MAX = 30000 };

struct rotate {
	enum rotate_role role;
	struct rotate_times times;
	enum rotate_state state;
	uint64_t deadline_ms; /* of the state; idle: none */
	uint64_t start_ms;    /* initiator: the next start */
	uint64_t done_ms;     /* the last success; 0: none */
	bool has_expired;     /* since the last success */
	bool is_retimed;      /* the SA that is being made has the lifetime of before */
	bool is_held;         /* by the driver, while charon or the peer is away: no start */
	uint32_t failed_in_row;
	uint64_t done, failed, unexpected;
};

void rotate_open(
	struct rotate *r, enum rotate_role role, struct rotate_times times, struct moment now);

/* Other times from now on. A new lifetime wants a new SA at once: charon was told that of the one
 * which stands. */
void rotate_retime(struct rotate *r, struct rotate_times times, struct moment now);

/* One event; returns the effects. */
uint32_t rotate_step(struct rotate *r, enum rotate_event event, struct moment now);

/* Time has passed: returns the effects of deadline, start or expiry. Call it again while it returns any. */
uint32_t rotate_tick(struct rotate *r, struct moment now);

/* When rotate_tick() is needed next, on the mono clock; UINT64_MAX: not before an event. */
uint64_t rotate_next_ms(const struct rotate *r);

/* Something has changed (the tunnel is gone, the peer or charon is back): an idle initiator starts after the shortest
 * pause, not the one it may be in. */
void rotate_hurry(struct rotate *r, struct moment now);

/* "<key id>@merlon" and "merlon-<key id>"; the key id in lower-case hex with dashes, as a UUID. */
enum { ROTATE_NAME_MAX = 48 };
void rotate_ppk_id(char out[static ROTATE_NAME_MAX], const uint8_t key_id[static 16]);
void rotate_connection(char out[static ROTATE_NAME_MAX], const uint8_t key_id[static 16]);

const char *rotate_state_word(enum rotate_state state);
