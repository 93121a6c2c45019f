// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/gb.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was decoded and encoded again decodes to the same (lengths may have been written in the
 * longer form). */
static void llc_again(const struct gb_llc *llc)
{
	static uint8_t buffer[1 << 20];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};
	struct gb_llc again;
	struct span frame;

	gb_llc_encode(&w, llc);
	if (failed(writer_result(&w, &frame)))
		return;
	if (failed(gb_llc_decode(frame, &again, &fault)) || again.nu != llc->nu ||
		again.sapi != llc->sapi || !span_equal(again.information, llc->information))
		abort();
}

/* Down through all four layers, as far as the octets carry. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	struct gb_ns ns;
	struct gb_bssgp bssgp;
	struct gb_llc llc;
	struct gb_gmm gmm;

	if (size > GB_MESSAGE_MAX || failed(gb_ns_decode(span_of(data, size), &ns, &fault)) ||
		ns.type != GB_NS_UNITDATA || failed(gb_bssgp_decode(ns.bssgp, &bssgp, &fault)) ||
		bssgp.llc.len == 0 || failed(gb_llc_decode(bssgp.llc, &llc, &fault)) || !llc.is_ui)
		return 0;
	llc_again(&llc);
	if (failed(gb_gmm_decode(llc.information, &gmm, &fault)))
		return 0;
	return 0;
}
