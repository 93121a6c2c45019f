// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What is configured arrives as a setting of the process that acts on it; what is not leaves its default alone. */
#include "cmd/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static char example[16384];
static struct supervisor_plan *plan;
static struct site *site;

/* Lines put behind the line that begins with `after`. */
static const struct {
	const char *after, *lines;
} additions[] = {
	{"  gsup:",
		"  lease_ahead: 100\n  subscribers_max: 2000\n  peers_max: 12\n  rate_per_s: 9\n"
		"  vectors_burst: 50\n  vectors_per_hour: 60\n  resyncs_burst: 7\n"
		"  resyncs_per_hour: 8\n"
		"  peers:\n    - { name: SGSN 1, addresses: [ 10.9.0.0/24, 10.8.0.7 ], plmns: "
		"[ 00101, 310260 ], rate_per_s: 100, burst: 200, vectors_max: 3 }\n"
		"    - { name: MSC-2 }\n"},
	{"  bootstrap_file:",
		"  block_bits: 90000\n  ring_slots: 65536\n  frames_in_flight: 8\n  "
		"error_correction: cascade\n"
		"  protocol: { kind: two-decoy, final_bits_fixed: 8192, mu1: 0.5, mu2: 0.2, mu3: "
		"0.001, p1: 0.3, p2: "
		"0.5, p3: 0.2, "
		"basis_x: 0.8, qber_max: 0.06, eps_sec_exponent: 9, eps_cor_exponent: 12 }\n"
		"  random: { device: /dev/hwrng, sample_bits: 1, min_entropy: 0.5 }\n"
		"  watch: { monitor: required, alpha_exponent: 7, unequal_max: 0.25, "
		"intensity_tolerance: 0.125, gate_centre_least: 0.5, doubles_least: 0.75, "
		"bias_na_max: 300, power_pw_max: 400 }\n"
		"  device: { kind: file, name: bob.test, pace: 2, record: /rec, record_allowed: "
		"true, replay_allowed: false, session: 00ff, slots_per_second: 5000 }\n"
		"  gate: { offset_ps: 16, window: 0.25, drift_ppm: 0.5, channels: Z0 X0 }\n"},
	{"  kme_id:", "  saes: [ sae-1, sae-2 ]\n  peer_saes: [ sae-3 ]\n  key_bits: 128\n  "
		      "low_keys: 7\n"},
	{"    sae_identity:", "    rate_per_s: 33\n"},
	{"  rotate_s:", "  lifetime_s: 700\n  inside: [ mgmt0, eth1 ]\n"},
};

static void line_add(char *text, size_t size, const char *after, const char *lines)
{
	static char tail[sizeof example];
	char *at = strstr(text, after);

	assert_non_null(at);
	at = strchr(at, '\n') + 1;
	snprintf(tail, sizeof tail, "%s", at);
	assert_true((size_t)snprintf(at, size - (size_t)(at - text), "%s%s", lines, tail) <
		    size - (size_t)(at - text));
}

static void plan_make(bool is_full)
{
	static char text[sizeof example];
	char path[] = "/tmp/merlon-plan-XXXXXX";
	struct complaint c = {0};
	const int fd = mkstemp(path);

	snprintf(text, sizeof text, "%s", example);
	for (size_t i = 0; is_full && i < ARRAY_LEN(additions); i++)
		line_add(text, sizeof text, additions[i].after, additions[i].lines);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	if (failed(site_load(path, false, &site, &c)))
		fail_msg("%s", c.text);
	unlink(path);
	plan = calloc(1, sizeof *plan);
	if (failed(plan_from_site(site, plan, &c)))
		fail_msg("%s", c.text);
}

static int tear_down(void **state)
{
	(void)state;
	site_free(site);
	free(plan);
	return 0;
}

static const char *setting(const char *process, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->rows[i].name, process) == 0)
			return settings_find(&plan->rows[i].settings, name);
	fail_msg("no process %s", process);
	return NULL;
}

static const struct {
	const char *process, *name, *text;
} settings[] = {
	{"auc-store", "lease_ahead", "100"},
	{"auc-store", "subscribers_max", "2000"},
	{"auc-store", "vectors_burst", "50"},
	{"auc-store", "vectors_per_hour", "60"},
	{"auc-store", "resyncs_burst", "7"},
	{"auc-store", "resyncs_per_hour", "8"},
	{"auc-front", "peers_max", "12"},
	{"auc-front", "rate_per_s", "9"},
	{"kms-store", "saes.0", "sae-1"},
	{"kms-store", "saes.1", "sae-2"},
	{"kms-store", "saes.2",
		"gateway-core"}, /* the gateway's own, though nobody wrote it there */
	{"kms-store", "peer_saes.0", "sae-3"},
	{"kms-store", "peer_saes.1", "gateway-radio"},
	{"kms-store", "key_bits", "128"},
	{"kms-store", "low_keys", "7"},
	{"kms-front", "rate_per_s", "33"},
	{"gateway", "lifetime_s", "700"},
	{"qkd", "block_bits", "90000"},
	{"qkd", "ring_slots", "65536"},
	{"qkd", "frames_in_flight", "8"},
	{"qkd", "error_correction", "cascade"},
	{"qkd", "protocol.kind", "two-decoy"},
	{"qkd", "protocol.final_bits_fixed", "8192"},
	{"qkd", "protocol.mu1", "0.5"},
	{"qkd", "protocol.mu2", "0.20000000000000001"},
	{"qkd", "protocol.mu3", "0.001"},
	{"qkd", "protocol.p1", "0.29999999999999999"},
	{"qkd", "protocol.p2", "0.5"},
	{"qkd", "protocol.p3", "0.20000000000000001"},
	{"qkd", "protocol.basis_x", "0.80000000000000004"},
	{"qkd", "protocol.qber_max", "0.059999999999999998"},
	{"qkd", "protocol.eps_sec_exponent", "9"},
	{"qkd", "protocol.eps_cor_exponent", "12"},
	{"qkd", "random.device", "/dev/hwrng"},
	{"qkd", "random.sample_bits", "1"},
	{"qkd", "random.min_entropy", "0.5"},
	{"qkd", "watch.monitor", "required"},
	{"qkd", "watch.alpha_exponent", "7"},
	{"qkd", "watch.unequal_max", "0.25"},
	{"qkd", "watch.intensity_tolerance", "0.125"},
	{"qkd", "watch.gate_centre_least", "0.5"},
	{"qkd", "watch.doubles_least", "0.75"},
	{"qkd", "watch.bias_na_max", "300"},
	{"qkd", "watch.power_pw_max", "400"},
	{"qkd", "driver.kind", "file"},
	{"qkd", "driver.name", "bob.test"},
	{"qkd", "driver.pace", "2"},
	{"qkd", "driver.record", "/rec"},
	{"qkd", "driver.record_allowed", "true"},
	{"qkd", "driver.replay_allowed", "false"},
	{"qkd", "driver.session", "00ff"},
	{"qkd", "driver.slots_per_second", "5000"},
	{"qkd", "gate.offset_ps", "16"},
	{"qkd", "gate.window", "0.25"},
	{"qkd", "gate.drift_ppm", "0.5"},
	{"qkd", "gate.channels", "Z0 X0"},
};

static void test_each_configured_value_arrives(void **state)
{
	(void)state;
	plan_make(true);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		const char *text = setting(settings[i].process, settings[i].name);
		if (text == NULL || strtod(text, NULL) != strtod(settings[i].text, NULL) ||
			(strpbrk(text, ".") == NULL && strcmp(text, settings[i].text) != 0))
			fail_msg("%s: %s is %s, not %s", settings[i].process, settings[i].name,
				text, settings[i].text);
	}
	assert_null(setting("kms-store", "saes.3"));
	assert_string_equal(setting("auc-front", "peers.0"),
		"100 200 3 10.9.0.0/24,10.8.0.7 00101,310260 SGSN 1");
	assert_string_equal(setting("auc-front", "peers.1"), "0 0 0 - - MSC-2");
	assert_null(setting("auc-front", "peers.2"));
}

static void test_what_is_not_configured_is_no_setting(void **state)
{
	(void)state;
	plan_make(false);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		assert_null(setting(settings[i].process, settings[i].name));
}

static void test_the_inside_interfaces_reach_the_fence(void **state)
{
	static uint8_t text[GATEWAY_TEXT_MAX];
	struct complaint c = {0};
	size_t len;

	(void)state;
	plan_make(true);
	const struct gateway_fence f = plan_fence(site);
	assert_int_equal(f.inside_count, 2);
	if (failed(gateway_fence_render(&f, SPAN_MUT_ARRAY(text), &len, &c)))
		fail_msg("%s", c.text);
	text[len] = '\0';
	assert_non_null(strstr((char *)text, "iifname \"mgmt0\" accept"));
	assert_non_null(strstr((char *)text, "oifname \"eth1\" accept"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_each_configured_value_arrives, tear_down),
		cmocka_unit_test_teardown(test_what_is_not_configured_is_no_setting, tear_down),
		cmocka_unit_test_teardown(test_the_inside_interfaces_reach_the_fence, tear_down),
	};
	FILE *file = fopen(MERLON_SOURCE "/lab/core.yaml", "r");

	if (file == NULL || fread(example, 1, sizeof example - 1, file) == 0)
		return 1;
	fclose(file);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
