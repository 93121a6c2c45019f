// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/peer_msg.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t again[1 << 20];

/* What decodes encodes to the same octets. */
static void compare(const struct writer *w, struct span body)
{
	struct span message;

	if (failed(writer_result(w, &message)) || !span_equal(message, body))
		abort();
}

static void try_peer_exchange(struct span body)
{
	static struct peer_exchange m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(peer_exchange_decode(&m, body, &fault)))
		return;
	peer_exchange_write(&w, &m);
	compare(&w, body);
}

static void try_peer_exchange_answer(struct span body)
{
	static struct peer_exchange_answer m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(peer_exchange_answer_decode(&m, body, &fault)))
		return;
	peer_exchange_answer_write(&w, &m);
	compare(&w, body);
}

static void try_peer_confirm(struct span body)
{
	static struct peer_confirm m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(peer_confirm_decode(&m, body, &fault)))
		return;
	peer_confirm_encode(&w, &m);
	compare(&w, body);
}

static void try_peer_offer(struct span body)
{
	static struct peer_offer m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(peer_offer_decode(&m, body, &fault)))
		return;
	peer_offer_encode(&w, &m);
	compare(&w, body);
}

static void try_peer_void(struct span body)
{
	static struct peer_void m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(peer_void_decode(&m, body, &fault)))
		return;
	peer_void_encode(&w, &m);
	compare(&w, body);
}

static void try_peer_reconcile(struct span body)
{
	static struct peer_reconcile m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(peer_reconcile_decode(&m, body, &fault)))
		return;
	peer_reconcile_encode(&w, &m);
	compare(&w, body);
}

static void try_peer_reconciled(struct span body)
{
	static struct peer_reconciled m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(peer_reconciled_decode(&m, body, &fault)))
		return;
	peer_reconciled_encode(&w, &m);
	compare(&w, body);
}

static void (*const tries[])(struct span) = {
	try_peer_exchange,
	try_peer_exchange_answer,
	try_peer_confirm,
	try_peer_offer,
	try_peer_void,
	try_peer_reconcile,
	try_peer_reconciled,
};

/* The first octet chooses the message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && size < sizeof again && data[0] < ARRAY_LEN(tries))
		tries[data[0]](span_of(data + 1, size - 1));
	return 0;
}
