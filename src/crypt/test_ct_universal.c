// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true. Hash key, pad and key bits are secret; transcript, tag and seed are not. */
#include "base/ct.h"
#include "crypt/gf2x.h"
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

/* Word by word, and by transforms: one tile and several. */
static bool amplify_path(enum clmul_path path)
{
	enum { SHORT = 313, LONG = 70000 };
	static uint8_t key[LONG / 8], out[LONG / 16];
	static const uint8_t seed[LONG / 8] = {5, 6, 7};
	const struct toeplitz_plan one = {15, 10000, 20000, 1, 1, 0},
				   squares = {15, 1 << 14, 1 << 14, 2, 3, 0};
	struct toeplitz t;

	ct_classify(key, sizeof key);
	if (failed(toeplitz_hash_by(
		    path, span_mut_of(out, 10), 77, SPAN_ARRAY(key), SHORT, SPAN_ARRAY(seed))) ||
		failed(toeplitz_open(&t, LONG)))
		return false;
	t.path = path;
	const bool is_ok = !failed(toeplitz_hash_planned(&t, &one, span_mut_of(out, 1250), 10000,
				   SPAN_ARRAY(key), 30000, SPAN_ARRAY(seed))) &&
			   !failed(toeplitz_hash_planned(&t, &squares, span_mut_of(out, 3000),
				   24000, SPAN_ARRAY(key), LONG, SPAN_ARRAY(seed)));
	toeplitz_close(&t);
	return is_ok;
}

int main(void)
{
	return tag_path(CLMUL_PORTABLE) && tag_path(clmul_best()) && amplify_path(CLMUL_PORTABLE) &&
			       amplify_path(clmul_best()) && amplify_path(gf2x_best())
		       ? 0
		       : 1;
}
