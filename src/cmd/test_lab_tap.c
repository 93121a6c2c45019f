// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/tap.h"
#include "codec/packet.h"
#include "codec/pcap.h"
#include <stdarg.h>
#include <stdio.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

static const uint16_t ports[] = {7010, 7020, 7030};
enum { FRAMES_MAX = 128, FRAME_MAX = 256 };

/* Frames live until the judge ends. */
static uint8_t frames[FRAMES_MAX][FRAME_MAX];
static size_t frame_count;

static struct writer frame_begin(uint16_t ethertype)
{
	assert_true(frame_count < FRAMES_MAX);
	struct writer w = writer_of(SPAN_MUT_ARRAY(frames[frame_count]));

	frame_count++;
	writer_span(&w, span_of("\2\0\0\0\0\1\2\0\0\0\0\2", 12));
	writer_u16(&w, ethertype);
	return w;
}

static struct span done(const struct writer *w)
{
	const struct span s = writer_span_done(w);

	assert_true(s.len > 0);
	return s;
}

static void ipv4_encode(struct writer *w, uint8_t protocol, size_t payload, uint16_t fragment)
{
	writer_u16(w, 0x4500);
	writer_u16(w, (uint16_t)(20 + payload));
	writer_u16(w, 77);
	writer_u16(w, fragment);
	writer_u8(w, 64);
	writer_u8(w, protocol);
	writer_u16(w, 0);
	writer_u32(w, 0x0a5a0102);
	writer_u32(w, 0x0a5a0202);
}

static struct span udp(uint16_t port, struct span payload)
{
	struct writer w = frame_begin(ETHERTYPE_IPV4_);

	ipv4_encode(&w, PACKET_UDP, 8 + payload.len, 0);
	writer_u16(&w, port);
	writer_u16(&w, port);
	writer_u16(&w, (uint16_t)(8 + payload.len));
	writer_u16(&w, 0);
	writer_span(&w, payload);
	return done(&w);
}

static struct span tcp(
	uint16_t from, uint16_t to, uint32_t sequence, uint8_t flags, struct span payload)
{
	struct writer w = frame_begin(ETHERTYPE_IPV4_);

	ipv4_encode(&w, PACKET_TCP, 20 + payload.len, 0);
	writer_u16(&w, from);
	writer_u16(&w, to);
	writer_u32(&w, sequence);
	writer_u32(&w, 0);
	writer_u8(&w, 0x50);
	writer_u8(&w, flags);
	writer_u16(&w, 1000);
	writer_u32(&w, 0);
	writer_span(&w, payload);
	return done(&w);
}

static struct span ike(bool is_marked)
{
	static uint8_t message[32];
	struct writer w = writer_of(SPAN_MUT_ARRAY(message));

	if (is_marked)
		writer_u32(&w, 0);
	writer_u64(&w, 1);
	writer_u64(&w, 2);
	writer_u32(&w, 0x21202208); /* next payload, version 2, IKE_SA_INIT, initiator */
	writer_u32(&w, 0);
	writer_u32(&w, 28);
	return done(&w);
}

static int setup(void **state)
{
	struct tap_judge *j;

	frame_count = 0;
	if (failed(tap_judge_open(&j, ports, 3)))
		return 1;
	*state = j;
	return 0;
}

static int teardown(void **state)
{
	tap_judge_close(*state);
	return 0;
}

static void expect(struct tap_judge *j, enum tap_class class, uint64_t packets)
{
	const struct tap_count *count = tap_judge_end(j);
	uint64_t sum = 0;

	for (size_t i = 0; i < TAP_CLASSES; i++)
		sum += count->packets[i];
	if (count->packets[class] != packets)
		for (size_t i = 0; i < count->described; i++)
			print_message("clear: %s\n", count->descriptions[i]);
	assert_int_equal(count->packets[class], packets);
	assert_int_equal(sum, frame_count);
}

static void test_ike_arp_and_keepalive_pass(void **state)
{
	struct tap_judge *j = *state;
	struct writer arp = frame_begin(ETHERTYPE_ARP_);

	tap_classify(j, done(&arp));
	tap_classify(j, udp(500, ike(false)));
	tap_classify(j, udp(4500, ike(true)));
	tap_classify(j, udp(4500, span_of("\xff", 1)));
	expect(j, TAP_IKE, 3);
	expect(j, TAP_ARP, 1);
}

static void test_esp_passes_by_protocol_and_in_udp(void **state)
{
	struct tap_judge *j = *state;
	static const uint8_t esp[40] = {0xc1, 2, 3, 4, 0, 0, 0, 1, 0x99};
	struct writer w = frame_begin(ETHERTYPE_IPV4_);

	ipv4_encode(&w, PACKET_ESP, sizeof esp, 0);
	writer_span(&w, SPAN_ARRAY(esp));
	tap_classify(j, done(&w));
	tap_classify(j, udp(4500, SPAN_ARRAY(esp)));
	expect(j, TAP_ESP, 2);
}

static void test_esp_with_null_encryption_is_clear_text(void **state)
{
	/* A whole IPv4 header, with its checksum, behind SPI and sequence number. */
	static const uint8_t esp[] = {0xc1, 2, 3, 4, 0, 0, 0, 1, 0x45, 0, 0, 0x73, 0, 0, 0x40, 0,
		0x40, 0x11, 0xb8, 0x61, 0xc0, 0xa8, 0, 1, 0xc0, 0xa8, 0, 0xc7, 0, 0, 0, 0};

	tap_classify(*state, udp(4500, SPAN_ARRAY(esp)));
	expect(*state, TAP_CLEARTEXT, 1);
}

static void test_what_is_not_listed_is_clear_text(void **state)
{
	struct tap_judge *j = *state;
	static const struct span text = {(const uint8_t *)"SEND_AUTH_INFO for all to see...", 32};

	tap_classify(j, udp(500, text));
	tap_classify(j, udp(4500, span_of("\0\0\0\0SEND_AUTH_INFO for all to see", 33)));
	tap_classify(j, udp(53, ike(false)));
	tap_classify(j, tcp(4222, 40000, 1, TCP_ACK_, text));
	tap_classify(j, tcp(4222, 40000, 1, TCP_SYN_, (struct span){0}));
	struct writer icmp = frame_begin(ETHERTYPE_IPV4_);
	ipv4_encode(&icmp, PACKET_ICMP, 8, 0);
	writer_u64(&icmp, 0x0800000000000000);
	tap_classify(j, done(&icmp));
	struct writer vlan = frame_begin(0x8100);
	writer_span(&vlan, text);
	tap_classify(j, done(&vlan));
	tap_classify(j, span_of(frames[0], 20)); /* a frame cut short */
	frame_count++;
	expect(j, TAP_CLEARTEXT, 8);
	assert_string_equal(tap_judge_end(j)->descriptions[0],
		"10.90.1.2:500 > 10.90.2.2:500, protocol 17, 32 octets");
}

/* A handshake record of 10 octets, then one of application data of 6. */
static const uint8_t records[] = "\x16\x03\x01\0\x0a"
				 "0123456789"
				 "\x17\x03\x03\0\x06"
				 "abcdef";
enum { RECORDS = sizeof records - 1 };

static void syn(struct tap_judge *j)
{
	tap_classify(j, tcp(40000, 7010, 999, TCP_SYN_, (struct span){0}));
}

static void test_tls_in_pieces_of_any_size_passes(void **state)
{
	struct tap_judge *j = *state;

	syn(j);
	for (uint32_t i = 0; i < RECORDS; i += 3)
		tap_classify(j, tcp(40000, 7010, 1000 + i, TCP_ACK_,
					span_of(records + i, RECORDS - i < 3 ? RECORDS - i : 3)));
	tap_classify(j, tcp(40000, 7010, 1000 + RECORDS, TCP_FIN_ | TCP_ACK_, (struct span){0}));
	expect(j, TAP_TLS, frame_count);
}

static void test_tls_out_of_order_and_sent_again_passes(void **state)
{
	struct tap_judge *j = *state;

	syn(j);
	tap_classify(j, tcp(40000, 7010, 1010, TCP_ACK_, span_of(records + 10, RECORDS - 10)));
	tap_classify(j, tcp(40000, 7010, 1004, TCP_ACK_, span_of(records + 4, 6)));
	tap_classify(j, tcp(40000, 7010, 1000, TCP_ACK_, span_of(records, 4)));
	tap_classify(j, tcp(40000, 7010, 1002, TCP_ACK_, span_of(records + 2, 8)));
	expect(j, TAP_TLS, 5);
}

static void test_clear_text_on_a_tls_port_is_found(void **state)
{
	struct tap_judge *j = *state;

	syn(j);
	tap_classify(j, tcp(40000, 7010, 1000, TCP_ACK_, span_of("GET /api/v1/keys", 16)));
	expect(j, TAP_CLEARTEXT, 1);
}

static void test_clear_text_after_tls_records_is_found(void **state)
{
	struct tap_judge *j = *state;

	syn(j);
	tap_classify(j, tcp(40000, 7010, 1000, TCP_ACK_, span_of(records, RECORDS)));
	tap_classify(
		j, tcp(40000, 7010, 1000 + RECORDS, TCP_ACK_, span_of("GET /api/v1/keys", 16)));
	tap_classify(j, tcp(40000, 7010, 1016 + RECORDS, TCP_ACK_, span_of(records, RECORDS)));
	expect(j, TAP_CLEARTEXT, 2);
}

static void test_segment_whose_predecessor_never_came_is_clear_text(void **state)
{
	struct tap_judge *j = *state;

	syn(j);
	tap_classify(j, tcp(40000, 7010, 1004, TCP_ACK_, span_of(records + 4, 6)));
	expect(j, TAP_CLEARTEXT, 1);
}

static void test_fragments_share_the_fate_of_the_first(void **state)
{
	struct tap_judge *j = *state;
	static const uint8_t rest[64] = {0};

	for (uint8_t id = 0; id < 2; id++) { /* 0: IKE, 1: DNS */
		struct writer w = frame_begin(ETHERTYPE_IPV4_);
		ipv4_encode(&w, PACKET_UDP, 8 + 28, 0x2000);
		writer_u16(&w, id == 0 ? 500 : 53);
		writer_u16(&w, id == 0 ? 500 : 53);
		writer_u16(&w, 8 + 28 + 64);
		writer_u16(&w, 0);
		writer_span(&w, ike(false));
		frames[frame_count - 1][19] = id;
		tap_classify(j, done(&w));
		struct writer w2 = frame_begin(ETHERTYPE_IPV4_);
		ipv4_encode(&w2, PACKET_UDP, sizeof rest, 5);
		writer_span(&w2, SPAN_ARRAY(rest));
		frames[frame_count - 1][19] = id;
		tap_classify(j, done(&w2));
	}
	struct writer orphan = frame_begin(ETHERTYPE_IPV4_);
	ipv4_encode(&orphan, PACKET_UDP, sizeof rest, 5);
	writer_span(&orphan, SPAN_ARRAY(rest));
	tap_classify(j, done(&orphan));
	expect(j, TAP_CLEARTEXT, 3);
	expect(j, TAP_IKE, 2);
}

static void test_file_is_judged_and_a_damaged_one_refused(void **state)
{
	char path[] = "/tmp/merlon-tap-XXXXXX";
	uint8_t buffer[512];
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	const struct span frame = udp(53, ike(false));
	struct tap_count count = {0};
	struct complaint c = {0};
	const int fd = mkstemp(path);

	(void)state;
	pcap_header_encode(&w);
	pcap_record_header_encode(&w, 1234567890123456, (uint32_t)frame.len, (uint32_t)frame.len);
	writer_span(&w, frame);
	const struct span file = done(&w);
	assert_int_equal(write(fd, file.at, file.len), file.len);
	assert_false(failed(tap_judge_file(path, ports, 3, &count, &c)));
	assert_int_equal(count.packets[TAP_CLEARTEXT], 1);
	assert_int_equal(ftruncate(fd, (off_t)file.len - 1), 0);
	assert_int_equal(tap_judge_file(path, ports, 3, &count, &c).kind, ERR_INPUT);
	close(fd);
	unlink(path);
}

int main(void)
{
#define JUDGED(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		JUDGED(test_ike_arp_and_keepalive_pass),
		JUDGED(test_esp_passes_by_protocol_and_in_udp),
		JUDGED(test_esp_with_null_encryption_is_clear_text),
		JUDGED(test_what_is_not_listed_is_clear_text),
		JUDGED(test_tls_in_pieces_of_any_size_passes),
		JUDGED(test_tls_out_of_order_and_sent_again_passes),
		JUDGED(test_clear_text_on_a_tls_port_is_found),
		JUDGED(test_clear_text_after_tls_records_is_found),
		JUDGED(test_segment_whose_predecessor_never_came_is_clear_text),
		JUDGED(test_fragments_share_the_fate_of_the_first),
		JUDGED(test_file_is_judged_and_a_damaged_one_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
