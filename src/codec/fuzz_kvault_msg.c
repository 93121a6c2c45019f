// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/kvault_msg.h"
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

static void try_kvault_named(struct span body)
{
	static struct kvault_named m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(kvault_named_decode(&m, body, &fault)))
		return;
	kvault_named_encode(&w, &m);
	compare(&w, body);
}

static void try_kvault_block(struct span body)
{
	static struct kvault_block m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(kvault_block_decode(&m, body, &fault)))
		return;
	kvault_block_encode(&w, &m);
	compare(&w, body);
}

static void try_kvault_segments(struct span body)
{
	static struct kvault_segments m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(kvault_segments_decode(&m, body, &fault)))
		return;
	kvault_segments_encode(&w, &m);
	compare(&w, body);
}

static void try_kvault_opened(struct span body)
{
	static struct kvault_opened m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(kvault_opened_decode(&m, body, &fault)))
		return;
	kvault_opened_encode(&w, &m);
	compare(&w, body);
}

static void try_kvault_answer(struct span body)
{
	static struct kvault_answer m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(kvault_answer_decode(&m, body, &fault)))
		return;
	kvault_answer_encode(&w, &m);
	compare(&w, body);
}

static void try_kvault_answered(struct span body)
{
	static struct kvault_answered m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(kvault_answered_decode(&m, body, &fault)))
		return;
	kvault_answered_encode(&w, &m);
	compare(&w, body);
}

static void try_kvault_finish(struct span body)
{
	static struct kvault_finish m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(kvault_finish_decode(&m, body, &fault)))
		return;
	kvault_finish_encode(&w, &m);
	compare(&w, body);
}

static void try_kvault_agreed(struct span body)
{
	static struct kvault_agreed m;
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	if (failed(kvault_agreed_decode(&m, body, &fault)))
		return;
	kvault_agreed_encode(&w, &m);
	compare(&w, body);
}

static void try_runs(struct span body)
{
	static struct kvault_run run;
	struct wire_fault fault = {0};
	struct reader r = reader_of(body, &fault);
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));

	while (reader_more(&r)) {
		kvault_run_read(&r, &run);
		kvault_run_write(&w, &run);
	}
	if (!reader_failed(&r))
		compare(&w, body);
}

static void (*const tries[])(struct span) = {
	try_kvault_named,
	try_kvault_block,
	try_kvault_segments,
	try_kvault_opened,
	try_kvault_answer,
	try_kvault_answered,
	try_kvault_finish,
	try_kvault_agreed,
	try_runs,
};

/* The first octet chooses the message. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size > 0 && size < sizeof again && data[0] < ARRAY_LEN(tries))
		tries[data[0]](span_of(data + 1, size - 1));
	return 0;
}
