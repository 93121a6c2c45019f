// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/audit_event.h"
#include "codec/audit_msg.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_equal(struct writer *w, struct span body)
{
	struct span again;

	if (failed(writer_result(w, &again)) || !span_equal(again, body))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span body = span_of(data, size);
	struct wire_fault fault = {0}, other = {0}, whole = {0};
	struct audit_append append;
	struct audit_appended appended;
	static uint8_t again[AUDIT_EVENT_MAX + 64];

	/* Without a length before it, the fuzzer gets further into the event. */
	(void)!failed(audit_event_check(body, &whole));
	if (!failed(audit_append_decode(body, &append, &fault))) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(again));
		audit_append_encode(&w, &append);
		must_equal(&w, body);
	}
	if (!failed(audit_appended_decode(body, &appended, &other))) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(again));
		audit_appended_encode(&w, &appended);
		must_equal(&w, body);
	}
	return 0;
}
