// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The vault of the stage, which is the recorder. Its sealed rows say in clear which key sealed them,
 * whose they are and by which import they came; its wrapped keys, which of all keys it ever made they
 * are. So it opens just what a real one would open: rows under a key that it was given in this life.
 * A key that was used before it was durable, and lost, would show as rows that nobody can open.
 */
#include "codec/proc_msg.h"
#include "stage_inner.h"
#include <stdio.h>

struct sealed_form { /* as in crypt/envelope.h: version, algorithm, key id */
	uint8_t version, algorithm, key_id[4];
	uint8_t serial[4], nonce[8];
	char imsi[IMSI_TEXT];
	uint8_t number, rest[7], tag[16];
};

struct span stage_sealed(
	const char *imsi, unsigned number, struct stage_key key, uint8_t out[static STAGE_SEALED])
{
	struct sealed_form f = {.version = 1, .algorithm = 1, .number = (uint8_t)number};

	static_assert(sizeof f == STAGE_SEALED, "a form without holes");
	for (int i = 0; i < 4; i++)
		f.key_id[i] = (uint8_t)(key.id >> (24 - 8 * i));
	memcpy(f.serial, &key.serial, sizeof f.serial);
	snprintf(f.imsi, sizeof f.imsi, "%s", imsi);
	memcpy(out, &f, sizeof f);
	return span_of(out, sizeof f);
}

static struct stage_key newest(const struct stage *s)
{
	return s->key_count == 0 ? (struct stage_key){0} : s->keys[s->key_count - 1];
}

/* The number of the import; 0: the vault of this life cannot open it, or it is another's. */
static unsigned open_sealed(struct stage *s, const char *imsi, struct span sealed)
{
	struct sealed_form f;
	uint32_t serial;

	if (sealed.len != sizeof f)
		return 0;
	memcpy(&f, sealed.at, sizeof f);
	memcpy(&serial, f.serial, sizeof serial);
	const uint32_t id = (uint32_t)f.key_id[0] << 24 | (uint32_t)f.key_id[1] << 16 |
			    (uint32_t)f.key_id[2] << 8 | f.key_id[3];
	for (size_t i = 0; i < s->key_count; i++)
		if (s->keys[i].id == id && s->keys[i].serial == serial)
			return strcmp(f.imsi, imsi) == 0 ? f.number : 0;
	return 0;
}

/* ---- wrapped keys ---- */

static struct span wrapped_of(struct stage_key key, unsigned root, char text[static 64])
{
	snprintf(text, 64, "key %u, serial %u, root %u", key.id, key.serial, root);
	return span_str(text);
}

static void answer_nothing(struct stage *s, const struct ipc_frame *frame, struct err err)
{
	const struct writer nothing = {0};

	stage_answer(s, &s->vault, frame, err, &nothing);
}

/* Makes another one each time, under whatever id it is asked for. */
static void vault_make(struct stage *s, const struct ipc_frame *frame)
{
	uint8_t buffer[128];
	char text[64];
	uint64_t id = 0;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (failed(auc_u64_decode(frame->body, &id, &fault)))
		stage_die("AUC_KEY_MAKE does not decode");
	const struct stage_key made = {.id = (uint32_t)id, .serial = ++s->key_serials};
	const struct auc_wrapped_keys keys = {
		.count = 1, .keys = {{.id = made.id, .wrapped = wrapped_of(made, s->root, text)}}};
	auc_wrapped_keys_encode(&w, &keys);
	stage_answer(s, &s->vault, frame, OK, &w);
}

/* False: under a root that this vault has not. */
static bool unwrap(
	const struct stage *s, struct span wrapped, struct stage_key *key, unsigned *root)
{
	char text[AUC_WRAPPED_MAX + 1];

	snprintf(text, sizeof text, "%.*s", (int)wrapped.len, (const char *)wrapped.at);
	return sscanf(text, "key %u, serial %u, root %u", &key->id, &key->serial, root) == 3 &&
	       (*root == s->root || *root == s->root_former);
}

void stage_keys_take(struct stage *s, struct span body, struct auc_wrapped_keys *again,
	char texts[static AUC_WRAPPED_KEYS_MAX][64])
{
	struct auc_wrapped_keys keys;
	struct wire_fault fault = {0};

	if (failed(auc_wrapped_keys_decode(body, &keys, &fault)))
		stage_die("wrapped keys do not decode");
	s->key_count = 0;
	again->count = 0;
	for (size_t i = 0; i < keys.count; i++) {
		struct stage_key key;
		unsigned root;
		if (!unwrap(s, keys.keys[i].wrapped, &key, &root)) {
			s->faults.foreign++;
			continue;
		}
		s->keys[s->key_count++] = key;
		if (root != s->root) {
			const struct span anew = wrapped_of(key, s->root, texts[again->count]);
			again->keys[again->count++] =
				(struct auc_wrapped_key){.id = key.id, .wrapped = anew};
		}
	}
}

static void vault_load(struct stage *s, const struct ipc_frame *frame)
{
	static uint8_t buffer[8 + AUC_WRAPPED_KEYS_MAX * (8 + AUC_WRAPPED_MAX)];
	char texts[AUC_WRAPPED_KEYS_MAX][64];
	struct auc_wrapped_keys again;
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	stage_keys_take(s, frame->body, &again, texts);
	auc_wrapped_keys_encode(&w, &again);
	stage_answer(s, &s->vault, frame, OK, &w);
}

static void vault_reseal(struct stage *s, const struct ipc_frame *frame)
{
	static uint8_t forms[AUC_ROWS_MAX][STAGE_SEALED], buffer[AUC_ROWS_OCTETS];
	static struct auc_sealed_rows rows;
	struct span anew[AUC_ROWS_MAX];
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (failed(auc_sealed_rows_decode(frame->body, &rows, &fault)))
		stage_die("AUC_RESEAL does not decode");
	for (size_t i = 0; i < rows.count; i++) {
		const unsigned number = open_sealed(s, rows.rows[i].imsi, rows.rows[i].sealed);
		s->faults.foreign += number == 0;
		anew[i] = stage_sealed(rows.rows[i].imsi, number, newest(s), forms[i]);
	}
	s->resealed += rows.count;
	auc_sealed_encode(&w, anew, rows.count);
	stage_answer(s, &s->vault, frame, OK, &w);
}

/* ---- vectors ---- */

static void vault_vectors(struct stage *s, const struct ipc_frame *frame)
{
	static uint8_t buffer[AUC_VECTORS_OCTETS];
	struct auth_vector vectors[AUTH_VECTORS_MAX] = {0};
	struct auc_vectors_ask ask;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (failed(auc_vectors_ask_decode(frame->body, &ask, &fault)))
		stage_die("AUC_VECTORS does not decode");
	const uint32_t card = stage_card(ask.imsi);
	const unsigned number = open_sealed(s, ask.imsi, ask.sealed);
	s->faults.foreign += number == 0 || number < s->cards[card].keys;
	for (size_t i = 0; i < ask.count; i++) {
		const uint64_t sqn = ask.sqn_first + i * ask.sqn_step;
		numbers_add(&s->numbers, card, 0, sqn_seq(sqn));
		memcpy(vectors[i].rand, &sqn, sizeof sqn);
		vectors[i].res_len = 8;
	}
	s->vectors += ask.count;
	auc_vectors_encode(&w, vectors, ask.count);
	stage_answer(s, &s->vault, frame, OK, &w);
}

static void vault_resync(struct stage *s, const struct ipc_frame *frame)
{
	uint8_t buffer[8];
	struct auc_resync_ask ask;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	if (failed(auc_resync_ask_decode(frame->body, &ask, &fault)))
		stage_die("AUC_RESYNC does not decode");
	s->resyncs++;
	auc_u64_encode(&w, usim_sqn_ms(&s->cards[stage_card(ask.imsi)].usim));
	stage_answer(s, &s->vault, frame, OK, &w);
}

void stage_on_vault_frame(struct stage *s, const struct ipc_frame *frame)
{
	static void (*const of_type[])(struct stage *s, const struct ipc_frame *frame) = {
		[(int)AUC_VECTORS - (int)IPC_BLOCK_AUC] = vault_vectors,
		[(int)AUC_RESYNC - (int) IPC_BLOCK_AUC] = vault_resync,
		[(int)AUC_KEY_MAKE - (int) IPC_BLOCK_AUC] = vault_make,
		[(int)AUC_KEYS_LOAD - (int) IPC_BLOCK_AUC] = vault_load,
		[(int)AUC_RESEAL - (int) IPC_BLOCK_AUC] = vault_reseal,
	};
	const size_t type = (size_t)frame->type - IPC_BLOCK_AUC;

	if (frame->kind != IPC_REQUEST)
		return;
	if (frame->type == PROC_STATUS)
		answer_nothing(s, frame, OK);
	else if (type >= ARRAY_LEN(of_type) || of_type[type] == NULL)
		answer_nothing(s, frame, ERR(INPUT));
	else
		of_type[type](s, frame);
}
