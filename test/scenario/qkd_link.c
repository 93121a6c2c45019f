// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * A whole quantum link of real processes on this machine: merlon-optics, merlon-qkd as Alice and as Bob, TLS between them on
 * loopback. This program is their supervisor and, by the model, their key store.
 *
 *     qkd_link BUILD_ROOT                    key flows and is equal; a killed end comes back and goes on; an eavesdropper ends it,
 *                                            with the alarm and no bit more
 *     qkd_link BUILD_ROOT DISTANCE_KM …      over each distance: equal keys, as many bits a block as theory has (qkd/rate.h)
 */
#include "base/log.h"
#include "cmd/lab/pki.h"
#include "codec/proc_msg.h"
#include "host/settings.h"
#include "qkd/rate.h"
#include "support/qkd_store_model.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { ALICE, BOB, BUFFER = 2 << 20, FIRST_FD = 20 };

struct pipe_end {
	int fd;
	uint8_t bytes[BUFFER];
	size_t len;
};

struct end {
	const char *role, *site, *peer;
	pid_t pid;
	struct pipe_end control, store;
	struct stored kept;
	bool is_ready, eavesdropping;
};

static struct end ends[2] = {{.role = "alice", .site = "radio", .peer = "core"},
	{.role = "bob", .site = "core", .peer = "radio"}};
static const char *build;
static char folder[] = "/tmp/merlon-qkd-XXXXXX";
static pid_t optics;
static const char *distance_km; /* NULL: the lab's own, at the lab's pace */

static void clean(void)
{
	const pid_t pids[] = {optics, ends[0].pid, ends[1].pid};
	char command[64];

	for (size_t i = 0; i < 3; i++)
		if (pids[i] > 0) {
			kill(pids[i], SIGKILL);
			waitpid(pids[i], NULL, 0);
		}
	snprintf(command, sizeof command, "rm -rf %s", folder);
	if (system(command) != 0)
		fprintf(stderr, "could not remove %s\n", folder);
}

#define MUST(holds, ...)                                                                           \
	do {                                                                                       \
		if (!(holds)) {                                                                    \
			fprintf(stderr, "line %d: ", __LINE__);                                    \
			fprintf(stderr, __VA_ARGS__);                                              \
			fprintf(stderr, "\n");                                                     \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static double seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void settings_write(const struct end *e, struct settings *s)
{
	static const char *const names[] = {"certificate", "key", "ca"};
	struct err err = settings_set(s, "link", "radio-core");

	err = failed(err) ? err : settings_set(s, "role", "%s", e->role);
	err = failed(err) ? err : settings_set(s, "driver.socket", "%s/%s.sock", folder, e->role);
	err = failed(err) ? err : settings_set(s, "bootstrap_file", "%s/bootstrap", folder);
	err = failed(err) ? err
			  : settings_set(s, "channel.role", "%s",
				    e == &ends[BOB] ? "listen" : "connect");
	err = failed(err) ? err : settings_set(s, "channel.address", "127.0.0.1");
	err = failed(err) ? err : settings_set(s, "channel.port", "%d", 20000 + getpid() % 20000);
	err = failed(err) ? err : settings_set(s, "peer.name", "%s.merlon.test", e->peer);
	for (size_t i = 0; i < 3 && !failed(err); i++) {
		char name[32];
		snprintf(name, sizeof name, "tls.%s", names[i]);
		err = settings_set(s, name, "%s/%s.%s", folder, i == 2 ? "ca" : e->site,
			i == 1 ? "key" : "crt");
	}
	/* Light as fast as it can be made: Alice keeps more of her slots. */
	if (distance_km != NULL && !failed(err))
		err = settings_set(s, "ring_slots", "%d", 1 << 27);
	MUST(!failed(err), "settings");
}

static void frame_send(int fd, const struct ipc_frame *frame)
{
	static uint8_t buffer[BUFFER];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));

	ipc_encode(&w, frame);
	const struct span bytes = writer_span_done(&w);
	for (size_t at = 0; at < bytes.len;) {
		const ssize_t n = write(fd, bytes.at + at, bytes.len - at);
		if (n <= 0)
			return; /* a killed end */
		at += (size_t)n;
	}
}

static void setup_send(struct end *e)
{
	static uint8_t encoded[SETTINGS_ENCODED_MAX], body[SETTINGS_ENCODED_MAX + 256];
	static struct settings settings;
	struct proc_setup setup = {.process = "qkd", .log_least = LOG_INFO};
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	settings = (struct settings){0};
	settings_write(e, &settings);
	settings_encode(&settings, SPAN_MUT_ARRAY(encoded), &setup.settings);
	snprintf(setup.site, sizeof setup.site, "%s", e->site);
	proc_setup_encode(&w, &setup);
	frame_send(e->control.fd,
		&(struct ipc_frame){
			.kind = IPC_NOTICE, .type = PROC_SETUP, .body = writer_span_done(&w)});
}

static pid_t spawn(const char *program, const char *const *argv, const int fds[3], const char *log)
{
	char path[512];
	const pid_t pid = fork();

	MUST(pid >= 0, "fork");
	if (pid > 0)
		return pid;
	snprintf(path, sizeof path, "%s/%s", folder, log);
	dup2(open(path, O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
	dup2(2, 1);
	for (int i = 0; i < 3 && fds[i] >= 0; i++)
		dup2(fds[i], 3 + i);
	snprintf(path, sizeof path, "%s/%s", build, program);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

/* fd 3 control, 4 handover, 5 the key store. High numbers at our side, so that dup2 harms none of them. */
static void end_start(struct end *e)
{
	int pairs[3][2], theirs[3];
	const char *argv[] = {"merlon-qkd", "--channel", "kms-store=5", NULL};

	for (int i = 0; i < 3; i++) {
		MUST(socketpair(AF_UNIX, (i == 1 ? SOCK_SEQPACKET : SOCK_STREAM) | SOCK_CLOEXEC, 0,
			     pairs[i]) == 0,
			"socketpair");
		for (int side = 0; side < 2; side++) {
			const int high = fcntl(pairs[i][side], F_DUPFD_CLOEXEC, FIRST_FD);
			close(pairs[i][side]);
			pairs[i][side] = high;
		}
		theirs[i] = pairs[i][1];
	}
	e->control.fd = pairs[0][0];
	e->store.fd = pairs[2][0];
	e->control.len = e->store.len = 0;
	e->is_ready = false;
	e->pid = spawn("merlon-qkd", argv, theirs, e->role);
	for (int i = 0; i < 3; i++)
		close(theirs[i]);
	setup_send(e);
}

static void end_kill(struct end *e)
{
	kill(e->pid, SIGKILL);
	waitpid(e->pid, NULL, 0);
	close(e->control.fd);
	close(e->store.fd);
}

static void on_control(struct end *e, const struct ipc_frame *frame)
{
	struct wire_fault fault = {0};
	struct proc_outcome outcome;
	struct proc_alarm alarm;

	if (frame->type == PROC_READY) {
		MUST(!failed(proc_outcome_decode(frame->body, &outcome, &fault)), "outcome");
		MUST(!failed(outcome.err), "%s does not start: %.*s", e->role,
			(int)outcome.text.len, (const char *)outcome.text.at);
		e->is_ready = true;
	}
	if (frame->type == PROC_ALARM) {
		MUST(!failed(proc_alarm_decode(frame->body, &alarm, &fault)), "alarm");
		printf("%s: alarm %s %s: %s\n", e->role, alarm.kind,
			alarm.is_raised ? "raised" : "cleared", alarm.text);
		if (strcmp(alarm.kind, "qkd_eavesdropping_suspected") == 0)
			e->eavesdropping = alarm.is_raised;
	}
}

static void on_store(struct end *e, const struct ipc_frame *frame)
{
	static uint8_t answer[QKD_REQUEST_MAX];
	struct wire_fault fault = {0};
	struct qkd_request q;
	struct ipc_frame out = {
		.kind = IPC_ANSWER, .type = frame->type, .request_id = frame->request_id};

	MUST(!failed(qkd_request_decode(frame->type, frame->body, &q, &fault)), "request");
	out.err = stored_apply(&e->kept, frame->type, &q);
	if (frame->type == QKD_BLOCK_PENDING)
		printf("%s: %.*s\n", e->role, (int)q.report.len, (const char *)q.report.at);
	if (frame->type == QKD_OPEN)
		out.body = stored_opened(&e->kept, SPAN_MUT_ARRAY(answer));
	frame_send(e->store.fd, &out);
}

static void pipe_read(
	struct end *e, struct pipe_end *p, void (*take)(struct end *, const struct ipc_frame *))
{
	const ssize_t n = read(p->fd, p->bytes + p->len, sizeof p->bytes - p->len);

	MUST(n > 0, "%s ended by itself; see its log:", e->role);
	p->len += (size_t)n;
	for (size_t size; !failed(ipc_frame_size(span_of(p->bytes, p->len), &size)) && size > 0 &&
			  size <= p->len;) {
		struct wire_fault fault = {0};
		struct ipc_frame frame;
		MUST(!failed(ipc_decode(span_of(p->bytes, size), &frame, &fault)), "frame");
		take(e, &frame);
		p->len -= size;
		memmove(p->bytes, p->bytes + size, p->len);
	}
}

static void turn(void)
{
	struct pollfd polls[4];

	for (size_t i = 0; i < 2; i++) {
		polls[2 * i] = (struct pollfd){.fd = ends[i].control.fd, .events = POLLIN};
		polls[2 * i + 1] = (struct pollfd){.fd = ends[i].store.fd, .events = POLLIN};
	}
	poll(polls, 4, 100);
	for (size_t i = 0; i < 2; i++) {
		if (polls[2 * i].revents != 0)
			pipe_read(&ends[i], &ends[i].control, on_control);
		if (polls[2 * i + 1].revents != 0)
			pipe_read(&ends[i], &ends[i].store, on_store);
	}
}

static size_t blocks(void)
{
	const size_t a = stored_finals(&ends[ALICE].kept), b = stored_finals(&ends[BOB].kept);

	return a < b ? a : b;
}

static void wait_blocks(size_t wanted, double limit)
{
	for (const double end = seconds() + limit; blocks() < wanted; turn())
		MUST(seconds() < end, "only %zu of %zu blocks after %.0f s", blocks(), wanted,
			limit);
}

static void run_for(double duration)
{
	for (const double end = seconds() + duration; seconds() < end;)
		turn();
}

static void optics_start(void)
{
	static char alice[64], bob[64];
	const char *argv[] = {"merlon-optics", "--alice", alice, "--bob", bob, "--rate",
		distance_km == NULL ? "3e6" : "max", distance_km == NULL ? NULL : "--distance",
		distance_km, NULL};

	snprintf(alice, sizeof alice, "%s/alice.sock", folder);
	snprintf(bob, sizeof bob, "%s/bob.sock", folder);
	optics = spawn("merlon-optics", argv, (const int[3]){-1, -1, -1}, "optics");
}

/* Bits of a final block over the distance, pads' share included, by theory: lab optics, default parameters. */
static double bits_expected(double km)
{
	const struct rate_channel channel = {.loss_db = 0.2 * km,
		.efficiency = 0.5,
		.dark_count = 1e-6,
		.misalignment = 0.01,
		.clock_hz = 3e6,
		.correction_f = 1.045,
		.is_two_way = true};
	const struct qkd_parameters p = {.protocol = QKD_TWO_DECOY,
		.intensity = {0.6, 0.22, 2e-4},
		.probability = {0.2, 0.55, 0.25},
		.basis_x = 0.75,
		.eps_sec = 1e-10,
		.eps_cor = 1e-15};
	struct rate r;

	rate_expect(&channel, &p, 120000, &r);
	return r.final_bits;
}

static void story_of_a_distance(const char *km)
{
	enum { BLOCKS = 3 };
	const double pads_bits = 2048; /* taken of a block at most */
	double bits = 0;

	distance_km = km;
	for (size_t i = 0; i < 2; i++)
		ends[i].kept = (struct stored){0};
	optics_start();
	end_start(&ends[BOB]);
	end_start(&ends[ALICE]);
	const double begin = seconds();
	wait_blocks(BLOCKS, 100);
	for (size_t i = 0; i < BLOCKS; i++)
		bits += (double)ends[BOB].kept.blocks[i].len * 8;
	bits /= (double)BLOCKS;
	const double expected = bits_expected(strtod(km, NULL));
	printf("%s km, simulated: %d blocks in %.1f s, %.0f bits each; theory has %.0f, pads' "
	       "share "
	       "included\n",
		km, BLOCKS, seconds() - begin, bits, expected);
	/* Three blocks scatter; the pads take their part of each. */
	MUST(bits > 0.85 * expected - pads_bits && bits < 1.15 * expected,
		"not the rate of theory");
	for (size_t i = 0; i < 2; i++)
		end_kill(&ends[i]);
	kill(optics, SIGKILL);
	waitpid(optics, NULL, 0);
	optics = ends[0].pid = ends[1].pid = 0;
	MUST(stored_unequal(&ends[ALICE].kept, &ends[BOB].kept) == 0,
		"the ends hold different blocks");
}

int main(int argc, char **argv)
{
	static uint8_t bootstrap[2080];
	char path[128];
	struct complaint c = {{0}};

	MUST(argc >= 2, "usage: qkd_link BUILD_ROOT [DISTANCE_KM ...]");
	build = argv[1];
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(mkdtemp(folder) != NULL, "mkdtemp");
	atexit(clean);
	snprintf(path, sizeof path, "%s/bootstrap", folder);
	struct err e = pki_certificates_write(folder, getuid(), &c);
	if (!failed(e))
		e = pki_secret_write(path, bootstrap, sizeof bootstrap, PKI_HEX, getuid(), &c);
	MUST(!failed(e), "%s", c.text);

	for (int i = 2; i < argc; i++)
		story_of_a_distance(argv[i]);
	if (argc > 2)
		return 0;
	optics_start();
	end_start(&ends[BOB]);
	end_start(&ends[ALICE]);
	const double begin = seconds();
	wait_blocks(1, 40);
	const double first = seconds();
	wait_blocks(4, 40);
	const size_t bits = ends[BOB].kept.blocks[0].len * 8;
	printf("simulated optics: first block after %.1f s, then one in %.2f s, about %zu bits "
	       "each\n",
		first - begin, (seconds() - first) / 3, bits);

	for (size_t i = 0; i < 2; i++) {
		const size_t before = blocks();
		printf("kill -9 %s\n", ends[i].role);
		end_kill(&ends[i]);
		end_start(&ends[i]);
		wait_blocks(before + 2, 40);
	}

	kill(optics, SIGUSR1);
	run_for(6); /* blocks whose light was sent before the attack may still end */
	const size_t at_attack = blocks();
	run_for(5);
	MUST(blocks() == at_attack, "key from an intercepted channel");
	MUST(ends[ALICE].eavesdropping && ends[BOB].eavesdropping, "no alarm during an attack");
	kill(optics, SIGUSR2);
	wait_blocks(at_attack + 1, 40);
	run_for(1);
	MUST(!ends[ALICE].eavesdropping && !ends[BOB].eavesdropping,
		"the alarm stands after the attack");

	kill(optics, SIGKILL);
	waitpid(optics, NULL, 0);
	optics = 0;
	run_for(2);
	MUST(stored_unequal(&ends[ALICE].kept, &ends[BOB].kept) == 0,
		"the ends hold different blocks");
	printf("%zu blocks, equal at both ends\n", blocks());
	return 0;
}
