// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* First octet: which message. What decodes encodes to the same octets. */
#include "codec/proc_msg.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static union {
	struct proc_setup setup;
	struct proc_reload reload;
	struct proc_outcome outcome;
	struct proc_channel channel;
	struct proc_query query;
	struct proc_run_once run_once;
	struct proc_alarm alarm;
} m;

#define TRY(name)                                                                                  \
	(!failed(proc_##name##_decode(body, &m.name, &fault)) &&                                   \
		(proc_##name##_encode(&w, &m.name), true))

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct wire_fault fault = {0};
	uint8_t again[4096];
	struct writer w = writer_of(SPAN_MUT_ARRAY(again));
	bool is_decoded = false;

	if (size < 1 || size > sizeof again)
		return 0;
	const struct span body = span_of(data + 1, size - 1);
	switch (data[0]) {
	case 's':
		is_decoded = TRY(setup);
		break;
	case 'l':
		is_decoded = TRY(reload);
		break;
	case 'o':
		is_decoded = TRY(outcome);
		break;
	case 'c':
		is_decoded = TRY(channel);
		break;
	case 'q':
		is_decoded = TRY(query);
		break;
	case 'r':
		is_decoded = TRY(run_once);
		break;
	case 'a':
		is_decoded = TRY(alarm);
		break;
	default:
		return 0;
	}
	struct span message;
	if (is_decoded && (failed(writer_result(&w, &message)) || !span_equal(message, body)))
		abort();
	return 0;
}
