// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "peer.h"
#include <stdio.h>

static const struct alarm_kind peer_refused = {"auc_peer_refused", ALARM_WARNING,
	"Somebody asked the authentication centre for what he may not have, or did not keep to the "
	"protocol. The log says who and why (peer_refused). See auc.peers in CONFIG."};
static const struct alarm_kind requests_shed = {"auc_requests_shed", ALARM_WARNING,
	"Requests for vectors were refused as congestion: more came than a peer's rate or this "
	"machine allows. merlon_gsup_shed says why."};

/* A word for the log and the metrics, a sentence for the alarm. */
static const struct {
	const char *word, *text;
} refusals[REFUSALS] = {
	[REFUSED_ADDRESS] = {"address", "auc.peers does not have it at this address"},
	[REFUSED_NAME] = {"name", "its name is not in auc.peers"},
	[REFUSED_RENAME] = {"rename", "it said another name than before"},
	[REFUSED_PLMN] = {"plmn", "its row of auc.peers has not this subscriber's PLMN"},
	[REFUSED_EARLY] = {"before_identity", "it asked before it said its name"},
	[REFUSED_STREAM] = {"stream", "it speaks what is not GSUP"},
	[REFUSED_ROUTE] = {"route", "it asked for another destination"},
	[REFUSED_TYPE] = {"type", "it asked for a service that is not here"},
	[REFUSED_SLOW] = {"slow", "it did not finish what it began"},
	[REFUSED_UNREAD] = {"unread", "it does not read its answers"},
};

struct err front_open(struct auc_front *f, struct process *p)
{
	f->process = p;
	const uint64_t now_ms = front_now_ms(f);
	f->turn = (struct flush_item){.flush = serve_turn, .ctx = f};
	f->line = (struct line){.wait_ms_max = WAIT_MS_MAX};
	bucket_set(&f->refusals_logged, REFUSALS_LOGGED_PER_S, 0, now_ms);
	bucket_set(&f->reports_logged, REPORTS_LOGGED_PER_S, 0, now_ms);
	bucket_set(&f->connections_logged, CONNECTIONS_LOGGED_PER_S, 0, now_ms);
	loop_timer_open(&p->loop, &f->pace, serve_pace, f);
	return pool_open(&f->requests, REQUESTS_MAX, sizeof(struct request));
}

/* ---- rules ---- */

/* Queues without a token are looked at each PACE_MS: less than what comes meanwhile would be less than the
 * rate. */
static uint64_t burst_of(const struct roster_row *row, uint64_t rate_per_s)
{
	const uint64_t least = rate_per_s * PACE_MS / 1000;

	return row->burst == 0 || row->burst > least ? row->burst : least;
}

static void rows_bucket_set(struct auc_front *f)
{
	const uint64_t now_ms = front_now_ms(f);

	for (size_t i = 0; i < f->rules.roster.count; i++) {
		const struct roster_row *row = &f->rules.roster.rows[i];
		const uint64_t rate = row->rate_per_s != 0 ? row->rate_per_s : f->rules.rate_per_s;
		bucket_set(&f->row_buckets[i], rate, burst_of(row, rate), now_ms);
	}
}

void front_rules_commit(struct auc_front *f)
{
	f->rules = f->next_rules;
	rows_bucket_set(f);
	for (uint32_t i = 0; i < f->peers.limit; i++) {
		struct peer *peer = peer_at(f, i);
		if (peer != NULL && !peer->is_closing && peer->name[0] != '\0' && !peer_admit(peer))
			peer_drop(peer, "refused");
	}
}

/* ---- what is told ---- */

void front_refuse(struct auc_front *f, enum refusal why, const char *address, const char *node,
	const char *imsi)
{
	const struct moment now = clock_now(&f->process->clock);
	struct log_record r;

	f->refusals[why]++;
	f->refused_ms = now.mono_ms;
	if (now.mono_ms - f->refused_told_ms >= TICK_MS) { /* whatever the log still takes */
		f->refused_told_ms = now.mono_ms;
		alarm_raise(&f->process->alarms, &peer_refused, "gsup", now, "%s%s%s: %s", node,
			node[0] != '\0' ? " at " : "", address, refusals[why].text);
	}
	if (!bucket_take(&f->refusals_logged, now.mono_ms)) {
		f->refusals_unlogged++;
		return;
	}
	log_begin(&r, &f->process->log, LOG_WARN, "auc", "peer_refused");
	log_text(&r, "address", address);
	log_text(&r, "node", node);
	log_text(&r, "why", refusals[why].word);
	if (imsi[0] != '\0')
		log_imsi(&r, "imsi", imsi);
	log_u64(&r, "unlogged", f->refusals_unlogged);
	log_end(&r);
}

void front_shed(struct auc_front *f, enum shed why)
{
	const struct moment now = clock_now(&f->process->clock);

	f->shed[why]++;
	f->shed_ms = now.mono_ms;
	if (now.mono_ms - f->shed_told_ms < TICK_MS)
		return;
	f->shed_told_ms = now.mono_ms;
	alarm_raise(&f->process->alarms, &requests_shed, "gsup", now,
		"%llu in the queue, %llu too old, %llu without room so far",
		(unsigned long long)f->shed[SHED_QUEUE], (unsigned long long)f->shed[SHED_STALE],
		(unsigned long long)f->shed[SHED_ROOM]);
}

void front_alarms_tick(struct auc_front *f, uint64_t now_ms)
{
	/* What a tick itself refuses it refuses after it looked at the clock. */
	if (now_ms > f->refused_ms + ALARM_MS_QUIET)
		alarm_clear(&f->process->alarms, &peer_refused, "gsup");
	if (now_ms > f->shed_ms + ALARM_MS_QUIET)
		alarm_clear(&f->process->alarms, &requests_shed, "gsup");
}

void front_metrics_add(struct auc_front *f)
{
	static const char shed_help[] = "Requests refused as congestion";
	const struct metric all[] = {
		{"merlon_gsup_messages", "GSUP messages received", NULL, METRIC_COUNTER,
			&f->messages},
		{"merlon_gsup_vectors", "Vectors handed out", NULL, METRIC_COUNTER, &f->vectors},
		{"merlon_gsup_refused", "SendAuthInfo requests refused", NULL, METRIC_COUNTER,
			&f->refused},
		{"merlon_gsup_malformed", "Frames and messages that could not be read", NULL,
			METRIC_COUNTER, &f->malformed},
		{"merlon_gsup_shed", shed_help, "reason=\"queue\"", METRIC_COUNTER,
			&f->shed[SHED_QUEUE]},
		{"merlon_gsup_shed", shed_help, "reason=\"stale\"", METRIC_COUNTER,
			&f->shed[SHED_STALE]},
		{"merlon_gsup_shed", shed_help, "reason=\"room\"", METRIC_COUNTER,
			&f->shed[SHED_ROOM]},
		{"merlon_gsup_unexpected", "Messages that nobody waits for", NULL, METRIC_COUNTER,
			&f->unexpected},
		{"merlon_gsup_locations", "Location updates done", NULL, METRIC_COUNTER,
			&f->locations_done},
		{"merlon_gsup_failure_reports", "Authentication failures reported by nodes", NULL,
			METRIC_COUNTER, &f->failure_reports},
		{"merlon_gsup_refusals_unlogged", "Refusals above the log's rate", NULL,
			METRIC_COUNTER, &f->refusals_unlogged},
	};
	static char labels[REFUSALS][32];

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		metrics_add(&f->process->metrics, all[i]);
	for (size_t i = 0; i < REFUSALS; i++) {
		snprintf(labels[i], sizeof labels[i], "reason=\"%s\"", refusals[i].word);
		metrics_add(
			&f->process->metrics, (struct metric){"merlon_gsup_peer_refused",
						      "Peers and requests that were turned away",
						      labels[i], METRIC_COUNTER, &f->refusals[i]});
	}
}
