// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "agent.h"
#include "codec/kms_msg.h"
#include <stdio.h>
#include <stdlib.h>

const struct alarm_kind alarm_tunnel_down = {"gateway_tunnel_down", ALARM_CRITICAL,
	"There is no tunnel to the other site. Traffic between the sites is stopped; nothing "
	"leaves in clear. "
	"Look at charon, at the link between the agents and at the other alarms."};
const struct alarm_kind alarm_no_key = {"gateway_no_key", ALARM_CRITICAL,
	"The key store has no key for the tunnel. It is not brought up without one; an old SA "
	"serves until its lifetime "
	"ends. Look at the quantum link."};
const struct alarm_kind alarm_rotation_failed = {"gateway_rotation_failed", ALARM_MAJOR,
	"The tunnel could not be re-authenticated under a fresh key; the old SA, if there is one, "
	"stays. It is "
	"tried again."};

/* ---- Key store ---- */

/* An answer that may come after its rotation. */
struct key_ticket {
	struct agent *agent;
	uint32_t serial;
};

static enum rotate_event key_take(struct agent *a, struct span body)
{
	static struct kms_keys keys;
	struct wire_fault fault = {0};
	const bool is_offered = a->rotate.role == ROTATE_RESPONDER;

	if (failed(kms_keys_decode(&keys, body, &fault)) || keys.count != 1 ||
		failed(secret_copy(&a->now.key, keys.items[0].key)))
		return ROTATE_ON_REFUSED;
	if (is_offered &&
		memcmp(keys.items[0].id.octets, a->now.which.key_id, GATEWAY_KEY_ID_OCTETS) != 0)
		return ROTATE_ON_REFUSED;
	memcpy(a->now.which.key_id, keys.items[0].id.octets, GATEWAY_KEY_ID_OCTETS);
	rotate_ppk_id(a->now.ppk_id, a->now.which.key_id);
	rotate_connection(a->now.connection, a->now.which.key_id);
	return ROTATE_ON_KEY;
}

static enum rotate_event key_refusal(struct agent *a, struct err err)
{
	struct log_record r;
	/* For a key that the other site has, "absent" is out of step, not out of keys. */
	const bool is_empty = err.kind == ERR_LIMIT ||
			      (err.kind == ERR_ABSENT && a->rotate.role == ROTATE_INITIATOR);

	log_begin(&r, &a->process->log, LOG_WARN, "gateway", "key_refused");
	log_text(&r, "cause", err_word(err));
	log_end(&r);
	return is_empty ? ROTATE_ON_NO_KEY : ROTATE_ON_REFUSED;
}

static void on_key(void *ctx, struct err err, struct span body)
{
	struct key_ticket ticket = *(struct key_ticket *)ctx;
	struct agent *a = ticket.agent;

	free(ctx);
	if (ticket.serial != a->now.serial || a->rotate.state != ROTATE_KEY)
		return;
	agent_event(a, failed(err) ? key_refusal(a, err) : key_take(a, body));
}

static struct err key_ask_send(struct agent *a, struct key_ticket *ticket)
{
	static struct kms_enc_request enc;
	static struct kms_dec_request dec;
	uint8_t buffer[4096];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span body;

	if (a->rotate.role == ROTATE_INITIATOR) {
		enc = (struct kms_enc_request){.slave_count = 1, .number = 1, .size_bits = 256};
		kms_name_set(&enc.master, a->settings.sae);
		kms_name_set(&enc.slaves[0], a->settings.peer_sae);
		kms_enc_request_encode(&w, &enc);
	} else {
		dec = (struct kms_dec_request){.count = 1};
		kms_name_set(&dec.master, a->settings.peer_sae);
		kms_name_set(&dec.caller, a->settings.sae);
		memcpy(dec.ids[0].octets, a->now.which.key_id, GATEWAY_KEY_ID_OCTETS);
		kms_dec_request_encode(&w, &dec);
	}
	const struct err e = writer_result(&w, &body);
	if (failed(e))
		return e;
	return channel_ask(a->kms, a->rotate.role == ROTATE_INITIATOR ? KMS_ENC_KEYS : KMS_DEC_KEYS,
		body, AGENT_KMS_ASK_MS, on_key, ticket);
}

static void key_ask(struct agent *a)
{
	struct key_ticket *ticket = malloc(sizeof(*ticket));

	if (ticket != NULL)
		*ticket = (struct key_ticket){a, a->now.serial};
	if (ticket != NULL && a->kms != NULL && !failed(key_ask_send(a, ticket)))
		return;
	free(ticket);
	agent_event(a, ROTATE_ON_REFUSED);
}

/* ---- Tunnel and alarms ---- */

void agent_tunnel_set(struct agent *a, bool is_up, const char *why)
{
	struct process *p = a->process;
	struct log_record r;

	if (is_up == a->is_up && is_up)
		return;
	if (is_up)
		alarm_clear(&p->alarms, &alarm_tunnel_down, a->settings.peer_name);
	else
		alarm_raise(&p->alarms, &alarm_tunnel_down, a->settings.peer_name,
			clock_now(&p->clock), "%s", why);
	if (is_up == a->is_up)
		return;
	a->is_up = is_up;
	log_begin(&r, &p->log, is_up ? LOG_NOTICE : LOG_WARN, "gateway",
		is_up ? "tunnel_up" : "tunnel_down");
	log_text(&r, "why", why);
	log_end(&r);
}

static void query_answer(struct agent *a, struct err err)
{
	char text[128];
	struct process_query *q = a->waiting;

	a->waiting = NULL;
	if (q == NULL)
		return;
	if (failed(err))
		snprintf(text, sizeof(text), "the rotation failed; the old SA stays");
	else
		snprintf(text, sizeof(text), "{\"ppk_id\":\"%s\"}", a->current_ppk_id);
	process_query_answer(q, err, span_str(text));
}

static void outcome_note(struct agent *a, uint32_t effects)
{
	struct process *p = a->process;
	const struct moment now = clock_now(&p->clock);
	struct log_record r;

	log_begin(&r, &p->log, effects & ROTATE_DONE ? LOG_NOTICE : LOG_WARN, "gateway",
		effects & ROTATE_DONE ? "rotation_done" : "rotation_failed");
	log_text(&r, "ppk_id", a->now.ppk_id);
	log_u64(&r, "rotation", a->now.which.rotation);
	log_end(&r);
	if (effects & ROTATE_NO_KEY)
		alarm_raise(&p->alarms, &alarm_no_key, a->settings.peer_sae, now, "no key for %s",
			a->settings.peer_sae);
	if (effects & ROTATE_FAILED)
		alarm_raise(&p->alarms, &alarm_rotation_failed, a->settings.peer_name, now,
			"%s in a row: %u", a->now.ppk_id[0] == '\0' ? "no PPK" : a->now.ppk_id,
			a->rotate.failed_in_row);
	if (effects & ROTATE_DONE) {
		alarm_clear(&p->alarms, &alarm_no_key, a->settings.peer_sae);
		alarm_clear(&p->alarms, &alarm_rotation_failed, a->settings.peer_name);
	}
	query_answer(a, effects & ROTATE_DONE ? OK : ERR(STATE));
}

/* ---- Effects ---- */

/* A rotation begins: what the one before left is not seen again. The responder has read the offer already. */
static void rotation_begin(struct agent *a)
{
	const uint32_t serial = a->now.serial + 1;

	if (a->rotate.role == ROTATE_INITIATOR)
		a->now = (struct agent_rotation){.which.rotation = serial};
	a->now.serial = serial;
	a->unique_id_seen = a->current.unique_id;
	for (size_t i = 0; i < a->sa_count; i++)
		if (a->sas[i].unique_id > a->unique_id_seen)
			a->unique_id_seen = a->sas[i].unique_id;
}

static void do_refuse(struct agent *a)
{
	agent_peer_answer(a, ERR(ABSENT));
}

static void do_accept(struct agent *a)
{
	agent_peer_answer(a, OK);
}

static void do_take_key(struct agent *a)
{
	rotation_begin(a);
	key_ask(a);
}

static void do_drop(struct agent *a)
{
	agent_peer_tell(a, GATEWAY_DROP);
}

static void do_tell_up(struct agent *a)
{
	agent_peer_tell(a, GATEWAY_ACTIVATED);
}

/* In the order of enum rotate_effect. The last of a transition may step on: nothing is done after it. */
static const struct {
	enum rotate_effect effect;
	void (*run)(struct agent *a);
} actions[] = {
	{ROTATE_ABANDON, agent_abandon},
	{ROTATE_DROP, do_drop},
	{ROTATE_REFUSE, do_refuse},
	{ROTATE_TAKE_KEY, do_take_key},
	{ROTATE_TELL_OFFER, agent_peer_offer},
	{ROTATE_LOAD_PPK, agent_ppk_load},
	{ROTATE_ACCEPT, do_accept},
	{ROTATE_INITIATE, agent_initiate},
	{ROTATE_LIST, agent_list},
	{ROTATE_TELL_UP, do_tell_up},
	{ROTATE_RETIRE, agent_retire},
	{ROTATE_EXPIRED, agent_expire},
};

static void effects_run(struct agent *a, uint32_t effects)
{
	if (effects & (ROTATE_DONE | ROTATE_FAILED))
		outcome_note(a, effects);
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (effects & (uint32_t)actions[i].effect)
			actions[i].run(a);
}

static void timer_set(struct agent *a)
{
	const uint64_t next = rotate_next_ms(&a->rotate),
		       now = clock_now(&a->process->clock).mono_ms;

	if (next == UINT64_MAX)
		loop_timer_stop(&a->tick);
	else
		loop_timer_once(&a->tick, next > now ? next - now : 0);
}

void agent_event(struct agent *a, enum rotate_event event)
{
	effects_run(a, rotate_step(&a->rotate, event, clock_now(&a->process->clock)));
	timer_set(a);
}

void agent_tick(struct agent *a)
{
	effects_run(a, rotate_tick(&a->rotate, clock_now(&a->process->clock)));
	timer_set(a);
}

void agent_ready_note(struct agent *a)
{
	const bool was_held = a->rotate.is_held;

	a->rotate.is_held = !a->is_charon_ready || a->peer == NULL;
	if (was_held && !a->rotate.is_held && !a->is_up)
		rotate_hurry(&a->rotate, clock_now(&a->process->clock));
	if (a->rotate.role == ROTATE_RESPONDER && !a->rotate.is_held && !a->is_up)
		channel_notice(a->peer, GATEWAY_READY, span_of(NULL, 0));
	timer_set(a);
}
