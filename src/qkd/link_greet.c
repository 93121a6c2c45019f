// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "link_inner.h"
#include <assert.h>
#include <stdio.h>

/* Greeting: what the store says is the truth; then each end learns the other's. */

static struct qkd_marks ends_of(const struct qkd_link *l)
{
	return (struct qkd_marks){.send = pad_pool_end(&l->secrets->pads.send),
		.accept = pad_pool_end(&l->secrets->pads.accept)};
}

static void hello_send(struct qkd_link *l)
{
	struct writer w = writer_of(span_mut_of(l->out, LINK_BODY_MAX));
	struct link_hello hello = {.role = l->settings.role,
		.parameters = l->settings.shared,
		.error_correction = (uint8_t)l->settings.mode,
		.marks = l->marks,
		.ends = ends_of(l),
		.block_count = l->opened.block_count};

	memcpy(hello.link, l->settings.link, sizeof hello.link);
	memcpy(hello.blocks, l->opened.blocks, sizeof hello.blocks);
	link_hello_encode(&w, &hello);
	link_stage_enter(l, STAGE_GREETING);
	l->port.send(l->port.ctx, LINK_HELLO, writer_span_done(&w));
}

static void settle_next(struct qkd_link *l, struct span unused);

static void refuse(struct qkd_link *l, const struct alarm_kind *kind, const char *why)
{
	alarm_raise(l->alarms, kind, l->settings.link, l->now, "%s", why);
	link_disconnect(l);
}

static void refuse_difference(
	struct qkd_link *l, const char *what, const char *own, const char *peers)
{
	alarm_raise(l->alarms, &qkd_alarm_ends_differ, l->settings.link, l->now,
		"%s: %s here, %s at the peer", what, own, peers);
	link_disconnect(l);
}

static void refuse_version(struct qkd_link *l)
{
	char own[8], peers[8];

	snprintf(own, sizeof own, "%d", LINK_VERSION);
	snprintf(peers, sizeof peers, "%d", l->peer.version);
	refuse_difference(l, "version of the link's protocol", own, peers);
}

/* As CONFIG names them, and the unit of each; the order is that of telling. Detections follow from block_bits and basis_x: last. */
enum { KIND = 0, PARAMETERS = 12, VALUE_MAX = 24 };
static const struct parameter {
	const char *name;
	double unit;
} parameters[PARAMETERS] = {
	[KIND] = {"protocol.kind", 1},
	{"protocol.mu1", 1e-6},
	{"protocol.mu2", 1e-6},
	{"protocol.mu3", 1e-6},
	{"protocol.p1", 1e-6},
	{"protocol.p2", 1e-6},
	{"protocol.p3", 1e-6},
	{"protocol.basis_x", 1e-6},
	{"protocol.eps_sec_exponent", 1},
	{"protocol.eps_cor_exponent", 1},
	{"protocol.final_bits_fixed", 1},
	{"block_bits, in detections", 1},
};

static void parameters_list(const struct link_parameters *p, uint32_t list[static PARAMETERS])
{
	const uint32_t *mu = p->intensity_micro, *share = p->probability_micro;
	const uint32_t all[] = {p->protocol, mu[0], mu[1], mu[2], share[0], share[1], share[2],
		p->basis_x_micro, p->eps_sec_exponent, p->eps_cor_exponent, p->final_bits_fixed,
		p->detections_per_block};

	static_assert(ARRAY_LEN(all) == PARAMETERS, "each parameter has a name");
	memcpy(list, all, sizeof all);
}

static const char *parameter_write(char out[static VALUE_MAX], size_t i, uint32_t value)
{
	const char *word = i == KIND ? qkd_protocol_word((enum qkd_protocol)value) : NULL;

	if (word != NULL)
		return word;
	snprintf(out, VALUE_MAX, "%.10g", value * parameters[i].unit);
	return out;
}

/* The first that differs; PARAMETERS: none does. */
static size_t parameter_that_differs(const struct qkd_link *l)
{
	uint32_t own[PARAMETERS], peers[PARAMETERS];
	size_t i = 0;

	parameters_list(&l->settings.shared, own);
	parameters_list(&l->peer.parameters, peers);
	while (i < PARAMETERS && own[i] == peers[i])
		i++;
	return i;
}

static void refuse_parameter(struct qkd_link *l, size_t i)
{
	uint32_t own[PARAMETERS], peers[PARAMETERS];
	char here[VALUE_MAX], there[VALUE_MAX];

	parameters_list(&l->settings.shared, own);
	parameters_list(&l->peer.parameters, peers);
	refuse_difference(l, parameters[i].name, parameter_write(here, i, own[i]),
		parameter_write(there, i, peers[i]));
}

/* An end that takes any mode takes the one that the other is set to. False: that cannot be. */
static bool mode_agree(struct qkd_link *l)
{
	const enum reconcile_mode own = l->settings.mode,
				  peers = (enum reconcile_mode)l->peer.error_correction;

	l->mode_fixed = own != 0 ? own : peers;
	return peers == 0 || (peers == l->mode_fixed && reconciler_of(peers) != NULL);
}

static void refuse_mode(struct qkd_link *l)
{
	const char *peers = reconcile_mode_word((enum reconcile_mode)l->peer.error_correction);

	refuse_difference(l, "error_correction", reconcile_mode_word(l->settings.mode),
		peers == NULL ? "a mode unknown here" : peers);
}

/* Both HELLOs are known. Marks tell whether an end was set back to an older state: it would use pads twice. */
static void greet(struct qkd_link *l)
{
	const struct link_hello *peer = &l->peer;
	const size_t differs = parameter_that_differs(l);

	if (l->stage != STAGE_GREETING || !l->has_hello)
		return;
	if (peer->version != LINK_VERSION)
		refuse_version(l);
	else if (peer->role == l->settings.role || strcmp(peer->link, l->settings.link) != 0)
		refuse(l, &qkd_alarm_ends_differ,
			"the peer has the same role or another link's name");
	else if (differs < PARAMETERS)
		refuse_parameter(l, differs);
	else if (!mode_agree(l))
		refuse_mode(l);
	else if (peer->marks.send < l->marks.accept)
		refuse(l, &qkd_alarm_desynchronised, "the peer's pads were set back");
	else if (peer->marks.accept > l->marks.send)
		refuse(l, &qkd_alarm_desynchronised, "our pads were set back");
	else {
		link_stage_enter(l, STAGE_SETTLING);
		l->settle_at = 0;
		settle_next(l, span_of(NULL, 0));
	}
}

static bool peer_has_final(const struct qkd_link *l, const uint8_t *id)
{
	for (size_t i = 0; i < l->peer.block_count; i++)
		if (memcmp(l->peer.blocks[i].id, id, QKD_BLOCK_ID) == 0)
			return l->peer.blocks[i].state == QKD_FINAL;
	return false;
}

static void became_ready(struct qkd_link *l)
{
	const struct qkd_marks ends = ends_of(l);

	if (!l->is_ready_sent || !l->is_peer_ready || !l->is_peer_up)
		return;
	if (l->ready_ends.send != ends.accept || l->ready_ends.accept != ends.send) {
		refuse(l, &qkd_alarm_desynchronised, "the ends' pools of pads do not end alike");
		return;
	}
	alarm_clear(l->alarms, &qkd_alarm_link_down, l->settings.link);
	alarm_clear(l->alarms, &qkd_alarm_ends_differ, l->settings.link);
	alarm_clear(l->alarms, &qkd_alarm_desynchronised, l->settings.link);
	link_pads_watch(l);
	link_stage_enter(l, STAGE_IDLE);
	l->collect.is_on = true;
	link_block_tick(l);
}

/* One of our pending blocks after another; then READY. */
static void settle_next(struct qkd_link *l, struct span unused)
{
	struct pads *pads = &l->secrets->pads;

	(void)unused;
	while (l->settle_at < l->opened.block_count &&
		l->opened.blocks[l->settle_at].state != QKD_PENDING)
		l->settle_at++;
	if (l->settle_at == l->opened.block_count) {
		pads_refill_forget(pads); /* of a block that is void or never came to be */
		l->is_ready_sent = true;
		link_send(l, LINK_READY, &(struct link_message){.ends = ends_of(l)});
		became_ready(l);
		return;
	}
	const uint8_t *id = l->opened.blocks[l->settle_at++].id;
	if (!peer_has_final(l, id)) {
		struct qkd_request request = {0};
		memcpy(request.block_id, id, QKD_BLOCK_ID);
		l->status.blocks_void++;
		link_ask(l, QKD_BLOCK_VOID, &request, settle_next);
		return;
	}
	if (pads->refill > 0 && memcmp(pads->refill_block, id, QKD_BLOCK_ID) != 0)
		pads_refill_forget(pads);
	if (failed(pads_refill_apply(pads, l->marks))) {
		refuse(l, &qkd_alarm_desynchronised, "the pads of a final block do not fit");
		return;
	}
	l->status.blocks_final++;
	link_ask_state(l, QKD_BLOCK_FINAL, id, settle_next);
}

static void bootstrapped(struct qkd_link *l, struct span unused)
{
	(void)unused;
	hello_send(l);
	greet(l);
}

void link_opened(struct qkd_link *l, struct span body)
{
	struct wire_fault fault = {0};
	struct err e = qkd_opened_decode(body, &l->opened, &fault);
	struct pads *pads = &l->secrets->pads;

	if (!failed(e) && l->opened.state.len > 0)
		e = pads_decode(l->opened.state, pads, &fault);
	if (failed(e)) {
		refuse(l, &qkd_alarm_store, "the store's state of this link cannot be read");
		return;
	}
	l->marks = l->opened.marks;
	alarm_clear(l->alarms, &qkd_alarm_store, l->settings.link);
	const bool is_new = l->opened.state.len == 0;
	l->opened.state = span_of(NULL, 0);
	if (!is_new) {
		bootstrapped(l, body);
		return;
	}
	/* Marks without pads: the state was lost. The bootstrap secret's pads may be used up already. */
	if (l->marks.send != 0 || l->marks.accept != 0 || l->opened.block_count != 0 ||
		failed(pads_from_bootstrap(
			pads, l->settings.role == LINK_ALICE, secret_span(&l->bootstrap)))) {
		refuse(l, &qkd_alarm_desynchronised, "the store lost this link's pads");
		return;
	}
	link_ask_state(l, QKD_STATE, NULL, bootstrapped);
}

void link_hello(struct qkd_link *l, struct span body)
{
	struct wire_fault fault = {0};

	if (l->has_hello) {
		link_disconnect(l);
		return;
	}
	/* One of another version is judged as any other, when ours has gone: so both ends say what is wrong. */
	const struct err e = link_hello_decode(body, &l->peer, &fault);
	if (failed(e) && e.kind != ERR_VERSION) {
		refuse(l, &qkd_alarm_ends_differ, "the peer's greeting cannot be read");
		return;
	}
	l->has_hello = true;
	greet(l);
}

void link_ready(struct qkd_link *l, struct span body)
{
	struct wire_fault fault = {0};
	struct link_message m;

	if (l->is_peer_ready || !l->has_hello ||
		failed(link_decode(LINK_READY, body, &m, &fault))) {
		link_disconnect(l);
		return;
	}
	l->is_peer_ready = true;
	l->ready_ends = m.ends;
	became_ready(l);
}
