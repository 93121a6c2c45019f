// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/auc-vault/vault_limits.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "support/auc_vault_pair.h"

/* ---- limits ---- */

static void a_subscriber_has_his_burst_and_then_his_rate(void **state)
{
	const struct vault_limits_settings limits = {
		.subscriber_burst = 10, .subscriber_per_hour = 3600};
	struct fixture f;
	uint8_t a[AUC_SEALED_MAX], b[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];

	(void)state;
	open_limited(&f, 1, &limits);
	const struct span of_a = seal(&f, "001010000000001", false, a);
	const struct span of_b = seal(&f, "001010000000002", false, b);
	assert_false(failed(compute(&f, "001010000000001", of_a, 5, v)));
	assert_false(failed(compute(&f, "001010000000001", of_a, 4, v)));
	/* What is refused costs nothing. */
	assert_int_equal(compute(&f, "001010000000001", of_a, 2, v).kind, ERR_LIMIT);
	assert_false(failed(compute(&f, "001010000000001", of_a, 1, v)));
	assert_int_equal(compute(&f, "001010000000001", of_a, 1, v).kind, ERR_LIMIT);
	assert_false(failed(compute(&f, "001010000000002", of_b, 5, v)));
	f.now.mono_ms += 999;
	assert_int_equal(compute(&f, "001010000000001", of_a, 1, v).kind, ERR_LIMIT);
	f.now.mono_ms += 1;
	assert_false(failed(compute(&f, "001010000000001", of_a, 1, v)));
	assert_int_equal(compute(&f, "001010000000001", of_a, 1, v).kind, ERR_LIMIT);
	/* Only the monotonic clock counts, and it gives nothing when it goes back. */
	f.now.unix_ms += 1000000;
	f.now.mono_ms -= 1000;
	assert_int_equal(compute(&f, "001010000000001", of_a, 1, v).kind, ERR_LIMIT);
	f.now.mono_ms += 11000;
	for (int i = 0; i < 2; i++)
		assert_false(failed(compute(&f, "001010000000001", of_a, 5, v)));
	assert_int_equal(compute(&f, "001010000000001", of_a, 1, v).kind, ERR_LIMIT);
	close_vaults(&f);
}

static void all_together_have_one_rate(void **state)
{
	const struct vault_limits_settings limits = {.rate_per_s = 8};
	struct fixture f;
	uint8_t a[AUC_SEALED_MAX];
	struct auth_vector v[AUTH_VECTORS_MAX];

	(void)state;
	open_limited(&f, 1, &limits);
	const struct span s = seal(&f, "001010000000001", false, a);
	assert_false(failed(compute(&f, "001010000000001", s, 5, v)));
	assert_false(failed(compute(&f, "001010000000001", s, 3, v)));
	assert_int_equal(compute(&f, "001010000000001", s, 1, v).kind, ERR_LIMIT);
	f.now.mono_ms += 125;
	assert_false(failed(compute(&f, "001010000000001", s, 1, v)));
	assert_int_equal(compute(&f, "001010000000001", s, 1, v).kind, ERR_LIMIT);
	assert_int_equal(f.vault.limits.refused, 2);
	close_vaults(&f);
}

static void auts_of_a_subscriber_are_limited_whether_right_or_wrong(void **state)
{
	const struct vault_limits_settings limits = {.auts_burst = 3, .auts_per_hour = 60};
	struct fixture f;
	uint8_t a[AUC_SEALED_MAX];
	struct span answer;

	(void)state;
	open_limited(&f, 1, &limits);
	struct auc_resync_ask ask = {
		.imsi = "001010000000001", .sealed = seal(&f, "001010000000001", false, a)};
	for (int i = 0; i < 5; i++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(ask_buffer));
		auc_resync_ask_encode(&w, &ask);
		f.now.mono_ms += i == 4 ? 60000 : 0;
		assert_int_equal(
			serve(&f, AUC_RESYNC, &w, &answer).kind, i == 3 ? ERR_LIMIT : ERR_AUTH);
	}
	close_vaults(&f);
}

/* The table is shared: that the limit comes early is rare, and that it comes late never happens. */
static void many_subscribers_do_not_use_up_each_others_burst(void **state)
{
	struct fixture f = {.now = {.mono_ms = 1000}, .prop = prop_from_environment(5)};
	const struct clock_port clock = {.ctx = &f, .now = fixture_now};
	const struct entropy entropy = prop_entropy(&f.prop);
	struct vault_limits_settings settings = VAULT_LIMITS_DEFAULT;
	static struct vault_limits limits;
	size_t refused = 0;

	(void)state;
	settings.subscriber_burst = 10;
	settings.rate_per_s = 0;
	assert_false(failed(vault_limits_open(&limits, &settings, clock, &entropy)));
	for (uint32_t i = 0; i < 100000; i++) {
		char imsi[IMSI_TEXT] = {0};
		snprintf(imsi, sizeof imsi, "00101%010u", i);
		for (int k = 0; k < 2; k++)
			refused += failed(vault_limits_vectors(&limits, imsi, 5));
		assert_int_equal(vault_limits_vectors(&limits, imsi, 1).kind, ERR_LIMIT);
	}
	/* 100000 with nothing left, at one moment: one in fifty shares both cells with others. */
	assert_true(refused < 2 * 100000 / 30);
	vault_limits_close(&limits);
}

static void limits_that_cannot_be_kept_are_refused(void **state)
{
	struct fixture f = {.prop = prop_from_environment(5)};
	const struct clock_port clock = {.ctx = &f, .now = fixture_now};
	const struct entropy entropy = prop_entropy(&f.prop);
	struct vault_limits limits;

	(void)state;
	const struct vault_limits_settings fast = {.rate_per_s = UINT64_C(1000000001)};
	const struct vault_limits_settings deep = {
		.subscriber_burst = UINT64_MAX, .subscriber_per_hour = 1};
	assert_int_equal(vault_limits_open(&limits, &fast, clock, &entropy).kind, ERR_LIMIT);
	assert_int_equal(vault_limits_open(&limits, &deep, clock, &entropy).kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_subscriber_has_his_burst_and_then_his_rate),
		cmocka_unit_test(all_together_have_one_rate),
		cmocka_unit_test(auts_of_a_subscriber_are_limited_whether_right_or_wrong),
		cmocka_unit_test(many_subscribers_do_not_use_up_each_others_burst),
		cmocka_unit_test(limits_that_cannot_be_kept_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
