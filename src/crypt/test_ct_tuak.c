// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: K, TOP and SQN are secret, and so is all that follows. */
#include "crypt/tuak.h"
#include "base/ct.h"

static void compute(uint8_t k_octets)
{
	uint8_t k[32] = {1}, top[32] = {2}, topc[32], rand[16] = {4}, sqn[6] = {5}, amf[2] = {6};
	const struct tuak t = {.k = k,
		.topc = topc,
		.lengths = {.k = k_octets, .mac = 8, .res = 16, .ck = 16, .ik = 32},
		.iterations = 2};
	struct tuak_output out;

	ct_classify(k, sizeof k);
	ct_classify(top, sizeof top);
	ct_classify(sqn, sizeof sqn);
	tuak_topc(&t, top, topc);
	tuak_f1(&t, rand, sqn, amf, &out);
	tuak_f1_star(&t, rand, sqn, amf, &out);
	tuak_f2345(&t, rand, &out);
	tuak_f5_star(&t, rand, &out);
}

int main(void)
{
	compute(16);
	compute(32);
	return 0;
}
