// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/ipa.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What came out of a stream: the frames' octets in a row, and how it ended. */
struct seen {
	size_t frames, octets;
	uint64_t sum;
	enum err_kind end;
};

static void look_inside(struct span bytes)
{
	struct wire_fault fault = {0}, names_fault = {0};
	struct ipa_frame frame;
	struct ipa_identity identity;
	uint8_t tags[8];
	size_t count;

	if (failed(ipa_decode(bytes, &frame, &fault)))
		return;
	if (frame.payload.len > bytes.len)
		abort();
	if (!failed(ipa_id_resp_decode(frame.payload, &identity, &names_fault)) &&
		memchr(identity.serial, 0, sizeof identity.serial) == NULL)
		abort();
	names_fault = (struct wire_fault){0};
	if (!failed(ipa_id_get_decode(frame.payload, SPAN_MUT_ARRAY(tags), &count, &names_fault)) &&
		count > sizeof tags)
		abort();
}

static bool see(void *ctx, struct span frame)
{
	struct seen *seen = ctx;

	seen->frames++;
	seen->octets += frame.len;
	for (size_t i = 0; i < frame.len; i++)
		seen->sum = seen->sum * 31 + frame.at[i];
	look_inside(frame);
	return true;
}

/* The same stream in pieces of `piece` octets. */
static struct seen assemble(struct span stream, size_t piece)
{
	static struct ipa_assembly assembly;
	struct seen seen = {0};

	assembly.len = 0;
	for (size_t at = 0; at < stream.len && seen.end == ERR_NONE; at += piece) {
		const size_t len = stream.len - at < piece ? stream.len - at : piece;
		seen.end = ipa_assemble(&assembly, span_of(stream.at + at, len), see, &seen).kind;
	}
	return seen;
}

/* However a stream is cut into pieces, the same frames come out of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span stream = span_of(data, size);
	const struct seen whole = assemble(stream, size + 1);

	for (size_t piece = 1; piece < 8; piece += 2) {
		const struct seen other = assemble(stream, piece);
		if (other.frames != whole.frames || other.octets != whole.octets ||
			other.sum != whole.sum || other.end != whole.end)
			abort();
	}
	return 0;
}
