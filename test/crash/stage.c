// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "stage_inner.h"
#include "codec/proc_msg.h"
#include "host/fdpass.h"
#include "host/process.h"
#include "host/settings.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { END_OCTETS = 1 << 20, PATIENCE_MS = 20000, DEADLINE_MS = 20000 };

static char store_path[512], preload_path[512];

void stage_die(const char *what)
{
	fprintf(stderr, "stage: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- ends: frames out, frames in ---- */

static void end_open(struct stage_end *e, int fd)
{
	e->fd = fd;
	e->len = 0;
	e->ids = 0;
	if (e->bytes == NULL)
		e->bytes = malloc(END_OCTETS);
	if (e->bytes == NULL)
		stage_die("malloc");
}

static void end_close(struct stage_end *e)
{
	if (e->fd >= 0)
		close(e->fd);
	e->fd = -1;
}

static void end_send(struct stage *s, struct stage_end *e, const struct ipc_frame *frame)
{
	static uint8_t buffer[END_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct span bytes;

	ipc_encode(&w, frame);
	if (failed(writer_result(&w, &bytes)))
		stage_die("a frame is too long");
	(void)s;
	/* Where nobody reads any more, the control channel is about to say so. */
	for (size_t done = 0; done < bytes.len;) {
		const ssize_t n = send(e->fd, bytes.at + done, bytes.len - done, MSG_NOSIGNAL);
		if (n > 0)
			done += (size_t)n;
		else if (errno != EINTR)
			return;
	}
}

uint64_t stage_ask(struct stage *s, struct stage_end *e, uint16_t type, const struct writer *w)
{
	const uint64_t id = ++e->ids;

	end_send(s, e,
		&(struct ipc_frame){.kind = IPC_REQUEST,
			.type = type,
			.request_id = id,
			.deadline_ms = DEADLINE_MS,
			.body = writer_span_done(w)});
	return id;
}

void stage_answer(struct stage *s, struct stage_end *e, const struct ipc_frame *q, struct err err,
	const struct writer *w)
{
	end_send(s, e,
		&(struct ipc_frame){.kind = IPC_ANSWER,
			.type = q->type,
			.request_id = q->request_id,
			.err = err,
			.body = failed(err) ? span_of(NULL, 0) : writer_span_done(w)});
}

/* ---- names ---- */

void stage_imsi(uint32_t card, char imsi[static IMSI_TEXT])
{
	snprintf(imsi, IMSI_TEXT, "00101%010u", card);
}

uint32_t stage_card(const char *imsi)
{
	const unsigned long card = strtoul(imsi + 5, NULL, 10);

	if (card >= STAGE_CARDS)
		stage_die("a subscriber that nobody made");
	return (uint32_t)card;
}

/* ---- the front and the importer ---- */

static void on_vectors(struct stage *s, struct stage_question *a, const struct ipc_frame *frame)
{
	struct auth_vector vectors[AUTH_VECTORS_MAX];
	struct wire_fault fault = {0};
	size_t count = 0;

	a->is_answered = true;
	a->err = frame->err;
	if (failed(frame->err))
		return;
	if (failed(auc_vectors_decode(frame->body, vectors, &count, &fault)))
		stage_die("vectors do not decode");
	for (size_t i = 0; i < count; i++) {
		uint64_t sqn;
		memcpy(&sqn, vectors[i].rand, sizeof sqn);
		if (!usim_takes(&s->cards[a->card].usim, sqn))
			a->is_refused = true;
	}
}

static void on_front_frame(struct stage *s, const struct ipc_frame *frame)
{
	struct wire_fault fault = {0};

	if (frame->kind != IPC_ANSWER)
		return;
	for (size_t i = 0; i < STAGE_ASKS_MAX; i++)
		if (s->asks[i].id == frame->request_id && s->asks[i].id != 0)
			on_vectors(s, &s->asks[i], frame);
	if (frame->type != AUC_SUBSCRIBER || frame->request_id != s->awaited)
		return;
	s->is_awaited_done = true;
	s->awaited_err = frame->err;
	if (!failed(frame->err) && failed(auc_text_decode(frame->body, s->awaited_text,
					   sizeof s->awaited_text, &fault)))
		stage_die("an MSISDN does not decode");
}

static void on_import_frame(struct stage *s, const struct ipc_frame *frame)
{
	if (frame->kind != IPC_ANSWER || frame->request_id != s->awaited)
		return;
	s->is_awaited_done = true;
	s->awaited_err = frame->err;
	if (frame->type == AUC_KEYS && !failed(frame->err)) {
		struct auc_wrapped_keys again;
		char texts[AUC_WRAPPED_KEYS_MAX][64];
		stage_keys_take(s, frame->body, &again, texts); /* the importer's own vault */
	}
}

static void on_control_frame(struct stage *s, const struct ipc_frame *frame)
{
	struct wire_fault fault = {0};
	struct proc_outcome outcome;

	if (frame->kind == IPC_ANSWER && frame->type == PROC_QUERY &&
		frame->request_id == s->awaited) {
		if (failed(proc_outcome_decode(frame->body, &outcome, &fault)))
			stage_die("an outcome does not decode");
		s->is_awaited_done = true;
		s->awaited_err = outcome.err;
	}
	if (frame->type != PROC_READY || failed(proc_outcome_decode(frame->body, &outcome, &fault)))
		return;
	s->is_ready = true;
	s->ready_err = outcome.err;
	snprintf(s->complaint, sizeof s->complaint, "%.*s", (int)outcome.text.len,
		(const char *)outcome.text.at);
}

/* ---- one turn: whatever has come ---- */

static void end_read(struct stage *s, struct stage_end *e,
	void (*on_frame)(struct stage *s, const struct ipc_frame *frame))
{
	const ssize_t n = recv(e->fd, e->bytes + e->len, END_OCTETS - e->len, MSG_DONTWAIT);
	struct wire_fault fault = {0};
	struct ipc_frame frame;
	size_t size, done = 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		end_close(e);
		return;
	}
	e->len += (size_t)n;
	while (!failed(ipc_frame_size(span_of(e->bytes + done, e->len - done), &size)) &&
		size != 0 && e->len - done >= size) {
		if (failed(ipc_decode(span_of(e->bytes + done, size), &frame, &fault)))
			stage_die("a frame does not decode");
		on_frame(s, &frame);
		done += size;
	}
	memmove(e->bytes, e->bytes + done, e->len - done);
	e->len -= done;
}

void stage_turn(struct stage *s)
{
	struct pollfd polls[] = {{.fd = s->control.fd, .events = POLLIN},
		{.fd = s->vault.fd, .events = POLLIN}, {.fd = s->front.fd, .events = POLLIN},
		{.fd = s->import.fd, .events = POLLIN}};

	const int n = poll(polls, ARRAY_LEN(polls), PATIENCE_MS);
	if (n == 0) {
		fprintf(stderr, "stage: nothing comes for %d s\n", PATIENCE_MS / 1000);
		exit(1);
	}
	/* The vault first: what it was asked counts as issued whatever comes after. */
	if (polls[1].revents != 0)
		end_read(s, &s->vault, stage_on_vault_frame);
	if (polls[2].revents != 0)
		end_read(s, &s->front, on_front_frame);
	if (polls[3].revents != 0)
		end_read(s, &s->import, on_import_frame);
	if (polls[0].revents != 0)
		end_read(s, &s->control, on_control_frame);
	s->is_dead = s->control.fd < 0;
}

/* ---- a life ---- */

static void pair(int type, int fds[2])
{
	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) != 0)
		stage_die("socketpair");
}

static void setup_send(struct stage *s)
{
	static struct settings settings;
	static uint8_t bytes[SETTINGS_ENCODED_MAX], body[SETTINGS_ENCODED_MAX + 256];
	struct proc_setup m = {.process = "auc-store", .site = "crash", .log_least = LOG_ERROR};
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));

	settings.count = 0;
	snprintf(m.user, sizeof m.user, "nobody");
	if (failed(settings_set(&settings, "database", "%s", s->database)) ||
		failed(settings_set(&settings, "lease_ahead", "%d", STAGE_LEASE)) ||
		failed(settings_set(&settings, "subscribers_max", "1000")))
		stage_die("settings");
	settings_encode(&settings, SPAN_MUT_ARRAY(bytes), &m.settings);
	proc_setup_encode(&w, &m);
	end_send(s, &s->control,
		&(struct ipc_frame){
			.kind = IPC_NOTICE, .type = PROC_SETUP, .body = writer_span_done(&w)});
}

static void hand_over(struct stage *s, const char *peer, struct stage_end *end)
{
	uint8_t packet[PROC_NAME_MAX + 8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(packet));
	struct proc_channel m;
	int fds[2];

	pair(SOCK_STREAM, fds);
	snprintf(m.peer, sizeof m.peer, "%s", peer);
	proc_channel_encode(&w, &m);
	const struct err e = fdpass_send(s->handover, writer_span_done(&w), fds[0]);
	(void)e; /* dead: the control channel says so */
	close(fds[0]);
	end_open(end, fds[1]);
}

enum stage_word stage_begin(
	struct stage *s, bool is_plain, enum traced_which which, uint64_t kill_at)
{
	static char preload[600], clock[600];
	static char *environment[] = {preload, clock, NULL};
	static char *words[] = {store_path, NULL, NULL, NULL};
	int control[2], handover[2], front[2];

	snprintf(preload, sizeof preload, "LD_PRELOAD=%s", preload_path);
	snprintf(clock, sizeof clock, CRASH_CLOCK_VARIABLE "=%s", s->clock_file);
	words[1] = (char *)(uintptr_t)"--channel";
	words[2] = (char *)(uintptr_t)"auc-front=5";
	pair(SOCK_STREAM, control);
	pair(SOCK_SEQPACKET | SOCK_NONBLOCK, handover);
	pair(SOCK_STREAM, front);
	s->is_dead = s->is_ready = false;
	s->lives++;
	s->process = (struct traced){.path = store_path,
		.argv = words,
		.environment = environment,
		.fds = {control[0], handover[0], front[0]},
		.fd_count = 3,
		.is_plain = is_plain,
		.which = which,
		.kill_at = kill_at};
	end_open(&s->control, control[1]);
	end_open(&s->front, front[1]);
	s->handover = handover[1];
	s->vault.fd = s->import.fd = -1;
	s->key_count = 0;
	memset(s->asks, 0, sizeof s->asks);
	traced_start(&s->process);
	close(control[0]);
	close(handover[0]);
	close(front[0]);
	setup_send(s);
	while (!s->is_dead && !s->is_ready)
		stage_turn(s);
	if (s->is_ready && !failed(s->ready_err)) {
		hand_over(s, "auc-vault", &s->vault);
		hand_over(s, "auc-import", &s->import);
		return s->is_dead ? STAGE_DEAD : STAGE_OK;
	}
	return s->is_ready ? STAGE_REFUSED : STAGE_DEAD;
}

/* What is left in the sockets was said before it died: it counts. */
static void strike(struct stage *s)
{
	traced_join(&s->process);
	while (s->vault.fd >= 0)
		end_read(s, &s->vault, stage_on_vault_frame);
	while (s->front.fd >= 0)
		end_read(s, &s->front, on_front_frame);
	end_close(&s->control);
	end_close(&s->import);
	close(s->handover);
	s->is_dead = true;
}

void stage_stop(struct stage *s)
{
	if (!s->is_dead)
		end_send(
			s, &s->control, &(struct ipc_frame){.kind = IPC_NOTICE, .type = PROC_STOP});
	while (!s->is_dead)
		stage_turn(s);
	strike(s);
}

void stage_kill(struct stage *s)
{
	kill(s->process.pid, SIGKILL);
	strike(s);
}

/* ---- the stage itself ---- */

void stage_count_repeats(struct stage *s)
{
	s->faults.repeated += numbers_repeated(&s->numbers);
}

bool stage_is_faultless(const struct stage *s)
{
	static const struct stage_faults none;

	return memcmp(&s->faults, &none, sizeof none) == 0;
}

void stage_print_faults(const struct stage *s)
{
	const struct stage_faults *f = &s->faults;

	printf("%llu numbers repeated, %llu vectors refused without reason, %llu subscribers lost, "
	       "%llu imports "
	       "in part, %llu foreign keys, %llu lives that did not begin\n",
		(unsigned long long)f->repeated, (unsigned long long)f->refused,
		(unsigned long long)f->lost, (unsigned long long)f->halved,
		(unsigned long long)f->foreign, (unsigned long long)f->no_start);
}

static void remove_file(const struct stage *s, const char *suffix)
{
	char path[160];

	snprintf(path, sizeof path, "%s%s", s->database, suffix);
	unlink(path);
}

void stage_forget(struct stage *s)
{
	remove_file(s, "");
	remove_file(s, "-wal");
	remove_file(s, "-journal");
	remove_file(s, "-owner");
	memset(s->cards, 0, sizeof s->cards);
	memset(s->imports, 0, sizeof s->imports);
	s->import_count = 0;
	s->numbers.count = 0;
	s->root = s->root_former = 1;
	*s->clock = (struct crash_clock){0};
}

/* However the test ends: what a stage left. */
static char folders[4][64];
static size_t folder_count;

static void clean(void)
{
	char command[128];

	for (size_t i = 0; i < folder_count; i++) {
		snprintf(command, sizeof command, "rm -rf %.63s", folders[i]);
		if (system(command) != 0)
			fprintf(stderr, "could not remove %s\n", folders[i]);
	}
}

void stage_open(struct stage *s, const char *build)
{
	const struct passwd *nobody = getpwnam("nobody");

	*s = (struct stage){0};
	s->control.fd = s->front.fd = s->vault.fd = s->import.fd = -1;
	snprintf(store_path, sizeof store_path, "%s/merlon-auc-store", build);
	snprintf(preload_path, sizeof preload_path, "%s/test/crash/libclock_preload.so", build);
	/* kill -9 loses nothing of what is in the page cache: a folder in memory is as good, and faster. */
	snprintf(s->folder, sizeof s->folder, "%s/merlon-crash-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	if (mkdtemp(s->folder) == NULL || nobody == NULL || chmod(s->folder, 0755) != 0)
		stage_die(s->folder);
	if (folder_count == 0)
		atexit(clean);
	assert(folder_count < ARRAY_LEN(folders));
	memcpy(folders[folder_count++], s->folder, sizeof s->folder);
	snprintf(s->clock_file, sizeof s->clock_file, "%s/clock", s->folder);
	const int fd = open(s->clock_file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, sizeof *s->clock) != 0)
		stage_die(s->clock_file);
	s->clock = mmap(NULL, sizeof *s->clock, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	snprintf(s->database, sizeof s->database, "%s/auc", s->folder);
	if (s->clock == MAP_FAILED || mkdir(s->database, 0700) != 0 ||
		chown(s->database, nobody->pw_uid, nobody->pw_gid) != 0)
		stage_die(s->database);
	snprintf(s->database, sizeof s->database, "%s/auc/auc.db", s->folder);
}

void stage_close(struct stage *s)
{
	numbers_close(&s->numbers);
	free(s->control.bytes);
	free(s->front.bytes);
	free(s->vault.bytes);
	free(s->import.bytes);
	munmap(s->clock, sizeof *s->clock);
}
