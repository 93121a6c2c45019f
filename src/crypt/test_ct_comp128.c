// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: K is secret, and so are all indices into the tables. */
#include "crypt/comp128.h"
#include "base/ct.h"

int main(void)
{
	uint8_t k[COMP128_KEY] = {1}, rand[COMP128_RAND] = {2}, sres[COMP128_SRES], kc[COMP128_KC];

	ct_classify(k, sizeof k);
	comp128_v2(k, rand, sres, kc);
	comp128_v3(k, rand, sres, kc);
	return 0;
}
