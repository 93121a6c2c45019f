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
#include "auc_store.h"
#include "daemon/auc-store/ledger_schema.h"
#include <libgen.h>
#include <stdio.h>

enum { JOBS_MAX = 16384, VAULT_MS_MAX = 2000, TICK_MS = 1000 };
enum { SUBSCRIBERS_DEFAULT = 1 << 22, SUBSCRIBERS_MAX = REGISTER_LIMIT_MAX };

static const struct alarm_kind keys_refused = {"auc_keys_refused", ALARM_CRITICAL,
	"The vault does not open the key-encryption keys: no vectors until it does. Is the root "
	"(kek_file) the one that they were made under?"};
static const struct alarm_kind vault_away = {"auc_vault_away", ALARM_CRITICAL,
	"The vault of the authentication centre is not there or does not answer: no vectors "
	"until it is back."};

static const struct setting_row setting_rows[] = {
	SETTING_ROW("database", SETTING_TEXT, false, struct auc_store_settings, database),
	SETTING_ROW("lease_ahead", SETTING_U64, true, struct auc_store_settings, lease_ahead),
	SETTING_ROW(
		"subscribers_max", SETTING_U64, true, struct auc_store_settings, subscribers_max),
	SETTING_ROW("vectors_burst", SETTING_U64, true, struct auc_store_settings, vectors_burst),
	SETTING_ROW(
		"vectors_per_hour", SETTING_U64, true, struct auc_store_settings, vectors_per_hour),
	SETTING_ROW("resyncs_burst", SETTING_U64, true, struct auc_store_settings, resyncs_burst),
	SETTING_ROW(
		"resyncs_per_hour", SETTING_U64, true, struct auc_store_settings, resyncs_per_hour),
};

/* One request of a front's or importer's, from its frame to its answer. */
struct job {
	struct auc_store *s;
	struct pool_handle handle;
	struct channel *asker; /* NULL once it has gone: the answer leads nowhere */
	uint64_t request_id;
	uint16_t type;
	struct auth_request request;
	struct job *next; /* of those that wait for the vault */
	uint64_t since_ticks;
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

	if (s->vault == NULL || !s->keyring.is_ready)
		return ERR(TIMEOUT);
	const struct err e = writer_result(w, &body);
	return failed(e) ? e : channel_ask(s->vault, type, body, VAULT_MS_MAX, answered, j);
}

/* ---- an authentication ---- */

static void on_vectors(void *ctx, struct err err, struct span body)
{
	struct job *j = ctx;

	if (failed(err))
		report_vault_refused(j->s, &j->request, err);
	if (failed(err) && err.kind != ERR_LIMIT)
		err = ERR(CRYPTO);
	job_answer(j, err, body);
}

static void on_taken(void *ctx, struct err err, const struct ledger_ticket *ticket)
{
	struct job *j = ctx;
	uint8_t buffer[AUC_ASK_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

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

	if (err.kind == ERR_AUTH)
		report_auts_wrong(j->s);
	else if (failed(err))
		report_vault_refused(j->s, &j->request, err);
	if (!failed(err))
		err = auc_u64_decode(body, &sqn_ms, &fault);
	if (failed(err))
		job_refuse(j, err);
	else
		ledger_resync(j->s->ledger, j->request.imsi, sqn_ms, on_resynchronised, j);
}

/* Counted before the vault is asked: who guesses MAC-S is stopped as well. */
static void resynchronise(struct job *j)
{
	uint8_t buffer[AUC_ASK_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	struct err e = ledger_resync_allow(j->s->ledger, &j->request);
	if (failed(e)) {
		job_refuse(j, e);
		return;
	}
	struct auc_resync_ask ask = {
		.sealed = ledger_sealed(j->s->ledger, ledger_find(j->s->ledger, j->request.imsi))};

	memcpy(ask.imsi, j->request.imsi, sizeof ask.imsi);
	memcpy(ask.rand, j->request.rand, sizeof ask.rand);
	memcpy(ask.auts, j->request.auts, sizeof ask.auts);
	auc_resync_ask_encode(&w, &ask);
	e = ask_vault(j->s, AUC_RESYNC, &w, on_auts_opened, j);
	if (failed(e))
		job_refuse(j, e);
}

/* ---- what waits for a vault that has just started ---- */

static void begin_authentication(struct job *j)
{
	if (j->request.has_resync)
		resynchronise(j);
	else
		take(j);
}

static void wait_for_vault(struct job *j)
{
	j->next = NULL;
	j->since_ticks = j->s->ticks;
	*j->s->vault_waiting_end = j;
	j->s->vault_waiting_end = &j->next;
}

/* All of them, or only those that have waited long enough. */
static void waiting_end(struct auc_store *s, uint64_t before_ticks, bool is_ready)
{
	while (s->vault_waiting != NULL && s->vault_waiting->since_ticks < before_ticks) {
		struct job *j = s->vault_waiting;
		s->vault_waiting = j->next;
		if (s->vault_waiting == NULL)
			s->vault_waiting_end = &s->vault_waiting;
		if (is_ready)
			begin_authentication(j);
		else
			job_refuse(j, ERR(TIMEOUT));
	}
}

static void on_authenticate(struct job *j, struct span body)
{
	struct wire_fault fault = {0};

	const struct err e = auc_request_decode(body, &j->request, &fault);
	j->s->refused_input += failed(e);
	if (failed(e))
		job_refuse(j, e);
	else if (!j->s->keyring.is_ready)
		wait_for_vault(j);
	else
		begin_authentication(j);
}

/* What an MSISDN is asked for is rare (an attach): it stands in the database alone. */
static void on_shown(void *ctx, struct err err, const struct store_result *r)
{
	struct job *j = ctx;
	uint8_t buffer[AUC_MSISDN_TEXT + 1];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (!failed(err) && store_result_rows(r, 0) == 0)
		err = ERR(ABSENT);
	if (!failed(err))
		auc_text_encode(
			&w, (const char *)store_result_row(r, 0, 0)->columns[LIST_MSISDN].bytes.at);
	job_answer(j, err, writer_span_done(&w));
}

static void on_subscriber(struct job *j, struct span body)
{
	struct wire_fault fault = {0};

	struct err e = auc_text_decode(body, j->request.imsi, sizeof j->request.imsi, &fault);
	if (!failed(e) && !imsi_is_valid(j->request.imsi))
		e = ERR(INPUT);
	const struct subscriber *s = failed(e) ? NULL : ledger_find(j->s->ledger, j->request.imsi);
	if (!failed(e))
		e = s == NULL ? ERR(ABSENT) : s->is_disabled ? ERR(STATE) : OK;
	if (failed(e))
		job_refuse(j, e);
	else
		ledger_show(j->s->ledger, j->request.imsi, on_shown, j);
}

/* ---- key-encryption keys ---- */

static void on_keys(struct job *j)
{
	uint8_t buffer[8 + AUC_WRAPPED_KEYS_MAX * (8 + AUC_WRAPPED_MAX)];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct auc_store *s = j->s;

	if (s->keyring.is_current) {
		keyring_encode(&s->keyring, &w);
		job_answer(j, OK, writer_span_done(&w));
		return;
	}
	for (size_t i = 0; i < STORE_KEYS_WAITING_MAX; i++)
		if (s->keys_waiting[i] == NULL) {
			s->keys_waiting[i] = j; /* until the vault has them: keys_answer() */
			return;
		}
	job_refuse(j, ERR(LIMIT));
}

static void keys_answer(struct auc_store *s)
{
	for (size_t i = 0; i < STORE_KEYS_WAITING_MAX; i++) {
		struct job *j = s->keys_waiting[i];
		s->keys_waiting[i] = NULL;
		if (j != NULL)
			on_keys(j);
	}
}

static struct err keyring_ask(void *ctx, uint16_t type, struct span body, uint32_t timeout_ms,
	channel_answered_fn *answered, void *answered_ctx)
{
	struct auc_store *s = ctx;

	return s->vault == NULL
		       ? ERR(TIMEOUT)
		       : channel_ask(s->vault, type, body, timeout_ms, answered, answered_ctx);
}

static void keyring_changed(void *ctx, bool is_ready, const char *why)
{
	struct auc_store *s = ctx;
	struct log_record r;

	if (!is_ready) {
		if (!s->is_stopping)
			alarm_raise(&s->process->alarms, &keys_refused, "vault",
				clock_now(&s->process->clock), "%s", why);
		return;
	}
	alarm_clear(&s->process->alarms, &keys_refused, "vault");
	log_begin(&r, &s->process->log, LOG_INFO, "auc", "keys_loaded");
	log_u64(&r, "kek", keyring_newest(&s->keyring));
	log_u64(&r, "rows_left", keyring_rows_left(&s->keyring));
	log_end(&r);
	keys_answer(s);
	waiting_end(s, UINT64_MAX, true);
}

static void keyring_wake(void *ctx)
{
	loop_timer_once(&((struct auc_store *)ctx)->reseal, KEYRING_PAUSE_MS);
}

static bool keyring_is_import_connected(void *ctx)
{
	return ((struct auc_store *)ctx)->importer != NULL;
}

static void on_reseal(void *ctx)
{
	keyring_step(&((struct auc_store *)ctx)->keyring);
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

	struct err e = auc_import_decode(body, &import, &fault);
	/* Sealed under a key that has gone, nobody could open it. */
	for (size_t i = 0; i < import.count && !failed(e); i++)
		if (!keyring_knows(&j->s->keyring, import.rows[i].sealed)) {
			j->s->keks_unknown++;
			e = ERR(STATE);
		}
	if (failed(e))
		job_refuse(j, e);
	else
		ledger_import_rows(j->s->ledger, &import, on_import_done, j);
}

static void on_imported(void *ctx, struct err err, const struct auc_import_result *result)
{
	uint8_t buffer[16];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (!failed(err))
		auc_import_result_encode(&w, result);
	job_answer(ctx, err, writer_span_done(&w));
}

static void on_import_commit(struct job *j, struct span body)
{
	struct wire_fault fault = {0};
	uint64_t id;

	const struct err e = auc_u64_decode(body, &id, &fault);
	if (failed(e))
		job_refuse(j, e);
	else
		ledger_import_commit(j->s->ledger, id, on_imported, j);
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
	else if (frame->type == AUC_KEYS)
		on_keys(j);
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
	for (size_t i = 0; i < STORE_FRONTS_MAX; i++)
		if (s->fronts[i] == c)
			s->fronts[i] = NULL;
	if (s->importer == c) {
		s->importer = NULL;
		ledger_import_abandon(s->ledger);
	}
	if (s->vault != c)
		return;
	s->vault = NULL;
	vault_watch_channel(&s->vault_watch, NULL);
	keyring_vault(&s->keyring, false);
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
	for (size_t i = 0; i < STORE_FRONTS_MAX; i++)
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
	if (!is_vault)
		return;
	vault_watch_channel(&s->vault_watch, opened);
	keyring_vault(&s->keyring, true);
}

/* ---- life ---- */

static void on_lost(void *ctx, const char *why)
{
	process_fail(((struct auc_store *)ctx)->process, why);
}

static void on_tick(void *ctx)
{
	struct auc_store *s = ctx;

	ledger_tick(s->ledger);
	keyring_tick(&s->keyring);
	waiting_end(s, s->ticks, false); /* one or two seconds */
	s->ticks++;
	report_tick(s);
}

static struct err settings_judge(const struct auc_store_settings *s, struct complaint *c)
{
	const struct {
		const char *name;
		uint64_t value, least, most;
	} rows[] = {{"lease_ahead", s->lease_ahead, 16, SQN_AHEAD_MAX},
		{"subscribers_max", s->subscribers_max, 1, SUBSCRIBERS_MAX},
		{"vectors_burst", s->vectors_burst, AUTH_VECTORS_MAX, LIMIT_BURST_MAX},
		{"vectors_per_hour", s->vectors_per_hour, 1, LIMIT_PER_HOUR_MAX},
		{"resyncs_burst", s->resyncs_burst, 1, LIMIT_BURST_MAX},
		{"resyncs_per_hour", s->resyncs_per_hour, 1, LIMIT_PER_HOUR_MAX}};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].value < rows[i].least || rows[i].value > rows[i].most)
			return complain(c, ERR(INPUT), "%s: from %llu to %llu", rows[i].name,
				(unsigned long long)rows[i].least,
				(unsigned long long)rows[i].most);
	return OK;
}

static struct err start(struct process *p, struct complaint *c)
{
	static struct auc_store s = {.settings = {.lease_ahead = SQN_AHEAD_DEFAULT,
					     .subscribers_max = SUBSCRIBERS_DEFAULT,
					     .vectors_burst = LEDGER_VECTORS_BURST,
					     .vectors_per_hour = LEDGER_VECTORS_PER_HOUR,
					     .resyncs_burst = LEDGER_RESYNCS_BURST,
					     .resyncs_per_hour = LEDGER_RESYNCS_PER_HOUR}};
	char path[sizeof s.settings.database];

	p->state = &s;
	s.process = p;
	struct err e =
		settings_read(&p->settings, setting_rows, ARRAY_LEN(setting_rows), &s.settings, c);
	if (failed(e))
		return e;
	e = settings_judge(&s.settings, c);
	if (failed(e))
		return e;
	e = pool_open(&s.jobs, JOBS_MAX, sizeof(struct job));
	if (!failed(e))
		e = query_open(&s);
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
		.subscribers_max = (uint32_t)s->settings.subscribers_max,
		.vectors = {(uint32_t)s->settings.vectors_burst,
			(uint32_t)s->settings.vectors_per_hour},
		.resyncs = {(uint32_t)s->settings.resyncs_burst,
			(uint32_t)s->settings.resyncs_per_hour},
		.ind_idle_uses = IND_IDLE_USES};
	const struct keyring_port port = {.ask = keyring_ask,
		.changed = keyring_changed,
		.wake = keyring_wake,
		.is_import_connected = keyring_is_import_connected,
		.ctx = s};

	struct err e = store_open(&s->store, &p->loop, &on_disk, c);
	if (failed(e))
		return e;
	e = ledger_open(&s->ledger, s->store, p->clock, &settings, c);
	if (failed(e))
		return e;
	ledger_on_lost(s->ledger, on_lost, s);
	ledger_on_refused(s->ledger, report_refused, s);
	s->vault_waiting_end = &s->vault_waiting;
	keyring_open(&s->keyring, s->ledger, &port);
	loop_timer_open(&p->loop, &s->reseal, on_reseal, s);
	loop_timer_open(&p->loop, &s->tick, on_tick, s);
	loop_timer_every(&s->tick, TICK_MS);
	vault_watch_open(&s->vault_watch, p, "auc-vault", on_vault, s);
	report_metrics(s);
	return OK;
}

static void stop(struct process *p)
{
	struct auc_store *s = p->state;

	s->is_stopping = true;
	vault_watch_close(&s->vault_watch);
	loop_timer_stop(&s->tick);
	loop_timer_stop(&s->reseal);
	if (s->importer != NULL)
		channel_close(s->importer);
	for (size_t i = 0; i < STORE_FRONTS_MAX; i++)
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
		.status = report_status,
		.query = query_take,
		.stop = stop};

	return process_main(argc, argv, &kind);
}
