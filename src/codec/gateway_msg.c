// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "gateway_msg.h"

static void rotation_read(struct reader *r, struct gateway_rotation *m)
{
	m->rotation = reader_u32(r, "rotation");
	reader_copy(r, SPAN_MUT_ARRAY(m->key_id), "key_id");
	reader_require(r, m->rotation != 0, "rotation", NULL);
}

void gateway_rotation_encode(struct writer *w, const struct gateway_rotation *m)
{
	writer_u32(w, m->rotation);
	writer_span(w, SPAN_ARRAY(m->key_id));
}

struct err gateway_rotation_decode(
	struct gateway_rotation *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*m = (struct gateway_rotation){0};
	rotation_read(&r, m);
	reader_end(&r, "rotation");
	return wire_result(fault);
}

void gateway_activated_encode(struct writer *w, const struct gateway_activated *m)
{
	gateway_rotation_encode(w, &m->which);
	writer_u64(w, m->spi_initiator);
	writer_u64(w, m->spi_responder);
}

struct err gateway_activated_decode(
	struct gateway_activated *m, struct span body, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*m = (struct gateway_activated){0};
	rotation_read(&r, &m->which);
	m->spi_initiator = reader_u64(&r, "spi_initiator");
	m->spi_responder = reader_u64(&r, "spi_responder");
	reader_require(&r, m->spi_initiator != 0 && m->spi_responder != 0, "spi", "RFC 7296 §3.1");
	reader_end(&r, "activated");
	return wire_result(fault);
}
