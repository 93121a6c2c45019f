// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The store's inside, for its own files: auc_store.c serves fronts and imports, query.c the operator. */
#include "base/pool.h"
#include "daemon/auc-store/keyring.h"
#include "daemon/auc-store/ledger.h"
#include "host/vault_watch.h"

enum { STORE_FRONTS_MAX = 8, STORE_KEYS_WAITING_MAX = 4 };

struct auc_store_settings {
	char database[512];
	uint64_t lease_ahead, subscribers_max;
	uint64_t vectors_burst, vectors_per_hour, resyncs_burst, resyncs_per_hour;
};

struct auc_store {
	struct process *process;
	struct auc_store_settings settings;
	char folder[512];
	struct store *store;
	struct ledger *ledger;
	struct keyring keyring;
	struct loop_timer tick, reseal;
	struct vault_watch vault_watch;
	struct channel *vault, *importer, *fronts[STORE_FRONTS_MAX];
	struct pool jobs;                                 /* of struct job */
	struct pool questions;                            /* of struct question, in query.c */
	struct job *keys_waiting[STORE_KEYS_WAITING_MAX]; /* an import that came before the vault */
	struct job *vault_waiting, **vault_waiting_end;   /* vectors, likewise */
	uint64_t refused_input, vault_errors, vault_limited, auts_refused, answered, keks_unknown;
	bool is_stopping;
	/* For clearing alarms. */
	uint64_t ticks, exhausted_before, auts_refused_before, harvests_before, resyncs_before,
		vault_limited_before;
	unsigned refusals_logged; /* since the last tick */
};

MUST_USE struct err query_open(struct auc_store *s);
/* A process_kind.query. */
void query_take(struct process *p, const char *verb, const char *argument, struct process_query *q);
void query_keys_status(const struct auc_store *s, struct json_writer *json);
/* report.c */
void report_refused(void *ctx, enum ledger_refusal why, const struct auth_request *q);
void report_vault_refused(struct auc_store *s, const struct auth_request *q, struct err err);
void report_auts_wrong(struct auc_store *s);
void report_tick(struct auc_store *s);
void report_metrics(struct auc_store *s);
/* A process_kind.status. */
void report_status(struct process *p, struct json_writer *json);
