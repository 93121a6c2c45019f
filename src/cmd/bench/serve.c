// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* A whole site, started as an operator starts one, on the disk that --folder lies on. */
#include "cmd/bench/bench.h"
#include "cmd/command.h"
#include "cmd/lab/child.h"
#include "codec/proc_msg.h"
#include "host/control.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yyjson.h>

enum {
	READY_MS_MAX = 60000,
	IMPORT_MS_MAX = 600000,
	STOP_MS_MAX = 15000,
	OVERLOAD = 5,
	WIDE_WINDOW = 256
};

struct site_run {
	char folder[BENCH_PATH_MAX], name[64], socket[BENCH_PATH_MAX], program[BENCH_PATH_MAX];
	struct child child;
	struct bench_server server;
};

/* ---- files ---- */

static FILE *file_in(const struct site_run *s, const char *name, char path[static BENCH_PATH_MAX])
{
	if (snprintf(path, BENCH_PATH_MAX, "%s/%s", s->folder, name) >= BENCH_PATH_MAX)
		return NULL;
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	return fd < 0 ? NULL : fdopen(fd, "w");
}

static struct err write_files(
	struct site_run *s, const struct bench_options *o, struct complaint *c)
{
	char path[BENCH_PATH_MAX], k[33], opc[33];
	uint8_t keys[32];

	FILE *f = file_in(s, "kek", path);
	bool is_good = f != NULL;
	if (is_good) {
		bench_keys(0, keys);
		hex_from_span(k, span_of(keys, 16));
		is_good = fprintf(f, "%s%s\n", k, k) > 0 && fclose(f) == 0;
	}
	f = is_good ? file_in(s, "site.yaml", path) : NULL;
	is_good = f != NULL &&
		  fprintf(f,
			  "site: %s\nstate_folder: \"%s/state\"\nrun_folder: \"/run/merlon/%s\"\n"
			  "user: nobody\nkek_file: \"%s/kek\"\nlog_level: warn\n"
			  "auc:\n  gsup: { address: 127.0.0.1, port: %d }\n  subscribers_max: %u\n",
			  s->name, s->folder, s->name, s->folder, BENCH_PORT, o->subscribers) > 0;
	is_good = f != NULL && fclose(f) == 0 && is_good;
	f = is_good ? file_in(s, "subscribers.csv", path) : NULL;
	is_good = f != NULL && fputs("imsi,k,opc,algorithm,msisdn\n", f) >= 0;
	for (uint32_t i = 0; is_good && i < o->subscribers; i++) {
		const uint64_t imsi = BENCH_IMSI_FIRST + i;
		bench_keys(imsi, keys);
		hex_from_span(k, span_of(keys, 16));
		hex_from_span(opc, span_of(keys + 16, 16));
		is_good = fprintf(f, "%015llu,%s,%s,milenage,49%09u\n", (unsigned long long)imsi, k,
				  opc, i) > 0;
	}
	is_good = f != NULL && fclose(f) == 0 && is_good;
	return is_good ? OK : complain(c, ERR(IO), "%s: %s", s->folder, strerror(errno));
}

/* ---- life ---- */

static struct err start(struct site_run *s, struct complaint *c)
{
	char config[BENCH_PATH_MAX + 16], log[BENCH_PATH_MAX + 16];

	snprintf(config, sizeof config, "%s/site.yaml", s->folder);
	snprintf(log, sizeof log, "%s/log", s->folder);
	const char *const argv[] = {s->program, "run", config, NULL};
	return child_start(&s->child, "merlon run", NULL, NULL, log, argv, c);
}

/* Process ids of those that serve; true when all of them are ready. */
static bool read_processes(struct site_run *s, const char *text, size_t len)
{
	yyjson_doc *doc = yyjson_read(text, len, 0);
	yyjson_arr_iter iter;
	bool is_ready = doc != NULL;

	s->server = (struct bench_server){.address = "127.0.0.1"};
	yyjson_arr_iter_init(yyjson_obj_get(yyjson_doc_get_root(doc), "processes"), &iter);
	for (yyjson_val *p = yyjson_arr_iter_next(&iter); p != NULL;
		p = yyjson_arr_iter_next(&iter)) {
		const char *name = yyjson_get_str(yyjson_obj_get(p, "name"));
		const char *state = yyjson_get_str(yyjson_obj_get(p, "state"));
		if (name == NULL || state == NULL || strncmp(name, "auc-import", 10) == 0)
			continue;
		is_ready &= strcmp(state, "ready") == 0;
		if (s->server.count == BENCH_PIDS_MAX)
			break;
		snprintf(s->server.names[s->server.count], sizeof s->server.names[0], "%s", name);
		s->server.pids[s->server.count++] =
			(pid_t)yyjson_get_sint(yyjson_obj_get(p, "pid"));
	}
	yyjson_doc_free(doc);
	return is_ready && s->server.count >= 3;
}

static struct err wait_ready(struct site_run *s, const struct bench_options *o, struct complaint *c)
{
	char tail[400];
	const uint64_t end = lab_now_ms() + READY_MS_MAX;

	while (lab_now_ms() < end && child_is_alive(&s->child) && !*o->is_over) {
		struct control_reply reply =
			control_ask(s->socket, PROC_STATUS, span_of(NULL, 0), -1, 1000);
		const bool is_ready =
			!failed(reply.err) && read_processes(s, reply.text, reply.len);
		control_reply_free(&reply);
		if (is_ready)
			return OK;
		lab_sleep_ms(20);
	}
	child_log_tail(s->child.log, tail, sizeof tail);
	return complain(c, ERR(TIMEOUT), "the site did not become ready: %s", tail);
}

static struct err import(struct site_run *s, const struct bench_options *o, struct json_writer *j,
	struct complaint *c)
{
	char csv[BENCH_PATH_MAX + 16], answer[4096];

	snprintf(csv, sizeof csv, "%s/subscribers.csv", s->folder);
	const char *const argv[] = {s->program, "subscriber", "import", csv, "--site", s->name,
		"--output", "json", NULL};
	const uint64_t from_ms = lab_now_ms();
	const struct err e =
		child_run(NULL, s->child.log, argv, answer, sizeof answer, IMPORT_MS_MAX, c);
	const double seconds = (double)(lab_now_ms() - from_ms) / 1000;
	if (failed(e))
		return e;
	json_open(j, "import", '{');
	json_u64(j, "subscribers", o->subscribers);
	json_f64(j, "seconds", seconds);
	json_f64(j, "subscribers_per_s", o->subscribers / seconds);
	json_close(j, '}');
	return OK;
}

/* Stops, and starts again with all subscribers there: until the first moment at which all are ready. */
static struct err restart(struct site_run *s, const struct bench_options *o, struct json_writer *j,
	struct complaint *c)
{
	child_stop(&s->child, STOP_MS_MAX);
	const uint64_t from_ms = lab_now_ms();
	struct err e = start(s, c);
	if (!failed(e))
		e = wait_ready(s, o, c);
	if (failed(e))
		return e;
	uint64_t rss_kib = 0;
	for (size_t i = 0; i < s->server.count; i++)
		rss_kib = bench_rss_kib(s->server.pids[i]) > rss_kib
				  ? bench_rss_kib(s->server.pids[i])
				  : rss_kib;
	json_open(j, "start", '{');
	json_f64(j, "ready_s", (double)(lab_now_ms() - from_ms) / 1000);
	json_u64(j, "store_rss_kib", rss_kib);
	json_f64(j, "octets_per_subscriber", (double)rss_kib * 1024 / o->subscribers);
	json_close(j, '}');
	return OK;
}

static struct err measure(struct site_run *s, const struct bench_options *o, struct json_writer *j,
	struct complaint *c)
{
	struct bench_options wide = *o;
	double peak = 0, overloaded = 0;

	struct err e = bench_load(o, &s->server, "window", 0, j, NULL, c);
	wide.connections = o->connections < 4 ? 4 : o->connections;
	wide.window = o->window < WIDE_WINDOW ? WIDE_WINDOW : o->window;
	if (!failed(e))
		e = bench_load(&wide, &s->server, "peak", 0, j, &peak, c);
	if (!failed(e))
		e = bench_load(&wide, &s->server, "half", peak / 2, j, NULL, c);
	if (!failed(e))
		e = bench_load(
			&wide, &s->server, "overload", (double)OVERLOAD * peak, j, &overloaded, c);
	if (!failed(e))
		json_f64(j, "overload_share_of_peak", peak > 0 ? overloaded / peak : 0);
	return e;
}

static struct err open_folder(
	struct site_run *s, const struct bench_options *o, struct complaint *c)
{
	const ssize_t len = readlink("/proc/self/exe", s->program, sizeof s->program - 1);

	snprintf(s->folder, sizeof s->folder, "%s/merlon-bench-XXXXXX", o->folder);
	snprintf(s->name, sizeof s->name, "bench-%d", (int)getpid());
	snprintf(s->socket, sizeof s->socket, "/run/merlon/%s/control.sock", s->name);
	if (len <= 0 || mkdtemp(s->folder) == NULL || chmod(s->folder, 0755) != 0)
		return complain(c, ERR(IO), "%s: %s", s->folder, strerror(errno));
	return OK;
}

static void remove_folder(const char *folder)
{
	char answer[256];
	const char *const argv[] = {"rm", "-rf", "--one-file-system", folder, NULL};

	(void)!failed(child_run(NULL, NULL, argv, answer, sizeof answer, 60000, NULL));
}

struct err bench_serve(const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	struct site_run s = {0};
	char run_folder[128];

	struct err e = open_folder(&s, o, c);
	if (failed(e))
		return e;
	json_open(j, "serve", '{');
	e = write_files(&s, o, c);
	if (!failed(e))
		e = start(&s, c);
	if (!failed(e))
		e = wait_ready(&s, o, c);
	if (!failed(e))
		e = import(&s, o, j, c);
	if (!failed(e))
		e = restart(&s, o, j, c);
	if (!failed(e))
		e = measure(&s, o, j, c);
	json_close(j, '}');
	child_stop(&s.child, STOP_MS_MAX);
	snprintf(run_folder, sizeof run_folder, "/run/merlon/%s", s.name);
	remove_folder(run_folder);
	remove_folder(s.folder);
	return e;
}
