// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: K, OP and OPc are secret, and so is all that follows
 * from them. */
#include "crypt/milenage.h"
#include "base/ct.h"

static void compute(const struct aes128_engine *engine)
{
	uint8_t op[16] = {3}, rand[16] = {4}, sqn[6] = {5}, amf[2] = {6}, ak_star[6];
	struct milenage_keys keys = {.k = {1}, .opc = {2}};
	struct milenage_output out;

	ct_classify(&keys, sizeof keys);
	ct_classify(op, sizeof op);
	ct_classify(sqn, sizeof sqn);
	milenage_opc(engine, keys.k, op, keys.opc);
	milenage_compute(engine, &keys, rand, sqn, amf, &out);
	milenage_ak_star(engine, &keys, rand, ak_star);
}

int main(void)
{
	compute(&aes128_portable);
	compute(aes128_engine());
	return 0;
}
