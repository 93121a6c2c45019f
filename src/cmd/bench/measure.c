// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench/bench.h"
#include "crypt/digest.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double cpu_of(pid_t pid)
{
	char path[64], line[1024];
	unsigned long user = 0, system = 0;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	/* The name is in brackets and may hold anything: count from the last one. */
	const char *at = fgets(line, sizeof line, f) != NULL ? strrchr(line, ')') : NULL;
	if (at != NULL)
		sscanf(at + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user,
			&system);
	fclose(f);
	return (double)(user + system) / (double)sysconf(_SC_CLK_TCK);
}

uint64_t bench_rss_kib(pid_t pid)
{
	char path[64], line[256];
	unsigned long kib = 0;

	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *f = fopen(path, "re");
	while (f != NULL && fgets(line, sizeof line, f) != NULL)
		if (sscanf(line, "VmRSS: %lu kB", &kib) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return kib;
}

void bench_keys(uint64_t imsi, uint8_t k_opc[static 32])
{
	char digits[24];

	snprintf(digits, sizeof digits, "%015llu", (unsigned long long)imsi);
	if (failed(sha256(span_str(digits), k_opc)))
		memset(k_opc, 0, 32);
}

struct cpu_watch {
	const struct bench_server *server;
	double cpu_s[BENCH_PIDS_MAX]; /* of each process: so far; then within the measurement */
};

static void measured(void *ctx, bool is_end)
{
	struct cpu_watch *w = ctx;

	for (size_t i = 0; i < w->server->count; i++) {
		const double now_s = cpu_of(w->server->pids[i]);
		w->cpu_s[i] = is_end ? now_s - w->cpu_s[i] : now_s;
	}
}

/* The sum, and how much each process took of it. */
static double write_cpu(struct json_writer *j, const struct cpu_watch *w)
{
	double sum = 0;

	for (size_t i = 0; i < w->server->count; i++)
		sum += w->cpu_s[i];
	json_f64(j, "server_cpu_s", sum);
	if (w->server->count < 2)
		return sum;
	json_open(j, "cpu_s", '{');
	for (size_t i = 0; i < w->server->count; i++)
		json_f64(j, w->server->names[i], w->cpu_s[i]);
	json_close(j, '}');
	return sum;
}

static void write_causes(struct json_writer *j, const struct load_result *r)
{
	char name[8];

	json_open(j, "causes", '{');
	for (unsigned i = 0; i < LOAD_CAUSES; i++) {
		snprintf(name, sizeof name, "%u", i);
		if (r->causes[i] > 0)
			json_u64(j, name, r->causes[i]);
	}
	json_close(j, '}');
}

struct err bench_load(const struct bench_options *o, const struct bench_server *server,
	const char *name, double rate_per_s, struct json_writer *j, double *ok_per_s,
	struct complaint *c)
{
	const struct load_settings settings = {.address = server->address,
		.port = BENCH_PORT,
		.imsi_first = BENCH_IMSI_FIRST,
		.subscribers = o->subscribers,
		.connections = o->connections,
		.window = o->window,
		.vectors = o->vectors,
		.rate_per_s = rate_per_s,
		.warm_s = 1,
		.seconds = o->seconds,
		.is_over = o->is_over};
	struct cpu_watch watch = {.server = server};
	struct load_result r;

	const struct err e = load_run(&settings, measured, &watch, &r, c);
	if (failed(e))
		return e;
	json_open(j, name, '{');
	if (rate_per_s > 0)
		json_f64(j, "offered_per_s", rate_per_s);
	json_f64(j, "requests_per_s", r.ok_per_s);
	json_f64(j, "vectors_per_s", r.seconds > 0 ? (double)r.vectors / r.seconds : 0);
	const double cpu_s = write_cpu(j, &watch);
	json_f64(j, "requests_per_server_cpu_s", cpu_s > 0 ? (double)r.ok / cpu_s : 0);
	json_f64(j, "p50_us", r.p50_us);
	json_f64(j, "p90_us", r.p90_us);
	json_f64(j, "p99_us", r.p99_us);
	json_f64(j, "p999_us", r.p999_us);
	json_u64(j, "ok", r.ok);
	json_u64(j, "refused", r.refused);
	json_u64(j, "malformed", r.malformed);
	json_u64(j, "lost", r.lost);
	json_u64(j, "held_back", r.held_back);
	write_causes(j, &r);
	json_close(j, '}');
	if (ok_per_s != NULL)
		*ok_per_s = r.ok_per_s;
	return OK;
}
