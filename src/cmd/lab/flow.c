// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/flow.h"
#include "cmd/lab/child.h"
#include "crypt/openssl.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t is_told;

static void on_term(int number)
{
	(void)number;
	is_told = 1;
}

static int socket_bound(const char *address, uint16_t port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(port)};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	inet_pton(AF_INET, address, &at.sin_addr);
	if (fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0)
		return fd;
	return -1;
}

static void run_source(
	const char *source, const char *sink, const uint8_t *marker, uint64_t counts[2])
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(FLOW_PORT)};
	const int fd = socket_bound(source, 0);

	inet_pton(AF_INET, sink, &to.sin_addr);
	while (fd >= 0 && !is_told) {
		if (sendto(fd, marker, FLOW_MARKER, MSG_DONTWAIT, (struct sockaddr *)&to,
			    sizeof to) == FLOW_MARKER)
			counts[0]++;
		else
			counts[1]++;
		lab_sleep_ms(FLOW_PERIOD_MS);
	}
}

static void run_sink(const char *sink, const uint8_t *marker, uint64_t counts[2])
{
	const int fd = socket_bound(sink, FLOW_PORT);
	uint8_t got[FLOW_MARKER];
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (fd >= 0 && !is_told)
		if (poll(&p, 1, 100) > 0 && recv(fd, got, sizeof got, 0) == sizeof got &&
			memcmp(got, marker, sizeof got) == 0)
			counts[0]++;
}

/* One end, as a fork of ours; `source` NULL: the sink. */
static pid_t end_start(
	const char *space, const char *source, const char *sink, const uint8_t *marker, int *report)
{
	struct complaint c = {0};
	uint64_t counts[2] = {0};
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	fflush(NULL);
	const pid_t pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		signal(SIGTERM, on_term);
		if (failed(child_enter_space(space, &c)))
			_exit(1);
		if (source != NULL)
			run_source(source, sink, marker, counts);
		else
			run_sink(sink, marker, counts);
		_exit(write(fds[1], counts, sizeof counts) != sizeof counts);
	}
	close(fds[1]);
	*report = fds[0];
	return pid;
}

struct err flow_start(struct flow_ends *f, const char *source_space, const char *source,
	const char *sink_space, const char *sink, struct complaint *c)
{
	*f = (struct flow_ends){0};
	if (RAND_bytes(f->marker, sizeof f->marker) != 1)
		return complain(c, ERR(CRYPTO), "no random marker");
	f->sink = end_start(sink_space, NULL, sink, f->marker, &f->report[1]);
	f->source = end_start(source_space, source, sink, f->marker, &f->report[0]);
	if (f->sink < 0 || f->source < 0)
		return complain(c, ERR(IO), "the marked flow does not start: %s", strerror(errno));
	return OK;
}

static void end_stop(pid_t *pid, int report, uint64_t counts[2])
{
	int status;

	if (*pid <= 0)
		return;
	kill(*pid, SIGTERM);
	if (read(report, counts, 2 * sizeof counts[0]) != 2 * (ssize_t)sizeof counts[0])
		counts[0] = counts[1] = 0;
	close(report);
	waitpid(*pid, &status, 0);
	*pid = 0;
}

void flow_stop(struct flow_ends *f, struct flow_counts *counts)
{
	uint64_t source[2] = {0}, sink[2] = {0};

	end_stop(&f->source, f->report[0], source);
	lab_sleep_ms(50); /* what is under way still arrives */
	end_stop(&f->sink, f->report[1], sink);
	*counts =
		(struct flow_counts){.sent = source[0], .refused = source[1], .received = sink[0]};
}
