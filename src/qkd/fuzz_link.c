// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * A hostile peer, and a hostile device, of one end of a link: any message in any state. The first octet chooses the end. Then events, each of
 * an octet that says what, and what follows:
 *   0 to 127     a message of that type, counted from LINK_HELLO: length u16, body; its block id is made the end's own
 *   128 to 191   the same, as it stands
 *   192 to 223   a device record: length u16, what follows the length field of a record
 *   224 to 255   time passes
 * The store answers at once. No block may become final: nobody here knows a pad.
 */
#include "codec/qkd_pads.h"
#include "qkd/link_inner.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { BODY_MAX = 4096 };

static const struct link_parameters shared = {.protocol = QKD_TWO_DECOY,
	.detections_per_block = 128,
	.intensity_micro = {600000, 220000, 200},
	.probability_micro = {200000, 550000, 250000},
	.basis_x_micro = 750000,
	.eps_sec_exponent = 1,
	.eps_cor_exponent = 9};

static struct qkd_link *end;
static struct moment now;
static uint16_t asked;
static bool is_asked;

static void send_nothing(void *ctx, uint16_t type, struct span body)
{
	(void)ctx, (void)type, (void)body;
}

static void ask(void *ctx, uint16_t type, struct span body)
{
	(void)ctx, (void)body;
	is_asked = true;
	asked = type;
}

static void hang_up(void *ctx)
{
	(void)ctx;
}

static void done(void *ctx, enum qkd_abort reason, const char *report)
{
	(void)ctx, (void)report;
	if (reason == QKD_GOES_ON)
		abort();
}

static struct err fill(void *ctx, struct span_mut out)
{
	(void)ctx;
	memset(out.at, 7, out.len);
	return OK;
}

static void answer(void)
{
	uint8_t text[256];
	const struct qkd_opened nothing = {0};

	while (is_asked) {
		struct writer w = writer_of(SPAN_MUT_ARRAY(text));
		is_asked = false;
		if (asked == QKD_OPEN)
			qkd_opened_encode(&w, &nothing);
		qkd_link_store_answered(end, now, OK, writer_span_done(&w));
	}
}

static void hear(uint16_t type, struct span body)
{
	qkd_link_peer_message(end, now, type, body);
	answer();
}

static void greet(bool is_bob)
{
	uint8_t text[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));
	struct link_hello hello = {.role = is_bob ? LINK_ALICE : LINK_BOB,
		.link = "fuzz",
		.parameters = shared,
		.ends = {16, 16}};
	struct link_message ready = {.ends = {16, 16}};
	struct driver_record record = {.type = DRIVER_HELLO,
		.hello = {.role = is_bob ? DRIVER_BOB : DRIVER_ALICE,
			.basis_x_micro = shared.basis_x_micro}};

	memcpy(record.hello.intensity_micro, shared.intensity_micro, sizeof shared.intensity_micro);
	memcpy(record.hello.probability_micro, shared.probability_micro,
		sizeof shared.probability_micro);
	if (failed(qkd_link_driver_record(end, now, &record)))
		abort();
	qkd_link_store_up(end, now);
	answer();
	qkd_link_peer_up(end, now);
	answer();
	link_hello_encode(&w, &hello);
	hear(LINK_HELLO, writer_span_done(&w));
	w = writer_of(SPAN_MUT_ARRAY(text));
	link_encode(&w, LINK_READY, &ready);
	hear(LINK_READY, writer_span_done(&w));
}

static void begin(bool is_bob, struct alarm_registry *alarms)
{
	static const uint8_t bootstrap[BOOTSTRAP_OCTETS_MIN] = {1};
	const struct qkd_link_settings settings = {.role = is_bob ? LINK_BOB : LINK_ALICE,
		.link = "fuzz",
		.shared = shared,
		.qber_max = 0.2,
		.key_bits_min = 1,
		.test_bits_min = 1,
		.final_bits_min = 2056,
		.slots_max = 100000,
		.ring_slots = 1024,
		.frames_in_flight = 2,
		.answer_ms_max = 5000,
		.driver_ms_max = 5000};
	const struct qkd_link_port port = {NULL, send_nothing, ask, hang_up, done};

	is_asked = false;
	now = (struct moment){.mono_ms = 1};
	if (failed(qkd_link_open(&end, &settings, port, (struct entropy){NULL, fill}, alarms,
		    SPAN_ARRAY(bootstrap), NULL)))
		abort();
	greet(is_bob);
}

/* The id of the block that is worked on, else of the one that is collected. */
static void block_id_put(uint8_t *body)
{
	memcpy(body, end->stage > STAGE_IDLE ? end->block.id : collect_current(&end->collect)->id,
		QKD_BLOCK_ID);
}

static void device_says(struct span rest)
{
	static uint8_t bytes[BODY_MAX + 4];
	struct writer w = writer_of(SPAN_MUT_ARRAY(bytes));
	struct driver_record record;
	struct wire_fault fault = {0};

	writer_u32(&w, (uint32_t)rest.len);
	writer_span(&w, rest);
	if (!failed(driver_decode(writer_span_done(&w), &record, &fault)) &&
		record.type != DRIVER_HELLO && failed(qkd_link_driver_record(end, now, &record)))
		qkd_link_driver_down(end, now);
	answer();
}

static void event(uint8_t what, struct span body)
{
	static uint8_t own[BODY_MAX];

	if (what >= 192) {
		device_says(body);
		return;
	}
	memcpy(own, body.at, body.len);
	if (what < 128 && body.len >= QKD_BLOCK_ID)
		block_id_put(own);
	hear((uint16_t)(LINK_HELLO + what % 64), span_of(own, body.len));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct alarm_registry alarms;

	if (size == 0)
		return 0;
	begin(data[0] % 2 == 1, &alarms);
	for (size_t at = 1; at < size;) {
		const uint8_t what = data[at++];
		if (what >= 224) {
			now.mono_ms += 700;
			qkd_link_tick(end, now);
			answer();
			continue;
		}
		if (at + 2 > size)
			break;
		const size_t len = (size_t)(data[at] << 8 | data[at + 1]);
		at += 2;
		if (len > BODY_MAX || at + len > size)
			break;
		event(what, span_of(data + at, len));
		at += len;
	}
	qkd_link_close(end);
	return 0;
}
