// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What the store of the authentication centre tells about its work: alarms and log lines of what was
 * refused, metrics, status. */
#include "auc_store.h"

enum { QUIET_TICKS = 60 };
enum { REFUSALS_LOGGED_MAX = 10 }; /* a second; the counters have them all */

static const struct alarm_kind numbers_exhausted = {"auc_numbers_exhausted", ALARM_MAJOR,
	"A subscriber asked for more vectors than the lease of sequence numbers allows at once. "
	"See who asks: a serving node in a loop, or somebody who collects vectors."};
static const struct alarm_kind harvest = {"auc_harvest", ALARM_MAJOR,
	"A subscriber was asked for more vectors than one may need: somebody collects them, or a "
	"serving node is in a loop. The text says who asked last, and for whom."};
static const struct alarm_kind resync_abuse = {"auc_resync_abuse", ALARM_MAJOR,
	"A subscriber's resynchronisations came faster than a card makes them: somebody guesses "
	"MAC-S or replays AUTS, or the card is broken. They are refused until they are fewer."};
static const struct alarm_kind auts_wrong = {"auc_auts_wrong", ALARM_WARNING,
	"An AUTS with a wrong MAC-S was refused: the card has another key than we, or somebody "
	"tries."};

static const struct alarm_kind vault_limit = {"auc_vault_limit", ALARM_MAJOR,
	"The vault refused vectors or AUTS above its own limits (auc.vault), which are wider than "
	"the store's: somebody else than the store asks, or they are set narrower."};

/* What a limit refused: the alarm has the last of them, the log some, the counters all. */
void report_refused(void *ctx, enum ledger_refusal why, const struct auth_request *q)
{
	static const struct {
		const struct alarm_kind *alarm;
		const char *event;
	} rows[] = {[LEDGER_EXHAUSTED] = {&numbers_exhausted, "numbers_exhausted"},
		[LEDGER_HARVEST] = {&harvest, "harvest_refused"},
		[LEDGER_RESYNCS] = {&resync_abuse, "resync_refused"}};
	struct auc_store *s = ctx;
	struct log_record r;
	char masked[17];

	if (++s->refusals_logged > REFUSALS_LOGGED_MAX)
		return;
	imsi_mask(masked, q->imsi);
	alarm_raise(&s->process->alarms, rows[why].alarm, "subscriber",
		clock_now(&s->process->clock), "IMSI %s, asked for by %s", masked, q->node);
	log_begin(&r, &s->process->log, LOG_WARN, "auc", rows[why].event);
	log_imsi(&r, "imsi", q->imsi);
	log_text(&r, "node", q->node);
	log_end(&r);
}

/* A refusal of the vault's is never the asker's fault: a damaged row, another key. But for its limits. */
void report_vault_refused(struct auc_store *s, const struct auth_request *q, struct err err)
{
	char masked[17];

	if (err.kind != ERR_LIMIT) {
		s->vault_errors++;
		return;
	}
	s->vault_limited++;
	imsi_mask(masked, q->imsi);
	alarm_raise(&s->process->alarms, &vault_limit, "subscriber", clock_now(&s->process->clock),
		"IMSI %s, asked for by %s; %llu refused so far", masked, q->node,
		(unsigned long long)s->vault_limited);
}

void report_auts_wrong(struct auc_store *s)
{
	s->auts_refused++;
	alarm_raise(&s->process->alarms, &auts_wrong, "subscriber", clock_now(&s->process->clock),
		"%llu refused so far", (unsigned long long)s->auts_refused);
}

/* Nothing of the kind for a whole period: the condition has ended. */
static void clear_if_quiet(
	struct auc_store *s, const struct alarm_kind *kind, uint64_t count, uint64_t *before)
{
	if (count == *before)
		alarm_clear(&s->process->alarms, kind, "subscriber");
	*before = count;
}

void report_tick(struct auc_store *s)
{
	const struct ledger_counts *c = ledger_counters(s->ledger);

	s->refusals_logged = 0;
	if (s->ticks % QUIET_TICKS != 0)
		return;
	clear_if_quiet(s, &numbers_exhausted, c->exhausted, &s->exhausted_before);
	clear_if_quiet(s, &harvest, c->harvests_refused, &s->harvests_before);
	clear_if_quiet(s, &resync_abuse, c->resyncs_refused, &s->resyncs_before);
	clear_if_quiet(s, &auts_wrong, s->auts_refused, &s->auts_refused_before);
	clear_if_quiet(s, &vault_limit, s->vault_limited, &s->vault_limited_before);
}

void report_metrics(struct auc_store *s)
{
	const struct ledger_counts *c = ledger_counters(s->ledger);
	const struct metric all[] = {
		{"merlon_auc_vectors", "Vectors that numbers were taken for", NULL, METRIC_COUNTER,
			&c->vectors},
		{"merlon_auc_unknown_imsi", "Requests for subscribers that are not known", NULL,
			METRIC_COUNTER, &c->unknown},
		{"merlon_auc_numbers_exhausted", "Requests refused at the leased ceiling", NULL,
			METRIC_COUNTER, &c->exhausted},
		{"merlon_auc_disabled", "Requests for subscribers that are disabled", NULL,
			METRIC_COUNTER, &c->disabled},
		{"merlon_auc_harvests_refused", "Requests refused at a subscriber's own limit",
			NULL, METRIC_COUNTER, &c->harvests_refused},
		{"merlon_auc_resyncs_refused", "AUTS refused at a subscriber's own limit", NULL,
			METRIC_COUNTER, &c->resyncs_refused},
		{"merlon_auc_rows_resealed", "Subscribers sealed under a newer key", NULL,
			METRIC_COUNTER, &s->keyring.resealed},
		{"merlon_auc_resyncs", "Genuine AUTS", "moved=\"no\"", METRIC_COUNTER,
			&c->resyncs_kept},
		{"merlon_auc_resyncs", "Genuine AUTS", "moved=\"yes\"", METRIC_COUNTER,
			&c->resyncs_moved},
		{"merlon_auc_auts_refused", "AUTS with a wrong MAC-S", NULL, METRIC_COUNTER,
			&s->auts_refused},
		{"merlon_auc_vault_errors", "Requests that the vault refused", NULL, METRIC_COUNTER,
			&s->vault_errors},
		{"merlon_auc_vault_limited", "Requests above the vault's own limits", NULL,
			METRIC_COUNTER, &s->vault_limited},
		{"merlon_auc_leases", "Leases of sequence numbers recorded", NULL, METRIC_COUNTER,
			&c->leases},
		{"merlon_auc_subscribers", "Subscribers known", NULL, METRIC_GAUGE,
			&c->subscribers},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		metrics_add(&s->process->metrics, all[i]);
}

void report_status(struct process *p, struct json_writer *json)
{
	const struct auc_store *s = p->state;
	const struct ledger_counts c = ledger_counts(s->ledger);

	json_u64(json, "subscribers", c.subscribers);
	json_u64(json, "vectors", c.vectors);
	json_u64(json, "unknown", c.unknown);
	json_u64(json, "exhausted", c.exhausted);
	json_u64(json, "resyncs_kept", c.resyncs_kept);
	json_u64(json, "resyncs_moved", c.resyncs_moved);
	json_u64(json, "auts_refused", s->auts_refused);
	json_u64(json, "vault_errors", s->vault_errors);
	json_u64(json, "vault_limited", s->vault_limited);
	json_u64(json, "disabled_refused", c.disabled);
	json_u64(json, "harvests_refused", c.harvests_refused);
	json_u64(json, "resyncs_refused", c.resyncs_refused);
	json_u64(json, "epoch", c.epoch);
	json_u64(json, "ceiling", c.ceiling);
	json_u64(json, "leases", c.leases);
	json_bool(json, "vault", s->vault != NULL);
	query_keys_status(s, json);
}
