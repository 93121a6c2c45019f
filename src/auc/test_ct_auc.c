// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: keys, and all that is computed with them before it is
 * released; with every algorithm. */
#include "auc/resync.h"
#include "base/ct.h"

static bool compute(struct auc_keys keys)
{
	const struct auc_algorithms algorithms = {
		.engine = aes128_engine(), .is_xor_allowed = true};
	const uint8_t auts[AUTH_AUTS] = {4};
	const enum err_kind wanted = auc_is_triplet_only(keys.algorithm) ? ERR_STATE : ERR_AUTH;
	struct auth_vector v = {.rand = {3}};
	uint64_t sqn_ms;

	ct_classify(keys.k, sizeof keys.k);
	ct_classify(keys.opc, sizeof keys.opc);
	return !failed(auc_keys_derive_opc(&algorithms, &keys)) &&
	       !failed(vector_compute(&algorithms, &keys, 77, AUTH_EPS, &v)) &&
	       resync_open(&algorithms, &keys, v.rand, auts, &sqn_ms).kind == wanted;
}

int main(void)
{
	struct auc_keys keys = {
		.k_len = 16, .k = {1}, .opc = {2}, .res_octets = 16, .iterations = 1};

	for (uint8_t i = AUC_MILENAGE; i <= AUC_COMP128_V3; i++) {
		keys.algorithm = i;
		keys.opc_len = (uint8_t)auc_opc_octets(i);
		if (!compute(keys))
			return 1;
	}
	return 0;
}
