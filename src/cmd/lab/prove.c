// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The steps that prove: keys by ETSI 014, an attach, vectors, rotations, the way back of each PPK.
 */
#include "cmd/lab/inner.h"
#include "cmd/lab/net.h"
#include "cmd/lab/pki.h"
#include "crypt/openssl.h"
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CURL_DEADLINE_MS = 10000, KEY_TEXT_MAX = 64, CURL_ARGS = 14 };

/* ETSI GS QKD 014 as any client speaks it: curl, and the client's own certificate. */
static yyjson_doc *etsi014_ask(const struct lab *lab, const struct lab_site *site, const char *path,
	const char *body, struct complaint *c)
{
	char certificate[CHILD_PATH_MAX], key[CHILD_PATH_MAX], url[CHILD_PATH_MAX];

	snprintf(certificate, sizeof certificate, LAB_FOLDER "/pki/%s.crt", site->client);
	snprintf(key, sizeof key, LAB_FOLDER "/pki/%s.key", site->client);
	snprintf(url, sizeof url, "https://127.0.0.1:8443/api/v1/keys/%s", path);
	const char *const argv[] = {"curl", "--silent", "--show-error", "--fail-with-body",
		"--cert", certificate, "--key", key, "--cacert", LAB_FOLDER "/pki/ca.crt", url,
		body != NULL ? "--json" : NULL, body, NULL};
	return lab_json(lab, site->space, argv, CURL_DEADLINE_MS, c);
}

struct key_answer {
	char id[KEY_TEXT_MAX], text[KEY_TEXT_MAX];
};

static bool key_take(yyjson_doc *doc, struct key_answer *answer)
{
	yyjson_val *root = yyjson_doc_get_root(doc);
	const char *id = yyjson_get_str(yyjson_ptr_get(root, "/keys/0/key_ID"));
	const char *text = yyjson_get_str(yyjson_ptr_get(root, "/keys/0/key"));

	if (id == NULL || text == NULL || strlen(id) >= KEY_TEXT_MAX ||
		strlen(text) >= KEY_TEXT_MAX)
		return false;
	snprintf(answer->id, sizeof answer->id, "%s", id);
	snprintf(answer->text, sizeof answer->text, "%s", text);
	return true;
}

static struct err hybrid_plant(struct lab *lab, const char *text, struct complaint *c)
{
	uint8_t key[KEY_TEXT_MAX];

	if (EVP_DecodeBlock(key, (const uint8_t *)text, (int)strlen(text)) < LAB_KEY_OCTETS)
		return complain(c, ERR(INPUT), "the key is no base64 of %d octets", LAB_KEY_OCTETS);
	lab->has_hybrid = true;
	return canary_plant(lab->canary, "hybrid key", span_of(key, LAB_KEY_OCTETS));
}

/* The other side, by key ID: the same key, and only once. */
static struct err key_collect(struct lab *lab, const struct key_answer *given, struct complaint *c)
{
	char body[160], path[128];
	struct key_answer taken = {0};
	struct complaint refusal = {0};

	snprintf(body, sizeof body, "{\"key_IDs\":[{\"key_ID\":\"%s\"}]}", given->id);
	snprintf(path, sizeof path, "%s/dec_keys", lab->sites[SITE_RADIO].client);
	yyjson_doc *doc = etsi014_ask(lab, &lab->sites[SITE_CORE], path, body, c);
	const bool has_key = doc != NULL && key_take(doc, &taken);
	yyjson_doc_free(doc);
	if (!has_key)
		return complain(c, ERR(STATE), "dec_keys at core gave no key");
	if (strcmp(taken.id, given->id) != 0 || strcmp(taken.text, given->text) != 0)
		return complain(c, ERR(STATE), "the two sites gave different keys for one ID");
	doc = etsi014_ask(lab, &lab->sites[SITE_CORE], path, body, &refusal);
	const bool is_given_twice = doc != NULL && key_take(doc, &taken);
	yyjson_doc_free(doc);
	if (is_given_twice)
		return complain(c, ERR(STATE), "core gave the same key twice");
	lab->verdict.keys_equal = true;
	snprintf(lab->verdict.key_id, sizeof lab->verdict.key_id, "%s", given->id);
	return OK;
}

struct err step_keys(struct lab *lab, bool *done, struct complaint *c)
{
	char path[128];
	struct key_answer given;
	struct complaint why = {0};

	snprintf(path, sizeof path, "%s/enc_keys", lab->sites[SITE_CORE].client);
	yyjson_doc *doc = etsi014_ask(lab, &lab->sites[SITE_RADIO], path, NULL, &why);
	const bool has_key = doc != NULL && key_take(doc, &given);
	yyjson_doc_free(doc);
	if (!has_key) {
		(void)complain(c, OK, "enc_keys at radio: %s", why.text);
		return OK; /* 503 until the store has keys */
	}
	*done = true;
	struct err e = key_collect(lab, &given, c);
	if (!failed(e))
		e = hybrid_plant(lab, given.text, c);
	OPENSSL_cleanse(&given, sizeof given);
	return e;
}

struct err step_attach(struct lab *lab, bool *done, struct complaint *c)
{
	char imsi[PKI_DIGITS];
	pki_imsi(imsi, 0);
	const char *const argv[] = {
		lab_program(lab, "merlon-gb"), "--verbose", "--seconds", "15", imsi, NULL};
	yyjson_doc *doc = lab_json(lab, NET_RADIO, argv, 18000, c);
	yyjson_val *root = yyjson_doc_get_root(doc);

	*done = true;
	lab->verdict.attach_accepted = yyjson_is_true(yyjson_obj_get(root, "attach_accepted"));
	lab->verdict.autn_mac_ok = yyjson_is_true(yyjson_obj_get(root, "autn_mac_ok"));
	lab->verdict.attach_sqn = yyjson_get_uint(yyjson_obj_get(root, "sqn"));
	yyjson_doc_free(doc);
	if (!lab->verdict.attach_accepted || !lab->verdict.autn_mac_ok)
		return complain(c, ERR(STATE), "no ATTACH ACCEPT");
	return OK;
}

struct err step_vectors(struct lab *lab, bool *done, struct complaint *c)
{
	const char *const argv[] = {lab_program(lab, "merlon-gsup-probe"), "--address", "10.10.2.1",
		"--port", "4222", "--subscribers", "50", "--vectors", "150", "--json", NULL};
	yyjson_doc *doc = lab_json(lab, NET_RADIO, argv, 18000, c);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const uint64_t wrong = yyjson_get_uint(yyjson_obj_get(root, "wrong"));

	*done = true;
	lab->verdict.vectors = yyjson_get_uint(yyjson_obj_get(root, "verified"));
	yyjson_doc_free(doc);
	if (doc == NULL)
		return complain(c, ERR(STATE), "the probe gave no result");
	if (wrong > 0 || lab->verdict.vectors < LAB_VECTORS)
		return complain(c, ERR(STATE),
			"%llu vectors right, %llu wrong; %d right ones are expected",
			(unsigned long long)lab->verdict.vectors, (unsigned long long)wrong,
			LAB_VECTORS);
	return OK;
}

/* "<key id>@merlon" -> "<key id>", once. */
static void ppk_note(struct lab *lab, const char *ppk_id)
{
	char id[sizeof lab->ppks[0]];

	if (ppk_id == NULL || lab->ppk_count == LAB_PPKS_MAX)
		return;
	snprintf(id, sizeof id, "%.*s", (int)strcspn(ppk_id, "@"), ppk_id);
	for (size_t i = 0; i < lab->ppk_count; i++)
		if (strcmp(lab->ppks[i], id) == 0)
			return;
	memcpy(lab->ppks[lab->ppk_count++], id, sizeof id);
}

struct err step_rotations(struct lab *lab, bool *done, struct complaint *c)
{
	struct complaint why = {0};
	yyjson_doc *status = lab_status(lab, &lab->sites[SITE_RADIO], &why);

	if (status != NULL) {
		lab->verdict.rotations =
			yyjson_get_uint(lab_member(status, "gateway", "/tunnel/ppk_rotations"));
		ppk_note(lab, yyjson_get_str(lab_member(status, "gateway", "/tunnel/ppk_id")));
	}
	yyjson_doc_free(status);
	*done = lab->verdict.rotations >= LAB_ROTATIONS && lab_qkd_read(lab);
	(void)complain(c, OK, "%llu of %d rotations%s%s",
		(unsigned long long)lab->verdict.rotations, LAB_ROTATIONS,
		why.text[0] != '\0' ? "; " : "", why.text);
	return OK;
}

/* Key ID -> QKD block -> ML-KEM exchange, at the site that used it. */
static struct err ppk_trace(struct lab *lab, const char *id, struct complaint *c)
{
	const char *const argv[] = {lab_program(lab, "merlon"), "keys", "trace", id, "--site",
		"radio", "-o", "json", NULL};
	yyjson_doc *doc = lab_json(lab, NULL, argv, 5000, c);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const bool is_whole = yyjson_is_str(yyjson_ptr_get(root, "/qkd/block_id")) &&
			      yyjson_is_str(yyjson_ptr_get(root, "/mlkem/exchange_id"));

	yyjson_doc_free(doc);
	if (!is_whole)
		return complain(c, ERR(STATE),
			"keys trace %s does not lead to a QKD block and an ML-KEM exchange", id);
	lab->verdict.traced++;
	return OK;
}

struct err step_trace(struct lab *lab, bool *done, struct complaint *c)
{
	struct err e = OK;

	*done = true;
	if (lab->ppk_count == 0)
		return complain(c, ERR(STATE), "the tunnel names no PPK");
	for (size_t i = 0; !failed(e) && i < lab->ppk_count; i++)
		e = ppk_trace(lab, lab->ppks[i], c);
	return e;
}

/* A second of marked flow, then the end of charon at radio: the supervisor starts it again, the
 * gateway takes a fresh PPK. */
static struct err charon_kill(struct lab *lab, struct complaint *c)
{
	struct complaint why = {0};
	struct err e = OK;

	if (lab->flow.source == 0) {
		e = flow_start(&lab->flow, NET_RADIO, "10.10.1.1", NET_CORE, "10.10.2.1", c);
		if (!failed(e))
			e = canary_plant(
				lab->canary, "marker of the flow", SPAN_ARRAY(lab->flow.marker));
		lab->flow_began_ms = lab_now_ms();
		return e;
	}
	if (lab_now_ms() - lab->flow_began_ms < 1000)
		return complain(c, OK, "the marked flow begins");
	yyjson_doc *status = lab_status(lab, &lab->sites[SITE_RADIO], &why);
	lab->charon = lab_pid(status, "charon");
	yyjson_doc_free(status);
	if (lab->charon <= 1 || kill(lab->charon, SIGKILL) != 0)
		return complain(c, ERR(STATE), "there is no charon to kill: %s", why.text);
	return OK;
}

static bool charon_is_back(struct lab *lab, struct complaint *c)
{
	struct complaint why = {0};
	yyjson_doc *status = lab_status(lab, &lab->sites[SITE_RADIO], &why);
	const pid_t now = lab_pid(status, "charon");

	yyjson_doc_free(status);
	if (now == 0 || now == lab->charon) {
		(void)complain(c, OK, "charon is not back");
		return false;
	}
	return lab_tunnel_is_up(lab, c);
}

struct err step_kill(struct lab *lab, bool *done, struct complaint *c)
{
	struct flow_counts *counts = &lab->verdict.flow;

	if (lab->charon == 0)
		return charon_kill(lab, c);
	if (!charon_is_back(lab, c))
		return OK;
	*done = lab->verdict.charon_came_back = true;
	lab_sleep_ms(1000); /* the flow goes on through the new tunnel */
	flow_stop(&lab->flow, counts);
	if (counts->received == 0)
		return complain(c, ERR(STATE),
			"nothing of the marked flow arrived (%llu sent, %llu refused): no proof",
			(unsigned long long)counts->sent, (unsigned long long)counts->refused);
	return OK;
}

/* ---- The attack's story ---- */

static bool alarm_stands_at(yyjson_doc *status, const char *kind)
{
	yyjson_arr_iter iter =
		yyjson_arr_iter_with(yyjson_obj_get(yyjson_doc_get_root(status), "alarms"));

	for (yyjson_val *a = yyjson_arr_iter_next(&iter); a != NULL;
		a = yyjson_arr_iter_next(&iter)) {
		const char *name = yyjson_get_str(yyjson_obj_get(a, "alarm"));
		if (name != NULL && strcmp(name, kind) == 0)
			return true;
	}
	return false;
}

struct err step_noticed(struct lab *lab, bool *done, struct complaint *c)
{
	for (size_t i = 0; i < LAB_SITES; i++) {
		struct complaint why = {0};
		yyjson_doc *status = lab_status(lab, &lab->sites[i], &why);
		lab->verdict.eavesdropper_noticed |=
			alarm_stands_at(status, "qkd_eavesdropping_suspected");
		const double qber = yyjson_get_num(lab_member(status, "qkd", "/test_qber"));
		if (qber > lab->verdict.qber)
			lab->verdict.qber = qber;
		yyjson_doc_free(status);
	}
	*done = lab->verdict.eavesdropper_noticed;
	return complain(
		c, OK, "no alarm qkd_eavesdropping_suspected, QBER %.3f", lab->verdict.qber);
}

/* Not a bit distilled, no key for a client, no tunnel of any strength. */
struct err step_nothing(struct lab *lab, bool *done, struct complaint *c)
{
	struct key_answer given;
	struct complaint refusal = {0};
	char path[128];

	*done = true;
	for (size_t i = 0; i < LAB_SITES; i++) {
		yyjson_doc *status = lab_status(lab, &lab->sites[i], c);
		if (status == NULL)
			return ERR(STATE);
		lab->verdict.secret_bits +=
			yyjson_get_uint(lab_member(status, "qkd", "/secret_bits"));
		lab->verdict.is_established |=
			yyjson_is_true(lab_member(status, "gateway", "/tunnel/established"));
		yyjson_doc_free(status);
	}
	snprintf(path, sizeof path, "%s/enc_keys", lab->sites[SITE_CORE].client);
	yyjson_doc *doc = etsi014_ask(lab, &lab->sites[SITE_RADIO], path, NULL, &refusal);
	lab->verdict.key_refused = doc == NULL || !key_take(doc, &given);
	yyjson_doc_free(doc);
	if (lab->verdict.secret_bits > 0 || lab->verdict.is_established ||
		!lab->verdict.key_refused)
		return complain(c, ERR(STATE),
			"in spite of the eavesdropper: %llu secret bits, tunnel %s, key %s",
			(unsigned long long)lab->verdict.secret_bits,
			lab->verdict.is_established ? "up" : "down",
			lab->verdict.key_refused ? "refused" : "given");
	return OK;
}
