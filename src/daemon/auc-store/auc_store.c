// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The store of the authentication centre: owner of the sequence numbers, between fronts that ask
 * and the vault that computes. It never sees a key. One authentication reads from top to bottom
 * [TS 33.102 §6.3]:
 *
 *   on_authenticate   an AUTS goes to the vault first, and what it proves into the ledger
 *   take              a number under the leased ceiling, an IND of the serving node
 *   on_taken          the vault computes
 *   on_vectors        the answer goes back as it came
 */
#include "base/pool.h"
#include "daemon/auc-store/ledger.h"
#include "daemon/auc-store/ledger_schema.h"
#include "host/vault_watch.h"
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>

enum { FRONTS_MAX = 8, JOBS_MAX = 16384, VAULT_MS_MAX = 2000, TICK_MS = 1000, QUIET_TICKS = 60 };
enum { SUBSCRIBERS_DEFAULT = 1 << 20 };

static const struct alarm_kind numbers_exhausted = {"auc_numbers_exhausted", ALARM_MAJOR,
	"A subscriber asked for more vectors than the lease of sequence numbers allows at once. "
	"See who asks: a serving node in a loop, or somebody who collects vectors."};
static const struct alarm_kind auts_wrong = {"auc_auts_wrong", ALARM_WARNING,
	"An AUTS with a wrong MAC-S was refused: the card has another key than we, or somebody "
	"tries."};
static const struct alarm_kind vault_away = {"auc_vault_away", ALARM_CRITICAL,
	"The vault of the authentication centre is not there or does not answer: no vectors "
	"until it is back."};

struct auc_store_settings {
	char database[512];
	uint64_t lease_ahead, subscribers_max;
};

static const struct setting_row setting_rows[] = {
	SETTING_ROW("database", SETTING_TEXT, false, struct auc_store_settings, database),
	SETTING_ROW("lease_ahead", SETTING_U64, true, struct auc_store_settings, lease_ahead),
	SETTING_ROW(
		"subscribers_max", SETTING_U64, true, struct auc_store_settings, subscribers_max),
};

struct auc_store {
	struct process *process;
	struct auc_store_settings settings;
	char folder[512];
	struct store *store;
	struct ledger *ledger;
	struct loop_timer tick;
	struct vault_watch vault_watch;
	struct channel *vault, *importer, *fronts[FRONTS_MAX];
	struct pool jobs; /* of struct job */
	uint64_t refused_input, vault_errors, auts_refused, answered;
	bool is_stopping;
	uint64_t ticks, exhausted_before, auts_refused_before; /* for clearing alarms */
};

/* One request of a front's or importer's, from its frame to its answer. */
struct job {
	struct auc_store *s;
	struct pool_handle handle;
	struct channel *asker; /* NULL once it has gone: the answer leads nowhere */
	uint64_t request_id;
	uint16_t type;
	struct auth_request request;
};

/* ---- jobs ---- */

static struct job *job_open(
	struct auc_store *s, struct channel *asker, const struct ipc_frame *frame)
{
	struct pool_handle handle;
	void *item;

	if (failed(pool_take(&s->jobs, &handle, &item))) {
		channel_answer(asker, frame->request_id, frame->type, ERR(LIMIT), span_of(NULL, 0));
		return NULL;
	}
	struct job *j = item;
	*j = (struct job){.s = s,
		.handle = handle,
		.asker = asker,
		.request_id = frame->request_id,
		.type = frame->type};
	return j;
}

static void job_answer(struct job *j, struct err err, struct span body)
{
	struct auc_store *s = j->s;

	s->answered++;
	if (j->asker != NULL)
		channel_answer(j->asker, j->request_id, j->type, err, body);
	pool_give(&s->jobs, j->handle);
}

static void job_refuse(struct job *j, struct err err)
{
	job_answer(j, err, span_of(NULL, 0));
}

/* A channel that has gone is nobody's asker any more. */
static void forget_asker(struct auc_store *s, const struct channel *asker)
{
	for (uint32_t i = 0; i < s->jobs.limit; i++) {
		struct job *j = pool_find(&s->jobs,
			(struct pool_handle){.slot = i, .generation = s->jobs.generations[i]});
		if (j != NULL && j->asker == asker)
			j->asker = NULL;
	}
}

static struct err ask_vault(struct auc_store *s, uint16_t type, const struct writer *w,
	channel_answered_fn *answered, struct job *j)
{
	struct span body;

	if (s->vault == NULL)
		return ERR(TIMEOUT);
	const struct err e = writer_result(w, &body);
	return failed(e) ? e : channel_ask(s->vault, type, body, VAULT_MS_MAX, answered, j);
}

/* ---- an authentication ---- */

static void on_vectors(void *ctx, struct err err, struct span body)
{
	struct job *j = ctx;

	/* What the vault refuses is our fault (a damaged row, another key), never the asker's. */
	j->s->vault_errors += failed(err);
	job_answer(j, failed(err) ? ERR(CRYPTO) : OK, body);
}

static void on_taken(void *ctx, struct err err, const struct ledger_ticket *ticket)
{
	struct job *j = ctx;
	uint8_t buffer[AUC_ASK_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (err.kind == ERR_LIMIT)
		alarm_raise(&j->s->process->alarms, &numbers_exhausted, "subscriber",
			clock_now(&j->s->process->clock), "no number left below the ceiling");
	if (!failed(err)) {
		struct auc_vectors_ask ask = {.sealed = ticket->sealed,
			.sqn_first = ticket->sqn_first,
			.sqn_step = SQN_INDS,
			.count = ticket->count,
			.radio = j->request.radio};
		memcpy(ask.imsi, j->request.imsi, sizeof ask.imsi);
		auc_vectors_ask_encode(&w, &ask);
		err = ask_vault(j->s, AUC_VECTORS, &w, on_vectors, j);
	}
	if (failed(err))
		job_refuse(j, err);
}

static void take(struct job *j)
{
	ledger_take(j->s->ledger, &j->request, on_taken, j);
}

static void on_resynchronised(void *ctx, struct err err)
{
	struct job *j = ctx;

	if (failed(err))
		job_refuse(j, err);
	else
		take(j);
}

static void on_auts_opened(void *ctx, struct err err, struct span body)
{
	struct job *j = ctx;
	struct wire_fault fault = {0};
	uint64_t sqn_ms = 0;

	if (err.kind == ERR_AUTH) {
		j->s->auts_refused++;
		alarm_raise(&j->s->process->alarms, &auts_wrong, "subscriber",
			clock_now(&j->s->process->clock), "%llu refused so far",
			(unsigned long long)j->s->auts_refused);
	}
	if (!failed(err))
		err = auc_u64_decode(body, &sqn_ms, &fault);
	if (failed(err))
		job_refuse(j, err);
	else
		ledger_resync(j->s->ledger, j->request.imsi, sqn_ms, on_resynchronised, j);
}

static void resynchronise(struct job *j, const struct subscriber *subscriber)
{
	uint8_t buffer[AUC_ASK_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct auc_resync_ask ask = {.sealed = span_of(subscriber->sealed, subscriber->sealed_len)};

	memcpy(ask.imsi, j->request.imsi, sizeof ask.imsi);
	memcpy(ask.rand, j->request.rand, sizeof ask.rand);
	memcpy(ask.auts, j->request.auts, sizeof ask.auts);
	auc_resync_ask_encode(&w, &ask);
	const struct err e = ask_vault(j->s, AUC_RESYNC, &w, on_auts_opened, j);
	if (failed(e))
		job_refuse(j, e);
}

static void on_authenticate(struct job *j, struct span body)
{
	struct wire_fault fault = {0};

	struct err e = auc_request_decode(body, &j->request, &fault);
	const struct subscriber *subscriber =
		failed(e) ? NULL : ledger_find(j->s->ledger, j->request.imsi);
	j->s->refused_input += failed(e);
	if (failed(e))
		job_refuse(j, e);
	else if (j->request.has_resync && subscriber != NULL)
		resynchronise(j, subscriber);
	else
		take(j);
}

static void on_subscriber(struct job *j, struct span body)
{
	struct wire_fault fault = {0};
	uint8_t buffer[AUC_MSISDN_TEXT + 1];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	char imsi[IMSI_TEXT];

	struct err e = auc_text_decode(body, imsi, sizeof imsi, &fault);
	if (!failed(e) && !imsi_is_valid(imsi))
		e = ERR(INPUT);
	const struct subscriber *subscriber = failed(e) ? NULL : ledger_find(j->s->ledger, imsi);
	if (!failed(e) && subscriber == NULL)
		e = ERR(ABSENT);
	if (!failed(e))
		auc_text_encode(&w, subscriber->msisdn);
	job_answer(j, e, writer_span_done(&w));
}

/* ---- import ---- */

static void on_import_done(void *ctx, struct err err)
{
	job_refuse(ctx, err);
}

static void on_import_rows(struct job *j, struct span body)
{
	static struct auc_import import;
	struct wire_fault fault = {0};

	const struct err e = auc_import_decode(body, &import, &fault);
	if (failed(e))
		job_refuse(j, e);
	else
		ledger_import_rows(j->s->ledger, &import, on_import_done, j);
}

static void on_import_commit(struct job *j, struct span body)
{
	struct wire_fault fault = {0};
	uint64_t id;

	const struct err e = auc_u64_decode(body, &id, &fault);
	if (failed(e))
		job_refuse(j, e);
	else
		ledger_import_commit(j->s->ledger, id, on_import_done, j);
}

/* ---- channels ---- */

/* Who may ask what: a front that was taken over can neither import nor drop subscribers. */
static void on_front_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct job *j = frame->kind == IPC_REQUEST ? job_open(ctx, c, frame) : NULL;

	if (j == NULL)
		return;
	if (frame->type == AUC_AUTHENTICATE)
		on_authenticate(j, frame->body);
	else if (frame->type == AUC_SUBSCRIBER)
		on_subscriber(j, frame->body);
	else
		job_refuse(j, ERR(INPUT));
}

static void on_import_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct job *j = frame->kind == IPC_REQUEST ? job_open(ctx, c, frame) : NULL;

	if (j == NULL)
		return;
	if (frame->type == AUC_IMPORT_ROWS)
		on_import_rows(j, frame->body);
	else if (frame->type == AUC_IMPORT_COMMIT)
		on_import_commit(j, frame->body);
	else
		job_refuse(j, ERR(INPUT));
}

/* The vault asks nothing. */
static void on_vault_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx;
	if (frame->kind == IPC_REQUEST)
		channel_answer(c, frame->request_id, frame->type, ERR(INPUT), span_of(NULL, 0));
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	struct auc_store *s = ctx;

	(void)why;
	forget_asker(s, c);
	for (size_t i = 0; i < FRONTS_MAX; i++)
		if (s->fronts[i] == c)
			s->fronts[i] = NULL;
	if (s->importer == c)
		s->importer = NULL;
	if (s->vault != c)
		return;
	s->vault = NULL;
	vault_watch_channel(&s->vault_watch, NULL);
}

static void on_vault(void *ctx, bool answers, const char *why)
{
	struct auc_store *s = ctx;

	if (answers)
		alarm_clear(&s->process->alarms, &vault_away, "vault");
	else if (!s->is_stopping)
		alarm_raise(&s->process->alarms, &vault_away, "vault",
			clock_now(&s->process->clock), "%s", why);
}

static struct channel **place_for(struct auc_store *s, const char *peer)
{
	if (strcmp(peer, "auc-vault") == 0)
		return &s->vault;
	if (strcmp(peer, "auc-import") == 0)
		return &s->importer;
	for (size_t i = 0; i < FRONTS_MAX; i++)
		if (s->fronts[i] == NULL)
			return &s->fronts[i];
	return NULL;
}

static void on_channel(struct process *p, const char *peer, int fd)
{
	static const struct channel_events of_front = {on_front_frame, on_closed};
	static const struct channel_events of_import = {on_import_frame, on_closed};
	static const struct channel_events of_vault = {on_vault_frame, on_closed};
	struct auc_store *s = p->state;
	struct channel **place = place_for(s, peer), *opened;
	const bool is_vault = place == &s->vault;

	if (place == NULL || failed(channel_open_fd(&opened, &p->loop, fd,
				     is_vault                ? &of_vault
				     : place == &s->importer ? &of_import
							     : &of_front,
				     s)))
		return;
	if (*place != NULL) /* the one before has died, and we have not read its end yet */
		channel_close(*place);
	*place = opened;
	if (is_vault)
		vault_watch_channel(&s->vault_watch, opened);
}

/* ---- life ---- */

static void on_lost(void *ctx, const char *why)
{
	process_fail(((struct auc_store *)ctx)->process, why);
}

/* Nothing of the kind for a whole period: the condition has ended. */
static void clear_if_quiet(
	struct auc_store *s, const struct alarm_kind *kind, uint64_t count, uint64_t *before)
{
	if (count == *before)
		alarm_clear(&s->process->alarms, kind, "subscriber");
	*before = count;
}

static void on_tick(void *ctx)
{
	struct auc_store *s = ctx;

	ledger_tick(s->ledger);
	if (++s->ticks % QUIET_TICKS != 0)
		return;
	clear_if_quiet(
		s, &numbers_exhausted, ledger_counts(s->ledger).exhausted, &s->exhausted_before);
	clear_if_quiet(s, &auts_wrong, s->auts_refused, &s->auts_refused_before);
}

static void add_metrics(struct auc_store *s)
{
	const struct ledger_counts *c = ledger_counters(s->ledger);
	const struct metric all[] = {
		{"merlon_auc_vectors", "Vectors that numbers were taken for", NULL, METRIC_COUNTER,
			&c->vectors},
		{"merlon_auc_unknown_imsi", "Requests for subscribers that are not known", NULL,
			METRIC_COUNTER, &c->unknown},
		{"merlon_auc_numbers_exhausted", "Requests refused at the leased ceiling", NULL,
			METRIC_COUNTER, &c->exhausted},
		{"merlon_auc_resyncs", "Genuine AUTS", "moved=\"no\"", METRIC_COUNTER,
			&c->resyncs_kept},
		{"merlon_auc_resyncs", "Genuine AUTS", "moved=\"yes\"", METRIC_COUNTER,
			&c->resyncs_moved},
		{"merlon_auc_auts_refused", "AUTS with a wrong MAC-S", NULL, METRIC_COUNTER,
			&s->auts_refused},
		{"merlon_auc_vault_errors", "Requests that the vault refused", NULL, METRIC_COUNTER,
			&s->vault_errors},
		{"merlon_auc_leases", "Leases of sequence numbers recorded", NULL, METRIC_COUNTER,
			&c->leases},
		{"merlon_auc_subscribers", "Subscribers known", NULL, METRIC_GAUGE,
			&c->subscribers},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		metrics_add(&s->process->metrics, all[i]);
}

static struct err start(struct process *p, struct complaint *c)
{
	static struct auc_store s = {.settings = {.lease_ahead = SQN_AHEAD_DEFAULT,
					     .subscribers_max = SUBSCRIBERS_DEFAULT}};
	char path[sizeof s.settings.database];

	p->state = &s;
	s.process = p;
	struct err e =
		settings_read(&p->settings, setting_rows, ARRAY_LEN(setting_rows), &s.settings, c);
	if (failed(e))
		return e;
	if (s.settings.lease_ahead < 16 || s.settings.lease_ahead > SQN_AHEAD_MAX)
		return complain(c, ERR(INPUT), "lease_ahead: from 16 to %d", SQN_AHEAD_MAX);
	if (s.settings.subscribers_max < 1 || s.settings.subscribers_max > 1u << 26)
		return complain(c, ERR(INPUT), "subscribers_max: from 1 to %u", 1u << 26);
	e = pool_open(&s.jobs, JOBS_MAX, sizeof(struct job));
	snprintf(path, sizeof path, "%s", s.settings.database);
	snprintf(s.folder, sizeof s.folder, "%s", dirname(path));
	p->sandbox_folder = s.folder;
	return e;
}

static struct err begin(struct process *p, struct complaint *c)
{
	struct auc_store *s = p->state;
	const struct store_settings on_disk = {
		.path = s->settings.database, .schema = &ledger_schema};
	const struct ledger_settings settings = {.ahead = s->settings.lease_ahead,
		.subscribers_max = (uint32_t)s->settings.subscribers_max};

	struct err e = store_open(&s->store, &p->loop, &on_disk, c);
	if (failed(e))
		return e;
	e = ledger_open(&s->ledger, s->store, p->clock, &settings, c);
	if (failed(e))
		return e;
	ledger_on_lost(s->ledger, on_lost, s);
	loop_timer_open(&p->loop, &s->tick, on_tick, s);
	loop_timer_every(&s->tick, TICK_MS);
	vault_watch_open(&s->vault_watch, p, "auc-vault", on_vault, s);
	add_metrics(s);
	return OK;
}

static void status(struct process *p, struct json_writer *json)
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
	json_u64(json, "epoch", c.epoch);
	json_u64(json, "ceiling", c.ceiling);
	json_u64(json, "leases", c.leases);
	json_bool(json, "vault", s->vault != NULL);
}

static void stop(struct process *p)
{
	struct auc_store *s = p->state;

	s->is_stopping = true;
	vault_watch_close(&s->vault_watch);
	loop_timer_stop(&s->tick);
	if (s->importer != NULL)
		channel_close(s->importer);
	for (size_t i = 0; i < FRONTS_MAX; i++)
		if (s->fronts[i] != NULL)
			channel_close(s->fronts[i]);
	if (s->vault != NULL)
		channel_close(s->vault);
	store_close(
		s->store); /* commits and completes what waits; after this nothing is asked of it */
	process_stopped(p);
}

int main(int argc, char **argv)
{
	static const struct process_kind kind = {.name = "auc-store",
		.sandbox = SANDBOX_STORE,
		.start = start,
		.begin = begin,
		.channel = on_channel,
		.status = status,
		.stop = stop};

	return process_main(argc, argv, &kind);
}
