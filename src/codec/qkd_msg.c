// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_msg.h"

/* Which members a request carries, in this order on the wire. */
enum member { BLOCK = 1, KEY = 2, STATE = 4, MARKS = 8 };

static const struct shape {
	uint16_t type;
	unsigned members;
} shapes[] = {
	{QKD_OPEN, 0},
	{QKD_MARK, MARKS},
	{QKD_BLOCK_PENDING, BLOCK | KEY},
	{QKD_BLOCK_FINAL, BLOCK | STATE | MARKS},
	{QKD_BLOCK_VOID, BLOCK},
	{QKD_STATE, STATE | MARKS},
};

static const struct shape *shape_of(uint16_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(shapes); i++)
		if (shapes[i].type == type)
			return &shapes[i];
	return NULL;
}

static bool is_name_octet(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static void take_link(struct reader *r, char out[static QKD_LINK_MAX + 1])
{
	const size_t len = reader_u8(r, "link_length");
	bool is_name = len >= 1 && len <= QKD_LINK_MAX;
	const struct span name = reader_span(r, is_name ? len : 0, "link");

	for (size_t i = 0; i < name.len; i++) {
		out[i] = (char)name.at[i];
		is_name = is_name && is_name_octet(name.at[i]);
	}
	reader_require(r, is_name, "link", NULL);
}

static struct span take_blob(struct reader *r, size_t min, size_t max, const char *field)
{
	const size_t len = reader_u32(r, field);

	if (!reader_require(r, len >= min && len <= max, field, NULL))
		return span_of(r->at, 0);
	return reader_span(r, len, field);
}

static void put_blob(struct writer *w, struct span bytes)
{
	writer_u32(w, (uint32_t)bytes.len);
	writer_span(w, bytes);
}

static struct qkd_marks take_marks(struct reader *r)
{
	const uint64_t send = reader_u64(r, "mark_send");

	return (struct qkd_marks){.send = send, .accept = reader_u64(r, "mark_accept")};
}

static void put_marks(struct writer *w, struct qkd_marks marks)
{
	writer_u64(w, marks.send);
	writer_u64(w, marks.accept);
}

struct err qkd_request_decode(
	uint16_t type, struct span body, struct qkd_request *request, struct wire_fault *fault)
{
	const struct shape *shape = shape_of(type);
	struct reader r = reader_of(body, fault);

	*request = (struct qkd_request){0};
	if (!reader_require(&r, shape != NULL, "type", NULL))
		return wire_result(fault);
	take_link(&r, request->link);
	if (shape->members & BLOCK)
		reader_copy(&r, SPAN_MUT_ARRAY(request->block_id), "block_id");
	if (shape->members & KEY) {
		request->key = take_blob(&r, 1, QKD_KEY_MAX, "key");
		request->report = take_blob(&r, 0, QKD_REPORT_MAX, "report");
	}
	if (shape->members & STATE)
		request->state = take_blob(&r, 1, QKD_STATE_MAX, "state");
	if (shape->members & MARKS)
		request->marks = take_marks(&r);
	reader_end(&r, "request");
	return wire_result(fault);
}

void qkd_request_encode(struct writer *w, uint16_t type, const struct qkd_request *request)
{
	const struct shape *shape = shape_of(type);
	const struct span link = span_str(request->link);

	writer_u8(w, (uint8_t)link.len);
	writer_span(w, link);
	if (shape->members & BLOCK)
		writer_span(w, SPAN_ARRAY(request->block_id));
	if (shape->members & KEY) {
		put_blob(w, request->key);
		put_blob(w, request->report);
	}
	if (shape->members & STATE)
		put_blob(w, request->state);
	if (shape->members & MARKS)
		put_marks(w, request->marks);
}

struct err qkd_opened_decode(struct span body, struct qkd_opened *opened, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	*opened = (struct qkd_opened){.marks = take_marks(&r)};
	opened->state = take_blob(&r, 0, QKD_STATE_MAX, "state");
	const size_t count = reader_u8(&r, "block_count");
	reader_require(&r, count <= QKD_BLOCKS_MAX, "block_count", NULL);
	for (size_t i = 0; i < count && !reader_failed(&r); i++) {
		struct qkd_block *block = &opened->blocks[opened->block_count++];
		reader_copy(&r, SPAN_MUT_ARRAY(block->id), "block_id");
		block->state = (enum qkd_block_state)reader_u8(&r, "block_state");
		reader_require(&r, block->state == QKD_PENDING || block->state == QKD_FINAL,
			"block_state", NULL);
	}
	reader_end(&r, "opened");
	return wire_result(fault);
}

void qkd_opened_encode(struct writer *w, const struct qkd_opened *opened)
{
	put_marks(w, opened->marks);
	put_blob(w, opened->state);
	writer_u8(w, (uint8_t)opened->block_count);
	for (size_t i = 0; i < opened->block_count; i++) {
		writer_span(w, SPAN_ARRAY(opened->blocks[i].id));
		writer_u8(w, (uint8_t)opened->blocks[i].state);
	}
}
