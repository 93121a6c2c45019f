// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/audit_msg.h"
#include "codec/audit_event.h"

void audit_append_encode(struct writer *w, const struct audit_append *m)
{
	const size_t length = writer_mark(w, 2);

	writer_span(w, m->event);
	writer_close(w, length, 2);
}

struct err audit_append_decode(struct span body, struct audit_append *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	m->event = reader_span(&r, reader_u16(&r, "event_length"), "event");
	reader_end(&r, "audit_append");
	return failed(wire_result(fault)) ? wire_result(fault) : audit_event_check(m->event, fault);
}

void audit_appended_encode(struct writer *w, const struct audit_appended *m)
{
	writer_u64(w, m->seq);
	writer_span(w, SPAN_ARRAY(m->hash));
}

struct err audit_appended_decode(
	struct span body, struct audit_appended *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	m->seq = reader_u64(&r, "seq");
	reader_copy(&r, SPAN_MUT_ARRAY(m->hash), "hash");
	reader_end(&r, "audit_appended");
	return wire_result(fault);
}
