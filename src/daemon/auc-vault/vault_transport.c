// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_transport.h"
#include "base/ct.h"
#include "host/kek_file.h"

struct err vault_transport_find(const struct vault_transports *transports, const char *name,
	const struct vault_transport **transport)
{
	*transport = NULL;
	if (name[0] == '\0')
		return OK;
	for (size_t i = 0; i < transports->count; i++)
		if (strcmp(transports->items[i].name, name) == 0)
			*transport = &transports->items[i];
	return *transport == NULL ? ERR(ABSENT) : OK;
}

static struct err check_names(const struct vault_transports *transports,
	const struct vault_transport_setting *s, struct complaint *c)
{
	const struct vault_transport *other;

	if (s->name[0] == '\0')
		return complain(c, ERR(INPUT), "transport key: a name is expected");
	if (!failed(vault_transport_find(transports, s->name, &other)))
		return complain(c, ERR(INPUT), "transport key %s: stands twice", s->name);
	if (strcmp(s->fields, "k") != 0 && strcmp(s->fields, "k,opc") != 0)
		return complain(c, ERR(INPUT),
			"transport key %s: fields: k, or k and opc, are expected", s->name);
	return OK;
}

static struct err read_iv(
	struct vault_transport *t, const struct vault_transport_setting *s, struct complaint *c)
{
	if (s->iv[0] == '\0' || hex_to_span(span_mut_of(t->iv, t->mode->block), s->iv))
		return OK;
	return complain(c, ERR(INPUT), "transport key %s: iv: %zu hex digits are expected", s->name,
		2 * t->mode->block);
}

/* A wrong key would give wrong keys, which nothing else would notice before a card does. */
static struct err check_kcv(const struct vault_transport *t,
	const struct vault_transport_setting *s, struct complaint *c)
{
	uint8_t wanted[BLOCK_MODE_KCV], kcv[BLOCK_MODE_KCV];

	if (s->kcv[0] == '\0')
		return OK;
	if (!hex_to_span(SPAN_MUT_ARRAY(wanted), s->kcv))
		return complain(
			c, ERR(INPUT), "transport key %s: kcv: 6 hex digits are expected", s->name);
	const struct err e = block_mode_kcv(t->mode, secret_span(&t->key), kcv);
	if (failed(e))
		return complain(
			c, e, "transport key %s: %s is not in libcrypto", s->name, t->mode->word);
	return ct_equal(wanted, kcv, sizeof kcv)
		       ? OK
		       : complain(c, ERR(INPUT),
				 "transport key %s: %s holds another key than its kcv says",
				 s->name, s->key_file);
}

/* The hex digits of a shorter key are as many octets as a longer one has: a file that was made for
 * another algorithm. No random key looks so. */
static struct err check_octets(const struct vault_transport *t,
	const struct vault_transport_setting *s, struct complaint *c)
{
	uint8_t none[KEY_FILE_OCTETS_MAX / 2];
	const struct span octets = secret_span(&t->key);

	const bool is_text = hex_digits_to_span(span_mut_of(none, octets.len / 2), octets);
	secret_wipe(none, sizeof none);
	return is_text ? complain(c, ERR(INPUT),
				 "transport key %s: %s holds %zu hex digits, too few for %s",
				 s->name, s->key_file, octets.len, t->mode->word)
		       : OK;
}

struct err vault_transport_add(struct vault_transports *transports,
	const struct vault_transport_setting *s, struct complaint *c)
{
	struct vault_transport t = {
		.mode = block_mode_find(s->algorithm), .covers_opc = s->fields[1] == ','};

	struct err e = check_names(transports, s, c);
	if (failed(e))
		return e;
	if (transports->count == VAULT_TRANSPORTS_MAX)
		return complain(c, ERR(LIMIT), "transport keys: at most %d", VAULT_TRANSPORTS_MAX);
	if (t.mode == NULL)
		return complain(c, ERR(INPUT), "transport key %s: algorithm: %s is expected",
			s->name, block_mode_words);
	memcpy(t.name, s->name, sizeof t.name);
	e = read_iv(&t, s, c);
	if (!failed(e))
		e = key_file_read(s->key_file, "transport key", t.mode->key_sizes,
			t.mode->key_size_count, &t.key, c);
	if (!failed(e))
		e = check_octets(&t, s, c);
	if (!failed(e))
		e = check_kcv(&t, s, c);
	if (failed(e)) {
		secret_close(&t.key);
		return e;
	}
	transports->items[transports->count++] = t;
	return OK;
}

void vault_transports_close(struct vault_transports *transports)
{
	for (size_t i = 0; i < transports->count; i++)
		secret_close(&transports->items[i].key);
	transports->count = 0;
}

static struct err decrypt(const struct vault_transport *t, uint8_t *field, size_t len)
{
	uint8_t clear[AUC_K_MAX > AUC_OPC_MAX ? AUC_K_MAX : AUC_OPC_MAX];

	if (len == 0)
		return OK;
	const struct err e = block_mode_decrypt(
		t->mode, secret_span(&t->key), t->iv, span_of(field, len), clear);
	if (!failed(e))
		memcpy(field, clear, len);
	secret_wipe(clear, sizeof clear);
	return e;
}

struct err vault_transport_decrypt(const struct vault_transport *t, struct auc_keys *keys)
{
	if (t == NULL)
		return OK;
	const struct err e = decrypt(t, keys->k, keys->k_len);
	return failed(e) || !t->covers_opc ? e
					   : decrypt(t, keys->opc, auc_opc_octets(keys->algorithm));
}
