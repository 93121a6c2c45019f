// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ipa.h"

struct err ipa_frame_size(struct span stream, size_t *size)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(stream, &fault);

	*size = 0;
	if (stream.len < IPA_HEADER)
		return OK;
	const size_t length = reader_u16(&r, "length");
	if (length > IPA_PAYLOAD_MAX)
		return ERR(LIMIT);
	*size = IPA_HEADER + length;
	return OK;
}

struct err ipa_decode(struct span bytes, struct ipa_frame *frame, struct wire_fault *fault)
{
	struct reader r = reader_of(bytes, fault);

	*frame = (struct ipa_frame){.kind = IPA_FOREIGN};
	const size_t length = reader_u16(&r, "length");
	reader_require(&r, length > 0, "length", NULL);
	frame->stream = reader_u8(&r, "stream");
	struct reader payload = reader_cut(&r, length, "payload");
	reader_end(&r, "frame");
	if (frame->stream == IPA_STREAM_CCM) {
		frame->kind = IPA_CCM;
		frame->ccm_type = reader_u8(&payload, "ccm_type");
	} else if (frame->stream == IPA_STREAM_OSMO) {
		if (reader_u8(&payload, "extension") == IPA_EXTENSION_GSUP)
			frame->kind = IPA_GSUP;
	}
	frame->payload = reader_rest(&payload);
	return wire_result(fault);
}

/* Frames that lie whole in `bytes`; *used octets were theirs. */
static struct err take_whole(struct span bytes, size_t *used, bool *go_on,
	bool (*take)(void *ctx, struct span frame), void *ctx)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(bytes, &fault);
	size_t size = 0;
	struct err e = OK;

	while (*go_on && reader_left(&r) > 0) {
		struct reader ahead = r;
		const struct span rest = reader_rest(&ahead);
		e = ipa_frame_size(rest, &size);
		if (failed(e) || size == 0 || size > rest.len)
			break;
		*go_on = take(ctx, reader_span(&r, size, "frame"));
	}
	*used = bytes.len - reader_left(&r);
	return e;
}

/* Adds to the partial frame what belongs to it, and no octet more. */
static struct err complete(struct ipa_assembly *a, struct reader *r)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(a->partial));
	size_t size = 0;
	struct err e = OK;

	w.len = a->len;
	while (!failed(e) && reader_left(r) > 0 && w.len < IPA_HEADER) {
		writer_u8(&w, reader_u8(r, "header"));
		e = ipa_frame_size(writer_span_done(&w), &size);
	}
	if (!failed(e) && w.len >= IPA_HEADER)
		e = ipa_frame_size(writer_span_done(&w), &size);
	if (!failed(e) && size > w.len) {
		const size_t missing = size - w.len;
		writer_span(&w, reader_span(r, missing < reader_left(r) ? missing : reader_left(r),
					"payload"));
	}
	a->len = w.len;
	return e;
}

struct err ipa_assemble(struct ipa_assembly *a, struct span bytes,
	bool (*take)(void *ctx, struct span frame), void *ctx)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(bytes, &fault);
	bool go_on = true;
	size_t used = 0;
	struct err e = OK;

	if (a->len > 0) {
		e = complete(a, &r);
		if (!failed(e))
			e = take_whole(span_of(a->partial, a->len), &used, &go_on, take, ctx);
		if (failed(e) || used == 0)
			return e; /* lost, or still not whole */
		a->len = 0;
	}
	const struct span rest = reader_rest(&r);
	e = take_whole(rest, &used, &go_on, take, ctx);
	if (failed(e) || !go_on)
		return e;
	struct reader left = reader_of(rest, &fault);
	reader_cut(&left, used, "frames");
	a->len = reader_left(&left); /* less than one frame, which fits */
	reader_copy(&left, span_mut_of(a->partial, a->len), "partial");
	return OK;
}

static bool is_printable(struct span text)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.at[i] < 0x20 || text.at[i] > 0x7e)
			return false;
	return true;
}

/* Most clients end their names with a NUL, some do not. */
static void take_name(struct reader *value, char name[static IPA_NAME_MAX])
{
	struct span text = reader_rest(value);

	if (text.len > 0 && text.at[text.len - 1] == 0)
		text.len--;
	if (!reader_require(value, text.len < IPA_NAME_MAX && is_printable(text), "name", NULL))
		return;
	memset(name, 0, IPA_NAME_MAX);
	if (text.len > 0)
		memcpy(name, text.at, text.len);
}

/* In ID_RESP the length of an item has two octets and counts the tag. */
struct err ipa_id_resp_decode(
	struct span payload, struct ipa_identity *identity, struct wire_fault *fault)
{
	struct reader r = reader_of(payload, fault);

	*identity = (struct ipa_identity){0};
	while (reader_more(&r)) {
		struct reader item = reader_cut(&r, reader_u16(&r, "item_length"), "item");
		switch (reader_u8(&item, "tag")) {
		case IPA_TAG_SERIAL:
			take_name(&item, identity->serial);
			break;
		case IPA_TAG_UNIT_NAME:
			take_name(&item, identity->unit_name);
			break;
		case IPA_TAG_UNIT_ID:
			take_name(&item, identity->unit_id);
			break;
		default: /* location, versions, MAC: nothing that we go by */
			break;
		}
	}
	return wire_result(fault);
}

/* In ID_GET the length of an item has one octet and counts the tag. */
struct err ipa_id_get_decode(
	struct span payload, struct span_mut tags, size_t *count, struct wire_fault *fault)
{
	struct reader r = reader_of(payload, fault);

	*count = 0;
	while (reader_more(&r)) {
		struct reader item = reader_cut(&r, reader_u8(&r, "item_length"), "item");
		const uint8_t tag = reader_u8(&item, "tag");
		if (reader_require(&r, *count < tags.len, "tag", NULL))
			tags.at[(*count)++] = tag;
	}
	return wire_result(fault);
}

static size_t frame_open(struct writer *w, enum ipa_stream stream, uint8_t first)
{
	const size_t mark = writer_mark(w, 2);

	writer_u8(w, (uint8_t)stream);
	writer_u8(w, first);
	return mark;
}

/* `length` counts what follows the stream octet, which stands between the mark and the payload. */
static void frame_close(struct writer *w, size_t mark)
{
	struct writer head;

	if (w->is_full)
		return;
	const size_t length = w->len - mark - IPA_HEADER;
	if (length > IPA_PAYLOAD_MAX) {
		w->is_full = true;
		return;
	}
	head = writer_of(span_mut_of(w->base + mark, 2));
	writer_u16(&head, (uint16_t)length);
}

void ipa_ccm_encode(struct writer *w, enum ipa_ccm_type type)
{
	frame_close(w, frame_open(w, IPA_STREAM_CCM, (uint8_t)type));
}

void ipa_id_get_encode(struct writer *w)
{
	static const uint8_t tags[] = {IPA_TAG_UNIT_ID, IPA_TAG_UNIT_NAME, IPA_TAG_SERIAL};
	const size_t mark = frame_open(w, IPA_STREAM_CCM, IPA_CCM_ID_GET);

	for (size_t i = 0; i < ARRAY_LEN(tags); i++) {
		writer_u8(w, 1);
		writer_u8(w, tags[i]);
	}
	frame_close(w, mark);
}

static void put_name(struct writer *w, enum ipa_tag tag, const char *name)
{
	const size_t length = writer_mark(w, 2);

	writer_u8(w, (uint8_t)tag);
	writer_span(w, span_str(name));
	writer_u8(w, 0);
	writer_close(w, length, 2);
}

void ipa_id_resp_encode(struct writer *w, const struct ipa_identity *identity)
{
	const size_t mark = frame_open(w, IPA_STREAM_CCM, IPA_CCM_ID_RESP);

	put_name(w, IPA_TAG_UNIT_ID, identity->unit_id);
	put_name(w, IPA_TAG_UNIT_NAME, identity->unit_name);
	put_name(w, IPA_TAG_SERIAL, identity->serial);
	frame_close(w, mark);
}

size_t ipa_gsup_open(struct writer *w)
{
	return frame_open(w, IPA_STREAM_OSMO, IPA_EXTENSION_GSUP);
}

void ipa_gsup_close(struct writer *w, size_t mark)
{
	frame_close(w, mark);
}
