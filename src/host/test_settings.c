// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "base/attr.h"
#include "host/settings.h"
#include <stdarg.h>
#include <setjmp.h>
#include <stdio.h>
#include <cmocka.h>

struct peer {
	char name[16];
	uint64_t port;
};

struct wanted {
	char address[16];
	uint64_t port;
	bool is_strict;
	double qber;
	size_t peer_count;
	struct peer peers[2];
	size_t slave_count;
	char slaves[3][8];
};

static const struct setting_row peer_rows[] = {
	SETTING_ROW("name", SETTING_TEXT, false, struct peer, name),
	SETTING_ROW("port", SETTING_U64, true, struct peer, port),
};
static const struct setting_row slave_rows[] = {
	{.name = "", .type = SETTING_TEXT, .size = 8},
};
static const struct setting_row rows[] = {
	SETTING_ROW("listen.address", SETTING_TEXT, false, struct wanted, address),
	SETTING_ROW("listen.port", SETTING_U64, false, struct wanted, port),
	SETTING_ROW("strict", SETTING_BOOL, true, struct wanted, is_strict),
	SETTING_ROW("qber", SETTING_F64, true, struct wanted, qber),
	SETTING_LIST_ROW("peers", true, struct wanted, peers, peer_count, peer_rows),
	SETTING_LIST_ROW("slaves", true, struct wanted, slaves, slave_count, slave_rows),
};

static struct settings s;
static struct wanted out;
static struct complaint c;

static int set_up(void **state)
{
	(void)state;
	s.count = 0;
	out = (struct wanted){.qber = 0.5};
	c.text[0] = '\0';
	assert_false(failed(settings_set(&s, "listen.address", "%s", "127.0.0.1")));
	assert_false(failed(settings_set(&s, "listen.port", "%d", 4222)));
	return 0;
}

static struct err read_all(void)
{
	return settings_read(&s, rows, ARRAY_LEN(rows), &out, &c);
}

static void add(const char *name, const char *text)
{
	assert_false(failed(settings_set(&s, name, "%s", text)));
}

static void test_rows_fill_the_structure(void **state)
{
	(void)state;
	add("strict", "true");
	add("peers.0.name", "core");
	add("peers.0.port", "7020");
	add("peers.1.name", "radio");
	add("slaves.0", "a");
	assert_false(failed(read_all()));
	assert_string_equal(out.address, "127.0.0.1");
	assert_int_equal(out.port, 4222);
	assert_true(out.is_strict);
	assert_true(out.qber == 0.5);
	assert_int_equal(out.peer_count, 2);
	assert_string_equal(out.peers[1].name, "radio");
	assert_int_equal(out.peers[0].port, 7020);
	assert_int_equal(out.slave_count, 1);
	assert_string_equal(out.slaves[0], "a");
}

static void refuses(const char *name, const char *text, const char *sentence)
{
	set_up(NULL);
	add(name, text);
	assert_true(failed(read_all()));
	assert_string_equal(c.text, sentence);
}

static void test_what_is_wrong_is_named(void **state)
{
	(void)state;
	refuses("listen.prot", "1", "setting listen.prot is not known here");
	refuses("listen.port", "-1", "setting listen.port is not a whole number: -1");
	refuses("listen.port", " 1", "setting listen.port is not a whole number:  1");
	refuses("listen.port", "99999999999999999999",
		"setting listen.port is not a whole number: 99999999999999999999");
	refuses("strict", "yes", "setting strict is neither true nor false: yes");
	refuses("qber", "nan", "setting qber is not a number: nan");
	refuses("listen.address", "a text that is too long",
		"setting listen.address is longer than 15 octets");
	refuses("peers.0.port", "1", "setting peers.0.name is missing");
	refuses("peers.1.name", "x", "setting peers.1.name is not known here"); /* a gap */
	s.count = 1;
	c.text[0] = '\0';
	assert_true(failed(read_all()));
	assert_string_equal(c.text, "setting listen.port is missing");
}

static void test_list_ends_at_its_limit(void **state)
{
	(void)state;
	add("peers.0.name", "a");
	add("peers.1.name", "b");
	assert_false(failed(read_all()));
	add("peers.2.name", "c");
	assert_int_equal(read_all().kind, ERR_LIMIT);
}

static void test_what_may_change_is_not_named_and_the_rest_is(void **state)
{
	static const char *const taken[] = {"rate", "gone"};
	static struct settings a, b;
	struct complaint told = {0};

	(void)state;
	a = b = (struct settings){0};
	assert_false(
		failed(settings_set(&a, "rate", "1")) || failed(settings_set(&b, "rate", "2")));
	assert_false(failed(settings_set(&a, "gone", "x")));
	assert_false(failed(settings_equal_but(&a, &b, taken, ARRAY_LEN(taken), &told)));
	assert_false(failed(settings_set(&b, "port", "3")));
	assert_int_equal(
		settings_equal_but(&a, &b, taken, ARRAY_LEN(taken), &told).kind, ERR_STATE);
	assert_string_equal(told.text, "a change of port needs a restart");
}

static void test_settings_end_at_their_limit(void **state)
{
	char name[SETTING_NAME_MAX];

	(void)state;
	for (int i = 0; s.count < SETTINGS_MAX; i++) {
		snprintf(name, sizeof name, "n.%d", i);
		add(name, "");
	}
	assert_int_equal(settings_set(&s, "one.more", "x").kind, ERR_LIMIT);
	add("listen.port", "1"); /* a known name needs no room */
	assert_string_equal(settings_find(&s, "listen.port"), "1");
}

static void test_encoded_settings_come_back(void **state)
{
	static struct settings back;
	static uint8_t bytes[SETTINGS_ENCODED_MAX];
	struct span encoded;
	const char *different = NULL;

	(void)state;
	settings_encode(&s, SPAN_MUT_ARRAY(bytes), &encoded);
	assert_false(failed(settings_decode(&back, encoded)));
	assert_true(settings_equal(&s, &back, NULL));
	for (size_t len = 0; len < encoded.len; len++)
		assert_int_equal(settings_decode(&back, span_of(bytes, len)).kind, ERR_INPUT);
	assert_false(failed(settings_decode(&back, encoded)));
	assert_false(failed(settings_set(&back, "strict", "true")));
	assert_false(settings_equal(&s, &back, &different));
	assert_string_equal(different, "strict");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_rows_fill_the_structure, set_up),
		cmocka_unit_test_setup(test_what_is_wrong_is_named, set_up),
		cmocka_unit_test_setup(test_list_ends_at_its_limit, set_up),
		cmocka_unit_test(test_what_may_change_is_not_named_and_the_rest_is),
		cmocka_unit_test_setup(test_settings_end_at_their_limit, set_up),
		cmocka_unit_test_setup(test_encoded_settings_come_back, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
