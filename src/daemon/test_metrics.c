// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* merlon-metrics as the supervisor runs it, asked over HTTP. */
#include "base/attr.h"
#include "host/control.h"
#include "host/supervisor.h"
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[64], answer[16384];
static struct sockaddr_in address;
static pid_t supervisor;

static struct supervisor_plan *plan_make(const char *listen)
{
	struct supervisor_plan *plan = calloc(1, sizeof *plan);

	assert_non_null(plan);
	snprintf(plan->site, sizeof plan->site, "test");
	snprintf(plan->user, sizeof plan->user, "%s", geteuid() == 0 ? "nobody" : "");
	snprintf(plan->run_folder, sizeof plan->run_folder, "%s", folder);
	plan->log_least = LOG_WARN;
	plan->count = 1;
	snprintf(plan->rows[0].name, sizeof plan->rows[0].name, "metrics");
	snprintf(plan->rows[0].executable, sizeof plan->rows[0].executable, "merlon-metrics");
	assert_false(failed(settings_set(&plan->rows[0].settings, "listen.address", "%s", listen)));
	assert_false(failed(settings_set(
		&plan->rows[0].settings, "listen.port", "%u", ntohs(address.sin_port))));
	return plan;
}

/* A port that was free a moment ago. */
static void port_find(void)
{
	socklen_t len = sizeof address;
	const int fd = socket(AF_INET, SOCK_STREAM, 0);

	address = (struct sockaddr_in){
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
	close(fd);
}

/* One request on a connection of its own; false while nobody listens. */
static bool get(const char *path)
{
	char request[128];
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	size_t len = 0;
	ssize_t n;

	if (connect(fd, (struct sockaddr *)&address, sizeof address) != 0) {
		close(fd);
		return false;
	}
	snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
		path);
	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	while (len < sizeof answer - 1 && (n = read(fd, answer + len, sizeof answer - 1 - len)) > 0)
		len += (size_t)n;
	answer[len] = '\0';
	close(fd);
	return len > 0;
}

static void test_metrics_of_the_site_are_served(void **state)
{
	bool is_answered = false;

	(void)state;
	port_find();
	supervisor = fork();
	if (supervisor == 0) {
		struct complaint c = {0};
		alarm(60);
		_exit(failed(supervisor_run(plan_make("127.0.0.1"), &c)) ? 1 : 0);
	}
	for (int i = 0; i < 500 && !is_answered; i++) {
		is_answered = get("/metrics");
		if (!is_answered)
			usleep(20000);
	}
	assert_true(is_answered);
	assert_int_equal(strncmp(answer, "HTTP/1.1 200 ", 13), 0);
	assert_non_null(strstr(answer, "application/openmetrics-text"));
	assert_non_null(strstr(answer, "merlon_process_up{process=\"metrics\"} 1\n"));
	assert_non_null(strstr(answer, "# EOF\n"));
	assert_true(get("/other"));
	assert_int_equal(strncmp(answer, "HTTP/1.1 404 ", 13), 0);
	int status = -1;
	kill(supervisor, SIGTERM);
	assert_int_equal(waitpid(supervisor, &status, 0), supervisor);
	assert_int_equal(status, 0);
}

static void test_only_a_loopback_address_will_do(void **state)
{
	struct complaint c = {0};
	struct supervisor_plan *plan = plan_make("0.0.0.0");

	(void)state;
	assert_true(failed(supervisor_run(plan, &c)));
	assert_string_equal(
		c.text, "metrics: metrics are served on a loopback address, not on 0.0.0.0");
	free(plan);
}

static int set_up(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/merlon-metrics-XXXXXX");
	assert_non_null(mkdtemp(folder));
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_metrics_of_the_site_are_served),
		cmocka_unit_test(test_only_a_loopback_address_will_do),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
