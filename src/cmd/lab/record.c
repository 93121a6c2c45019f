// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The recording half of the tap: packet sockets into capture files. */
#include "cmd/lab/tap.h"
#include "codec/pcap.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SOCKET_BUFFER = 64 << 20, FRAMES_PER_TURN = 256, LAST_TURNS_MAX = 1000 };

struct recorder {
	const struct tap_interface *interface;
	int fd;
	FILE *file;
};

static uint8_t frame[PCAP_FRAME_MAX];

static struct err socket_open(struct recorder *r, struct complaint *c)
{
	const int buffer = SOCKET_BUFFER;
	struct sockaddr_ll at = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)if_nametoindex(r->interface->name)};

	if (at.sll_ifindex == 0)
		return complain(c, ERR(ABSENT), "tap: no interface %s", r->interface->name);
	r->fd = socket(
		AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0); /* all of them at bind */
	if (r->fd < 0 || bind(r->fd, (struct sockaddr *)&at, sizeof at) != 0)
		return complain(c, ERR(IO), "tap on %s: %s", r->interface->name, strerror(errno));
	/* Best effort: without it the kernel drops earlier, and says so. */
	if (setsockopt(r->fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof buffer) != 0)
		return complain(c, ERR(IO), "tap: receive buffer: %s", strerror(errno));
	return OK;
}

static struct err recorder_open(struct recorder *r, struct complaint *c)
{
	uint8_t header[PCAP_HEADER];
	struct writer w = writer_of(SPAN_MUT_ARRAY(header));
	const struct err e = socket_open(r, c);

	if (failed(e))
		return e;
	pcap_header_encode(&w);
	r->file = fopen(r->interface->path, "wbe");
	if (r->file == NULL || fwrite(header, 1, sizeof header, r->file) != sizeof header)
		return complain(c, ERR(IO), "%s: %s", r->interface->path, strerror(errno));
	return OK;
}

static bool frame_write(struct recorder *r, size_t captured, size_t original)
{
	uint8_t header[PCAP_RECORD_HEADER];
	struct writer w = writer_of(SPAN_MUT_ARRAY(header));
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	const uint64_t us = (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
	pcap_record_header_encode(&w, us, (uint32_t)captured, (uint32_t)original);
	return fwrite(header, 1, sizeof header, r->file) == sizeof header &&
	       fwrite(frame, 1, captured, r->file) == captured;
}

/* True while there may be more. */
static bool frame_take(struct recorder *r, struct err *e, struct complaint *c)
{
	const ssize_t len = recv(r->fd, frame, sizeof frame, MSG_TRUNC);

	if (len < 0)
		return false; /* EAGAIN, or the interface went down: nothing to take */
	const size_t original = (size_t)len;
	if (!frame_write(r, original < sizeof frame ? original : sizeof frame, original)) {
		*e = complain(c, ERR(IO), "%s: %s", r->interface->path, strerror(errno));
		return false;
	}
	return true;
}

static uint64_t dropped_by_kernel(const struct recorder *r)
{
	struct tpacket_stats stats = {0};
	socklen_t len = sizeof stats;

	if (getsockopt(r->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) != 0)
		return 1; /* not known to be none */
	return stats.tp_drops;
}

static struct err recorder_close(struct recorder *r, struct err e, struct complaint *c)
{
	if (r->file != NULL && fclose(r->file) != 0 && !failed(e))
		e = complain(c, ERR(IO), "%s: %s", r->interface->path, strerror(errno));
	if (r->fd >= 0)
		close(r->fd);
	return e;
}

static struct err record(struct recorder *recorders, size_t count, int stop_fd, struct complaint *c)
{
	struct pollfd polls[TAP_INTERFACES_MAX + 1];
	struct err e = OK;
	bool is_told = false;

	for (size_t i = 0; i < count; i++)
		polls[i] = (struct pollfd){.fd = recorders[i].fd, .events = POLLIN};
	polls[count] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
	/* Told to stop: further turns take what the sockets still hold. */
	for (int turns_left = LAST_TURNS_MAX; !failed(e) && turns_left > 0;) {
		if (poll(polls, count + 1, is_told ? 0 : -1) < 0 && errno != EINTR)
			return complain(c, ERR(IO), "tap: %s", strerror(errno));
		bool took = false;
		for (size_t i = 0; i < count; i++)
			for (int n = 0; n < FRAMES_PER_TURN && frame_take(&recorders[i], &e, c);
				n++)
				took = true;
		if (is_told && !took)
			break;
		is_told = polls[count].revents != 0;
		turns_left -= is_told;
	}
	return e;
}

struct err tap_record(const struct tap_interface *interfaces, size_t count, int ready_fd,
	int stop_fd, uint64_t *dropped, struct complaint *c)
{
	struct recorder recorders[TAP_INTERFACES_MAX];
	struct err e = count > TAP_INTERFACES_MAX ? ERR(LIMIT) : OK;
	size_t opened = 0;

	*dropped = 0;
	for (; opened < count && !failed(e); opened++) {
		recorders[opened] = (struct recorder){.interface = &interfaces[opened], .fd = -1};
		e = recorder_open(&recorders[opened], c);
	}
	if (!failed(e) && write(ready_fd, "1", 1) != 1)
		e = complain(c, ERR(IO), "tap: nobody waits for it");
	if (!failed(e))
		e = record(recorders, count, stop_fd, c);
	for (size_t i = 0; i < opened; i++) {
		if (recorders[i].fd >= 0)
			*dropped += dropped_by_kernel(&recorders[i]);
		e = recorder_close(&recorders[i], e, c);
	}
	return e;
}
