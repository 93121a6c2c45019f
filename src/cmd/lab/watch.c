// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/watch.h"
#include "codec/ipc.h"
#include "codec/qkd_msg.h"

enum { VICI_KEY_VALUE = 3, PPK_OCTETS = 32 };

static int digit_of(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t watch_octets(struct span_mut out, struct span strace_text)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(strace_text, &fault);
	size_t len = 0;

	while (reader_left(&r) >= 4 && len < out.len) {
		if (reader_u8(&r, "text") != '\\')
			continue;
		struct reader escape = r; /* a value: looked at, taken only where it is "\xHH" */
		const bool is_hex = reader_u8(&escape, "x") == 'x';
		const int high = digit_of(reader_u8(&escape, "digit"));
		const int low = digit_of(reader_u8(&escape, "digit"));
		if (!is_hex || high < 0 || low < 0)
			continue;
		out.at[len++] = (uint8_t)(high << 4 | low);
		r = escape;
	}
	return len;
}

static bool value_take(struct watch_value *value, struct span octets)
{
	value->len = octets.len < WATCH_VALUE_MAX ? octets.len : WATCH_VALUE_MAX;
	memcpy(value->octets, octets.at, value->len);
	return true;
}

/* A frame of that type at the reader's place, whole. */
static bool block_frame(struct reader at, struct watch_value *value)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(reader_rest(&at), &fault);
	const uint32_t length = reader_u32(&r, "length");
	struct ipc_frame frame;
	struct qkd_request request;

	if (length > IPC_FRAME_MAX || length > reader_left(&r))
		return false;
	struct reader again = reader_of(span_of(r.base, 4 + (size_t)length), &fault);
	if (failed(ipc_decode(reader_rest(&again), &frame, &fault)) || frame.kind != IPC_REQUEST ||
		frame.type != QKD_BLOCK_PENDING ||
		failed(qkd_request_decode(frame.type, frame.body, &request, &fault)) ||
		request.key.len == 0)
		return false;
	return value_take(value, request.key);
}

bool watch_find_qkd_block(struct span octets, struct watch_value *value)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(octets, &fault);

	for (; reader_left(&r) > IPC_HEADER; reader_u8(&r, "octet"))
		if (block_frame(r, value))
			return true;
	return false;
}

/* data = 32 octets, as an element of a VICI message: only load-shared of a PPK has such a one. */
static bool ppk_element(struct reader r, struct watch_value *value)
{
	const uint8_t type = reader_u8(&r, "element");
	const struct span name = reader_span(&r, 5, "name"); /* its length, then the name */

	if (type != VICI_KEY_VALUE || !span_equal(name, span_of("\4data", 5)) ||
		reader_u16(&r, "length") != PPK_OCTETS)
		return false;
	const struct span ppk = reader_span(&r, PPK_OCTETS, "data");
	return ppk.len == PPK_OCTETS && value_take(value, ppk);
}

bool watch_find_ppk(struct span octets, struct watch_value *value)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(octets, &fault);

	for (; reader_left(&r) > PPK_OCTETS + 8; reader_u8(&r, "octet"))
		if (ppk_element(r, value))
			return true;
	return false;
}
