// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The vault's work in this process, on one core: what it costs without sockets and neighbours. */
#include "auc/vector.h"
#include "base/secret.h"
#include "cmd/bench/bench.h"
#include <time.h>

enum { BATCH = 256 };

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

struct work {
	struct auc_algorithms algorithms;
	struct auc_keys keys;
	struct auth_vector vector;
	uint64_t sqn;
};

static struct err vectors(struct work *w)
{
	struct err e = OK;

	for (unsigned i = 0; i < BATCH && !failed(e); i++) {
		w->sqn = (w->sqn + 32) & ((UINT64_C(1) << 48) - 1);
		w->vector.rand[i % AUTH_RAND] ^= (uint8_t)i;
		e = vector_compute(&w->algorithms, &w->keys, w->sqn, AUTH_UTRAN, &w->vector);
	}
	return e;
}

static struct err rate(
	const struct bench_options *o, const char *name, struct work *w, struct json_writer *j)
{
	const double from = cpu_s();
	uint64_t done = 0;
	double took = 0;
	struct err e = OK;

	while (took < o->seconds && !failed(e)) {
		e = vectors(w);
		done += BATCH;
		took = cpu_s() - from;
	}
	json_open(j, name, '{');
	json_f64(j, "vectors_per_s", (double)done / took);
	json_f64(j, "ns", 1e9 * took / (double)done);
	json_close(j, '}');
	return e;
}

struct err bench_vault(const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	struct work w = {.algorithms = {.engine = aes128_engine()},
		.keys = {.algorithm = AUC_MILENAGE,
			.k = {1},
			.k_len = 16,
			.opc = {2},
			.opc_len = 16}};

	json_open(j, "vault", '{');
	json_text(j, "engine", w.algorithms.engine->name);
	struct err e = rate(o, "milenage_unsealed", &w, j);
	json_close(j, '}');
	return failed(e) ? complain(c, e, "vector_compute: %s", err_word(e)) : OK;
}
