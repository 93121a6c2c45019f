// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Whether our vault is there and answers. A vault has no loop and no control channel that it listens to: only its
 * neighbour can tell that it hangs. It is asked for a sign of life, which process_vault_main()
 * answers; one that misses two in a row is reported to the supervisor, which starts a new one.
 */
#include "host/process.h"

enum {
	VAULT_SIGN_EVERY_MS = 1000,
	VAULT_SIGN_MS_MAX = 3000,
	VAULT_SIGNS_MISSED_MAX = 2,
	VAULT_APPEARS_MS_MAX = 10000 /* after our own start */
};

struct vault_watch {
	struct process *process;
	const char *vault; /* name in the process table */
	void (*changed)(void *ctx, bool answers, const char *why);
	void *ctx;
	struct channel *channel; /* NULL: none */
	struct loop_timer timer;
	uint64_t opened_ms;
	unsigned missed; /* in a row */
	bool is_asked, is_told, answers;
};

/* `changed` comes when the vault answers, and when it does no more; in between nothing. In begin(),
 * before the first channel. */
void vault_watch_open(struct vault_watch *w, struct process *p, const char *vault,
	void (*changed)(void *ctx, bool answers, const char *why), void *ctx);
/* The vault's channel is there, or (NULL) has closed. */
void vault_watch_channel(struct vault_watch *w, struct channel *c);
void vault_watch_close(struct vault_watch *w);
