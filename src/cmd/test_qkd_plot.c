// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/command.h"
#include "cmd/qkd_history.h"
#include "base/attr.h"
#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

/* ---- the command, run as the front door does, with what it writes ---- */

enum { TEXT_MAX = 8 << 20, WORDS_MAX = 12 };
static char out[TEXT_MAX], err[TEXT_MAX], path[] = "/tmp/merlon-plot-XXXXXX";

static int redirect(int fd, FILE *to)
{
	const int saved = dup(fd);

	assert_true(saved >= 0 && dup2(fileno(to), fd) == fd);
	return saved;
}

static void restore(int fd, int saved, FILE *from, char *text)
{
	assert_int_equal(dup2(saved, fd), fd);
	close(saved);
	rewind(from);
	text[fread(text, 1, TEXT_MAX - 1, from)] = '\0';
	fclose(from);
}

static int merlon(const char *const words[])
{
	char *argv[WORDS_MAX] = {(char *)(uintptr_t)"merlon"};
	FILE *out_file = tmpfile(), *err_file = tmpfile();
	int argc = 1;

	for (; words[argc - 1] != NULL; argc++)
		argv[argc] = (char *)(uintptr_t)words[argc - 1];
	assert_true(out_file != NULL && err_file != NULL);
	fflush(stdout);
	const int out_saved = redirect(STDOUT_FILENO, out_file),
		  err_saved = redirect(STDERR_FILENO, err_file);
	const int code = command_dispatch(argc, argv);
	fflush(stdout);
	restore(STDOUT_FILENO, out_saved, out_file, out);
	restore(STDERR_FILENO, err_saved, err_file, err);
	return code;
}
#define MERLON(...) merlon((const char *const[]){__VA_ARGS__, NULL})

static void write_file(const char *text)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int plot(const char *text)
{
	write_file(text);
	return MERLON("qkd", "plot", "--blocks", path);
}

/* ---- XML, as much of it as these pictures have. Each part returns what follows it; NULL: it is not well formed ---- */

enum { DEPTH_MAX = 8 };

/* Characters and entities, up to one of `stops`. */
static const char *chars_end(const char *at, const char *stops)
{
	static const char *const entities[] = {"&amp;", "&lt;", "&gt;", "&quot;"};

	for (; *at != '\0' && strchr(stops, *at) == NULL; at++) {
		size_t i = 0;
		if ((unsigned char)*at < ' ' && *at != '\n')
			return NULL;
		while (*at == '&' && i < ARRAY_LEN(entities) &&
			strncmp(at, entities[i], strlen(entities[i])) != 0)
			i++;
		if (i == ARRAY_LEN(entities))
			return NULL;
	}
	return at;
}

static size_t name_len(const char *at)
{
	size_t len = 0;

	while (isalnum((unsigned char)at[len]) || at[len] == '-')
		len++;
	return isalpha((unsigned char)*at) ? len : 0;
}

static const char *attributes_end(const char *at)
{
	char seen[256] = " ", name[34];

	while (*at == ' ') {
		const size_t len = name_len(++at);
		if (len == 0 || len > 30 || strncmp(at + len, "=\"", 2) != 0)
			return NULL;
		snprintf(name, sizeof name, " %.*s ", (int)len, at);
		if (strstr(seen, name) != NULL) /* twice */
			return NULL;
		strncat(seen, name + 1, sizeof seen - strlen(seen) - 1);
		at = chars_end(at + len + 2, "\"<");
		if (at == NULL || *at++ != '"')
			return NULL;
	}
	return at;
}

static bool is_well_formed(const char *at)
{
	const char *open[DEPTH_MAX];
	size_t depth = 0;

	do {
		const bool is_end = at[0] == '<' && at[1] == '/';
		const char *name = at + 1 + is_end;
		const size_t len = *at == '<' ? name_len(name) : 0;
		if (len == 0 || (is_end && (strncmp(open[depth - 1], name, len) != 0 ||
						   name_len(open[depth - 1]) != len)))
			return false;
		at = is_end ? name + len : attributes_end(name + len);
		if (at == NULL || (!is_end && *at != '/' && depth == DEPTH_MAX))
			return false;
		if (is_end)
			depth--;
		else if (*at == '/')
			at++;
		else
			open[depth++] = name;
		if (*at++ != '>')
			return false;
		at = depth > 0 ? chars_end(at, "<") : at;
	} while (at != NULL && depth > 0);
	return at != NULL && strcmp(at, "\n") == 0;
}

static void assert_svg(void)
{
	assert_int_equal(strncmp(out, "<svg xmlns=\"http://www.w3.org/2000/svg\" ", 40), 0);
	assert_true(is_well_formed(out));
}

static size_t count_of(const char *what)
{
	size_t count = 0;

	for (const char *at = strstr(out, what); at != NULL; at = strstr(at + 1, what))
		count++;
	return count;
}

static void assert_drawn(const char *what)
{
	if (strstr(out, what) == NULL)
		fail_msg("not drawn: %s", what);
}

static void test_what_is_not_well_formed_is_seen(void **state)
{
	static const char *const bad[] = {"<a>\n", "<a></b>\n", "<a></ab>\n", "<a b=1/>\n",
		"<a b=\"1\" b=\"2\"/>\n", "<a b=\"<\"/>\n", "<a>&</a>\n", "<a>\x01</a>\n",
		"<a/><a/>\n", "<a><b></a></b>\n", "<a b=\"1/>\n", "a\n", "<a", "<1/>\n", ""};
	static const char *const good[] = {"<a/>\n", "<a b=\"1\" c=\"2\">x &amp; y<b/></a>\n",
		"<a><b>1</b>\n<c d=\"\"/></a>\n"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(is_well_formed(bad[i]));
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(is_well_formed(good[i]));
}

/* ---- blocks ---- */

struct told {
	unsigned long long ms;
	const char *site, *state, *abort;
	double qber, test_qber;
	unsigned final_bits, refill_bits;
};

static const char *lines(const struct told *blocks, size_t count)
{
	static char text[16 << 10];
	size_t len = 0;

	for (size_t i = 0; i < count; i++)
		len += (size_t)snprintf(text + len, sizeof text - len,
			"{\"unix_ms\":%llu,\"state\":\"%s\",\"link\":\"l\",\"block_id\":\"%032zx\","
			"\"abort\":\"%s\",\"qber\":%g,\"test_qber\":%g,\"revealed\":%d,"
			"\"final_bits\":%u,\"refill_bits\":%u,\"site\":\"%s\",\"mode\":null}\n",
			blocks[i].ms, blocks[i].state, i, blocks[i].abort, blocks[i].qber,
			blocks[i].test_qber < 0 ? 0 : blocks[i].test_qber, blocks[i].test_qber >= 0,
			blocks[i].final_bits, blocks[i].refill_bits, blocks[i].site);
	assert_true(len < sizeof text);
	return text;
}

static const struct told four[] = {
	{1700000000000, "core", "ready", "none", 0.01, -1, 25600, 1024},
	{1700000050000, "core", "aborted", "qber_too_high", 0, 0.05, 0, 0},
	{1700000100000, "core", "ready", "none", 0.02, -1, 31024, 1024},
	{1700000200000, "core", "pending", "none", 0.03, -1, 70000, 0},
	{1700000200000, "core", "spent", "none", 0.04, 0.03, 50000, 0},
};

/*
 * By hand: 200 s over 600 from 80 on; 5 % over 200 from 270 up; 30000 bits in 100 s, then 50000 in 100 s: 300 and
 * 500 bit/s, over 200 from 520 up. The aborted block lies within the first step, the pending one is no key yet.
 */
static void test_points_lie_where_the_numbers_say(void **state)
{
	(void)state;
	assert_int_equal(plot(lines(four, ARRAY_LEN(four))), EXIT_OK);
	assert_string_equal(err, "");
	assert_svg();
	assert_drawn("<circle class=\"key\" cx=\"80.0\" cy=\"230.0\"");
	assert_drawn("<circle class=\"key\" cx=\"380.0\" cy=\"190.0\"");
	assert_drawn("<circle class=\"key\" cx=\"680.0\" cy=\"150.0\"");
	assert_drawn("<circle class=\"key\" cx=\"680.0\" cy=\"110.0\"");
	assert_drawn("<circle class=\"test\" cx=\"230.0\" cy=\"70.0\"");
	assert_drawn("<circle class=\"test\" cx=\"680.0\" cy=\"150.0\"");
	assert_int_equal(count_of("class=\"key\""), 4);
	assert_int_equal(count_of("class=\"test\""), 2);
	assert_drawn("d=\"M80.0 400.0 H380.0 V320.0 H680.0\"");
	assert_int_equal(count_of("class=\"rate\""), 1);
	assert_drawn("text-anchor=\"end\">500</text>");
	assert_drawn("text-anchor=\"end\">5</text>");
	assert_drawn(
		"Blocks of quantum links: 5, of them 1 aborted or void; 2023-11-14 22:13:20 to "
		"2023-11-14 22:16:40 UTC");
	/* 22:14:00 is 40 s from the left */
	assert_drawn("x=\"200.0\" y=\"538\" text-anchor=\"middle\">22:14:00</text>");
}

static void test_lost_blocks_are_marked_with_their_reason(void **state)
{
	static const struct told lost[] = {
		{1700000000000, "core", "ready", "none", 0.01, -1, 10, 0},
		{1700000010000, "core", "aborted", "peer_silent", 0, -1, 0, 0},
		{1700000020000, "core", "aborted", "qber_too_high", 0, 0.2, 0, 0},
		{1700000030000, "core", "void", "none", 0.01, -1, 5000, 0},
		{1700000040000, "core", "aborted", "peer_silent", 0, -1, 0, 0},
	};

	(void)state;
	assert_int_equal(plot(lines(lost, ARRAY_LEN(lost))), EXIT_OK);
	assert_svg();
	assert_int_equal(count_of("class=\"lost\""), 4);
	assert_drawn("<path class=\"lost\" d=\"M230.0 62 V520\" stroke=\"#b3262e\" "
		     "stroke-dasharray=\"3 3\"><title>core l 2023-11-14 22:13:30: "
		     "peer_silent</title></path><text x=\"230.0\" y=\"58\" "
		     "text-anchor=\"middle\" fill=\"#b3262e\">2</text>");
	assert_drawn(">1 qber_too_high: 1</text>");
	assert_drawn(">2 peer_silent: 2</text>");
	assert_drawn(">3 void: 1</text>");
	assert_drawn("no rate: it needs two"); /* the void block's bits are none */
}

static void test_ends_and_links_have_their_own_rates(void **state)
{
	static const struct told two[] = {
		{1700000000000, "a<b>&c", "ready", "none", 0.01, -1, 999, 0},
		{1700000010000, "core", "ready", "none", 0.01, -1, 999, 0},
		{1700000010000, "core", "ready", "none", 0.01, -1, 999, 0}, /* of the same time */
		{1700000020000, "a<b>&c", "ready", "none", 0.01, -1, 2000, 0},
		{1700000020000, "core", "ready", "none", 0.01, -1, 300, 0},
		{1700000020000, "core", "ready", "none", 0.01, -1, 200, 0},
	};

	(void)state;
	assert_int_equal(plot(lines(two, ARRAY_LEN(two))), EXIT_OK);
	assert_svg();
	/* 2000 bits in 20 s; 500 in 10 s: of at most 100 bit/s */
	assert_drawn("stroke=\"#1b6ca8\" stroke-width=\"2\" d=\"M80.0 320.0 H680.0\"");
	assert_drawn("stroke=\"#c77c11\" stroke-width=\"2\" d=\"M380.0 420.0 H680.0\"");
	assert_int_equal(count_of("class=\"rate\""), 2);
	assert_drawn("a&lt;b&gt;&amp;c l</text>");
}

static void test_one_block_is_a_picture_too(void **state)
{
	static const struct told one[] = {{0, "core", "ready", "none", 0, -1, 10, 0}};

	(void)state;
	assert_int_equal(plot(lines(one, 1)), EXIT_OK);
	assert_svg();
	assert_drawn("<circle class=\"key\" cx=\"380.0\" cy=\"270.0\""); /* 0 % */
	assert_drawn("no rate: it needs two");
}

static void test_standard_input_is_read_for_a_dash(void **state)
{
	(void)state;
	write_file(lines(four, ARRAY_LEN(four)));
	assert_non_null(freopen(path, "re", stdin));
	assert_int_equal(MERLON("qkd", "plot", "--blocks", "-"), EXIT_OK);
	assert_svg();
	assert_int_equal(count_of("class=\"key\""), 4);
	write_file("{\"unix_ms\":1}\n");
	assert_non_null(freopen(path, "re", stdin));
	assert_int_equal(MERLON("qkd", "plot", "--blocks", "-"), EXIT_CONFIG);
	assert_string_equal(err, "merlon: standard input:1:1: site: it is not there; a string of 1 "
				 "to 64 printable characters of ASCII is expected\n");
}

/* What is wrong is told by line, column and field, and no part of a picture comes. */
static void test_bad_input_draws_nothing(void **state)
{
	static const struct {
		const char *behind, *told;
	} bad[] = {
		{"{", ":6:2: JSON: an object { … } of at most 4096 octets is expected\n"},
		{"\n\n[1]", ":8:1: JSON: an object"},
		{"{\"unix_ms\":1,\"qber\":2}", ":6:14: qber: a number from 0 to 1 is expected\n"},
		{"{\"unix_ms\":1,\"abort\":\"rain\"}",
			":6:14: abort: none or a reason to abort that Merlon knows is expected\n"},
		{"{\"state\":\"gone\"}",
			":6:2: state: pending, final, agreed, ready, spent, void or "
			"aborted is expected\n"},
	};
	char text[8192], told[256];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		snprintf(text, sizeof text, "%s%s", lines(four, ARRAY_LEN(four)), bad[i].behind);
		assert_int_equal(plot(text), EXIT_CONFIG);
		assert_string_equal(out, "");
		snprintf(told, sizeof told, "merlon: %s%s", path, bad[i].told);
		assert_int_equal(strncmp(err, told, strlen(told)), 0);
	}
	assert_int_equal(plot("\n \n"), EXIT_CONFIG);
	assert_string_equal(out, "");
	assert_non_null(strstr(err, "no block"));
	assert_int_equal(MERLON("qkd", "plot", "--blocks", "/nonexistent/x"), EXIT_CONFIG);
	assert_string_equal(err, "merlon: /nonexistent/x: No such file or directory\n");
	assert_int_equal(MERLON("qkd", "plot", "--blocks", "/tmp"), EXIT_CONFIG);
	assert_string_equal(err, "merlon: /tmp: Is a directory\n");
	assert_string_equal(out, "");
}

static void write_blocks(unsigned count)
{
	FILE *file = fopen(path, "we");

	assert_non_null(file);
	for (unsigned i = 0; i < count; i++) {
		const struct told block = {
			1700000000000 + 1000ull * i, "core", "ready", "none", 0.01, -1, 500, 0};
		assert_true(fputs(lines(&block, 1), file) >= 0);
	}
	assert_int_equal(fclose(file), 0);
}

static void test_the_limit_of_blocks(void **state)
{
	char told[128];

	(void)state;
	write_blocks(HISTORY_BLOCKS_MAX);
	assert_int_equal(MERLON("qkd", "plot", "--blocks", path), EXIT_OK);
	assert_svg();
	assert_int_equal(count_of("class=\"key\""), HISTORY_BLOCKS_MAX);
	write_blocks(HISTORY_BLOCKS_MAX + 1);
	assert_int_equal(MERLON("qkd", "plot", "--blocks", path), EXIT_CONFIG);
	assert_string_equal(out, "");
	snprintf(told, sizeof told, "merlon: %s:10001:1: block: one of at most 10000 is expected\n",
		path);
	assert_string_equal(err, told);
}

static void test_a_line_without_end_is_refused(void **state)
{
	char text[3 * HISTORY_LINE_MAX];

	(void)state;
	memset(text, ' ', sizeof text);
	text[sizeof text - 1] = '\0';
	assert_int_equal(plot(text), EXIT_CONFIG);
	assert_non_null(strstr(err, ":1:1: JSON: an object"));
	assert_string_equal(out, "");
}

static void test_options_of_the_plan_have_no_place_beside_blocks(void **state)
{
	(void)state;
	write_file(lines(four, ARRAY_LEN(four)));
	assert_int_equal(MERLON("qkd", "plot", "--blocks", path, "--set", "lab"), EXIT_USAGE);
	assert_non_null(strstr(err, "--set has no place"));
	assert_int_equal(MERLON("qkd", "plot", "--one-way", "-b", path), EXIT_USAGE);
	assert_non_null(strstr(err, "--one-way has no place"));
	assert_string_equal(out, "");
}

static void test_a_full_disk_is_a_failure(void **state)
{
	const int full = open("/dev/full", O_WRONLY | O_CLOEXEC), saved = dup(STDOUT_FILENO);

	(void)state;
	write_file(lines(four, ARRAY_LEN(four)));
	char *words[] = {(char *)(uintptr_t)"merlon", (char *)(uintptr_t)"qkd",
		(char *)(uintptr_t)"plot", (char *)(uintptr_t)"-b", path};
	fflush(stdout);
	assert_true(full >= 0 && dup2(full, STDOUT_FILENO) >= 0);
	const int code = command_dispatch(ARRAY_LEN(words), words);
	clearerr(stdout);
	assert_true(dup2(saved, STDOUT_FILENO) >= 0);
	close(saved);
	close(full);
	assert_int_equal(code, EXIT_FAILED);
}

/* ---- the rate over the loss ---- */

static double planned_rate(const char *loss_db, const char *block)
{
	const char *at;

	assert_int_equal(MERLON("qkd", "plan", "--set", "lim-2014", "--loss-db", loss_db, "--block",
				 block, "-o", "json"),
		EXIT_OK);
	at = strstr(out, "\"bits_per_s\":");
	assert_non_null(at);
	return strtod(at + strlen("\"bits_per_s\":"), NULL);
}

/* Ten dB over 530 from 80 on; seven powers of ten over 380 from 420 up, the best rate's power on top. */
static void test_the_planned_rate_lies_where_the_plan_says(void **state)
{
	static const char begin[] = "stroke=\"#6b3fa0\" stroke-width=\"2\" d=\"M80.0 ";
	const double best = planned_rate("0", "1e8"), far = planned_rate("10", "1e8");
	const double top = ceil(log10(best));

	(void)state;
	assert_int_equal(MERLON("qkd", "plot", "--set", "lim-2014", "--loss-max", "10"), EXIT_OK);
	assert_string_equal(err, "");
	assert_svg();
	assert_int_equal(count_of("<path fill=\"none\""), 5); /* a curve each for 1e4 to 1e8 bits */
	const char *curve = strstr(out, begin);
	assert_non_null(curve);
	assert_true(fabs(strtod(curve + strlen(begin), NULL) -
			    (40 + (top - log10(best)) * 380 / 7)) < 0.5);
	const char *end = strstr(curve, " L610.0 ");
	assert_non_null(end);
	assert_true(fabs(strtod(end + strlen(" L610.0 "), NULL) -
			    (40 + (top - log10(far)) * 380 / 7)) < 0.5);
}

static void test_a_bad_plan_draws_nothing(void **state)
{
	(void)state;
	assert_int_equal(MERLON("qkd", "plot", "--loss-max", "9"), EXIT_USAGE);
	assert_string_equal(out, "");
	assert_non_null(strstr(err, "--loss-max"));
	assert_int_equal(MERLON("qkd", "plot", "--misalignment", "0.4"), EXIT_FAILED);
	assert_string_equal(out, "");
	assert_int_equal(MERLON("qkd", "plot", "--set", "none"), EXIT_USAGE);
	assert_string_equal(out, "");
}

static int file_make(void **state)
{
	const int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? -1 : close(fd);
}

static int file_remove(void **state)
{
	(void)state;
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_not_well_formed_is_seen),
		cmocka_unit_test(test_points_lie_where_the_numbers_say),
		cmocka_unit_test(test_lost_blocks_are_marked_with_their_reason),
		cmocka_unit_test(test_ends_and_links_have_their_own_rates),
		cmocka_unit_test(test_one_block_is_a_picture_too),
		cmocka_unit_test(test_standard_input_is_read_for_a_dash),
		cmocka_unit_test(test_bad_input_draws_nothing),
		cmocka_unit_test(test_the_limit_of_blocks),
		cmocka_unit_test(test_a_line_without_end_is_refused),
		cmocka_unit_test(test_options_of_the_plan_have_no_place_beside_blocks),
		cmocka_unit_test(test_a_full_disk_is_a_failure),
		cmocka_unit_test(test_the_planned_rate_lies_where_the_plan_says),
		cmocka_unit_test(test_a_bad_plan_draws_nothing),
	};
	return cmocka_run_group_tests(tests, file_make, file_remove);
}
