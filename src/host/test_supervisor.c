// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * A small site: store, its vault, front, a program of somebody else's, an import with a vault of
 * its own. The supervisor runs in a child; the test asks over its control socket and kills what it
 * likes.
 */
#include "base/attr.h"
#include "host/control.h"
#include "host/supervisor.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { PATIENCE_MS = 8000, ASK_MS = 8000 };
enum { EXIT_PLAN_REFUSED = 3 };

static struct supervisor_plan *plan;
static char folder[64], socket_path[SUPERVISOR_SOCKET_PATH_MAX], word_file[96], complaint_file[96];
static pid_t supervisor;

/* ---- The site ---- */

static struct process_row *row_add(
	struct supervisor_plan *p, const char *name, const char *executable, unsigned flags)
{
	struct process_row *row = &p->rows[p->count++];

	snprintf(row->name, sizeof row->name, "%s", name);
	snprintf(row->executable, sizeof row->executable, "%s", executable);
	row->flags = flags;
	return row;
}

static void neighbour_add(struct process_row *row, const char *name)
{
	snprintf(row->neighbours[row->neighbour_count++], sizeof row->neighbours[0], "%s", name);
}

/* The words of store and front come from a file: what a reload reads again. */
static struct err words_read(char store[32], char front[32])
{
	FILE *file = fopen(word_file, "r");

	if (file == NULL)
		return ERR(ABSENT);
	const int n = fscanf(file, "%31s %31s", store, front);
	fclose(file);
	return n == 2 ? OK : ERR(INPUT);
}

static struct err plan_fill(void *ctx, struct supervisor_plan *p, struct complaint *c)
{
	char store_word[32], front_word[32];
	struct process_row *row;

	(void)ctx;
	struct err e = words_read(store_word, front_word);
	if (failed(e))
		return complain(c, e, "no words in %s", word_file);
	snprintf(p->site, sizeof p->site, "test");
	snprintf(p->user, sizeof p->user, "%s", geteuid() == 0 ? "nobody" : "");
	snprintf(p->run_folder, sizeof p->run_folder, "%s/run", folder);
	p->log_least = getenv("MERLON_TEST_LOG") != NULL ? LOG_DEBUG
		       : strcmp(store_word, "loud") == 0 ? LOG_WARN
							 : LOG_ERROR;
	row = row_add(p, "store", "test_host_daemon_store", 0);
	e = settings_set(&row->settings, "word", "%s", store_word);
	row = row_add(p, "vault", "test_host_daemon_vault", ROW_VAULT);
	neighbour_add(row, "store");
	if (!failed(e))
		e = settings_set(&row->settings, "word", "vault:");
	row = row_add(p, "front", "test_host_daemon_front", 0);
	neighbour_add(row, "store");
	if (!failed(e))
		e = settings_set(&row->settings, "word", "%s", front_word);
	row = row_add(p, "sleeper", "/bin/sleep", ROW_EXTERNAL);
	snprintf(row->arguments[row->argument_count++], sizeof row->arguments[0], "1000");
	row_add(p, "once", "test_host_daemon_once", ROW_RUN_ONCE);
	row = row_add(p, "once-vault", "test_host_daemon_vault", ROW_RUN_ONCE | ROW_VAULT);
	neighbour_add(row, "once");
	if (!failed(e))
		e = settings_set(&row->settings, "word", "once:");
	return e;
}

static void words_write(const char *store, const char *front)
{
	FILE *file = fopen(word_file, "w");

	assert_non_null(file);
	fprintf(file, "%s %s\n", store, front);
	fclose(file);
}

static void supervisor_main(void)
{
	struct complaint c = {0};
	struct err e = plan_fill(NULL, plan, &c);

	plan->replan = plan_fill;
	alarm(100);
	if (!failed(e))
		e = supervisor_run(plan, &c);
	if (failed(e)) {
		FILE *file = fopen(complaint_file, "w");
		if (file != NULL) {
			fputs(c.text, file);
			fclose(file);
		}
		_exit(EXIT_PLAN_REFUSED);
	}
	_exit(0);
}

static void site_start(void)
{
	fflush(NULL);
	supervisor = fork();
	assert_true(supervisor >= 0);
	if (supervisor == 0)
		supervisor_main();
}

static int site_wait_end(void)
{
	int status = -1;

	for (int i = 0; i < PATIENCE_MS / 10; i++) {
		if (waitpid(supervisor, &status, WNOHANG) == supervisor) {
			supervisor = 0;
			return status;
		}
		usleep(10000);
	}
	fail_msg("the supervisor does not end");
	return -1;
}

/* ---- What the operator sees ---- */

static struct control_reply ask(uint16_t type, struct span body)
{
	return control_ask(socket_path, type, body, -1, ASK_MS);
}

/* The front's answer to a query, compared; false where it is another or an error. */
static bool front_answers(const char *verb, const char *expected)
{
	uint8_t body[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	struct proc_query m = {.process = "front", .argument = "hello"};

	snprintf(m.verb, sizeof m.verb, "%s", verb);
	proc_query_encode(&w, &m);
	struct control_reply reply = ask(PROC_QUERY, writer_span_done(&w));
	const bool is_right = !failed(reply.err) && strcmp(reply.text, expected) == 0;
	control_reply_free(&reply);
	return is_right;
}

static bool chain_answers(void)
{
	return front_answers("ask", "\"vault:hello\"");
}

static void chain_wait(void)
{
	for (int i = 0; i < PATIENCE_MS / 20; i++) {
		if (chain_answers())
			return;
		usleep(20000);
	}
	fail_msg("no answer goes through front, store and vault");
}

/* A number of one process out of the status, by plain search: its members have a fixed order. */
static long status_number(const char *name, const char *member)
{
	char wanted[96];

	struct control_reply reply = ask(PROC_STATUS, span_of(NULL, 0));
	assert_false(failed(reply.err));
	snprintf(wanted, sizeof wanted, "{\"name\":\"%s\",", name);
	const char *at = strstr(reply.text, wanted);
	assert_non_null(at);
	snprintf(wanted, sizeof wanted, "\"%s\":", member);
	at = strstr(at, wanted);
	assert_non_null(at);
	const long value = strtol(at + strlen(wanted), NULL, 10);
	control_reply_free(&reply);
	return value;
}

/* Both in one answer: what holds for a moment only may not be asked for twice. */
static bool status_has_both(const char *a, const char *b)
{
	struct control_reply reply = ask(PROC_STATUS, span_of(NULL, 0));
	const bool has = !failed(reply.err) && strstr(reply.text, a) != NULL &&
			 strstr(reply.text, b) != NULL;

	control_reply_free(&reply);
	return has;
}

static bool status_has(const char *text)
{
	return status_has_both(text, "");
}

static void status_wait(const char *text, bool wanted)
{
	for (int i = 0; i < PATIENCE_MS / 20; i++) {
		if (status_has(text) == wanted)
			return;
		usleep(20000);
	}
	fail_msg("status %s %s", wanted ? "never says" : "goes on saying", text);
}

static bool is_gone(pid_t pid)
{
	for (int i = 0; i < 200; i++) {
		if (kill(pid, 0) != 0 && errno == ESRCH)
			return true;
		usleep(10000);
	}
	return false;
}

/* ---- The tests ---- */

static const char *const running[] = {"store", "vault", "front", "sleeper"};

static void test_the_site_answers_through_all_its_processes(void **state)
{
	(void)state;
	chain_wait();
	status_wait("\"is_ready\":true", true);
	assert_true(status_has("{\"site\":\"test\","));
	assert_true(status_has("\"sandbox\":\"front\""));
	assert_true(status_has("\"word\":\"one\""));
	assert_true(status_has("\"alarms\":[]"));
}

static void test_whoever_is_killed_comes_back_and_is_reached_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(running); i++) {
		chain_wait();
		const long pid = status_number(running[i], "pid"),
			   restarts = status_number(running[i], "restarts");
		assert_true(pid > 0);
		assert_int_equal(kill((pid_t)pid, SIGKILL), 0);
		for (int k = 0; k < 400 && status_number(running[i], "restarts") == restarts; k++)
			usleep(20000);
		status_wait("\"alarm\":\"process_down\"", false);
		chain_wait();
		assert_int_equal(status_number(running[i], "restarts"), restarts + 1);
		assert_int_not_equal(status_number(running[i], "pid"), pid);
	}
}

/* Stopped, it lives, is not waited for, and says nothing. */
static void hang(const char *name)
{
	char text[96];

	chain_wait();
	const long pid = status_number(name, "pid"), hangs = status_number(name, "hangs");
	assert_int_equal(kill((pid_t)pid, SIGSTOP), 0);
	bool is_away_told = false;
	for (int i = 0; i < 400 && status_number(name, "hangs") == hangs; i++) {
		is_away_told |= status_has("\"alarm\":\"no_vault\"");
		usleep(50000);
	}
	assert_true(is_away_told == (strcmp(name, "vault") == 0));
	assert_int_equal(status_number(name, "hangs"), hangs + 1);
	chain_wait();
	assert_int_not_equal(status_number(name, "pid"), pid);
	snprintf(text, sizeof text, "{\"process\":\"%s\",\"alarm\":\"process_hung\"", name);
	assert_true(status_has(text));
}

static void test_who_hangs_is_killed_and_comes_back(void **state)
{
	(void)state;
	hang("front");
	assert_int_equal(status_number("store", "hangs"), 0);
}

static void test_a_vault_that_hangs_is_killed_by_its_neighbours_word(void **state)
{
	(void)state;
	hang("vault"); /* nobody asks it anything but its neighbour, for a sign of life */
	assert_int_equal(status_number("store", "hangs"), 0);
	status_wait("\"alarm\":\"no_vault\"", false);
}

static void test_a_vault_exits_with_its_channel(void **state)
{
	(void)state;
	chain_wait();
	const pid_t vault = (pid_t)status_number("vault", "pid");
	assert_int_equal(kill((pid_t)status_number("store", "pid"), SIGKILL), 0);
	assert_true(is_gone(vault));
	chain_wait();
	assert_int_not_equal(status_number("vault", "pid"), vault);
}

static void test_an_alarm_of_a_process_stands_until_it_is_cleared(void **state)
{
	(void)state;
	chain_wait();
	/* Each death makes the pause longer, so that on a slow machine too it is long enough to be
	 * looked at. */
	static const char
		minor[] = "\"process\":\"front\",\"alarm\":\"no_store\",\"severity\":\"minor\"",
		major[] = "\"process\":\"store\",\"alarm\":\"process_down\",\"severity\":\"major\"";
	bool is_seen = false;
	for (int i = 0; i < 400 && !is_seen; i++) {
		const pid_t pid = i < 40 && i % 5 == 0 ? (pid_t)status_number("store", "pid") : 0;
		if (pid > 0)
			kill(pid, SIGKILL);
		usleep(10000);
		is_seen = status_has_both(minor, major);
	}
	assert_true(is_seen);
	status_wait("\"alarm\":\"no_store\"", false);
	status_wait("\"alarms\":[]", true);
}

static void reload(struct err expected, const char *text)
{
	struct control_reply reply = ask(PROC_RELOAD, span_of(NULL, 0));

	assert_string_equal(reply.text, text);
	assert_int_equal(reply.err.kind, expected.kind);
	control_reply_free(&reply);
}

static void test_a_reload_is_all_or_nothing(void **state)
{
	(void)state;
	status_wait("\"is_ready\":true", true);
	words_write("two", "deux");
	reload(OK, "\"reloaded\"");
	assert_true(status_has("\"word\":\"two\""));
	assert_true(status_has("\"word\":\"deux\""));
	/* The front says yes, the store no, and the other way round. */
	words_write("bad", "trois");
	reload(ERR(INPUT), "store: the word is bad");
	words_write("three", "bad");
	reload(ERR(INPUT), "front: the word is bad");
	assert_true(status_has("\"word\":\"two\""));
	assert_true(status_has("\"word\":\"deux\""));
	unlink(word_file);
	char text[160];
	snprintf(text, sizeof text, "no words in %s", word_file);
	reload(ERR(ABSENT), text);
	/* Who starts anew has the committed settings. */
	assert_int_equal(kill((pid_t)status_number("front", "pid"), SIGKILL), 0);
	chain_wait();
	status_wait("\"word\":\"deux\"", true);
	words_write("one", "un");
}

/* A process that prepared dies before the commit and comes back, with nothing prepared. It must not
 * go on with no settings, nor with the old ones. */
static void test_who_dies_between_the_halves_of_a_reload_gets_the_new_settings(void **state)
{
	int status = -1;

	(void)state;
	status_wait("\"is_ready\":true", true);
	const pid_t front = (pid_t)status_number("front", "pid");
	words_write("slow", "fresh"); /* the store takes its time to prepare */
	const pid_t asker = fork();
	if (asker == 0) {
		struct control_reply reply = ask(PROC_RELOAD, span_of(NULL, 0));
		_exit(failed(reply.err) ? 1 : 0);
	}
	usleep(200000);
	assert_int_equal(kill(front, SIGKILL), 0);
	assert_int_equal(waitpid(asker, &status, 0), asker);
	assert_int_equal(status, 0);
	status_wait("\"word\":\"fresh\"", true);
	chain_wait();
	words_write("one", "un");
}

static void test_a_reload_takes_the_log_level_to_every_process(void **state)
{
	static const char loud[] = "\"log_level\":\"warn\",\"word\":";

	(void)state;
	if (getenv("MERLON_TEST_LOG") != NULL)
		skip();
	status_wait("\"is_ready\":true", true);
	words_write("loud", "bad");
	reload(ERR(INPUT), "front: the word is bad");
	assert_false(status_has(loud));
	words_write("loud", "un");
	reload(OK, "\"reloaded\"");
	assert_true(status_has_both("\"log_level\":\"warn\",\"word\":\"loud\"",
		"\"log_level\":\"warn\",\"word\":\"un\""));
	words_write("one", "un");
}

static void test_one_reload_follows_another(void **state)
{
	static const char *const words[] = {"two", "three", "four"};
	char text[64];

	(void)state;
	status_wait("\"is_ready\":true", true);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		words_write(words[i], "un");
		reload(OK, "\"reloaded\"");
		snprintf(text, sizeof text, "\"word\":\"%s\"", words[i]);
		assert_true(status_has(text));
	}
	words_write("one", "un");
}

static void test_metrics_have_each_family_once(void **state)
{
	(void)state;
	chain_wait();
	status_wait("\"is_ready\":true", true);
	struct control_reply reply = ask(PROC_METRICS, span_of(NULL, 0));
	assert_false(failed(reply.err));
	assert_non_null(strstr(reply.text, "merlon_process_up{process=\"vault\"} 1\n"));
	const char *family = strstr(reply.text, "# TYPE merlon_test_asked counter\n");
	assert_non_null(family);
	assert_null(strstr(family + 1, "# TYPE merlon_test_asked"));
	assert_non_null(strstr(family, "merlon_test_asked_total{process=\"store\"} "));
	assert_non_null(strstr(family, "merlon_test_asked_total{process=\"front\"} "));
	assert_string_equal(reply.text + reply.len - 6, "# EOF\n");
	control_reply_free(&reply);
	assert_true(front_answers("metrics", "\"whole\"")); /* a process may ask too */
}

static void test_a_run_once_process_gets_its_file_and_tells_its_result(void **state)
{
	uint8_t body[256];
	const struct proc_run_once m = {.process = "once", .argument = "dry"};

	(void)state;
	status_wait("\"is_ready\":true", true);
	for (int i = 0; i < 2; i++) { /* again is possible when it is done */
		struct writer w = writer_of(SPAN_MUT_ARRAY(body));
		const int fd = open(word_file, O_RDONLY);
		proc_run_once_encode(&w, &m);
		struct control_reply reply =
			control_ask(socket_path, PROC_RUN_ONCE, writer_span_done(&w), fd, ASK_MS);
		close(fd);
		assert_string_equal(
			reply.text, "{\"vault_said\":\"once:one un\\u000a\",\"argument\":\"dry\"}");
		assert_false(failed(reply.err));
		control_reply_free(&reply);
		status_wait("{\"name\":\"once-vault\",\"pid\":0,\"state\":\"idle\",\"restarts\":0",
			true);
	}
}

static void test_a_second_supervisor_is_refused(void **state)
{
	const pid_t first = supervisor;

	(void)state;
	status_wait("\"is_ready\":true", true);
	site_start();
	const int status = site_wait_end();
	supervisor = first;
	assert_int_equal(WEXITSTATUS(status), EXIT_PLAN_REFUSED);
	assert_true(status_has("\"is_ready\":true"));
}

static void test_stop_leaves_nobody_behind(void **state)
{
	pid_t pids[ARRAY_LEN(running)];

	(void)state;
	status_wait("\"is_ready\":true", true);
	for (size_t i = 0; i < ARRAY_LEN(running); i++)
		pids[i] = (pid_t)status_number(running[i], "pid");
	struct control_reply reply = ask(PROC_STOP, span_of(NULL, 0));
	assert_false(failed(reply.err));
	assert_string_equal(reply.text, "\"stopped\"");
	control_reply_free(&reply);
	for (size_t i = 0; i < ARRAY_LEN(running); i++)
		assert_true(kill(pids[i], 0) != 0 && errno == ESRCH);
	assert_int_equal(site_wait_end(), 0);
	assert_int_not_equal(access(socket_path, F_OK), 0);
}

static void test_children_die_with_a_killed_supervisor(void **state)
{
	pid_t pids[ARRAY_LEN(running)];

	(void)state;
	status_wait("\"is_ready\":true", true);
	for (size_t i = 0; i < ARRAY_LEN(running); i++)
		pids[i] = (pid_t)status_number(running[i], "pid");
	kill(supervisor, SIGKILL);
	site_wait_end();
	for (size_t i = 0; i < ARRAY_LEN(running); i++)
		assert_true(is_gone(pids[i]));
}

static void test_a_refused_start_names_its_cause_and_leaves_nobody(void **state)
{
	char text[256] = "";

	(void)state;
	words_write("one", "bad");
	site_start();
	const int status = site_wait_end();
	assert_int_equal(WEXITSTATUS(status), EXIT_PLAN_REFUSED);
	FILE *file = fopen(complaint_file, "r");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof text, file));
	fclose(file);
	assert_string_equal(text, "front: the word is bad");
}

static int set_up(void **state)
{
	(void)state;
	words_write("one", "un");
	site_start();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (supervisor == 0)
		return 0;
	kill(supervisor, SIGTERM);
	return WEXITSTATUS(site_wait_end());
}

static int group_set_up(void **state)
{
	(void)state;
	plan = calloc(1, sizeof *plan);
	snprintf(folder, sizeof folder, "/tmp/merlon-supervisor-XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(word_file, sizeof word_file, "%s/words", folder);
	snprintf(complaint_file, sizeof complaint_file, "%s/complaint", folder);
	snprintf(socket_path, sizeof socket_path, "%s/run/control.sock", folder);
	return 0;
}

static int group_tear_down(void **state)
{
	char run[96];

	(void)state;
	unlink(word_file);
	unlink(complaint_file);
	snprintf(run, sizeof run, "%s/run", folder);
	unlink(socket_path);
	rmdir(run);
	rmdir(folder);
	free(plan);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_the_site_answers_through_all_its_processes, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_whoever_is_killed_comes_back_and_is_reached_again, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_vault_exits_with_its_channel, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_who_hangs_is_killed_and_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_vault_that_hangs_is_killed_by_its_neighbours_word, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_an_alarm_of_a_process_stands_until_it_is_cleared, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_a_reload_is_all_or_nothing, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_one_reload_follows_another, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_reload_takes_the_log_level_to_every_process, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_who_dies_between_the_halves_of_a_reload_gets_the_new_settings, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_metrics_have_each_family_once, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_run_once_process_gets_its_file_and_tells_its_result, set_up,
			tear_down),
		cmocka_unit_test_setup_teardown(
			test_a_second_supervisor_is_refused, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_stop_leaves_nobody_behind, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			test_children_die_with_a_killed_supervisor, set_up, tear_down),
		cmocka_unit_test(test_a_refused_start_names_its_cause_and_leaves_nobody),
	};
	return cmocka_run_group_tests(tests, group_set_up, group_tear_down);
}
