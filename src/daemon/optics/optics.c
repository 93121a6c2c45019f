// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-optics: a SIMULATED optical channel (qkd/optics_model.h), outside of both sites. Two Unix sockets: Alice's log and
 * Bob's events, in the driver format (codec/qkd_driver.h). Bob's stream holds none of Alice's bits: slots and detector masks.
 *
 * Light flows while both ends are connected and read: a reader that stops stops the light, and nobody burns the
 * processor for slots that nobody wants. Each stream can be recorded to a file, octet for octet.
 */
#include "host/loop.h"
#include "host/sandbox.h"
#include "qkd/optics_model.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CHUNK = 16384, QUEUE_MAX = 512 << 10, TICK_MS = 10, TICK_CHUNKS_MAX = 8 };

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
	double attack; /* the fraction that SIGUSR1 switches on */
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
	printf("{\"optics\":\"simulated\",\"event\":\"%s\",\"detail\":\"%s\",\"intercepted\":%.3f,"
	       "\"slots\":%llu,\"detections\":%llu}\n",
		event, detail, s->optics.settings.intercepted, (unsigned long long)s->slots,
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
	struct writer a = room(&s->alice), b = room(&s->bob);
	driver_slots_encode(&a, first, CHUNK, SPAN_ARRAY(nibbles));
	driver_events_encode(&b, first, CHUNK, events, count);
	append(&s->alice, &a);
	append(&s->bob, &b);
	s->slots += CHUNK;
	s->events += count;
}

/* Sockets. */

static bool has_room(const struct side *side)
{
	/* The longest record: every slot of a chunk a detection. */
	return side->fd >= 0 && QUEUE_MAX - (side->end - side->from) > CHUNK * 9 + 64;
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

/* Time: slots are owed by the clock, but what could not be sent is not made up for. */
static void run_light(struct source *s, uint64_t now_ms)
{
	s->owed += (now_ms - s->last_ms) * s->slots_per_second / 1000;
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
	optics_intercept(&s->optics, attack_wanted == 1 ? s->attack : 0);
	say(s, attack_wanted == 1 ? "attack_begins" : "attack_ends", "intercept-resend");
	attack_wanted = -1;
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
		poll(polls, 4, is_lit ? TICK_MS : 1000);
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

/* Flags: one table gives parsing and help. */

enum flag_type { FLAG_TEXT, FLAG_NUMBER, FLAG_MODE };
struct flag {
	const char *name, *help;
	enum flag_type type;
	void *value;
};

struct choices {
	struct optics_settings optics;
	const char *alice, *bob, *record_alice, *record_bob;
	double rate, mode, attack;
};

static struct choices the = {.optics = {.distance_km = 10,
				     .attenuation_db_km = 0.2,
				     .detector_efficiency = 0.5,
				     .dark_count = 1e-6,
				     .misalignment = 0.01,
				     .intensity = {0.6, 0.22, 2e-4},
				     .probability = {0.2, 0.55, 0.25},
				     .basis_x = 0.75},
	.rate = 1.5e6,
	.mode = 0666,
	.attack = 1};

static const struct flag flags[] = {
	{"alice", "socket for Alice's log (required)", FLAG_TEXT, &the.alice},
	{"bob", "socket for Bob's events (required)", FLAG_TEXT, &the.bob},
	{"record-alice", "also write Alice's stream to this file", FLAG_TEXT, &the.record_alice},
	{"record-bob", "also write Bob's stream to this file", FLAG_TEXT, &the.record_bob},
	{"socket-mode", "permissions of the sockets, octal", FLAG_MODE, &the.mode},
	{"rate", "slots a second", FLAG_NUMBER, &the.rate},
	{"distance", "kilometres of fibre", FLAG_NUMBER, &the.optics.distance_km},
	{"attenuation", "dB a kilometre", FLAG_NUMBER, &the.optics.attenuation_db_km},
	{"efficiency", "of Bob's detectors, 0 to 1", FLAG_NUMBER, &the.optics.detector_efficiency},
	{"dark", "dark counts, per slot and detector", FLAG_NUMBER, &the.optics.dark_count},
	{"misalignment", "chance that light goes to the wrong detector", FLAG_NUMBER,
		&the.optics.misalignment},
	{"mu1", "photons of the signal", FLAG_NUMBER, &the.optics.intensity[0]},
	{"mu2", "photons of the first decoy", FLAG_NUMBER, &the.optics.intensity[1]},
	{"mu3", "photons of the second decoy", FLAG_NUMBER, &the.optics.intensity[2]},
	{"p1", "chance of the signal", FLAG_NUMBER, &the.optics.probability[0]},
	{"p2", "chance of the first decoy", FLAG_NUMBER, &the.optics.probability[1]},
	{"p3", "chance of the second decoy", FLAG_NUMBER, &the.optics.probability[2]},
	{"basis-x", "chance of the key basis, at each end", FLAG_NUMBER, &the.optics.basis_x},
	{"intercept", "attack from the start: fraction of pulses intercepted and resent",
		FLAG_NUMBER, &the.optics.intercepted},
	{"attack", "fraction that SIGUSR1 begins to intercept; SIGUSR2 ends it", FLAG_NUMBER,
		&the.attack},
};

static int help(void)
{
	printf("merlon-optics: SIMULATED decoy-state BB84 channel for tests and the lab\n\n"
	       "Usage: merlon-optics --alice SOCKET --bob SOCKET [OPTIONS]\n\n");
	for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
		printf("  --%-14s %s", flags[i].name, flags[i].help);
		if (flags[i].type == FLAG_NUMBER)
			printf(" (%g)", *(const double *)flags[i].value);
		printf("\n");
	}
	printf("\nWrites JSON lines to stdout; each says \"optics\":\"simulated\".\n");
	return 0;
}

static bool flag_take(const struct flag *flag, const char *text)
{
	char *end = NULL;

	if (flag->type == FLAG_TEXT) {
		*(const char **)flag->value = text;
		return true;
	}
	*(double *)flag->value =
		flag->type == FLAG_MODE ? (double)strtoul(text, &end, 8) : strtod(text, &end);
	return end != text && *end == '\0';
}

/* 0: go on; otherwise the exit status + 1. */
static int arguments_take(int argc, char **argv)
{
	struct option options[ARRAY_LEN(flags) + 2] = {{0}};
	int index;

	for (size_t i = 0; i < ARRAY_LEN(flags); i++)
		options[i] = (struct option){flags[i].name, required_argument, NULL, 1};
	options[ARRAY_LEN(flags)] = (struct option){"help", no_argument, NULL, 'h'};
	for (int c; (c = getopt_long(argc, argv, "h", options, &index)) != -1;) {
		if (c == 'h')
			return help() + 1;
		if (c != 1)
			return 3;
		if (!flag_take(&flags[index], optarg)) {
			fprintf(stderr, "merlon-optics: --%s: '%s' is not a number\n",
				flags[index].name, optarg);
			return 3;
		}
	}
	if (optind != argc || the.alice == NULL || the.bob == NULL ||
		!(the.rate >= 1 && the.rate <= 1e8) || !(the.attack >= 0 && the.attack <= 1)) {
		fprintf(stderr, "merlon-optics: needs --alice and --bob, a rate of 1 to 1e8, an "
				"attack of 0 to 1; see --help\n");
		return 3;
	}
	return 0;
}

static int source_open(struct source *s)
{
	const struct entropy entropy = entropy_posix();
	const struct sandbox_request request = {.level = SANDBOX_OPTICS};
	struct complaint c = {{0}};

	s->slots_per_second = (uint64_t)the.rate;
	s->attack = the.attack;
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
	const int wanted = arguments_take(argc, argv);

	if (wanted != 0)
		return wanted - 1;
	signal(SIGPIPE, SIG_IGN);
	for (const int *signal = (const int[]){SIGTERM, SIGINT, SIGUSR1, SIGUSR2, 0}; *signal != 0;
		signal++)
		sigaction(*signal, &action, NULL);
	if (source_open(&s) != 0)
		return 1;
	say(&s, "started", s.optics.settings.intercepted > 0 ? "intercept-resend" : "");
	serve(&s);
	unlink(the.alice);
	unlink(the.bob);
	return 0;
}
