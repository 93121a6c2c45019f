// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * How many durable one-statement batches a second: bench_store FOLDER [SECONDS]. JSON on stdout, one line a width, where
 * width is how many batches are kept in flight. Not a test: it measures the disk as much as the code.
 */
#include "host/store.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const create[] = {
	"CREATE TABLE counter (id INTEGER PRIMARY KEY, value INTEGER NOT NULL)", NULL};
static const struct store_statement statements[] = {
	{"raise", "INSERT INTO counter (id, value) VALUES ($1, 1) "
		  "ON CONFLICT (id) DO UPDATE SET value = counter.value + 1"},
};
static const struct store_schema schema = {.name = "bench",
	.version = 1,
	.create = create,
	.statements = statements,
	.statement_count = 1};

struct bench {
	struct store *store;
	uint64_t done, until_ns;
};

static void submit(struct bench *b);

static void on_done(void *ctx, struct err err, const struct store_result *r)
{
	struct bench *b = ctx;

	(void)r;
	if (failed(err))
		exit(1);
	b->done++;
	if (uv_hrtime() < b->until_ns)
		submit(b);
}

static void submit(struct bench *b)
{
	struct store_batch *batch = store_batch_open();

	store_batch_add(batch, 0, &STORE_I64_VALUE(b->done % 100000), 1);
	if (failed(store_submit(b->store, batch, on_done, b)))
		exit(1);
}

static void measure(const char *path, uint64_t seconds, int width)
{
	const struct store_settings settings = {.path = path, .schema = &schema};
	struct complaint c = {0};
	struct bench b = {0};
	struct loop l;

	if (failed(loop_open(&l)) || failed(store_open(&b.store, &l, &settings, &c))) {
		fprintf(stderr, "%s\n", c.text);
		exit(1);
	}
	const uint64_t begin = uv_hrtime();
	b.until_ns = begin + seconds * 1000000000;
	for (int i = 0; i < width; i++)
		submit(&b);
	loop_run(&l);
	const double took = (double)(uv_hrtime() - begin) / 1e9;
	const struct store_counts counts = store_counts(b.store);
	printf("{\"in_flight\":%d,\"batches_per_s\":%.0f,\"commits_per_s\":%.0f,"
	       "\"batches_per_commit\":%.1f}\n",
		width, (double)b.done / took, (double)counts.commits / took,
		(double)b.done / (double)counts.commits);
	store_close(b.store);
	loop_close(&l);
}

int main(int argc, char **argv)
{
	static const int widths[] = {1, 10, 100, 1000};
	char path[1024];

	if (argc < 2) {
		fprintf(stderr, "usage: bench_store FOLDER [SECONDS]\n");
		return 64;
	}
	snprintf(path, sizeof path, "%s/bench_store.db", argv[1]);
	for (size_t i = 0; i < ARRAY_LEN(widths); i++)
		measure(path, argc > 2 ? strtoull(argv[2], NULL, 10) : 2, widths[i]);
	unlink(path);
	return 0;
}
