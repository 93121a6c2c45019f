// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "gateway/tunnel.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <setjmp.h>
#include <cmocka.h>

static const struct tunnel_policy policy = {
	.role = ROTATE_INITIATOR,
	.local_address = "10.90.1.2",
	.peer_address = "10.90.2.2",
	.local_id = "radio.merlon.test",
	.peer_id = "core.merlon.test",
	.local_subnet = "10.10.1.0/24",
	.remote_subnet = "10.10.2.0/24",
	.ike_proposal = "aes256gcm16-prfsha384-ecp384",
	.esp_proposal = "aes256gcm16-ecp384",
	.lifetime_s = 600,
};

static uint8_t buffer[8192];

static struct span packet_end(struct writer *w, size_t mark)
{
	struct span bytes;

	vici_end(w, mark);
	assert_false(failed(writer_result(w, &bytes)));
	return bytes;
}

/* There must be no way to a tunnel without a PPK [RFC 8784 §3]. */
/* [RFC 8784] */
static void test_every_connection_requires_its_ppk(void **state)
{
	(void)state;
	for (enum rotate_role role = 0; role < ROTATE_ROLES; role++) {
		struct tunnel_policy p = policy;
		struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
		struct wire_fault fault = {0};
		struct vici_packet packet;
		struct span connection, children;
		p.role = role;
		const size_t mark = vici_begin(&w, VICI_CMD_REQUEST, "load-conn");
		tunnel_connection_write(&w, &p, "merlon-1", "1@merlon");
		assert_false(failed(vici_decode(packet_end(&w, mark), &packet, &fault)));
		assert_true(vici_find(packet.message, VICI_SECTION, "merlon-1", &connection));
		assert_true(vici_is(connection, "ppk_required", "yes"));
		assert_true(vici_is(connection, "ppk_id", "1@merlon"));
		assert_true(vici_is(connection, "version", "2"));
		assert_true(vici_is(connection, "rekey_time", "0s"));
		assert_true(vici_is(
			connection, "reauth_time", role == ROTATE_INITIATOR ? "600s" : "0s"));
		assert_true(vici_find(connection, VICI_SECTION, "children", &children));
	}
}

static void test_sa_as_charon_lists_it(void **state)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct wire_fault fault = {0};
	struct vici_packet packet;
	struct tunnel_sa sa;

	(void)state;
	const size_t mark = vici_begin(&w, VICI_EVENT, "child-updown");
	vici_value_text(&w, "up", "yes");
	vici_section_open(&w, "merlon-1");
	vici_value_text(&w, "uniqueid", "3");
	vici_value_text(&w, "state", "ESTABLISHED");
	vici_value_text(&w, "initiator-spi", "36b4ba5d94a83fcc");
	vici_value_text(&w, "responder-spi", "000000000000000f");
	vici_value_text(&w, "ppk", "yes");
	vici_section_open(&w, "child-sas");
	for (int i = 0; i < 2; i++) {
		vici_section_open(&w, i == 0 ? "net-3" : "net-4");
		vici_value_text(&w, "state", i == 0 ? "REKEYED" : "INSTALLED");
		vici_value_text(&w, "bytes-in", "100");
		vici_value_text(&w, "bytes-out", "7");
		vici_section_close(&w);
	}
	vici_section_close(&w);
	vici_section_close(&w);
	assert_false(failed(vici_decode(packet_end(&w, mark), &packet, &fault)));
	assert_true(tunnel_sa_read(packet.message, &sa));
	assert_string_equal(sa.connection, "merlon-1");
	assert_int_equal(sa.unique_id, 3);
	assert_int_equal(sa.spi_initiator, 0x36b4ba5d94a83fcc);
	assert_int_equal(sa.spi_responder, 15);
	assert_true(sa.is_established && sa.has_ppk && sa.has_child);
	assert_int_equal(sa.bytes_in, 200);
	assert_int_equal(sa.bytes_out, 14);
}

static void test_message_without_an_sa_is_none(void **state)
{
	struct writer w = writer_of(SPAN_MUT_ARRAY(buffer));
	struct tunnel_sa sa;

	(void)state;
	assert_false(tunnel_sa_read(span_of(NULL, 0), &sa));
	vici_value_text(&w, "up", "yes");
	assert_false(tunnel_sa_read(writer_span_done(&w), &sa));
	vici_section_open(&w, "a-connection-name-that-is-much-longer-than-any-of-ours");
	vici_value_text(&w, "uniqueid", "3");
	vici_section_close(&w);
	assert_false(tunnel_sa_read(writer_span_done(&w), &sa));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_connection_requires_its_ppk),
		cmocka_unit_test(test_sa_as_charon_lists_it),
		cmocka_unit_test(test_message_without_an_sa_is_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
