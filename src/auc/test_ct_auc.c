// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: keys, and all that is computed with them before it is
 * released. */
#include "auc/resync.h"
#include "base/ct.h"

int main(void)
{
	struct auc_keys keys = {.milenage = {.k = {1}, .opc = {2}}};
	struct auth_vector v = {.rand = {3}};
	const uint8_t auts[AUTH_AUTS] = {4};
	uint64_t sqn_ms;

	ct_classify(&keys.milenage, sizeof keys.milenage);
	vector_compute(aes128_engine(), &keys, 77, AUTH_EPS, &v);
	return failed(resync_open(aes128_engine(), &keys, v.rand, auts, &sqn_ms)) ? 0 : 1;
}
