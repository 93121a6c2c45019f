// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vault_keys.h"
#include "base/ct.h"

static size_t place_of(const struct vault_keys *keys, uint32_t id)
{
	size_t i = 0;

	/* Nearly all rows are under the newest. */
	if (keys->newest < keys->count && keys->items[keys->newest].id == id)
		return keys->newest;
	while (i < keys->count && keys->items[i].id != id)
		i++;
	return i;
}

static void newest_find(struct vault_keys *keys)
{
	keys->newest = VAULT_KEYS_MAX;
	for (size_t i = 0; i < keys->count; i++)
		if (!keys->items[i].is_former &&
			(keys->newest == VAULT_KEYS_MAX ||
				keys->items[i].id > keys->items[keys->newest].id))
			keys->newest = i;
}

static void drop(struct vault_keys *keys, size_t at)
{
	aead_key_close(&keys->items[at].keyed);
	secret_close(&keys->items[at].octets);
	keys->items[at] = keys->items[--keys->count];
	keys->items[keys->count] = (struct vault_key){0};
}

static void drop_lowest(struct vault_keys *keys)
{
	size_t lowest = VAULT_KEYS_MAX;

	for (size_t i = 0; i < keys->count; i++)
		if (!keys->items[i].is_former &&
			(lowest == VAULT_KEYS_MAX || keys->items[i].id < keys->items[lowest].id))
			lowest = i;
	drop(keys, lowest);
}

void vault_keys_open(struct vault_keys *keys)
{
	*keys = (struct vault_keys){.newest = VAULT_KEYS_MAX};
}

void vault_keys_close(struct vault_keys *keys)
{
	while (keys->count > 0)
		drop(keys, keys->count - 1);
	keys->newest = VAULT_KEYS_MAX;
}

struct err vault_keys_add(
	struct vault_keys *keys, uint32_t id, struct secret *octets, bool is_former)
{
	const size_t at = place_of(keys, id);
	if (at < keys->count) {
		const bool is_same =
			keys->items[at].octets.len == octets->len &&
			ct_equal(keys->items[at].octets.bytes, octets->bytes, octets->len);
		secret_close(octets);
		return is_same ? OK : ERR(CRYPTO);
	}
	if (keys->count == VAULT_KEYS_MAX)
		drop_lowest(keys);
	struct vault_key *k = &keys->items[keys->count];
	const struct err e = aead_key_open(&k->keyed, secret_span(octets));
	if (failed(e)) {
		secret_close(octets);
		return e;
	}
	k->id = id;
	k->octets = *octets;
	k->is_former = is_former;
	*octets = (struct secret){0};
	keys->count++;
	newest_find(keys);
	return OK;
}

static struct envelope_key envelope_key_of(struct vault_key *k)
{
	return (struct envelope_key){
		.id = k->id, .key = secret_span(&k->octets), .keyed = &k->keyed};
}

struct err vault_keys_find(struct vault_keys *keys, struct span sealed, struct envelope_key *key)
{
	uint32_t id;

	const struct err e = envelope_key_id(sealed, &id);
	if (failed(e))
		return e;
	const size_t at = place_of(keys, id);
	if (at == keys->count)
		return keys->count == 0 ? ERR(STATE) : ERR(ABSENT);
	*key = envelope_key_of(&keys->items[at]);
	return OK;
}

struct err vault_keys_newest(struct vault_keys *keys, struct envelope_key *key)
{
	if (keys->newest >= keys->count)
		return ERR(STATE);
	*key = envelope_key_of(&keys->items[keys->newest]);
	return OK;
}
