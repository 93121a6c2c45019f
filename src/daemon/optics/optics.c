// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-optics: a SIMULATED optical channel (qkd/optics_model.h), outside of both sites. Two Unix sockets: Alice's log and
 * Bob's events, in the driver format (codec/qkd_driver.h). Bob's stream holds none of Alice's bits: slots and detector masks.
 *
 * Light flows while both ends are connected and read: a reader that stops stops the light, and nobody burns the
 * processor for slots that nobody wants. Each stream can be recorded to a file, octet for octet.
 */
#include "daemon/optics/choices.h"
#include "host/loop.h"
#include "host/sandbox.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CHUNK = 16384, QUEUE_MAX = 2 << 20, TICK_MS = 10, TICK_CHUNKS_MAX = 1024 };

static struct choices the;

struct side {
	const char *word, *path, *record_path;
	uint8_t role;
	int listener, fd, record;
	uint8_t *queue;
	size_t from, end; /* octets that wait to be sent */
};

struct source {
	struct optics optics;
	struct side alice, bob;
	uint8_t session[16];
	uint64_t slots_per_second, owed, last_ms, slots, events;
	size_t attacks_begun;
};

static volatile sig_atomic_t is_ended, attack_wanted = -1;

static void on_signal(int signal)
{
	if (signal == SIGUSR1)
		attack_wanted = 1;
	else if (signal == SIGUSR2)
		attack_wanted = 0;
	else
		is_ended = 1;
}

static void say(const struct source *s, const char *event, const char *detail)
{
	printf("{\"optics\":\"simulated\",\"event\":\"%s\",\"detail\":\"%s\",\"attack\":\"%s\","
	       "\"strength\":%.3f,\"slots\":%llu,\"detections\":%llu}\n",
		event, detail, optics_attack_word(s->optics.settings.attack),
		s->optics.settings.strength, (unsigned long long)s->slots,
		(unsigned long long)s->events);
	fflush(stdout);
}

/* Records. */

static uint32_t micro(double v)
{
	return (uint32_t)(v * 1e6 + 0.5);
}

static void append(struct side *side, const struct writer *w)
{
	const struct span bytes = writer_span_done(w);

	side->end += bytes.len;
	/* A full disk ends the recording, not the light. */
	if (side->record >= 0 && write(side->record, bytes.at, bytes.len) != (ssize_t)bytes.len)
		side->record = -1;
}

static struct writer room(struct side *side)
{
	if (side->from > 0) {
		memmove(side->queue, side->queue + side->from, side->end - side->from);
		side->end -= side->from;
		side->from = 0;
	}
	return writer_of(span_mut_of(side->queue + side->end, QUEUE_MAX - side->end));
}

static void greet(const struct source *s, struct side *side)
{
	const struct optics_settings *o = &s->optics.settings;
	struct driver_hello hello = {.role = side->role,
		.is_simulated = true,
		.is_monitored = the.is_unmonitored == 0,
		.is_free_running = side->role == DRIVER_BOB && the.free_running > 0,
		.bias_na_max = side->role == DRIVER_BOB ? OPTICS_BIAS_NA_MAX : 0,
		.power_pw_max = side->role == DRIVER_BOB ? OPTICS_POWER_PW_MAX : 0,
		.slots_per_second = (uint32_t)s->slots_per_second,
		.basis_x_micro = micro(o->basis_x)};

	memcpy(hello.session, s->session, sizeof hello.session);
	for (size_t k = 0; k < 3; k++) {
		hello.intensity_micro[k] = micro(o->intensity[k]);
		hello.probability_micro[k] = micro(o->probability[k]);
	}
	snprintf(hello.description, sizeof hello.description, "simulated, %.1f km, %.2f dB/km",
		o->distance_km, o->attenuation_db_km);
	side->from = side->end = 0;
	struct writer w = room(side);
	driver_hello_encode(&w, &hello);
	append(side, &w);
}

/* Free-running: slot n begins at n periods, and its light comes in the middle, give or take. */
static uint64_t time_of(const struct source *s, uint64_t slot, double share)
{
	const uint64_t rate = s->slots_per_second;
	const double rest = ((double)(slot % rate) + share) * 1e12 / (double)rate;

	return slot / rate * 1000000000000u + (uint64_t)rest;
}

static void times_write(const struct source *s, struct writer *w, uint64_t first,
	const struct driver_event *events, uint32_t count)
{
	static struct driver_time times[2 * CHUNK];
	const uint64_t begin = time_of(s, first, 0);
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		for (uint8_t d = 0; d < DRIVER_DETECTORS; d++)
			if (events[i].mask >> d & 1)
				times[n++] = (struct driver_time){
					time_of(s, events[i].slot, 0.4 + 0.2 * (i % 16) / 16), d,
					0};
	driver_times_encode(w, begin, time_of(s, first + CHUNK, 0) - begin, times, n);
}

/* At both ends, before the slots that it is about. */
static void monitor(struct source *s)
{
	struct driver_monitor alice, bob;

	if (the.is_unmonitored > 0)
		return;
	optics_monitor_take(&s->optics, &alice, &bob);
	if (the.free_running > 0) {
		const uint64_t end = bob.first + bob.length;
		bob.first = time_of(s, bob.first, 0);
		bob.length = time_of(s, end, 0) - bob.first;
	}
	struct writer a = room(&s->alice), b = room(&s->bob);
	driver_monitor_encode(&a, &alice);
	driver_monitor_encode(&b, &bob);
	append(&s->alice, &a);
	append(&s->bob, &b);
}

static void light(struct source *s)
{
	static uint8_t nibbles[CHUNK / 2];
	static struct driver_event events[CHUNK];
	const uint64_t first = s->optics.next_slot;
	uint32_t count;

	if (failed(optics_run(&s->optics, CHUNK, nibbles, events, &count))) {
		is_ended = 1;
		return;
	}
	monitor(s);
	struct writer a = room(&s->alice), b = room(&s->bob);
	driver_slots_encode(&a, first, CHUNK, SPAN_ARRAY(nibbles));
	if (the.free_running > 0)
		times_write(s, &b, first, events, count);
	else
		driver_events_encode(&b, first, CHUNK, events, count);
	append(&s->alice, &a);
	append(&s->bob, &b);
	s->slots += CHUNK;
	s->events += count;
}

/* Sockets. */

static bool has_room(const struct side *side)
{
	/* The longest records: every slot of a chunk a detection, of both detectors; and the instruments'. */
	return side->fd >= 0 && QUEUE_MAX - (side->end - side->from) > CHUNK * 20 + 1024;
}

static void side_close(const struct source *s, struct side *side)
{
	close(side->fd);
	side->fd = -1;
	side->from = side->end = 0;
	say(s, "disconnected", side->word);
}

static void side_accept(const struct source *s, struct side *side)
{
	const int fd = accept4(side->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (side->fd >= 0) {
		close(fd); /* one reader: its light is already taken */
		return;
	}
	side->fd = fd;
	greet(s, side);
	say(s, "connected", side->word);
}

static void side_serve(const struct source *s, struct side *side, short events)
{
	uint8_t ignored[64];

	if (side->fd < 0)
		return;
	if (events & (POLLIN | POLLHUP | POLLERR)) {
		const ssize_t n = read(side->fd, ignored, sizeof ignored);
		if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
			side_close(s, side);
			return;
		}
	}
	if (side->end > side->from) {
		const ssize_t n = write(side->fd, side->queue + side->from, side->end - side->from);
		if (n > 0)
			side->from += (size_t)n;
		else if (n < 0 && errno != EAGAIN && errno != EINTR)
			side_close(s, side);
	}
}

static int side_listen(struct side *side, mode_t mode)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};

	if (strlen(side->path) >= sizeof at.sun_path) {
		fprintf(stderr, "merlon-optics: %s: path too long for a socket\n", side->path);
		return -1;
	}
	memcpy(at.sun_path, side->path, strlen(side->path));
	side->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	unlink(side->path);
	if (side->listener < 0 || bind(side->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
		chmod(side->path, mode) != 0 || listen(side->listener, 4) != 0) {
		fprintf(stderr, "merlon-optics: %s: %s\n", side->path, strerror(errno));
		return -1;
	}
	side->record = -1;
	if (side->record_path != NULL) {
		side->record =
			open(side->record_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
		if (side->record < 0) {
			fprintf(stderr, "merlon-optics: %s: %s\n", side->record_path,
				strerror(errno));
			return -1;
		}
	}
	side->fd = -1;
	side->queue = malloc(QUEUE_MAX);
	return side->queue == NULL ? -1 : 0;
}

/* Time: slots are owed by the clock, but what could not be sent is not made up for. Unpaced, it is always time. */
static void run_light(struct source *s, uint64_t now_ms)
{
	s->owed += the.is_unpaced ? QUEUE_MAX : (now_ms - s->last_ms) * s->slots_per_second / 1000;
	s->last_ms = now_ms;
	for (int i = 0;
		i < TICK_CHUNKS_MAX && s->owed >= CHUNK && has_room(&s->alice) && has_room(&s->bob);
		i++) {
		light(s);
		s->owed -= CHUNK;
	}
	if (s->owed > CHUNK)
		s->owed = CHUNK;
}

static void take_signals(struct source *s)
{
	if (attack_wanted < 0)
		return;
	const bool begins = attack_wanted == 1;
	const enum optics_attack attack = the.attacks[s->attacks_begun % the.attack_count];
	attack_wanted = -1;
	s->attacks_begun += begins;
	optics_attack(&s->optics, attack, begins ? the.attack : 0);
	say(s, begins ? "attack_begins" : "attack_ends", "");
}

static void serve(struct source *s)
{
	const struct clock_port clock = clock_posix();

	s->last_ms = clock_now(&clock).mono_ms;
	while (!is_ended) {
		struct pollfd polls[] = {
			{.fd = s->alice.listener, .events = POLLIN},
			{.fd = s->bob.listener, .events = POLLIN},
			{.fd = s->alice.fd,
				.events = s->alice.end > s->alice.from ? POLLIN | POLLOUT : POLLIN},
			{.fd = s->bob.fd,
				.events = s->bob.end > s->bob.from ? POLLIN | POLLOUT : POLLIN},
		};
		const bool is_lit = has_room(&s->alice) && has_room(&s->bob);
		poll(polls, 4, !is_lit ? 1000 : the.is_unpaced ? 0 : TICK_MS);
		take_signals(s);
		side_serve(s, &s->alice, polls[2].revents);
		side_serve(s, &s->bob, polls[3].revents);
		if (polls[0].revents != 0)
			side_accept(s, &s->alice);
		if (polls[1].revents != 0)
			side_accept(s, &s->bob);
		run_light(s, clock_now(&clock).mono_ms);
	}
	say(s, "ended", "");
}

static int source_open(struct source *s)
{
	const struct entropy entropy = entropy_posix();
	const struct sandbox_request request = {.level = SANDBOX_OPTICS};
	struct complaint c = {{0}};

	s->slots_per_second = (uint64_t)the.slots_per_second;
	s->alice = (struct side){.word = "alice",
		.path = the.alice,
		.record_path = the.record_alice,
		.role = DRIVER_ALICE};
	s->bob = (struct side){
		.word = "bob", .path = the.bob, .record_path = the.record_bob, .role = DRIVER_BOB};
	struct err e = optics_open(&s->optics, &the.optics, entropy, &c);
	if (!failed(e))
		e = entropy_fill(&entropy, SPAN_MUT_ARRAY(s->session));
	if (!failed(e) && (side_listen(&s->alice, (mode_t)the.mode) != 0 ||
				  side_listen(&s->bob, (mode_t)the.mode) != 0))
		return 1;
	printf("%s", ""); /* the stream's buffer is there before the sandbox */
	if (!failed(e))
		e = sandbox_enter(&request, &c);
	if (failed(e))
		fprintf(stderr, "merlon-optics: %s\n", c.text[0] != '\0' ? c.text : err_word(e));
	return failed(e) ? 1 : 0;
}

int main(int argc, char **argv)
{
	static struct source s;
	const struct sigaction action = {.sa_handler = on_signal};
	const int wanted = choices_take(&the, argc, argv);

	if (wanted != 0)
		return wanted - 1;
	signal(SIGPIPE, SIG_IGN);
	for (const int *signal = (const int[]){SIGTERM, SIGINT, SIGUSR1, SIGUSR2, 0}; *signal != 0;
		signal++)
		sigaction(*signal, &action, NULL);
	if (source_open(&s) != 0)
		return 1;
	say(&s, "started", "");
	serve(&s);
	unlink(the.alice);
	unlink(the.bob);
	return 0;
}
