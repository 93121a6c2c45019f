// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true. Hash key, pad and key bits are secret; transcript, tag and seed are not. */
#include "base/ct.h"
#include "crypt/toeplitz.h"
#include "crypt/wegman_carter.h"

static bool tag_path(enum clmul_path path)
{
	uint8_t key[16] = {1}, pad[16] = {2}, tag[16];
	const uint8_t transcript[300] = {3};
	struct polyhash h;
	uint8_t hash[WC_TAG];

	ct_classify(key, sizeof key);
	ct_classify(pad, sizeof pad);
	polyhash_begin(&h, key);
	h.path = path;
	polyhash_add(&h, SPAN_ARRAY(transcript));
	polyhash_join(&h, &h, hash);
	wc_tag(tag, hash, pad);
	ct_declassify(tag, sizeof tag); /* it is sent */
	return wc_verify(tag, hash, pad);
}

static bool amplify_path(enum clmul_path path)
{
	uint8_t key[40] = {4}, out[10];
	const uint8_t seed[40] = {5};

	ct_classify(key, sizeof key);
	return !failed(toeplitz_hash_by(
		path, SPAN_MUT_ARRAY(out), 77, SPAN_ARRAY(key), 313, SPAN_ARRAY(seed)));
}

int main(void)
{
	return tag_path(CLMUL_PORTABLE) && tag_path(clmul_best()) && amplify_path(CLMUL_PORTABLE) &&
			       amplify_path(clmul_best())
		       ? 0
		       : 1;
}
