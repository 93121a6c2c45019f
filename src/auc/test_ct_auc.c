// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: keys, and all that is computed with them before it is
 * released. */
#include "auc/resync.h"
#include "base/ct.h"

int main(void)
{
	struct auc_keys keys = {.algorithm = AUC_MILENAGE, .k = {1}, .opc = {2}};
	struct auth_vector v = {.rand = {3}};
	const uint8_t auts[AUTH_AUTS] = {4};
	uint64_t sqn_ms;

	const struct auc_algorithms algorithms = {.engine = aes128_engine()};

	ct_classify(keys.k, sizeof keys.k);
	ct_classify(keys.opc, sizeof keys.opc);
	if (failed(vector_compute(&algorithms, &keys, 77, AUTH_EPS, &v)))
		return 1;
	return failed(resync_open(&algorithms, &keys, v.rand, auts, &sqn_ms)) ? 0 : 1;
}
