// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: K, OP and OPc are secret, and so is all that follows
 * from them. */
#include "crypt/milenage.h"
#include "base/ct.h"

static void compute(const struct aes128_engine *engine)
{
	uint8_t k[16] = {1}, opc[16], op[16] = {3}, rand[16] = {4}, sqn[6] = {5}, amf[2] = {6};
	uint8_t ak_star[6];
	struct milenage_constants constants = milenage_standard;
	struct milenage_output out;
	const struct milenage m = {.engine = engine, .constants = &constants, .k = k, .opc = opc};

	constants.r[2] = 33;
	ct_classify(k, sizeof k);
	ct_classify(op, sizeof op);
	ct_classify(sqn, sizeof sqn);
	ct_classify(constants.c, sizeof constants.c);
	milenage_opc(engine, k, op, opc);
	milenage_compute(&m, rand, sqn, amf, &out);
	milenage_ak_star(&m, rand, ak_star);
}

int main(void)
{
	compute(&aes128_portable);
	compute(aes128_engine());
	return 0;
}
