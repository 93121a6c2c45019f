// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The vault's work in this process, on one core: what it costs without sockets and neighbours.
 * "computed": vectors from keys in clear, RAND given. "served": the vault's own answer to a store's
 * question, from its octets to the answer's: RAND drawn, keys unsealed each time.
 */
#include "cmd/bench/bench.h"
#include "daemon/auc-vault/vault_work.h"
#include "host/loop.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { TURN = 256, ASKED = 4096, ROWS_AT_ONCE = AUC_ROWS_MAX };

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* `turn` does TURN of something again and again; `each` vectors come of one. */
static struct err rate(const struct bench_options *o, const char *name, unsigned each,
	struct err (*turn)(void *ctx), void *ctx, struct json_writer *j)
{
	const double from = cpu_s();
	double took = 0;
	uint64_t done = 0;
	struct err e = OK;

	while (took < o->seconds && !failed(e) && !*o->is_over) {
		e = turn(ctx);
		done += (uint64_t)TURN * each;
		took = cpu_s() - from;
	}
	json_open(j, name, '{');
	json_f64(j, "vectors_per_s", (double)done / took);
	json_f64(j, "ns", 1e9 * took / (double)done);
	json_close(j, '}');
	return e;
}

/* ---- computed ---- */

struct computing {
	struct auc_algorithms algorithms;
	struct auc_keys keys;
	struct auth_vector vector;
	uint64_t sqn;
};

static struct err compute_turn(void *ctx)
{
	struct computing *w = ctx;
	struct err e = OK;

	for (unsigned i = 0; i < TURN && !failed(e); i++) {
		w->sqn = (w->sqn + 32) & ((UINT64_C(1) << 48) - 1);
		w->vector.rand[i % AUTH_RAND] ^= (uint8_t)i;
		e = vector_compute(&w->algorithms, &w->keys, w->sqn, AUTH_UTRAN, &w->vector);
	}
	return e;
}

static struct err compute_all(const struct bench_options *o, struct json_writer *j)
{
	const struct aes128_engine *fastest = aes128_engine();
	const struct {
		const char *name;
		const struct aes128_engine *engine;
		struct auc_keys keys;
	} rows[] = {
		{"milenage", fastest,
			{.algorithm = AUC_MILENAGE,
				.k = {1},
				.k_len = 16,
				.opc = {2},
				.opc_len = 16}},
		{"milenage_portable", &aes128_portable,
			{.algorithm = AUC_MILENAGE,
				.k = {1},
				.k_len = 16,
				.opc = {2},
				.opc_len = 16}},
		{"tuak", fastest,
			{.algorithm = AUC_TUAK,
				.k = {1},
				.k_len = 32,
				.opc = {2},
				.opc_len = 32,
				.res_octets = 8,
				.iterations = 1}},
	};
	struct err e = OK;

	json_open(j, "computed", '{');
	json_text(j, "engine", fastest->name);
	for (size_t i = 0; i < ARRAY_LEN(rows) && !failed(e); i++) {
		struct computing w = {
			.algorithms = {.engine = rows[i].engine}, .keys = rows[i].keys};
		e = rate(o, rows[i].name, 1, compute_turn, &w, j);
	}
	json_close(j, '}');
	return e;
}

/* ---- served ---- */

struct serving {
	struct auc_vault importing, vault;
	struct auc_clear_rows rows;
	uint8_t wrapped[AUC_WRAPPED_MAX + 16], answer[AUC_ROWS_OCTETS], message[AUC_ROWS_OCTETS];
	struct {
		uint8_t octets[AUC_ASK_OCTETS];
		size_t len;
	} asks[ASKED];
	uint32_t next;
};

static struct err open_vault(struct auc_vault *v, enum auc_vault_role role)
{
	const struct auc_vault_options options = {.role = role,
		.limits = {0}, /* none: they are not what is measured */
		.entropy = entropy_posix(),
		.clock = clock_coarse()};
	const uint8_t root[32] = {1};

	const struct err e = auc_vault_open(v, &options);
	return failed(e) ? e : vault_roots_add(&v->roots, AUC_ROOT_FILE, SPAN_ARRAY(root));
}

static struct err ask(struct serving *s, struct auc_vault *v, uint16_t type,
	const struct writer *message, struct span *answer)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(s->answer));
	struct span body;

	struct err e = writer_result(message, &body);
	if (!failed(e))
		e = auc_vault_serve(v, type, body, &w);
	return failed(e) ? e : writer_result(&w, answer);
}

/* One key-encryption key, made by the one that serves, loaded by both. */
static struct err load_key(struct serving *s)
{
	uint8_t id[8];
	struct writer w = writer_of(SPAN_MUT_ARRAY(id));
	struct span made, none;

	auc_u64_encode(&w, 1);
	struct err e = ask(s, &s->vault, AUC_KEY_MAKE, &w, &made);
	if (failed(e) || made.len > sizeof s->wrapped)
		return failed(e) ? e : ERR(LIMIT);
	w = writer_of(SPAN_MUT_ARRAY(s->wrapped));
	writer_span(&w, made);
	e = ask(s, &s->vault, AUC_KEYS_LOAD, &w, &none);
	return failed(e) ? e : ask(s, &s->importing, AUC_KEYS_LOAD, &w, &none);
}

static void write_ask(struct serving *s, size_t at, struct span sealed, uint8_t count)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(s->asks[at].octets));
	struct auc_vectors_ask q = {.sealed = sealed,
		.sqn_first = 32 * (at + 1),
		.sqn_step = 32,
		.count = count,
		.radio = AUTH_UTRAN};

	snprintf(q.imsi, sizeof q.imsi, "%015llu", (unsigned long long)(BENCH_IMSI_FIRST + at));
	auc_vectors_ask_encode(&w, &q);
	s->asks[at].len = w.len;
}

/* ASKED subscribers with keys of their own, sealed by the import's vault. */
static struct err seal_all(struct serving *s, uint8_t count)
{
	struct wire_fault fault = {0};
	struct span answer, sealed[AUC_ROWS_MAX];
	size_t got = 0;
	struct err e = OK;

	for (size_t from = 0; from < ASKED && !failed(e); from += ROWS_AT_ONCE) {
		s->rows = (struct auc_clear_rows){.count = ROWS_AT_ONCE};
		for (size_t i = 0; i < ROWS_AT_ONCE; i++) {
			struct auc_clear_row *row = &s->rows.rows[i];
			snprintf(row->imsi, sizeof row->imsi, "%015llu",
				(unsigned long long)(BENCH_IMSI_FIRST + from + i));
			row->keys = (struct auc_keys){
				.algorithm = AUC_MILENAGE, .k_len = 16, .opc_len = 16};
			uint8_t k_opc[32];
			bench_keys(BENCH_IMSI_FIRST + from + i, k_opc);
			memcpy(row->keys.k, k_opc, 16);
			memcpy(row->keys.opc, k_opc + 16, 16);
		}
		struct writer w = writer_of(SPAN_MUT_ARRAY(s->message));
		auc_clear_rows_encode(&w, &s->rows);
		e = ask(s, &s->importing, AUC_SEAL, &w, &answer);
		if (!failed(e))
			e = auc_sealed_decode(answer, sealed, &got, &fault);
		for (size_t i = 0; i < got && !failed(e); i++)
			write_ask(s, from + i, sealed[i], count);
	}
	return e;
}

static struct err serve_turn(void *ctx)
{
	struct serving *s = ctx;
	struct err e = OK;

	for (unsigned i = 0; i < TURN && !failed(e); i++) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(s->answer));
		e = auc_vault_serve(&s->vault, AUC_VECTORS,
			span_of(s->asks[s->next].octets, s->asks[s->next].len), &w);
		s->next = (s->next + 1) % ASKED;
	}
	return e;
}

static struct err serve_all(const struct bench_options *o, struct json_writer *j)
{
	struct serving *s = calloc(1, sizeof *s);
	struct err e = s == NULL ? ERR(LIMIT) : open_vault(&s->vault, AUC_VAULT_SERVES);

	if (!failed(e))
		e = open_vault(&s->importing, AUC_VAULT_IMPORTS);
	if (!failed(e))
		e = load_key(s);
	json_open(j, "served", '{');
	for (uint8_t count = 1; count <= AUTH_VECTORS_MAX && !failed(e);
		count = (uint8_t)(count + AUTH_VECTORS_MAX - 1)) {
		e = seal_all(s, count);
		if (!failed(e))
			e = rate(o, count == 1 ? "milenage_1_a_request" : "milenage_5_a_request",
				count, serve_turn, s, j);
	}
	json_close(j, '}');
	if (s != NULL) {
		auc_vault_close(&s->vault);
		auc_vault_close(&s->importing);
	}
	free(s);
	return e;
}

struct err bench_vault(const struct bench_options *o, struct json_writer *j, struct complaint *c)
{
	json_open(j, "vault", '{');
	struct err e = compute_all(o, j);
	if (!failed(e))
		e = serve_all(o, j);
	json_close(j, '}');
	return failed(e) ? complain(c, e, "the vault refuses: %s", err_word(e)) : OK;
}
