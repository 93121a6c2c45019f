// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "combine.h"
#include "shelf.h"
#include "base/secret.h"
#include "crypt/hkdf.h"
#include "wire/writer.h"
#include <assert.h>

static void source_write(struct writer *w, enum combine_source source, struct span secret)
{
	writer_u8(w, (uint8_t)source);
	writer_u16(w, (uint16_t)secret.len);
	writer_span(w, secret);
}

static void info_write(struct writer *w, const struct combine_context *context, uint32_t size_bits)
{
	const bool is_low = direction_of_site(context->site, context->other) == DIRECTION_LOW;

	writer_span(w, span_str("merlon hybrid key 1"));
	kms_name_write(w, is_low ? context->site : context->other);
	kms_name_write(w, is_low ? context->other : context->site);
	writer_span(w, SPAN_ARRAY(context->id.octets));
	writer_span(w, SPAN_ARRAY(context->transcript));
	writer_u8(w, 3);
	writer_u8(w, SOURCE_QKD);
	writer_u8(w, SOURCE_MLKEM768);
	writer_u8(w, SOURCE_X25519);
	writer_u32(w, size_bits);
}

struct err key_combine(const struct combine_context *context, const struct combine_secrets *secrets,
	struct span_mut key)
{
	uint8_t joined[3 * (3 + SLOT_OCTETS)], info[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(joined)), i = writer_of(SPAN_MUT_ARRAY(info));

	/* A missing source would make a weaker key that looks like a whole one. */
	assert(secrets->qkd.len == SLOT_OCTETS && secrets->mlkem.len == SLOT_OCTETS &&
		secrets->x25519.len == SLOT_OCTETS);
	source_write(&w, SOURCE_QKD, secrets->qkd);
	source_write(&w, SOURCE_MLKEM768, secrets->mlkem);
	source_write(&w, SOURCE_X25519, secrets->x25519);
	info_write(&i, context, (uint32_t)key.len * 8);
	assert(!w.is_full && !i.is_full);
	const struct err e =
		hkdf_sha512(writer_span_done(&w), span_of(NULL, 0), writer_span_done(&i), key);
	secret_wipe(joined, sizeof joined);
	return e;
}
