// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The lab's verdict as one JSON object. */
#include "cmd/lab/inner.h"
#include "host/metrics.h"
#include <string.h>

static void tunnel_members(struct json_writer *j, const struct lab *lab)
{
	const struct lab_verdict *v = &lab->verdict;

	json_open(j, "tunnel", '{');
	json_bool(j, "established", v->is_established);
	json_bool(j, "ppk", v->has_ppk);
	json_u64(j, "ppk_rotations", v->rotations);
	json_open(j, "ppks", '[');
	for (size_t i = 0; i < lab->ppk_count; i++)
		json_text(j, NULL, lab->ppks[i]);
	json_close(j, ']');
	json_u64(j, "traced", v->traced);
	json_close(j, '}');
}

static void tap_members(struct json_writer *j, const struct lab_verdict *v)
{
	json_open(j, "tap", '{');
	for (size_t i = 0; i < TAP_CLEARTEXT; i++)
		json_u64(j, tap_class_word((enum tap_class)i), v->tap.packets[i]);
	json_u64(j, "cleartext_packets", v->tap.packets[TAP_CLEARTEXT]);
	json_u64(j, "dropped", v->tap_dropped);
	json_open(j, "cleartext", '[');
	for (size_t i = 0; i < v->tap.described; i++)
		json_text(j, NULL, v->tap.descriptions[i]);
	json_close(j, ']');
	json_close(j, '}');
}

static void canary_members(struct json_writer *j, const struct lab_verdict *v)
{
	const struct canary_result *r = &v->canary;

	json_open(j, "canary", '{');
	json_u64(j, "planted", v->planted);
	json_u64(j, "hits", r->hits);
	json_u64(j, "files", r->files);
	json_u64(j, "octets", r->octets);
	json_open(j, "found", '[');
	for (size_t i = 0; i < r->finding_count; i++) {
		json_open(j, NULL, '{');
		json_text(j, "value", r->findings[i].value);
		json_text(j, "encoding", canary_encoding_word(r->findings[i].encoding));
		json_text(j, "where", r->findings[i].where);
		json_u64(j, "offset", r->findings[i].offset);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

static void key_members(struct json_writer *j, const struct lab_verdict *v)
{
	json_open(j, "qkd", '{');
	json_text(j, "optics", "simulated");
	json_u64(j, "secret_bits", v->secret_bits);
	json_u64(j, "blocks", v->blocks);
	json_f64(j, "qber", v->qber);
	json_f64(j, "bits_per_second", v->bits_per_second);
	json_u64(j, "leaked_bits_last_block", v->leaked_bits);
	json_close(j, '}');
	json_open(j, "keys", '{');
	json_bool(j, "equal", v->keys_equal);
	json_text(j, "key_id", v->key_id[0] != '\0' ? v->key_id : NULL);
	json_close(j, '}');
}

static void auc_members(struct json_writer *j, const struct lab_verdict *v)
{
	json_open(j, "auc", '{');
	json_bool(j, "attach_accepted", v->attach_accepted);
	json_bool(j, "autn_mac_ok", v->autn_mac_ok);
	json_u64(j, "attach_sqn", v->attach_sqn);
	json_u64(j, "vectors_verified", v->vectors);
	json_close(j, '}');
}

static void kill_members(struct json_writer *j, const struct lab_verdict *v)
{
	json_open(j, "kill", '{');
	json_bool(j, "charon_came_back", v->charon_came_back);
	json_u64(j, "marked_sent", v->flow.sent);
	json_u64(j, "marked_refused", v->flow.refused);
	json_u64(j, "marked_received", v->flow.received);
	json_close(j, '}');
}

static void attack_members(struct json_writer *j, const struct lab_verdict *v)
{
	json_open(j, "attack", '{');
	json_text(j, "kind", "intercept-resend");
	json_bool(j, "noticed", v->eavesdropper_noticed);
	json_bool(j, "key_refused", v->key_refused);
	json_close(j, '}');
}

size_t lab_result_json(const struct lab *lab, char *text, size_t size)
{
	const struct lab_verdict *v = &lab->verdict;
	struct json_writer j = json_writer_of(span_mut_of(text, size - 1));

	json_open(&j, NULL, '{');
	json_bool(&j, "ok", v->is_ok);
	json_text(&j, "failed_step", v->failed_step);
	json_text(&j, "why", v->failed_step != NULL ? v->why.text : NULL);
	json_f64(&j, "seconds", v->seconds);
	tunnel_members(&j, lab);
	tap_members(&j, v);
	key_members(&j, v);
	auc_members(&j, v);
	kill_members(&j, v);
	if (lab->is_attack)
		attack_members(&j, v);
	canary_members(&j, v);
	json_close(&j, '}');
	const struct span done = json_done(&j);
	text[done.len] = '\0';
	return done.len;
}
