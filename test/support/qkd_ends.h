// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Both ends of a quantum link as real processes, for scenarios: this program is their supervisor and, by the model, their key store.
 * Functions that a scenario does not use are as good as absent.
 */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "base/log.h"
#include "cmd/lab/pki.h"
#include "codec/proc_msg.h"
#include "host/settings.h"
#include "support/qkd_store_model.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
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
	bool is_ready, is_refused, eavesdropping;
	const char *refusal;      /* what a start that is to fail must say */
	char reason[256];         /* of the last alarm of eavesdropping */
	char metrics[1 << 14];    /* the last answer; empty: it has not come */
	const char *const *extra; /* more settings: name, value, name …, NULL; later ones win */
	int space;                /* the network namespace in which it runs, open; 0: ours */
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
	for (const char *const *x = e->extra; x != NULL && x[0] != NULL && !failed(err); x += 2)
		err = settings_set(s, x[0], "%s", x[1]);
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

static pid_t spawn_in(
	int space, const char *program, const char *const *argv, const int fds[3], const char *log)
{
	char path[512];
	const pid_t pid = fork();

	MUST(pid >= 0, "fork");
	if (pid > 0)
		return pid;
	if (space > 0 && setns(space, CLONE_NEWNET) != 0)
		_exit(127);
	snprintf(path, sizeof path, "%s/%s", folder, log);
	dup2(open(path, O_WRONLY | O_CREAT | O_APPEND, 0600), 2);
	dup2(2, 1);
	for (int i = 0; i < 3 && fds[i] >= 0; i++)
		dup2(fds[i], 3 + i);
	snprintf(path, sizeof path, "%s/%s", build, program);
	execv(path, (char *const *)(uintptr_t)argv);
	_exit(127);
}

static pid_t spawn(const char *program, const char *const *argv, const int fds[3], const char *log)
{
	return spawn_in(0, program, argv, fds, log);
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
	e->pid = spawn_in(e->space, "merlon-qkd", argv, theirs, e->role);
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
		e->is_refused = failed(outcome.err);
		MUST(e->is_refused == (e->refusal != NULL) &&
				(!e->is_refused || memmem(outcome.text.at, outcome.text.len,
							   e->refusal, strlen(e->refusal)) != NULL),
			"%s, at its start: %.*s", e->role, (int)outcome.text.len,
			(const char *)outcome.text.at);
		e->is_ready = true;
	}
	if (frame->type == PROC_METRICS) {
		MUST(!failed(proc_outcome_decode(frame->body, &outcome, &fault)), "metrics");
		snprintf(e->metrics, sizeof e->metrics, "%.*s", (int)outcome.text.len,
			(const char *)outcome.text.at);
	}
	if (frame->type == PROC_ALARM) {
		MUST(!failed(proc_alarm_decode(frame->body, &alarm, &fault)), "alarm");
		printf("%s: alarm %s %s: %s\n", e->role, alarm.kind,
			alarm.is_raised ? "raised" : "cleared", alarm.text);
		if (strcmp(alarm.kind, "qkd_eavesdropping_suspected") == 0) {
			e->eavesdropping = alarm.is_raised;
			snprintf(e->reason, sizeof e->reason, "%s", alarm.text);
		}
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

/* Of an end that runs. Labels as they stand in the text, without the process. */
static double metric(struct end *e, const char *name, const char *labels)
{
	char sample[128];

	snprintf(sample, sizeof sample, "\n%s{process=\"qkd\"%s%s} ", name,
		labels[0] == '\0' ? "" : ",", labels);
	e->metrics[0] = '\0';
	frame_send(e->control.fd,
		&(struct ipc_frame){.kind = IPC_REQUEST, .type = PROC_METRICS, .request_id = 1});
	for (const double end = seconds() + 10; e->metrics[0] == '\0'; turn())
		MUST(seconds() < end, "%s says nothing of its metrics", e->role);
	const char *at = strstr(e->metrics, sample);
	MUST(at != NULL, "no metric%s", sample);
	return strtod(at + strlen(sample), NULL);
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

/* Certificates and bootstrap secrets in a folder that goes at the end. */
static void ends_prepare(const char *build_root)
{
	static uint8_t bootstrap[2080];
	char path[128];
	struct complaint c = {{0}};

	build = build_root;
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	MUST(mkdtemp(folder) != NULL, "mkdtemp");
	atexit(clean);
	snprintf(path, sizeof path, "%s/bootstrap", folder);
	struct err e = pki_certificates_write(folder, getuid(), &c);
	if (!failed(e))
		e = pki_secret_write(path, bootstrap, sizeof bootstrap, PKI_HEX, getuid(), &c);
	MUST(!failed(e), "%s", c.text);
}

static void optics_end(void)
{
	if (optics <= 0)
		return;
	kill(optics, SIGKILL);
	waitpid(optics, NULL, 0);
	optics = 0;
}

/* Both ends, with nothing in their stores. */
static void ends_start(void)
{
	for (size_t i = 0; i < 2; i++) {
		ends[i].kept = (struct stored){0};
		ends[i].eavesdropping = false;
	}
	end_start(&ends[BOB]);
	end_start(&ends[ALICE]);
}

/* In the dark first, so that no block is final at one end and not yet at the other. */
static void ends_stop(void)
{
	optics_end();
	run_for(1.5);
	for (size_t i = 0; i < 2; i++) {
		end_kill(&ends[i]);
		ends[i].pid = 0;
	}
	MUST(stored_unequal(&ends[ALICE].kept, &ends[BOB].kept) == 0,
		"the ends hold different blocks");
}
