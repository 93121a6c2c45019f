// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The key-encryption keys, from the store's side: wrapped, and handed to the vault (codec/auc_msg.h).
 * It joins the ledger to a vault that may come, go and refuse; it does one thing at a time.
 *
 *   the vault has come     there is no key: MAKE number 1, make it durable
 *                          LOAD all; those that come back wrapped anew are made durable
 *                          ready: from here on the vault is asked for vectors
 *   rotation               MAKE the next number, make it durable, LOAD all
 *   then, in the background, RESEAL of at most 256 rows, make them durable, a pause, and so on. A row
 *                          that an import replaced meanwhile stays as the import made it. After a
 *                          restart it goes on with those that are left.
 *   none is left           the old key is dropped, once no import is under way that may still use it.
 *                          The vault forgets it at its next start.
 *
 * Rows that the vault cannot open are left as they are, counted, and tried again a minute later; the
 * key that sealed them stays.
 */
#include "daemon/auc-store/ledger.h"
#include "host/channel.h"

enum { KEYRING_MAKE_MS_MAX = 10000, KEYRING_LOAD_MS_MAX = 30000, KEYRING_RESEAL_MS_MAX = 10000 };
/* Between two batches, so that who waits for a vector waits for one of them at most. */
enum { KEYRING_PAUSE_MS = 10, KEYRING_RETRY_TICKS = 5, KEYRING_PASS_TICKS = 60 };

struct keyring_port {
	struct err (*ask)(void *ctx, uint16_t type, struct span body, uint32_t timeout_ms,
		channel_answered_fn *answered, void *answered_ctx);
	/* Now, or no more. `why` NULL: it was loaded. */
	void (*changed)(void *ctx, bool is_ready, const char *why);
	/* Rows are waiting to be sealed anew: keyring_step() wants to be called after a pause. */
	void (*wake)(void *ctx);
	bool (*is_import_connected)(void *ctx);
	void *ctx;
};

struct keyring {
	struct ledger *ledger;
	struct keyring_port port;
	bool has_vault, is_busy, is_stale, is_rotating;
	bool is_ready;   /* the vault may be asked for vectors */
	bool is_current; /* it has the newest key as well */
	bool is_walking; /* over the rows, to seal anew those that are left */
	uint32_t cursor, batch_start,
		careful_until; /* one by one where a whole batch was refused */
	unsigned ticks, failed_ticks;
	uint64_t resealed, reseal_failed, failed_this_pass;
	ledger_done_fn *rotated;
	void *rotated_ctx;
	struct ledger_reseal rows;
	uint8_t message[AUC_ROWS_OCTETS];
};

void keyring_open(struct keyring *k, struct ledger *l, const struct keyring_port *port);
/* The vault's channel is there, or has gone. */
void keyring_vault(struct keyring *k, bool is_there);
/* Once a second. */
void keyring_tick(struct keyring *k);
/* One batch, where one is due. */
void keyring_step(struct keyring *k);
/* A new key: `done` when it is durable and the vault has it. ERR_STATE: not ready, or one rotation is
 * under way; ERR_LIMIT: there are too many keys that still seal rows. */
void keyring_rotate(struct keyring *k, ledger_done_fn *done, void *ctx);
/* The answer to AUC_KEYS. */
void keyring_encode(const struct keyring *k, struct writer *w);
bool keyring_knows(const struct keyring *k, struct span sealed);
uint32_t keyring_newest(const struct keyring *k); /* 0: none */
/* Rows that another key than the newest seals. */
uint32_t keyring_rows_left(const struct keyring *k);
