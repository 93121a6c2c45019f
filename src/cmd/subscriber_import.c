// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * An import, seen from the command: a thread that waits for the site's answer, a thread that feeds
 * where there is no file, and meanwhile a line on the terminal that says how far it is.
 */
#include "base/secret.h"
#include "cmd/subscriber.h"
#include "codec/proc_msg.h"
#include "host/control.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <yyjson.h>

enum { PROGRESS_MS = 500, PROGRESS_ANSWER_MS = 2000, COPY_OCTETS = 64 << 10, BAR_COLUMNS = 24 };

int subscriber_site(const struct invocation *in, struct site_found *site)
{
	struct site_found found[SITES_MAX];
	const char *only = option_value(in, "site");
	const size_t count = sites_find(found, only);

	if (count == 0)
		return fail(EXIT_UNREACHABLE, "no site runs on this machine%s%s",
			only != NULL ? " by the name " : "", only != NULL ? only : "");
	if (count > 1)
		return fail(EXIT_USAGE, "several sites run here: choose one with --site");
	*site = found[0];
	return EXIT_OK;
}

/* ---- feeding ---- */

bool subscriber_write(int out, struct span bytes)
{
	while (bytes.len > 0) {
		const ssize_t n = write(out, bytes.at, bytes.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = span_of(bytes.at + n, bytes.len - (size_t)n);
	}
	return true;
}

bool subscriber_feed_copy(void *ctx, int out)
{
	const int in = *(const int *)ctx;
	struct secret text;
	ssize_t n = -1;

	if (failed(secret_open(&text, COPY_OCTETS)))
		return false;
	do {
		n = read(in, text.bytes, text.len);
	} while ((n > 0 && subscriber_write(out, span_of(text.bytes, (size_t)n))) ||
		 (n < 0 && errno == EINTR));
	const int error = errno;
	secret_close(&text);
	if (n < 0)
		fail(EXIT_CONFIG, "cannot read: %s", strerror(error));
	return n == 0;
}

/* ---- three things at a time ---- */

struct running {
	const struct subscriber_import *import;
	int fd, out; /* what the site reads; what the feed writes, or -1 */
	struct control_reply reply;
	pthread_mutex_t lock;
	pthread_cond_t answered;
	bool is_answered;
};

static void *feed_thread(void *ctx)
{
	struct running *r = ctx;

	if (r->import->feed(r->import->ctx, r->out))
		subscriber_write(r->out, span_of("", 1)); /* that was all */
	close(r->out);
	return NULL;
}

static void *ask_thread(void *ctx)
{
	struct running *r = ctx;
	uint8_t body[1024];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	struct proc_run_once ask = {.process = "auc-import"};
	struct control_reply reply = {.err = import_options_write(&r->import->options, ask.argument,
					      sizeof ask.argument)};

	if (failed(reply.err)) {
		reply.text =
			strdup("the file's name is too long, or has characters that it may not");
	} else {
		proc_run_once_encode(&w, &ask);
		reply = control_ask(
			r->import->site->socket, PROC_RUN_ONCE, writer_span_done(&w), r->fd, 0);
	}
	pthread_mutex_lock(&r->lock);
	r->reply = reply;
	r->is_answered = true;
	pthread_cond_signal(&r->answered);
	pthread_mutex_unlock(&r->lock);
	return NULL;
}

/* True when the answer is there; false after `ms`. */
static bool wait_answer(struct running *r, long ms)
{
	struct timespec until;
	int status = 0;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += ms * 1000000;
	until.tv_sec += until.tv_nsec / 1000000000;
	until.tv_nsec %= 1000000000;
	pthread_mutex_lock(&r->lock);
	while (!r->is_answered && status == 0)
		status = ms > 0 ? pthread_cond_timedwait(&r->answered, &r->lock, &until)
				: pthread_cond_wait(&r->answered, &r->lock);
	const bool is_answered = r->is_answered;
	pthread_mutex_unlock(&r->lock);
	return is_answered;
}

/* ---- how far it is ---- */

static uint64_t number_of(yyjson_val *object, const char *name)
{
	return yyjson_get_uint(yyjson_obj_get(object, name));
}

static void show_progress(yyjson_val *said, double seconds)
{
	const uint64_t of = number_of(said, "of"), octets = number_of(said, "octets");
	const uint64_t rows = number_of(said, "rows");
	const char *phase = yyjson_get_str(yyjson_obj_get(said, "phase"));
	/* A file that grows while it is read has more than it had. */
	const double share = of == 0 ? 0 : octets < of ? (double)octets / (double)of : 1;
	char bar[BAR_COLUMNS + 1] = "";

	memset(bar, '.', BAR_COLUMNS);
	memset(bar, '#', (size_t)(share * (double)BAR_COLUMNS));
	fprintf(stderr, "\r\033[K");
	if (of > 0)
		fprintf(stderr, "[%s] %3.0f %%  ", bar, 100 * share);
	fprintf(stderr, "%" PRIu64 " rows  %.0f/s", rows, (double)rows / seconds);
	if (phase != NULL && strcmp(phase, "commit") == 0)
		fputs("  taking them in", stderr);
	else if (share > 0)
		fprintf(stderr, "  %.0f s left", seconds * (1 - share) / share);
	fflush(stderr);
}

static void ask_progress(const struct subscriber_import *import, double seconds)
{
	uint8_t body[256];
	struct writer w = writer_of(SPAN_MUT_ARRAY(body));
	const struct proc_query query = {.process = "auc-import", .verb = "progress"};

	proc_query_encode(&w, &query);
	struct control_reply reply = control_ask(
		import->site->socket, PROC_QUERY, writer_span_done(&w), -1, PROGRESS_ANSWER_MS);
	yyjson_doc *doc = failed(reply.err) ? NULL : yyjson_read(reply.text, reply.len, 0);
	if (doc != NULL)
		show_progress(yyjson_doc_get_root(doc), seconds);
	yyjson_doc_free(doc);
	control_reply_free(&reply);
}

static void watch(struct running *r)
{
	const bool is_shown = isatty(STDERR_FILENO) && !r->import->wants_json;
	unsigned rounds = 0;

	while (!wait_answer(r, is_shown ? PROGRESS_MS : 0))
		ask_progress(r->import, ++rounds * ((double)PROGRESS_MS / 1000.0));
	if (rounds > 0)
		fputs("\r\033[K", stderr);
}

/* ---- the result ---- */

static void print_result(const struct control_reply *reply)
{
	yyjson_doc *doc = yyjson_read(reply->text, reply->len, 0);
	yyjson_val *root = yyjson_doc_get_root(doc);
	const uint64_t warnings = number_of(root, "warnings");
	size_t i, count;
	yyjson_val *text;

	if (yyjson_get_bool(yyjson_obj_get(root, "dry_run")))
		printf("%" PRIu64 " subscribers could be imported; nothing was stored\n",
			number_of(root, "subscribers"));
	else
		printf("%" PRIu64 " subscribers imported: %" PRIu64 " added, %" PRIu64
		       " replaced; %.1f s, %" PRIu64 "/s\n",
			number_of(root, "subscribers"), number_of(root, "added"),
			number_of(root, "replaced"),
			yyjson_get_num(yyjson_obj_get(root, "seconds")),
			number_of(root, "rows_per_second"));
	if (warnings > 0)
		printf("%" PRIu64 " warning%s:\n", warnings, warnings == 1 ? "" : "s");
	yyjson_arr_foreach(yyjson_obj_get(root, "warned_of"), i, count, text)
		printf("  %s\n", yyjson_get_str(text));
	yyjson_doc_free(doc);
}

static int tell(const struct subscriber_import *import, const struct control_reply *reply)
{
	if (failed(reply->err))
		return fail(exit_code_of_reply(reply), "%s", reply->text);
	if (import->wants_json)
		puts(reply->text);
	else
		print_result(reply);
	return EXIT_OK;
}

int subscriber_import_run(const struct subscriber_import *import)
{
	/* Both outlive this call where the feed does. */
	static struct subscriber_import what;
	static struct running r;

	what = *import;
	r = (struct running){.import = &what,
		.fd = import->fd,
		.out = -1,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.answered = PTHREAD_COND_INITIALIZER};
	pthread_t asking, feeding;
	int ends[2];

	signal(SIGPIPE, SIG_IGN);
	if (import->fd < 0) {
		if (pipe2(ends, O_CLOEXEC) != 0)
			return fail(EXIT_FAILED, "pipe: %s", strerror(errno));
		r.fd = ends[0];
		r.out = ends[1];
	}
	if (pthread_create(&asking, NULL, ask_thread, &r) != 0 ||
		(r.out >= 0 && pthread_create(&feeding, NULL, feed_thread, &r) != 0))
		return fail(EXIT_FAILED, "cannot start a thread");
	watch(&r);
	pthread_join(asking, NULL);
	close(r.fd); /* where the feed still writes, nobody reads: it ends */
	/* But one that waits for its own input (a terminal) ends with us alone. */
	if (r.out >= 0 && import->feed != subscriber_feed_copy)
		pthread_join(feeding, NULL);
	const int code = tell(import, &r.reply);
	control_reply_free(&r.reply);
	return code;
}
