// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: any branch or address that depends on a secret is
 * reported. */
#include "base/ct.h"
#include "base/span.h"

int main(void)
{
	uint8_t a[32] = {1}, b[32] = {2}, out[32];
	char hex[65];
	uint8_t digits[64];

	memset(digits, 'a', sizeof digits);
	ct_classify(digits, sizeof digits);
	if (!hex_digits_to_span(SPAN_MUT_ARRAY(out), SPAN_ARRAY(digits)))
		return 1;
	ct_classify(a, sizeof a);
	ct_classify(b, sizeof b);
	ct_select(out, ct_mask(a[0]), a, b, sizeof out);
	hex_from_span(hex, SPAN_ARRAY(out));
	return ct_equal(a, b, sizeof a) ? 1 : 0;
}
