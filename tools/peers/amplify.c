// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * amplify LOG2_WORDS SECONDS: products over GF(2)[x] of two operands of 2^LOG2_WORDS words by the libraries that it was built
 * with, timed in processor time; JSON lines. Products of both are compared where both are there.
 * Built by tools/qkd-peers, outside the project's own build.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef WITH_BITPOLYMUL
#include <bitpolymul.h>
#endif
#ifdef WITH_GF2X
#include <gf2x.h>
#endif

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *words(size_t count)
{
	void *at = aligned_alloc(64, (count * 8 + 127) / 64 * 64);

	if (at == NULL)
		exit(1);
	return at;
}

/* xorshift: inputs, not keys. */
static void fill(uint64_t *at, size_t count, uint64_t seed)
{
	for (size_t i = 0; i < count; i++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		at[i] = seed;
	}
}

typedef void product_fn(uint64_t *out, const uint64_t *a, const uint64_t *b, size_t count);

#ifdef WITH_BITPOLYMUL
static void by_bitpolymul(uint64_t *out, const uint64_t *a, const uint64_t *b, size_t count)
{
	bitpolymul_2(out, a, b, (unsigned)count);
}
#endif
#ifdef WITH_GF2X
static void by_gf2x(uint64_t *out, const uint64_t *a, const uint64_t *b, size_t count)
{
	gf2x_mul((unsigned long *)out, (const unsigned long *)a, count, (const unsigned long *)b,
		count);
}
#endif

static void measure(const char *peer, product_fn *product, size_t count, double seconds,
	uint64_t *out, const uint64_t *a, const uint64_t *b)
{
	double best_s = 1e99, took_s = 0;
	unsigned times = 0;

	while (took_s < seconds || times < 2) {
		const double from = cpu_s();
		product(out, a, b, count);
		const double t = cpu_s() - from;
		best_s = t < best_s ? t : best_s;
		took_s += t;
		times++;
	}
	printf("{\"peer\":\"%s\",\"input_bits\":%zu,\"output_bits\":%zu,\"products\":%u,"
	       "\"mbit_per_s\":%.3f,\"best_mbit_per_s\":%.3f}\n",
		peer, 64 * count, 64 * count, times, 64e-6 * (double)count * times / took_s,
		64e-6 * (double)count / best_s);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	const size_t count = (size_t)1 << (argc > 1 ? atoi(argv[1]) : 14);
	const double seconds = argc > 2 ? atof(argv[2]) : 1;
	uint64_t *a = words(count), *b = words(count), *first = words(2 * count);
	uint64_t *second = words(2 * count);

	fill(a, count, 88172645463325252u);
	fill(b, count, 2463534242u);
	memset(first, 0, 16 * count);
	memset(second, 0, 16 * count);
#ifdef WITH_BITPOLYMUL
	measure("bitpolymul", by_bitpolymul, count, seconds, first, a, b);
#endif
#ifdef WITH_GF2X
	measure("gf2x", by_gf2x, count, seconds, second, a, b);
#endif
#if defined(WITH_BITPOLYMUL) && defined(WITH_GF2X)
	if (memcmp(first, second, 16 * count) != 0) {
		fprintf(stderr, "the two libraries' products differ\n");
		return 1;
	}
#endif
	free(a), free(b), free(first), free(second);
	return 0;
}
