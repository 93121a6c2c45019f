// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The keys of an authentication centre in CONFIG: what is refused, and what reaches which vault. */
#include "cmd/plan.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define HEAD "site: s\nstate_folder: /nowhere/s\nrun_folder: /run/merlon/s\nuser: nobody\n"
#define KEK "kek_file: /nowhere/kek\n"
#define AUC "auc:\n  gsup: { address: 127.0.0.1, port: 4222 }\n"
#define TOKEN "{ module: /m.so, token: t, key: k, pin_file: /pin }"
#define ZEROS "00000000000000000000000000000000"
#define C5                                                                                         \
	"[ \"" ZEROS "\", \"00000000000000000000000000000001\", "                                  \
	"\"00000000000000000000000000000002\", \"00000000000000000000000000000004\", "             \
	"\"00000000000000000000000000000008\" ]"

static struct err load(const char *text, bool check_files, struct site **site, struct complaint *c)
{
	char path[] = "/tmp/merlon-site-XXXXXX";
	const int fd = mkstemp(path);

	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	*c = (struct complaint){0};
	const struct err e = site_load(path, check_files, site, c);
	unlink(path);
	if (failed(e))
		memmove(c->text, c->text + strlen(path), strlen(c->text + strlen(path)) + 1);
	return e;
}

static const struct {
	const char *text, *complaint;
} refused[] = {
	{HEAD AUC, ": kek_file: is needed, or auc.passphrase_file, or auc.token"},
	{HEAD KEK AUC "  passphrase_file: /p\n",
		": kek_file: 'auc' has another root; a former kek_file is named by "
		"auc.kek_file_before"},
	{HEAD KEK AUC "  token: " TOKEN "\n",
		": kek_file: 'auc' has another root; a former kek_file is named by "
		"auc.kek_file_before"},
	{HEAD AUC "  passphrase_file: /p\n  token: " TOKEN "\n",
		": auc: either 'passphrase_file' or 'token', not both"},
	{HEAD AUC "  token: { module: /m, token: t, key: k, pin_file: /p, environment: [ \"X\" ] "
		  "}\n",
		": auc.token.environment: NAME=VALUE is expected: 'X'"},
	{HEAD KEK AUC "  transport_keys:\n    - { name: a, algorithm: des, key_file: /k, fields: [ "
		      "k ] }\n",
		": auc.transport_keys: a: algorithm: aes-128-ecb, aes-256-ecb, aes-128-cbc, "
		"aes-256-cbc, 3des-ecb or 3des-cbc is expected: 'des'"},
	{HEAD KEK AUC "  transport_keys:\n    - { name: a, algorithm: 3des-ecb, key_file: /k, "
		      "fields: [ opc ] }\n",
		": auc.transport_keys: a: fields: [k] or [k, opc] is expected"},
	{HEAD KEK AUC "  transport_keys:\n    - { name: a, algorithm: 3des-cbc, key_file: /k, "
		      "fields: [ k ], iv: \"" ZEROS "\" }\n",
		": auc.transport_keys: a: iv: 16 hex digits are expected"},
	{HEAD KEK AUC "  transport_keys:\n    - { name: a, algorithm: 3des-cbc, key_file: /k, "
		      "fields: [ k ], kcv: \"12345g\" }\n",
		": auc.transport_keys: a: kcv: 6 hex digits are expected"},
	{HEAD KEK AUC "  transport_keys:\n"
		      "    - { name: a, algorithm: 3des-cbc, key_file: /k, fields: [ k ] }\n"
		      "    - { name: a, algorithm: 3des-cbc, key_file: /k, fields: [ k ] }\n",
		": auc.transport_keys: stands twice: 'a'"},
	{HEAD KEK AUC "  profiles:\n    - { number: 16, r: [ 64, 0, 32, 64, 96 ], c: " C5 " }\n",
		": auc.profiles.number: a number from 1 to 15 is expected: '16'"},
	{HEAD KEK AUC "  profiles:\n    - { number: 1, r: [ 64, 0, 32, 64 ], c: " C5 " }\n",
		": auc.profiles: 1: five of r and five of c are expected"},
	{HEAD KEK AUC "  profiles:\n    - { number: 1, r: [ 64, 0, 32, 64, 128 ], c: " C5 " }\n",
		": auc.profiles: 1: r under 128, and no two pairs of r and c alike, are expected "
		"[TS "
		"35.206 §5.3]"},
	{HEAD KEK AUC "  profiles:\n    - { number: 1, r: [ 64, 0, 32, 64, 96 ], c: [ \"" ZEROS
		      "\", \"0\", \"0\", \"0\", \"0\" ] }\n",
		": auc.profiles: 1: c: 32 hex digits are expected"},
	{HEAD KEK AUC "  profiles:\n    - { number: 2, r: [ 64, 0, 32, 64, 96 ], c: " C5 " }\n"
		      "    - { number: 2, r: [ 64, 0, 32, 64, 96 ], c: " C5 " }\n",
		": auc.profiles: stands twice: '2'"},
	{HEAD KEK AUC "  vault: { subscriber_burst: 16777217 }\n",
		": auc.vault.subscriber_burst: a number from 0 to 16777216 is expected: "
		"'16777217'"},
};

static void what_makes_no_sense_is_refused_with_its_key(void **state)
{
	struct complaint c;
	struct site *site;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		assert_int_equal(load(refused[i].text, false, &site, &c).kind, ERR_INPUT);
		assert_string_equal(c.text, refused[i].complaint);
	}
}

static void each_file_that_is_named_must_be_there(void **state)
{
	static const struct {
		const char *text, *key;
	} rows[] = {
		{HEAD AUC "  passphrase_file: /nowhere/p\n", ": auc.passphrase_file: /nowhere/p: "},
		{HEAD AUC "  token: { module: /nowhere/m, token: t, key: k, pin_file: /etc/passwd "
			  "}\n",
			": auc.token.module: /nowhere/m: "},
		{HEAD AUC "  token: { module: /etc/passwd, token: t, key: k, pin_file: /nowhere/n "
			  "}\n",
			": auc.token.pin_file: /nowhere/n: "},
		{HEAD AUC "  passphrase_file: /etc/passwd\n  kek_file_before: /nowhere/k\n",
			": auc.kek_file_before: /nowhere/k: "},
	};
	struct complaint c;
	struct site *site;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(load(rows[i].text, true, &site, &c).kind, ERR_INPUT);
		assert_memory_equal(c.text, rows[i].key, strlen(rows[i].key));
	}
}

static const char *setting(
	const struct supervisor_plan *plan, const char *process, const char *name)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->rows[i].name, process) == 0)
			return settings_find(&plan->rows[i].settings, name);
	fail_msg("no process %s", process);
	return NULL;
}

static const char full[] = HEAD AUC
	"  lease_ahead: 5000\n  token: { module: /m.so, token: t, key: k, pin_file: /pin, "
	"environment: [ \"A=1\", \"B=2\" ] }\n"
	"  kek_file_before: /old\n  vault: { rate_per_s: 5, auts_burst: 0 }\n  allow_xor: true\n"
	"  transport_keys:\n    - { name: batch 7, algorithm: 3des-cbc, key_file: /k, fields: [ k, "
	"opc ], iv: \"0102030405060708\", kcv: 8ca64d }\n"
	"  profiles:\n    - { number: 4, r: [ 8, 16, 24, 40, 56 ], c: " C5 " }\n";

static const struct {
	const char *name, *serving, *importing;
} settings[] = {
	{"role", "serve", "import"},
	{"kek_file", NULL, NULL},
	{"token.module", "/m.so", "/m.so"},
	{"token.token", "t", "t"},
	{"token.key", "k", "k"},
	{"token.pin_file", "/pin", "/pin"},
	{"token.user", "nobody", "nobody"},
	{"token.environment.1", "B=2", "B=2"},
	{"kek_file_before", "/old", "/old"},
	{"rate_per_s", "5", NULL},
	{"auts_burst", "0", NULL},
	{"subscriber_burst", "10000", NULL}, /* above what the lease grants */
	{"allow_xor", "true", "true"},
	{"profiles.0.number", "4", "4"},
	{"profiles.0.r", "8,16,24,40,56", "8,16,24,40,56"},
	{"transport.0.name", NULL, "batch 7"},
	{"transport.0.algorithm", NULL, "3des-cbc"},
	{"transport.0.fields", NULL, "k,opc"},
	{"transport.0.iv", NULL, "0102030405060708"},
	{"transport.0.kcv", NULL, "8ca64d"},
};

static void must_be(const char *name, const char *is, const char *wanted)
{
	if (wanted == NULL ? is != NULL : is == NULL || strcmp(is, wanted) != 0)
		fail_msg("%s is %s", name, is);
}

static void each_vault_gets_what_is_for_it(void **state)
{
	struct supervisor_plan *plan = calloc(1, sizeof *plan);
	struct complaint c;
	struct site *site;

	(void)state;
	if (failed(load(full, false, &site, &c)) || failed(plan_from_site(site, plan, &c)))
		fail_msg("%s", c.text);
	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		must_be(settings[i].name, setting(plan, "auc-vault", settings[i].name),
			settings[i].serving);
		must_be(settings[i].name, setting(plan, "auc-import-vault", settings[i].name),
			settings[i].importing);
	}
	must_be("allow_xor", setting(plan, "auc-import", "allow_xor"), "true");
	must_be("profiles", setting(plan, "auc-import", "profiles"), "16");
	site_free(site);
	free(plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_makes_no_sense_is_refused_with_its_key),
		cmocka_unit_test(each_file_that_is_named_must_be_there),
		cmocka_unit_test(each_vault_gets_what_is_for_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
