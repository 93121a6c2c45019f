// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "gateway/conf.h"
#include "gateway/fence.h"
#include "gateway/text.h"
#include <stdarg.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct gateway_fence sample = {
	.backhaul = "bh0",
	.tunnel = "ipsec0",
	.local_address = "10.90.1.2",
	.peer_address = "10.90.2.2",
	.local_prefix = "10.10.1.1/32",
	.remote_prefix = "10.10.2.1/32",
	.connect_count = 2,
	.connect_ports = {7010, 7020},
};

static void test_ruleset_reads_as_the_policy_says(void **state)
{
	static const char expected[] =
		"table inet merlon_fence\n"
		"delete table inet merlon_fence\n"
		"table inet merlon_fence {\n"
		"\tchain backhaul_in {\n"
		"\t\tmeta nfproto != ipv4 drop\n"
		"\t\tip saddr != 10.90.2.2 drop\n"
		"\t\tip daddr != 10.90.1.2 drop\n"
		"\t\tudp sport { 500, 4500 } udp dport { 500, 4500 } accept\n"
		"\t\tmeta l4proto esp accept\n"
		"\t\ttcp sport { 7010, 7020 } ct state established accept\n"
		"\t\tdrop\n"
		"\t}\n"
		"\tchain backhaul_out {\n"
		"\t\tmeta nfproto != ipv4 drop\n"
		"\t\tip saddr != 10.90.1.2 drop\n"
		"\t\tip daddr != 10.90.2.2 drop\n"
		"\t\tudp sport { 500, 4500 } udp dport { 500, 4500 } accept\n"
		"\t\tmeta l4proto esp accept\n"
		"\t\ttcp dport { 7010, 7020 } ct state new,established accept\n"
		"\t\tdrop\n"
		"\t}\n"
		"\tchain in {\n"
		"\t\ttype filter hook input priority filter; policy drop;\n"
		"\t\tip saddr 10.10.2.1/32 iifname != \"ipsec0\" drop\n"
		"\t\tiifname \"bh0\" goto backhaul_in\n"
		"\t\tiifname \"ipsec0\" ip saddr 10.10.2.1/32 ip daddr 10.10.1.1/32 accept\n"
		"\t\tiifname \"lo\" accept\n"
		"\t}\n"
		"\tchain out {\n"
		"\t\ttype filter hook output priority filter; policy drop;\n"
		"\t\tip daddr 10.10.2.1/32 oifname != \"ipsec0\" drop\n"
		"\t\toifname \"bh0\" goto backhaul_out\n"
		"\t\toifname \"ipsec0\" ip saddr 10.10.1.1/32 ip daddr 10.10.2.1/32 accept\n"
		"\t\toifname \"lo\" accept\n"
		"\t}\n"
		"\tchain through {\n"
		"\t\ttype filter hook forward priority filter; policy drop;\n"
		"\t\tiifname \"bh0\" drop\n"
		"\t\toifname \"bh0\" drop\n"
		"\t\tiifname \"ipsec0\" ip saddr 10.10.2.1/32 ip daddr 10.10.1.1/32 accept\n"
		"\t\toifname \"ipsec0\" ip saddr 10.10.1.1/32 ip daddr 10.10.2.1/32 accept\n"
		"\t}\n"
		"}\n";
	char out[GATEWAY_TEXT_MAX];
	size_t len;

	(void)state;
	assert_false(failed(gateway_fence_render(&sample, SPAN_MUT_ARRAY(out), &len, NULL)));
	assert_string_equal(out, expected);
	assert_int_equal(len, sizeof(expected) - 1);
	assert_false(failed(gateway_fence_routes_render(&sample, SPAN_MUT_ARRAY(out), &len, NULL)));
	assert_string_equal(out, "route replace unreachable 10.10.2.1/32 metric 4000000000\n");
}

static void test_listening_side_opens_nothing(void **state)
{
	struct gateway_fence fence = sample;
	char out[GATEWAY_TEXT_MAX];
	size_t len;

	(void)state;
	fence.connect_count = 0;
	fence.listen_count = 1;
	fence.listen_ports[0] = 7030;
	assert_false(failed(gateway_fence_render(&fence, SPAN_MUT_ARRAY(out), &len, NULL)));
	assert_non_null(strstr(out, "tcp dport { 7030 } ct state new,established accept\n"));
	assert_non_null(strstr(out, "tcp sport { 7030 } ct state established accept\n"));
	assert_null(strstr(out, "tcp sport { 7030 } ct state new"));
}

/* Nothing that a configuration says can become a rule of its own. */
static void test_what_could_break_out_of_its_place_is_refused(void **state)
{
	static const char *const bad[] = {"", "a b", "x\"y", "a;b", "a\nb", "10.0.0.1 accept", "{}",
		"0123456789abcdefg", "-x"};
	char out[GATEWAY_TEXT_MAX];
	size_t len;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		struct gateway_fence fences[7];
		for (size_t k = 0; k < ARRAY_LEN(fences); k++)
			fences[k] = sample;
		fences[0].backhaul = bad[i];
		fences[1].tunnel = bad[i];
		fences[2].local_address = bad[i];
		fences[3].peer_address = bad[i];
		fences[4].local_prefix = bad[i];
		fences[5].remote_prefix = bad[i];
		fences[6].inside_count = 1;
		fences[6].inside[0] = bad[i];
		for (size_t k = 0; k < ARRAY_LEN(fences); k++) {
			struct complaint c = {0};
			assert_int_equal(
				gateway_fence_render(&fences[k], SPAN_MUT_ARRAY(out), &len, &c)
					.kind,
				ERR_INPUT);
			assert_true(strlen(c.text) > 0);
		}
		assert_true(
			failed(gateway_conf_render(&(struct gateway_conf){.vici_socket = bad[i]},
				SPAN_MUT_ARRAY(out), &len, NULL)));
	}
}

static void test_text_that_does_not_fit_is_an_error_not_a_shorter_fence(void **state)
{
	char out[GATEWAY_TEXT_MAX];
	size_t len, needed;

	(void)state;
	assert_false(failed(gateway_fence_render(&sample, SPAN_MUT_ARRAY(out), &needed, NULL)));
	assert_false(
		failed(gateway_fence_render(&sample, span_mut_of(out, needed + 1), &len, NULL)));
	for (size_t size = 1; size <= needed; size += 97)
		assert_int_equal(
			gateway_fence_render(&sample, span_mut_of(out, size), &len, NULL).kind,
			ERR_LIMIT);
}

static void test_prefixes_and_addresses(void **state)
{
	(void)state;
	assert_int_equal(text_address_family("10.1.2.3"), 4);
	assert_int_equal(text_address_family("fd00::1"), 6);
	static const char *const bad[] = {"", "10.1.2", "10.1.2.3.", "10.1.2.256", "10.1.2.03",
		"1.2.3.4 ", "1.2.3.", ":", ":::", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "1::2::3",
		"12345::", "1:", "1:2:3:4:5:6:7::8", "::1;", "g::"};
	static const char *const good[] = {"::", "::1", "1::", "fe80::1:2", "1:2:3:4:5:6:7:8"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(text_address_family(bad[i]), 0);
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(text_address_family(good[i]), 6);
	assert_int_equal(text_prefix_family("10.0.0.0/32"), 4);
	assert_int_equal(text_prefix_family("10.0.0.0/33"), 0);
	assert_int_equal(text_prefix_family("fd00::/128"), 6);
	assert_int_equal(text_prefix_family("fd00::/129"), 0);
	assert_int_equal(text_prefix_family("10.0.0.0/"), 0);
	assert_int_equal(text_prefix_family("10.0.0.0/8 "), 0);
	assert_int_equal(text_prefix_family("10.0.0.0"), 0);
}

static void test_user_space_esp_stands_before_netlink(void **state)
{
	const struct gateway_conf conf = {.esp = CHARON_ESP_USERSPACE,
		.vici_socket = "/run/merlon/a.vici",
		.group = "merlon"};
	char out[GATEWAY_TEXT_MAX];
	size_t len;

	(void)state;
	assert_false(failed(gateway_conf_render(&conf, SPAN_MUT_ARRAY(out), &len, NULL)));
	const char *libipsec = strstr(out, "kernel-libipsec"),
		   *netlink = strstr(out, "kernel-netlink");
	assert_non_null(libipsec);
	assert_true(libipsec < netlink);
	assert_non_null(strstr(out, "socket = unix:///run/merlon/a.vici }"));
	assert_non_null(strstr(out, "reuse_ikesa = no"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ruleset_reads_as_the_policy_says),
		cmocka_unit_test(test_listening_side_opens_nothing),
		cmocka_unit_test(test_what_could_break_out_of_its_place_is_refused),
		cmocka_unit_test(test_text_that_does_not_fit_is_an_error_not_a_shorter_fence),
		cmocka_unit_test(test_prefixes_and_addresses),
		cmocka_unit_test(test_user_space_esp_stands_before_netlink),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
