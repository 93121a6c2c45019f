// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Two network namespaces, ours and the far one, with one line between them: interfaces `pair`, 10.77.0.1 here and 10.77.0.2 there. A
 * line takes its time: netem delays a veth pair; where the kernel has no netem, a child carries packets between two tun
 * interfaces and keeps each for as long. Nothing of it has a name outside of this process: it goes when we end.
 */
#include "base/attr.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define APART_NEAR "10.77.0.1"
#define APART_FAR "10.77.0.2"

enum { PACKET_MAX = 2048, PACKETS_MAX = 4096, SKIPPED = 77 };

static int near_space, far_space;

static void skip(const char *why)
{
	printf("SKIPPED: %s: %s\n", why, strerror(errno));
	exit(SKIPPED);
}

/* A child of ours, which ends with us, in a namespace. */
static pid_t child_in(int space)
{
	const pid_t pid = fork();

	if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || setns(space, CLONE_NEWNET) != 0))
		_exit(127);
	return pid;
}

/* A command of the shell, in a namespace. False: it failed. */
PRINTF_LIKE(2, 3) static bool run_in(int space, const char *format, ...)
{
	char command[256];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof command, format, args);
	va_end(args);
	const pid_t pid = child_in(space);
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", command, NULL);
		_exit(127);
	}
	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* The line as a child carries it. */

struct line {
	struct packet {
		uint64_t due_us;
		size_t len;
		uint8_t bytes[PACKET_MAX];
	} packets[PACKETS_MAX]; /* a ring */
	size_t from, count;
	int in, out;
};

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* A line that is full loses what comes. */
static void line_take(struct line *l, uint64_t delay_us)
{
	struct packet *p = &l->packets[(l->from + l->count) % PACKETS_MAX];
	const ssize_t n = read(l->in, p->bytes, sizeof p->bytes);

	if (n <= 0 || l->count == PACKETS_MAX - 1)
		return;
	p->len = (size_t)n;
	p->due_us = now_us() + delay_us;
	l->count++;
}

/* An interface that is down takes nothing: lost as well. Microseconds until the next packet is due. */
static uint64_t line_give(struct line *l)
{
	while (l->count > 0) {
		const struct packet *p = &l->packets[l->from];
		const uint64_t now = now_us();
		if (p->due_us > now)
			return p->due_us - now;
		if (write(l->out, p->bytes, p->len) < 0 && errno != EIO)
			_exit(1);
		l->from = (l->from + 1) % PACKETS_MAX;
		l->count--;
	}
	return 1000000;
}

static void lines_carry(int near, int far, uint64_t delay_us)
{
	static struct line lines[2];

	lines[0].in = lines[1].out = near;
	lines[1].in = lines[0].out = far;
	for (;;) {
		struct pollfd polls[2] = {
			{.fd = near, .events = POLLIN}, {.fd = far, .events = POLLIN}};
		const uint64_t a = line_give(&lines[0]), b = line_give(&lines[1]);
		const uint64_t wait_us = a < b ? a : b;
		const struct timespec wait = {.tv_sec = (time_t)(wait_us / 1000000),
			.tv_nsec = (long)(wait_us % 1000000) * 1000};
		ppoll(polls, 2, &wait, NULL);
		for (size_t i = 0; i < 2; i++)
			if (polls[i].revents & POLLIN)
				line_take(&lines[i], delay_us);
	}
}

static int tun_open(int space)
{
	struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
	int fd = -1;

	memcpy(request.ifr_name, "pair", sizeof "pair");
	if (setns(space, CLONE_NEWNET) == 0)
		fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd >= 0 && ioctl(fd, TUNSETIFF, &request) != 0) {
		close(fd);
		fd = -1;
	}
	return setns(near_space, CLONE_NEWNET) == 0 ? fd : -1;
}

static bool tuns_join(unsigned delay_ms)
{
	const int near = tun_open(near_space), far = tun_open(far_space);

	if (near < 0 || far < 0)
		return false;
	if (child_in(near_space) == 0)
		lines_carry(near, far, (uint64_t)delay_ms * 1000);
	close(near);
	close(far);
	return true;
}

/* The namespaces. */

static bool veths_join(unsigned delay_ms)
{
	if (!run_in(near_space, "ip link add pair type veth peer name pair netns /proc/%d/fd/%d",
		    getpid(), far_space))
		return false;
	if (run_in(near_space, "tc qdisc add dev pair root netem delay %ums 2>/dev/null",
		    delay_ms) &&
		run_in(far_space, "tc qdisc add dev pair root netem delay %ums", delay_ms))
		return true;
	run_in(near_space, "ip link del pair");
	return false;
}

static bool pair_up(int space, const char *address)
{
	return run_in(space, "ip link set lo up") &&
	       run_in(space, "ip address add %s/24 dev pair", address) &&
	       run_in(space, "ip link set pair up");
}

static int space_make(void)
{
	return unshare(CLONE_NEWNET) != 0 ? -1 : open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
}

/* This process is in the near one afterwards. */
static void apart_make(unsigned delay_ms)
{
	far_space = space_make();
	near_space = far_space < 0 ? -1 : space_make();
	if (near_space < 0)
		skip("no network namespaces (root makes them)");
	if (veths_join(delay_ms))
		printf("a veth pair, netem: %u ms each way\n", delay_ms);
	else if (tuns_join(delay_ms))
		printf("no netem in this kernel; tun interfaces: %u ms each way\n", delay_ms);
	else
		skip("neither netem nor /dev/net/tun");
	if (!pair_up(near_space, APART_NEAR) || !pair_up(far_space, APART_FAR))
		skip("no addresses");
}

/* At once, for a scenario that cuts between two messages. Addresses stay. */
static bool line_set(bool is_up)
{
	struct ifreq request = {.ifr_flags = 0};
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	memcpy(request.ifr_name, "pair", sizeof "pair");
	bool is_set = fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0;
	const int flags = is_up ? request.ifr_flags | IFF_UP : request.ifr_flags & ~IFF_UP;
	request.ifr_flags = (short)flags;
	is_set = is_set && ioctl(fd, SIOCSIFFLAGS, &request) == 0;
	close(fd);
	return is_set;
}
