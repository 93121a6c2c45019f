// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The GSUP front of the authentication centre: sockets and octets, no keys, no numbers. What
 * serving nodes ask is decoded, turned into a `struct auth_request`, and asked of the store; the
 * answer goes back the same way.
 *
 *   on_bytes -> take_frame -> serve_message -> (a table by type) -> the line -> store -> on_… -> answer
 *
 * A peer that sends what cannot be read gets an error where there is somebody to address it to, and
 * loses its connection after MALFORMED_MAX of these; others do not notice. This file is the process:
 * settings, channel, life. The rest is behind peer.h.
 */
#include "peer.h"
#include <stdio.h>

static void on_tick(void *ctx)
{
	struct auc_front *f = ctx;
	const uint64_t now_ms = front_now_ms(f);

	serve_expire(f, now_ms);
	peers_tick(f, now_ms);
	front_alarms_tick(f, now_ms);
}

static void on_store_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx;
	if (frame->kind == IPC_REQUEST) /* the store asks a front nothing */
		channel_answer(c, frame->request_id, frame->type, ERR(INPUT), span_of(NULL, 0));
}

static void on_store_closed(void *ctx, struct channel *c, struct err why)
{
	struct auc_front *f = ctx;

	(void)why;
	if (f->store == c)
		f->store = NULL;
}

static void on_channel(struct process *p, const char *peer, int fd)
{
	static const struct channel_events events = {on_store_frame, on_store_closed};
	struct auc_front *f = p->state;
	struct channel *opened;

	if (strcmp(peer, "auc-store") != 0 ||
		failed(channel_open_fd(&opened, &p->loop, fd, &events, f)))
		return;
	if (f->store != NULL)
		channel_close(f->store);
	f->store = opened;
}

/* ---- settings ---- */

/* One row of the roster; roster.h says how it is written. */
struct peer_text {
	char text[SETTING_TEXT_MAX];
};

struct front_settings {
	char address[64];
	uint64_t port, peers_max, rate_per_s;
	size_t peer_count;
	struct peer_text peers[ROSTER_MAX];
};

static const struct setting_row peer_rows[] = {
	SETTING_ROW("", SETTING_TEXT, false, struct peer_text, text),
};
static const struct setting_row rows[] = {
	SETTING_ROW("listen.address", SETTING_TEXT, false, struct front_settings, address),
	SETTING_ROW("listen.port", SETTING_U64, false, struct front_settings, port),
	SETTING_ROW("peers_max", SETTING_U64, true, struct front_settings, peers_max),
	SETTING_ROW("rate_per_s", SETTING_U64, true, struct front_settings, rate_per_s),
	SETTING_LIST_ROW("peers", true, struct front_settings, peers, peer_count, peer_rows),
};

static struct err roster_take(
	struct roster *roster, const struct front_settings *s, struct complaint *c)
{
	for (roster->count = 0; roster->count < s->peer_count; roster->count++) {
		struct roster_row *row = &roster->rows[roster->count];
		struct complaint why = {0};
		const struct err e = roster_row_read(row, s->peers[roster->count].text, &why);
		if (failed(e))
			return complain(c, e, "peers.%zu: %s", roster->count, why.text);
		if (roster_find(roster, row->name) != NULL)
			return complain(c, ERR(INPUT), "peers.%zu: '%s' is there already",
				roster->count, row->name);
	}
	return OK;
}

static struct err settings_take(struct front_settings *s, struct front_rules *rules,
	const struct settings *from, struct complaint *c)
{
	memset(s, 0, sizeof *s);
	s->peers_max = PEERS_DEFAULT;
	struct err e = settings_read(from, rows, ARRAY_LEN(rows), s, c);
	if (failed(e))
		return e;
	if (s->port == 0 || s->port > UINT16_MAX || s->peers_max == 0 || s->peers_max > PEERS_MAX)
		return complain(c, ERR(INPUT),
			"listen.port: from 1 to 65535; peers_max: from 1 to %d", PEERS_MAX);
	if (s->rate_per_s > ROSTER_RATE_MAX)
		return complain(c, ERR(INPUT), "rate_per_s: at most %d", ROSTER_RATE_MAX);
	rules->rate_per_s = s->rate_per_s;
	return roster_take(&rules->roster, s, c);
}

/* ---- life ---- */

static struct err start(struct process *p, struct complaint *c)
{
	static struct auc_front f;
	static struct front_settings s;

	p->state = &f;
	struct err e = front_open(&f, p);
	if (!failed(e))
		e = settings_take(&s, &f.next_rules, &p->settings, c);
	if (failed(e))
		return e;
	e = peers_open(&f, s.address, (uint16_t)s.port, (uint32_t)s.peers_max, c);
	if (failed(e))
		return complain(c, e, "cannot listen");
	front_rules_commit(&f);
	loop_timer_open(&p->loop, &f.tick, on_tick, &f);
	loop_timer_every(&f.tick, TICK_MS);
	front_metrics_add(&f);
	return OK;
}

/* The peers and the rate are taken while the process runs; the rest is what it listens with. */
static struct err reload_prepare(
	struct process *p, const struct settings *next, struct complaint *c)
{
	static struct front_settings s;
	static char names[ROSTER_MAX][16];
	const char *taken[ROSTER_MAX + 1] = {"rate_per_s"};
	struct auc_front *f = p->state;

	for (size_t i = 0; i < ROSTER_MAX; i++) {
		snprintf(names[i], sizeof names[i], "peers.%zu", i);
		taken[i + 1] = names[i];
	}
	const struct err e = settings_equal_but(&p->settings, next, taken, ARRAY_LEN(taken), c);
	return failed(e) ? e : settings_take(&s, &f->next_rules, next, c);
}

static void reload_commit(struct process *p)
{
	front_rules_commit(p->state);
}

static void status(struct process *p, struct json_writer *json)
{
	const struct auc_front *f = p->state;
	uint64_t turned_away = 0, shed = 0;

	for (size_t i = 0; i < REFUSALS; i++)
		turned_away += f->refusals[i];
	for (size_t i = 0; i < SHEDS; i++)
		shed += f->shed[i];
	json_u64(json, "peers", f->peers.in_use);
	json_u64(json, "peers_listed", f->rules.roster.count);
	json_u64(json, "peers_paused", f->paused);
	json_u64(json, "in_flight", f->requests.in_use);
	json_u64(json, "waiting", f->line.count);
	json_u64(json, "messages", f->messages);
	json_u64(json, "vectors", f->vectors);
	json_u64(json, "locations", f->locations_done);
	json_u64(json, "refused", f->refused);
	json_u64(json, "turned_away", turned_away);
	json_u64(json, "shed", shed);
	json_u64(json, "malformed", f->malformed);
	json_u64(json, "refused_connections", listener_refused(f->listener));
	json_bool(json, "store", f->store != NULL);
}

static void stop(struct process *p)
{
	struct auc_front *f = p->state;

	loop_timer_stop(&f->tick);
	loop_timer_stop(&f->pace);
	peers_close(f);
	process_stopped(p);
}

int main(int argc, char **argv)
{
	static const struct process_kind kind = {.name = "auc-front",
		.sandbox = SANDBOX_FRONT,
		.start = start,
		.channel = on_channel,
		.reload_prepare = reload_prepare,
		.reload_commit = reload_commit,
		.status = status,
		.stop = stop};

	return process_main(argc, argv, &kind);
}
