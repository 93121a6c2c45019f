// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/site.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* The lab's own site file, from the source tree: an example in the README must load. */
static char example[16384];

static struct err load_text(const char *text, struct site **site, struct complaint *c)
{
	char path[] = "/tmp/merlon-site-XXXXXX";
	const int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	*c = (struct complaint){0};
	const struct err e = site_load(path, false, site, c);
	unlink(path);
	if (failed(e))
		memmove(c->text, c->text + strlen(path), strlen(c->text + strlen(path)) + 1);
	return e;
}

/* The example with one piece of text replaced. */
static struct err load_changed(
	const char *from, const char *to, struct site **site, struct complaint *c)
{
	static char changed[sizeof example + 256];
	const char *at = strstr(example, from);

	assert_non_null(at);
	snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - example), example, to,
		at + strlen(from));
	return load_text(changed, site, c);
}

static void test_both_sites_of_the_lab_load(void **state)
{
	static const char *const files[] = {"lab/core.yaml", "lab/radio.yaml"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		struct complaint c = {0};
		struct site *site;
		char path[1024];
		snprintf(path, sizeof path, "%s/%s", MERLON_SOURCE, files[i]);
		if (failed(site_load(path, false, &site, &c)))
			fail_msg("%s", c.text);
		site_free(site);
	}
}

static void test_what_makes_no_sense_is_refused_with_its_key(void **state)
{
	static const struct {
		const char *from, *to, *complaint;
	} rows[] = {
		{"port: 4222", "port: 0",
			": auc.gsup.port: a port from 1 to 65535 is expected: '0'"},
		{"local_address: 10.90.2.2", "local_address: core",
			": gateway.local_address: an IPv4 or IPv6 address is expected: 'core'"},
		{"remote_subnet: 10.10.1.0/24", "remote_subnet: 10.10.1.0",
			": gateway.remote_subnet: a network as ADDRESS/BITS is expected: "
			"'10.10.1.0'"},
		{"remote_subnet: 10.10.1.0/24", "remote_subnet: 10.10.2.0/24",
			": gateway.remote_subnet: must differ from gateway.local_subnet: "
			"'10.10.2.0/24'"},
		{"sae_identity: cn", "sae_identity: ip",
			": kms.api.sae_identity: one of cn, dns, uri is expected: 'ip'"},
		{"  charon: /usr/sbin/charon-systemd", "  #",
			": gateway: either 'charon' (a program to run) or 'vici' (a socket) is "
			"needed"},
		{"\nkms:", "\nkmz:", ":30:1: unknown key 'kmz' (did you mean 'kms'?)"},
		{"role: bob", "role: bobby", ":25:9: Invalid ENUM value: bobby"},
	};
	struct complaint c;
	struct site *site;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(load_changed(rows[i].from, rows[i].to, &site, &c).kind, ERR_INPUT);
		assert_string_equal(c.text, rows[i].complaint);
		assert_null(site);
	}
}

/* Each limit from both sides, behind a key of the example. */
static void test_numbers_and_lists_have_limits(void **state)
{
	static const struct {
		const char *key, *good, *bad, *complaint;
	} rows[] = {
		{"port: 4222 }", "port: 4222 }\n  lease_ahead: 16",
			"port: 4222 }\n  lease_ahead: 15",
			": auc.lease_ahead: a number from 16 to 1048576 is expected: '15'"},
		{"port: 4222 }", "port: 4222 }\n  vectors_burst: 5",
			"port: 4222 }\n  vectors_burst: 4",
			": auc.vectors_burst: a number from 5 to 16777216 is expected: '4'"},
		{"port: 4222 }", "port: 4222 }\n  resyncs_per_hour: 3600000",
			"port: 4222 }\n  resyncs_per_hour: 3600001",
			": auc.resyncs_per_hour: a number from 1 to 3600000 is expected: "
			"'3600001'"},
		{"port: 4222 }", "port: 4222 }\n  subscribers_max: 1",
			"port: 4222 }\n  subscribers_max: 0",
			": auc.subscribers_max: a number from 1 to 67108864 is expected: '0'"},
		{"port: 4222 }", "port: 4222 }\n  peers_max: 4096",
			"port: 4222 }\n  peers_max: 4097",
			": auc.peers_max: a number from 1 to 4096 is expected: '4097'"},
		{"port: 4222 }", "port: 4222 }\n  rate_per_s: 1", "port: 4222 }\n  rate_per_s: 0",
			": auc.rate_per_s: a number from 1 to 1000000 is expected: '0'"},
		{"port: 4222 }", "port: 4222 }\n  peers: [ { name: a }, { name: b } ]",
			"port: 4222 }\n  peers: [ { name: a }, { name: b }, { name: a } ]",
			": auc.peers: stands twice: 'a'"},
		{"port: 4222 }", "port: 4222 }\n  peers: [ { name: a, plmns: [ 00101, 310260 ] } ]",
			"port: 4222 }\n  peers: [ { name: a, plmns: [ 0010 ] } ]",
			": auc.peers.plmns: MCC and MNC, 5 or 6 digits, are expected: '0010'"},
		{"port: 4222 }",
			"port: 4222 }\n  peers: [ { name: a, addresses: [ 10.0.0.1, 'fd00::/8' ] } "
			"]",
			"port: 4222 }\n  peers: [ { name: a, addresses: [ 10.0.0 ] } ]",
			": auc.peers.addresses: an IPv4 or IPv6 address is expected: '10.0.0'"},
		{"port: 4222 }",
			"port: 4222 }\n  peers: [ { name: a, addresses: [ 10.0.0.0/32 ] } ]",
			"port: 4222 }\n  peers: [ { name: a, addresses: [ 10.0.0.0/33 ] } ]",
			": auc.peers.addresses: a network as ADDRESS/BITS is expected: "
			"'10.0.0.0/33'"},
		{"port: 4222 }", "port: 4222 }\n  peers: [ { name: 'a ~' } ]",
			"port: 4222 }\n  peers: [ { name: 'ä' } ]",
			": auc.peers.name: printable ASCII is expected: 'ä'"},
		{"port: 4222 }", "port: 4222 }\n  peers: [ { name: a, rate_per_s: 1000000 } ]",
			"port: 4222 }\n  peers: [ { name: a, rate_per_s: 1000001 } ]",
			": auc.peers.rate_per_s: a number from 1 to 1000000 is expected: "
			"'1000001'"},
		{"port: 4222 }", "port: 4222 }\n  peers: [ { name: a, burst: 1 } ]",
			"port: 4222 }\n  peers: [ { name: a, burst: 0 } ]",
			": auc.peers.burst: a number from 1 to 1000000 is expected: '0'"},
		{"port: 4222 }", "port: 4222 }\n  peers: [ { name: a, vectors_max: 5 } ]",
			"port: 4222 }\n  peers: [ { name: a, vectors_max: 6 } ]",
			": auc.peers.vectors_max: a number from 1 to 5 is expected: '6'"},
		{"kme_id: kme-core", "kme_id: kme-core\n  key_bits: 64",
			"kme_id: kme-core\n  key_bits: 264",
			": kms.key_bits: a number from 64 to 256 is expected: '264'"},
		{"kme_id: kme-core", "kme_id: kme-core\n  key_bits: 72",
			"kme_id: kme-core\n  key_bits: 71",
			": kms.key_bits: a multiple of 8 is expected: '71'"},
		{"kme_id: kme-core", "kme_id: kme-core\n  low_keys: 1",
			"kme_id: kme-core\n  low_keys: 0",
			": kms.low_keys: a number from 1 to 1048576 is expected: '0'"},
		{"kme_id: kme-core", "kme_id: kme-core\n  saes: [ a, b ]",
			"kme_id: kme-core\n  saes: [ a, b, a ]", ": kms.saes: stands twice: 'a'"},
		{"sae_identity: cn", "sae_identity: cn\n    rate_per_s: 1000000",
			"sae_identity: cn\n    rate_per_s: 0",
			": kms.api.rate_per_s: a number from 1 to 1000000 is expected: '0'"},
		{"rotate_s: 10", "rotate_s: 10\n  lifetime_s: 11", "rotate_s: 10\n  lifetime_s: 10",
			": gateway.lifetime_s: a number from 11 to 604800 is expected: '10'"},
		{"rotate_s: 10", "rotate_s: 86400", "rotate_s: 86401",
			": gateway.rotate_s: a number from 1 to 86400 is expected: '86401'"},
		{"rotate_s: 10", "rotate_s: 10\n  inside: [ a0 ]",
			"rotate_s: 10\n  inside: [ bh0 ]",
			": gateway.inside: must differ from gateway.interface, which is outside: "
			"'bh0'"},
		{"link: radio-core", "link: radio-core\n  block_bits: 4000",
			"link: radio-core\n  block_bits: 3999",
			": qkd.block_bits: a number from 4000 to 4000000 is expected: '3999'"},
		{"link: radio-core", "link: radio-core\n  protocol: { qber_max: 0.5 }",
			"link: radio-core\n  protocol: { qber_max: 0.51 }",
			": qkd.protocol.qber_max: a number from 0 to 0.5 is expected: '0.51'"},
		{"link: radio-core", "link: radio-core\n  protocol: { mu1: 0 }",
			"link: radio-core\n  protocol: { mu1: nan }",
			": qkd.protocol.mu1: a number from 0 to 2 is expected: 'nan'"},
		{"link: radio-core", "link: radio-core\n  random: { device: /dev/hwrng }",
			"link: radio-core\n  random: { device: /dev/hwrng, sample_bits: 2 }",
			": qkd.random.sample_bits: 1 or 8 is expected: '2'"},
		{"link: radio-core",
			"link: radio-core\n  random: { device: a, sample_bits: 1, min_entropy: 1 }",
			"link: radio-core\n  random: { device: a, sample_bits: 1, min_entropy: 1.1 "
			"}",
			": qkd.random.min_entropy: a number above 0, up to 1 is expected: '1.1'"},
		{"link: radio-core", "link: radio-core\n  random: { device: a, min_entropy: 8 }",
			"link: radio-core\n  random: { device: a, sample_bits: 1 }",
			": qkd.random.min_entropy: is needed with sample_bits: 1"},
		{"link: radio-core", "link: radio-core\n  watch: { monitor: required }",
			"link: radio-core\n  watch: { monitor: often }",
			": qkd.watch.monitor: auto, required or off is expected: 'often'"},
		{"link: radio-core", "link: radio-core\n  watch: { unequal_max: 1 }",
			"link: radio-core\n  watch: { unequal_max: 1.5 }",
			": qkd.watch.unequal_max: a number from 0 to 1 is expected: '1.5'"},
	};
	struct complaint c;
	struct site *site;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (failed(load_changed(rows[i].key, rows[i].good, &site, &c)))
			fail_msg("%s", c.text);
		site_free(site);
		assert_int_equal(load_changed(rows[i].key, rows[i].bad, &site, &c).kind, ERR_INPUT);
		assert_string_equal(c.text, rows[i].complaint);
	}
}

static void auc_note_find(void *ctx, const char *note)
{
	*(bool *)ctx |= strstr(note, "auc.peers is not there") != NULL;
}

static void test_a_centre_for_anyone_is_noted(void **state)
{
	static const char *const auc[] = {"port: 4222 }", "port: 4222 }\n  peers: [ { name: a } ]"};
	struct complaint c;
	struct site *site;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(auc); i++) {
		bool is_noted = false;
		assert_false(failed(load_changed(auc[0], auc[i], &site, &c)));
		site_notes(site, auc_note_find, &is_noted);
		assert_int_equal(is_noted, i == 0);
		site_free(site);
	}
}

static void note_find(void *ctx, const char *note)
{
	*(bool *)ctx |= strstr(note, "kms.saes is not there") != NULL;
}

static void test_a_key_store_for_anyone_is_noted(void **state)
{
	struct complaint c;
	struct site *site;
	bool is_noted = false;

	(void)state;
	assert_false(failed(load_text(example, &site, &c)));
	site_notes(site, note_find, &is_noted);
	assert_true(is_noted);
	site_free(site);
	is_noted = false;
	assert_false(failed(
		load_changed("kme_id: kme-core", "kme_id: kme-core\n  saes: [ a ]", &site, &c)));
	site_notes(site, note_find, &is_noted);
	assert_false(is_noted);
	site_free(site);
}

static void key_count(void *ctx, const struct site_key *key)
{
	if (key->help == NULL || key->help[0] == '.' || key->help[0] == '\'')
		fail_msg("site_help.c does not say what %s is for, or so that roff takes it for a "
			 "request",
			key->path);
	++*(size_t *)ctx;
}

static void test_each_key_is_explained_and_no_other(void **state)
{
	size_t count = 0;

	(void)state;
	site_describe(key_count, &count);
	assert_int_equal(count, site_help_count());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_sites_of_the_lab_load),
		cmocka_unit_test(test_what_makes_no_sense_is_refused_with_its_key),
		cmocka_unit_test(test_numbers_and_lists_have_limits),
		cmocka_unit_test(test_a_centre_for_anyone_is_noted),
		cmocka_unit_test(test_a_key_store_for_anyone_is_noted),
		cmocka_unit_test(test_each_key_is_explained_and_no_other),
	};
	FILE *file = fopen(MERLON_SOURCE "/lab/core.yaml", "r");

	if (file == NULL || fread(example, 1, sizeof example - 1, file) == 0)
		return 1;
	fclose(file);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
