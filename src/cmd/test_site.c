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
static struct err load_changed(const char *from, const char *to, struct site **site, struct complaint *c)
{
	static char changed[sizeof example + 256];
	const char *at = strstr(example, from);

	assert_non_null(at);
	snprintf(changed, sizeof changed, "%.*s%s%s", (int)(at - example), example, to, at + strlen(from));
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
		{"port: 4222", "port: 0", ": auc.gsup.port: a port from 1 to 65535 is expected: '0'"},
		{"local_address: 10.90.2.2", "local_address: core",
			": gateway.local_address: an IPv4 or IPv6 address is expected: 'core'"},
		{"remote_subnet: 10.10.1.0/24", "remote_subnet: 10.10.1.0",
			": gateway.remote_subnet: a network as ADDRESS/BITS is expected: '10.10.1.0'"},
		{"remote_subnet: 10.10.1.0/24", "remote_subnet: 10.10.2.0/24",
			": gateway.remote_subnet: must differ from gateway.local_subnet: '10.10.2.0/24'"},
		{"sae_identity: cn", "sae_identity: ip",
			": kms.api.sae_identity: one of cn, dns, uri is expected: 'ip'"},
		{"  charon: /usr/sbin/charon-systemd", "  #",
			": gateway: either 'charon' (a program to run) or 'vici' (a socket) is needed"},
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_sites_of_the_lab_load),
		cmocka_unit_test(test_what_makes_no_sense_is_refused_with_its_key),
	};
	FILE *file = fopen(MERLON_SOURCE "/lab/core.yaml", "r");

	if (file == NULL || fread(example, 1, sizeof example - 1, file) == 0)
		return 1;
	fclose(file);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
