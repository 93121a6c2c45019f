// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/auc-vault/vault_root.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "support/auc_vault_pair.h"

static uint32_t key_id_of(struct span sealed)
{
	uint32_t id;

	assert_false(failed(envelope_key_id(sealed, &id)));
	return id;
}

static void rows_are_resealed_under_the_newest_key_while_all_open(void **state)
{
	struct fixture f;
	struct kept kept = {0};
	uint8_t first[AUC_SEALED_MAX], second[AUC_SEALED_MAX], third[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];
	struct span s, anew, again;
	size_t count;

	(void)state;
	open_vaults(&f, 1, &VAULT_LIMITS_DEFAULT);
	assert_false(failed(make_key(&f.vault, 7, &kept)));
	assert_false(failed(load_keys(&f.vault, &kept, &count)));
	assert_false(failed(load_keys(&f.importing, &kept, &count)));
	s = seal(&f, "001010000000001", false, first);
	assert_int_equal(key_id_of(s), 7);
	/* Made is not loaded: nothing is sealed under it before it is durable. */
	assert_false(failed(make_key(&f.vault, 9, &kept)));
	assert_false(failed(reseal(&f, "001010000000001", s, second, &anew)));
	assert_true(span_equal(anew, s));
	assert_false(failed(load_keys(&f.vault, &kept, &count)));
	assert_false(failed(load_keys(&f.vault, &kept, &count)));
	assert_false(failed(reseal(&f, "001010000000001", s, second, &anew)));
	assert_int_equal(key_id_of(anew), 9);
	assert_false(failed(compute(&f, "001010000000001", s, 1, v)));
	assert_false(failed(compute(&f, "001010000000001", anew, 1, v)));
	assert_false(failed(reseal(&f, "001010000000001", anew, third, &again)));
	assert_true(span_equal(again, anew));
	assert_int_equal(reseal(&f, "001010000000002", s, third, &again).kind, ERR_AUTH);
	close_vaults(&f);
}

/* As the release before sealed: key derived from kek_file, K || OPc || AMF || algorithm. */
static struct span seal_as_before(
	struct fixture *f, uint8_t root, const char *owner, uint8_t out[static AUC_SEALED_MAX])
{
	uint8_t octets[32], plain[AUC_KEYS_FORMER] = {0};
	const struct entropy entropy = prop_entropy(&f->prop);
	struct secret key;
	uint32_t id;

	root_octets(octets, root);
	assert_true(hex_to_span(span_mut_of(plain, 16), K));
	assert_true(hex_to_span(span_mut_of(plain + 16, 16), OPC));
	plain[32] = 0x80;
	plain[34] = 1;
	assert_false(failed(kek_derive(SPAN_ARRAY(octets), "auc", &key, &id)));
	const struct envelope_key kek = {.id = id, .key = secret_span(&key)};
	assert_false(failed(envelope_seal(&kek, &entropy, span_str(owner), SPAN_ARRAY(plain),
		span_mut_of(out, sizeof plain + ENVELOPE_OVERHEAD))));
	secret_close(&key);
	return span_of(out, sizeof plain + ENVELOPE_OVERHEAD);
}

static void rows_of_the_release_before_open_and_are_resealed(void **state)
{
	struct fixture f;
	uint8_t before[AUC_SEALED_MAX], out[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];
	struct span anew;

	(void)state;
	open_vault(&f, 1);
	const struct span s =
		seal_as_before(&f, 1, "merlon/auc/subscriber/001010000000001", before);
	assert_false(failed(compute(&f, "001010000000001", s, 1, v)));
	assert_false(failed(reseal(&f, "001010000000001", s, out, &anew)));
	assert_int_equal(key_id_of(anew), 1);
	assert_false(failed(compute(&f, "001010000000001", anew, 1, v)));
	/* Another site's file. */
	const struct span foreign =
		seal_as_before(&f, 2, "merlon/auc/subscriber/001010000000001", before);
	assert_int_equal(compute(&f, "001010000000001", foreign, 1, v).kind, ERR_ABSENT);
	close_vaults(&f);
}

static void before_a_key_is_loaded_nothing_is_sealed(void **state)
{
	struct fixture f, empty;
	uint8_t before[AUC_SEALED_MAX], sealed[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];
	struct span anew;

	(void)state;
	open_vaults(&f, 1, &VAULT_LIMITS_DEFAULT);
	open_vault(&empty, 1);
	const struct span s =
		seal_as_before(&f, 1, "merlon/auc/subscriber/001010000000001", before);
	const struct span t = seal(&empty, "001010000000001", false, sealed);
	/* What the release before sealed opens all the same. */
	assert_false(failed(compute(&f, "001010000000001", s, 1, v)));
	assert_int_equal(reseal(&f, "001010000000001", s, before, &anew).kind, ERR_STATE);
	/* Without any key at all: of a passphrase, say. */
	vault_keys_close(&f.vault.keys);
	assert_int_equal(compute(&f, "001010000000001", t, 1, v).kind, ERR_STATE);
	close_vaults(&f);
	close_vaults(&empty);
}

static void a_wrapped_key_opens_under_its_root_and_id_alone(void **state)
{
	struct fixture f, other;
	struct kept kept = {0};
	size_t anew;

	(void)state;
	open_vaults(&f, 1, &VAULT_LIMITS_DEFAULT);
	open_vaults(&other, 2, &VAULT_LIMITS_DEFAULT);
	assert_false(failed(make_key(&f.vault, 5, &kept)));
	assert_int_equal(load_keys(&other.vault, &kept, &anew).kind, ERR_CRYPTO);
	kept.keys[0].id = 6;
	assert_int_equal(load_keys(&f.vault, &kept, &anew).kind, ERR_CRYPTO);
	kept.keys[0].id = 5;
	for (size_t i = 0; i < kept.keys[0].len; i++) {
		kept.keys[0].octets[i] ^= 1;
		assert_int_equal(load_keys(&f.vault, &kept, &anew).kind, ERR_CRYPTO);
		kept.keys[0].octets[i] ^= 1;
	}
	kept.keys[0].len--;
	assert_int_equal(load_keys(&f.vault, &kept, &anew).kind, ERR_CRYPTO);
	kept.keys[0].len++;
	assert_false(failed(load_keys(&f.vault, &kept, &anew)));
	/* Another key under an id that is there: one of them is wrong. */
	kept.count = 0;
	assert_false(failed(make_key(&f.vault, 5, &kept)));
	assert_int_equal(load_keys(&f.vault, &kept, &anew).kind, ERR_CRYPTO);
	assert_int_equal(make_key(&f.vault, 0, &kept).kind, ERR_INPUT);
	assert_int_equal(make_key(&f.vault, UINT64_C(1) << 32, &kept).kind, ERR_INPUT);
	close_vaults(&f);
	close_vaults(&other);
}

static void a_former_root_opens_and_the_present_one_wraps_anew(void **state)
{
	struct fixture f, next, last;
	struct kept kept = {0};
	uint8_t sealed[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];
	size_t anew;

	(void)state;
	open_vaults(&f, 1, &VAULT_LIMITS_DEFAULT);
	assert_false(failed(make_key(&f.vault, 1, &kept)));
	assert_false(failed(make_key(&f.vault, 2, &kept)));
	assert_false(failed(load_keys(&f.importing, &kept, &anew)));
	const struct span s = seal(&f, "001010000000001", false, sealed);
	open_vaults(&next, 2, &VAULT_LIMITS_DEFAULT);
	add_root(&next.vault, 1);
	assert_false(failed(load_keys(&next.vault, &kept, &anew)));
	assert_int_equal(anew, 2);
	assert_false(failed(load_keys(&next.vault, &kept, &anew)));
	assert_int_equal(anew, 0);
	assert_false(failed(compute(&next, "001010000000001", s, 1, v)));
	/* From then on the former root is not needed. */
	open_vaults(&last, 2, &VAULT_LIMITS_DEFAULT);
	assert_false(failed(load_keys(&last.vault, &kept, &anew)));
	assert_false(failed(compute(&last, "001010000000001", s, 1, v)));
	assert_int_equal(load_keys(&f.vault, &kept, &anew).kind, ERR_CRYPTO);
	close_vaults(&f);
	close_vaults(&next);
	close_vaults(&last);
}

static void open_with_passphrase(struct fixture *f, const char *text)
{
	f->prop = prop_from_environment(4);
	f->now = (struct moment){.mono_ms = 1000};
	open_one(f, &f->vault, AUC_VAULT_SERVES, &VAULT_LIMITS_DEFAULT);
	assert_false(failed(vault_roots_add(&f->vault.roots, AUC_ROOT_PASSPHRASE, span_str(text))));
}

static void a_passphrase_is_a_root_and_its_salt_stands_in_the_wrapped_key(void **state)
{
	struct fixture f, again, wrong;
	struct kept kept = {0};
	size_t anew;

	(void)state;
	open_with_passphrase(&f, "correct horse battery");
	assert_false(failed(make_key(&f.vault, 1, &kept)));
	assert_false(failed(make_key(&f.vault, 2, &kept)));
	assert_false(failed(load_keys(&f.vault, &kept, &anew)));
	assert_memory_equal(kept.keys[0].octets, kept.keys[1].octets, AUC_WRAPPED_HEAD_MAX);
	open_with_passphrase(&again, "correct horse battery");
	assert_false(failed(load_keys(&again.vault, &kept, &anew)));
	assert_int_equal(anew, 0);
	open_with_passphrase(&wrong, "correct horse batteri");
	assert_int_equal(load_keys(&wrong.vault, &kept, &anew).kind, ERR_CRYPTO);
	/* A cost that a thief would like is not taken. */
	kept.keys[0].octets[2 + ARGON2_SALT + 1]--;
	kept.count = 1;
	assert_int_equal(load_keys(&f.vault, &kept, &anew).kind, ERR_CRYPTO);
	auc_vault_close(&f.vault);
	auc_vault_close(&again.vault);
	auc_vault_close(&wrong.vault);
}

/* Who can write into the database offers a head of his own, with a salt that he has tables for. */
static void a_salt_that_opened_nothing_wraps_nothing(void **state)
{
	enum { SALT_AT = 2 };
	struct fixture f;
	struct kept kept = {0}, forged = {0}, next = {0};
	size_t anew;

	(void)state;
	open_with_passphrase(&f, "correct horse battery");
	assert_false(failed(make_key(&f.vault, 1, &kept)));
	forged = kept;
	memset(forged.keys[0].octets + SALT_AT, 0x66, ARGON2_SALT);
	forged.keys[0].octets[SALT_AT + ARGON2_SALT + 5] = 1; /* lanes */
	assert_int_equal(load_keys(&f.vault, &forged, &anew).kind, ERR_CRYPTO);
	assert_false(failed(make_key(&f.vault, 2, &next)));
	assert_memory_not_equal(
		next.keys[0].octets + SALT_AT, forged.keys[0].octets + SALT_AT, ARGON2_SALT);
	assert_int_equal(next.keys[0].octets[SALT_AT + ARGON2_SALT + 5], 4);
	assert_false(failed(load_keys(&f.vault, &kept, &anew)));
	assert_false(failed(load_keys(&f.vault, &next, &anew)));
	auc_vault_close(&f.vault);
}

static void from_a_passphrase_to_another_the_salt_is_new_and_one(void **state)
{
	struct fixture f, next;
	struct kept kept = {0};
	uint8_t salt[ARGON2_SALT];
	size_t anew;

	(void)state;
	open_with_passphrase(&f, "correct horse battery");
	for (uint32_t id = 1; id <= 3; id++)
		assert_false(failed(make_key(&f.vault, id, &kept)));
	memcpy(salt, kept.keys[0].octets + 2, sizeof salt);
	open_with_passphrase(&next, "a staple of another kind");
	next.prop = prop_seeded(5); /* not what the first one drew */
	next.vault.random.at = VAULT_RANDOM_OCTETS;
	assert_false(failed(vault_roots_add(
		&next.vault.roots, AUC_ROOT_PASSPHRASE, span_str("correct horse battery"))));
	assert_false(failed(load_keys(&next.vault, &kept, &anew)));
	assert_int_equal(anew, 3);
	assert_memory_not_equal(kept.keys[0].octets + 2, salt, sizeof salt);
	assert_memory_equal(kept.keys[0].octets, kept.keys[1].octets, AUC_WRAPPED_HEAD_MAX);
	assert_memory_equal(kept.keys[0].octets, kept.keys[2].octets, AUC_WRAPPED_HEAD_MAX);
	assert_false(failed(load_keys(&next.vault, &kept, &anew)));
	assert_int_equal(anew, 0);
	auc_vault_close(&f.vault);
	auc_vault_close(&next.vault);
}

static void from_a_file_to_a_passphrase_no_row_is_touched(void **state)
{
	struct fixture f, next;
	struct kept kept = {0};
	uint8_t sealed[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];
	size_t anew;

	(void)state;
	open_vaults(&f, 1, &VAULT_LIMITS_DEFAULT);
	assert_false(failed(make_key(&f.vault, 1, &kept)));
	assert_false(failed(load_keys(&f.importing, &kept, &anew)));
	const struct span s = seal(&f, "001010000000001", false, sealed);
	open_with_passphrase(&next, "correct horse battery");
	add_root(&next.vault, 1);
	assert_false(failed(load_keys(&next.vault, &kept, &anew)));
	assert_int_equal(anew, 1);
	assert_int_equal(kept.keys[0].octets[1], AUC_ROOT_PASSPHRASE);
	assert_false(failed(compute(&next, "001010000000001", s, 1, v)));
	close_vaults(&f);
	auc_vault_close(&next.vault);
}

static void the_ring_keeps_as_many_keys_as_a_store_can_have(void **state)
{
	struct fixture f;
	struct kept kept = {0};
	size_t anew;

	(void)state;
	open_vaults(&f, 1, &VAULT_LIMITS_DEFAULT);
	for (uint32_t id = 1; id <= VAULT_KEYS_MAX + 5; id++) {
		kept.count = 0;
		assert_false(failed(make_key(&f.vault, id, &kept)));
		assert_false(failed(load_keys(&f.vault, &kept, &anew)));
	}
	struct envelope_key newest;
	assert_false(failed(vault_keys_newest(&f.vault.keys, &newest)));
	assert_int_equal(newest.id, VAULT_KEYS_MAX + 5);
	assert_int_equal(f.vault.keys.count, VAULT_KEYS_MAX);
	for (size_t i = 0; i < f.vault.keys.count; i++)
		assert_true(f.vault.keys.items[i].is_former || f.vault.keys.items[i].id > 5);
	close_vaults(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_resealed_under_the_newest_key_while_all_open),
		cmocka_unit_test(rows_of_the_release_before_open_and_are_resealed),
		cmocka_unit_test(before_a_key_is_loaded_nothing_is_sealed),
		cmocka_unit_test(a_wrapped_key_opens_under_its_root_and_id_alone),
		cmocka_unit_test(a_former_root_opens_and_the_present_one_wraps_anew),
		cmocka_unit_test(a_passphrase_is_a_root_and_its_salt_stands_in_the_wrapped_key),
		cmocka_unit_test(a_salt_that_opened_nothing_wraps_nothing),
		cmocka_unit_test(from_a_passphrase_to_another_the_salt_is_new_and_one),
		cmocka_unit_test(from_a_file_to_a_passphrase_no_row_is_touched),
		cmocka_unit_test(the_ring_keeps_as_many_keys_as_a_store_can_have),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
