// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "agent.h"
#include "host/tls_identity.h"
#include <errno.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <stdlib.h>

enum { PEM_OCTETS_MAX = 60000 };

#define TEXT(name, optional, field)                                                                \
	SETTING_ROW(name, SETTING_TEXT, optional, struct agent_settings, field)
#define NUMBER(name, optional, field)                                                              \
	SETTING_ROW(name, SETTING_U64, optional, struct agent_settings, field)

static const struct setting_row rows[] = {
	TEXT("role", false, role),
	TEXT("sae", false, sae),
	TEXT("peer_sae", false, peer_sae),
	TEXT("vici", false, vici),
	TEXT("local_address", false, local_address),
	TEXT("peer_address", false, peer_address),
	TEXT("local_subnet", false, local_subnet),
	TEXT("remote_subnet", false, remote_subnet),
	TEXT("local_id", true, local_id),
	TEXT("peer_id", true, peer_id),
	TEXT("certificate", false, certificate),
	TEXT("key", false, key),
	TEXT("ca", false, ca),
	TEXT("ike_proposal", true, ike_proposal),
	TEXT("esp_proposal", true, esp_proposal),
	NUMBER("rotate_s", false, rotate_s),
	NUMBER("lifetime_s", true, lifetime_s),
	TEXT("agent.role", false, peer_role),
	TEXT("agent.address", false, agent_address),
	NUMBER("agent.port", false, peer_port),
	TEXT("peer.name", false, peer_name),
	TEXT("tls.certificate", false, tls_certificate),
	TEXT("tls.key", false, tls_key),
	TEXT("tls.ca", false, tls_ca),
};

/* ---- Settings and files ---- */

static struct err words_check(const struct agent_settings *s, struct complaint *c)
{
	if (strcmp(s->role, "initiator") != 0 && strcmp(s->role, "responder") != 0)
		return complain(
			c, ERR(INPUT), "role is \"%s\": initiator or responder expected", s->role);
	if (strcmp(s->peer_role, "listen") != 0 && strcmp(s->peer_role, "connect") != 0)
		return complain(c, ERR(INPUT), "agent.role is \"%s\": listen or connect expected",
			s->peer_role);
	if (s->rotate_s == 0 || s->rotate_s > 86400)
		return complain(c, ERR(INPUT), "rotate_s must be 1 to 86400");
	if (s->lifetime_s <= s->rotate_s || s->lifetime_s > 7 * 86400)
		return complain(
			c, ERR(INPUT), "lifetime_s must be more than rotate_s, at most 604800");
	if (s->peer_port == 0 || s->peer_port > 65535)
		return complain(c, ERR(INPUT), "agent.port must be 1 to 65535");
	return OK;
}

static struct err settings_take(
	struct agent_settings *s, const struct settings *from, struct complaint *c)
{
	struct err e;

	snprintf(s->ike_proposal, sizeof(s->ike_proposal), "aes256gcm16-prfsha384-ecp384");
	snprintf(s->esp_proposal, sizeof(s->esp_proposal), "aes256gcm16-ecp384");
	e = settings_read(from, rows, ARRAY_LEN(rows), s, c);
	if (failed(e))
		return e;
	/* Ten rotations may fail before the SA ends. */
	if (s->lifetime_s == 0)
		s->lifetime_s = s->rotate_s * 10 < 600 ? 600 : s->rotate_s * 10;
	if (s->peer_id[0] == '\0')
		memcpy(s->peer_id, s->peer_name, sizeof(s->peer_id));
	return words_check(s, c);
}

static struct err file_load(struct secret *out, const char *path, struct complaint *c)
{
	uint8_t buffer[PEM_OCTETS_MAX];
	FILE *file = fopen(path, "re");

	if (file == NULL)
		return complain(c, ERR(IO), "%s: %s", path, strerror(errno));
	setvbuf(file, NULL, _IONBF, 0);
	const size_t len = fread(buffer, 1, sizeof(buffer), file);
	fclose(file);
	struct err e = OK;
	if (len == 0 || len == sizeof(buffer))
		e = complain(
			c, ERR(INPUT), "%s: empty, or longer than %d octets", path, PEM_OCTETS_MAX);
	else
		e = secret_copy(out, span_of(buffer, len));
	secret_wipe(buffer, sizeof(buffer));
	return e;
}

/* The first DNS name of our own certificate: who we are in IKE, where no setting says it. */
static struct err local_id_take(struct agent *a, struct complaint *c)
{
	BIO *bio = BIO_new_mem_buf(a->certificate_pem.bytes, (int)a->certificate_pem.len);
	X509 *certificate = bio == NULL ? NULL : PEM_read_bio_X509(bio, NULL, NULL, NULL);
	struct peer_identity own = {0};
	struct agent_settings *s = &a->settings;
	const struct err e =
		certificate == NULL ? ERR(INPUT) : identity_from_certificate(&own, certificate, c);

	X509_free(certificate);
	BIO_free(bio);
	if (!failed(e))
		memcpy(s->local_id, own.dns_name, sizeof(s->local_id));
	if (s->local_id[0] == '\0')
		return complain(c, ERR(INPUT),
			"%s: no certificate with a DNS name, and no local_id", s->certificate);
	return OK;
}

static struct err files_take(struct agent *a, struct complaint *c)
{
	struct err e = file_load(&a->key_pem, a->settings.key, c);

	if (!failed(e))
		e = file_load(&a->certificate_pem, a->settings.certificate, c);
	if (!failed(e))
		e = file_load(&a->ca_pem, a->settings.ca, c);
	if (!failed(e) && a->settings.local_id[0] == '\0')
		e = local_id_take(a, c);
	return e;
}

static void policy_set(struct agent *a)
{
	const struct agent_settings *s = &a->settings;

	a->policy = (struct tunnel_policy){
		.role = strcmp(s->role, "initiator") == 0 ? ROTATE_INITIATOR : ROTATE_RESPONDER,
		.local_address = s->local_address,
		.peer_address = s->peer_address,
		.local_id = s->local_id,
		.peer_id = s->peer_id,
		.local_subnet = s->local_subnet,
		.remote_subnet = s->remote_subnet,
		.ike_proposal = s->ike_proposal,
		.esp_proposal = s->esp_proposal,
		.certificate = secret_span(&a->certificate_pem),
		.ca = secret_span(&a->ca_pem),
		.lifetime_s = (uint32_t)s->lifetime_s,
	};
}

/* ---- Life ---- */

static void on_tick(void *ctx)
{
	agent_tick(ctx);
}

static struct rotate_times times_of(const struct agent_settings *s)
{
	return (struct rotate_times){
		.period_ms = s->rotate_s * 1000, .lifetime_ms = s->lifetime_s * 1000};
}

static struct err start(struct process *p, struct complaint *c)
{
	struct agent *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return ERR(LIMIT);
	p->state = a;
	a->process = p;
	struct err e = settings_take(&a->settings, &p->settings, c);
	if (!failed(e))
		e = files_take(a, c);
	if (!failed(e))
		e = agent_peer_open(a, c);
	if (failed(e))
		return e;
	policy_set(a);
	rotate_open(&a->rotate, a->policy.role, times_of(&a->settings), clock_now(&p->clock));
	a->rotate.is_held = true;
	return OK;
}

/* Connections go out from inside the sandbox. */
static struct err begin(struct process *p, struct complaint *c)
{
	struct agent *a = p->state;

	(void)c;
	loop_timer_open(&p->loop, &a->tick, on_tick, a);
	agent_tunnel_set(a, false, "not yet up");
	charon_open(&a->charon, &p->loop, &p->log, a->settings.vici, &agent_charon_events, a);
	agent_peer_connect(a);
	return OK;
}

static void on_kms_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	(void)ctx;
	if (frame->kind == IPC_REQUEST)
		channel_answer(c, frame->request_id, frame->type, ERR(VERSION), span_of(NULL, 0));
}

static void on_kms_closed(void *ctx, struct channel *c, struct err why)
{
	struct agent *a = ctx;

	(void)why;
	if (a->kms == c)
		a->kms = NULL;
}

static void channel(struct process *p, const char *peer, int fd)
{
	static const struct channel_events events = {
		.frame = on_kms_frame, .closed = on_kms_closed};
	struct agent *a = p->state;
	struct channel *c;

	if (strcmp(peer, "kms-store") != 0 || failed(channel_open_fd(&c, &p->loop, fd, &events, a)))
		return;
	a->kms = c;
	rotate_hurry(&a->rotate, clock_now(&p->clock));
	agent_ready_note(a);
}

static void status(struct process *p, struct json_writer *json)
{
	const struct agent *a = p->state;
	const struct rotate *r = &a->rotate;

	json_open(json, "tunnel", '{');
	json_bool(json, "established", a->is_up);
	json_bool(json, "ppk", a->is_up && a->current.has_ppk);
	json_text(json, "ppk_id", a->is_up ? a->current_ppk_id : NULL);
	json_u64(json, "unique_id", a->current.unique_id);
	/* The first PPK brings the tunnel up; each further one is a rotation. */
	json_u64(json, "ppk_rotations", r->done > 0 ? r->done - 1 : 0);
	if (r->done > 0)
		json_u64(json, "last_rotation_s_ago",
			(clock_now(&p->clock).mono_ms - r->done_ms) / 1000);
	json_u64(json, "rotate_s", a->settings.rotate_s);
	json_u64(json, "failed_rotations", r->failed);
	json_u64(json, "bytes_in", a->current.bytes_in);
	json_u64(json, "bytes_out", a->current.bytes_out);
	json_text(json, "rotation_state", rotate_state_word(r->state));
	json_bool(json, "charon", a->is_charon_ready);
	json_bool(json, "peer", a->peer != NULL);
	json_close(json, '}');
	json_u64(json, "refused_peers", a->refused_peers);
	json_u64(json, "malformed", a->malformed);
}

static struct err reload_prepare(
	struct process *p, const struct settings *next, struct complaint *c)
{
	static const char *const taken[] = {"rotate_s", "lifetime_s"};
	struct agent *a = p->state;
	const struct err e = settings_equal_but(&p->settings, next, taken, ARRAY_LEN(taken), c);

	a->next = (struct agent_settings){0};
	return failed(e) ? e : settings_take(&a->next, next, c);
}

static void reload_commit(struct process *p)
{
	struct agent *a = p->state;

	a->settings.rotate_s = a->next.rotate_s;
	a->settings.lifetime_s = a->next.lifetime_s;
	a->policy.lifetime_s = (uint32_t)a->next.lifetime_s;
	rotate_retime(&a->rotate, times_of(&a->settings), clock_now(&p->clock));
	agent_tick(a);
}

static void query(
	struct process *p, const char *verb, const char *argument, struct process_query *q)
{
	struct agent *a = p->state;

	(void)argument;
	if (strcmp(verb, "rotate") != 0)
		process_query_answer(
			q, ERR(INPUT), span_str("the gateway answers \"rotate\" alone"));
	else if (a->rotate.role != ROTATE_INITIATOR)
		process_query_answer(
			q, ERR(STATE), span_str("the other site is the initiator: ask there"));
	else if (a->waiting != NULL || a->rotate.state != ROTATE_IDLE || a->rotate.is_held)
		process_query_answer(q, ERR(STATE),
			span_str("a rotation runs, or charon or the other site is away"));
	else {
		a->waiting = q;
		agent_event(a, ROTATE_ON_START);
	}
}

static const struct process_kind gateway = {
	.name = "gateway",
	.sandbox = SANDBOX_LINK,
	.start = start,
	.begin = begin,
	.channel = channel,
	.reload_prepare = reload_prepare,
	.reload_commit = reload_commit,
	.status = status,
	.query = query,
};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &gateway);
}
