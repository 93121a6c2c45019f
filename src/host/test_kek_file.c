// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/kek_file.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static char path[] = "/tmp/merlon-kek-XXXXXX";

static struct err read_as(const char *content, size_t len, const char *purpose, struct secret *key,
	uint32_t *id, struct complaint *c)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(content, 1, len, file), len);
	fclose(file);
	return kek_file_read(path, purpose, key, id, c);
}

static const char hex[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n";

static void hex_and_raw_are_the_same_key(void **state)
{
	char raw[32];
	struct secret a, b, d;
	uint32_t id_a, id_b, id_d;

	(void)state;
	for (int i = 0; i < 32; i++)
		raw[i] = (char)i;
	assert_false(failed(read_as(hex, 65, "auc", &a, &id_a, NULL)));
	assert_false(failed(read_as(raw, 32, "auc", &b, &id_b, NULL)));
	assert_false(failed(read_as(hex, 64, "kms", &d, &id_d, NULL)));
	assert_memory_equal(a.bytes, b.bytes, 32);
	assert_int_equal(id_a, id_b);
	assert_memory_not_equal(a.bytes, d.bytes, 32);
	assert_int_not_equal(id_a, id_d);
	assert_memory_not_equal(a.bytes, raw, 32);
	secret_close(&a);
	secret_close(&b);
	secret_close(&d);
}

static void what_is_no_key_is_refused_by_name(void **state)
{
	static const struct {
		const char *content;
		size_t len;
	} rows[] = {{"", 0}, {hex, 63}, {"g", 1}, {"000102", 6},
		{"00010203040506070809zz0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n", 65},
		{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f0011\n", 69}};
	struct secret key;
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct complaint c = {0};
		assert_int_equal(read_as(rows[i].content, rows[i].len, "auc", &key, &id, &c).kind,
			ERR_INPUT);
		assert_null(key.bytes);
		assert_non_null(strstr(c.text, path));
	}
	unlink(path);
	struct complaint c = {0};
	assert_int_equal(kek_file_read(path, "auc", &key, &id, &c).kind, ERR_IO);
	assert_non_null(strstr(c.text, "No such file"));
}

/* A text file is looked at in the same way. Told once is enough: the first stays. */
static void a_file_that_all_may_read_is_told(void **state)
{
	static const mode_t fine[] = {0400, 0600, 0640};
	char former[] = "/tmp/merlon-kek-text-XXXXXX";
	struct secret key;
	uint32_t id;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
		assert_int_equal(chmod(path, fine[i]), 0);
		assert_false(failed(kek_file_read(path, "auc", &key, &id, NULL)));
		secret_close(&key);
		assert_null(key_file_open_to_all());
	}
	const int fd = mkstemp(former);
	assert_int_equal(write(fd, "a passphrase\n", 13), 13);
	assert_int_equal(fchmod(fd, 0604), 0);
	close(fd);
	assert_false(failed(text_file_read(former, "passphrase_file", 1, 64, &key, NULL)));
	secret_close(&key);
	assert_string_equal(key_file_open_to_all(), former);
	assert_int_equal(chmod(path, 0602), 0);
	assert_false(failed(kek_file_read(path, "auc", &key, &id, NULL)));
	secret_close(&key);
	assert_string_equal(key_file_open_to_all(), former);
	unlink(former);
	chmod(path, 0600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hex_and_raw_are_the_same_key),
		cmocka_unit_test(a_file_that_all_may_read_is_told),
		cmocka_unit_test(what_is_no_key_is_refused_by_name),
	};

	close(mkstemp(path));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
