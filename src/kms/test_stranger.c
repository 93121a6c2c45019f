// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * What somebody may reach who speaks on the line between the sites, whatever became of TLS, and does not
 * hold the quantum key; or who has taken over the process of a quantum link. The site under test answers exchanges: its name sorts last. All ports answer at once.
 */
#include "kms/exchange.h"
#include "kms/kms.h"
#include "kms/vault.h"
#include "crypt/digest.h"
#include "support/prop.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

enum { OCTETS = 32 * 90 };

static struct kms_vault vault;
static struct prop prop;
static struct kms *kms;
static const uint8_t kek[32] = {7};

struct said {
	struct err err;
	size_t len;
	uint8_t body[KVAULT_MESSAGE_MAX];
};

static void port_save(void *ctx, const struct kms_change *changes, size_t count, kms_done_fn *done,
	void *done_ctx)
{
	(void)ctx, (void)changes, (void)count;
	done(done_ctx, OK, span_of(NULL, 0));
}

static void port_vault(
	void *ctx, uint16_t type, struct span body, kms_done_fn *done, void *done_ctx)
{
	static uint8_t out[KVAULT_MESSAGE_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	(void)ctx;
	const struct err e = kms_vault_serve(&vault, type, body, &w);
	done(done_ctx, e, failed(e) ? span_of(NULL, 0) : writer_span_done(&w));
}

static void port_none(void *ctx, uint16_t type, struct span body, kms_done_fn *done, void *done_ctx)
{
	(void)ctx, (void)type, (void)body;
	done(done_ctx, ERR(IO), span_of(NULL, 0));
}

static void port_audit(void *ctx, struct span json, kms_done_fn *done, void *done_ctx)
{
	(void)ctx, (void)json;
	done(done_ctx, OK, span_of(NULL, 0));
}

static void hear(void *ctx, struct err err, struct span body)
{
	struct said *s = ctx;

	assert_true(body.len <= sizeof s->body);
	s->err = err;
	s->len = body.len;
	if (body.len > 0)
		memcpy(s->body, body.at, body.len);
}

static struct said *ask(uint16_t type, const struct writer *w)
{
	static struct said said;

	assert_false(w->is_full);
	said = (struct said){.err = ERR(TIMEOUT)};
	kms_request(
		kms, type, span_of(w->base, w->len), (struct moment){.mono_ms = 1000}, hear, &said);
	return &said;
}

static uint8_t text[QKD_REQUEST_MAX];

static enum err_kind link_says(uint16_t type, const char *link, uint8_t block, struct span key)
{
	struct qkd_request m = {.block_id = {block},
		.marks = {1, 1},
		.state = span_of("pads", 4),
		.key = key,
		.report = span_of("{}", 2)};
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));

	memcpy(m.link, link, strlen(link) + 1);
	qkd_request_encode(&w, type, &m);
	return ask(type, &w)->err.kind;
}

/* A site with one final block. */
static int open_site(void **state)
{
	static const struct kms_ports ports = {NULL, port_save, port_vault, port_none, port_audit};
	static struct kms_config config = {.key_bits = 256, .offer_ms_max = 1000, .retry_ms = 100};
	uint8_t key[OCTETS];

	(void)state;
	prop = prop_seeded(1);
	assert_true(kms_name_set(&config.site, "radio") && kms_name_set(&config.peer_site, "core"));
	vault = (struct kms_vault){.kek = {.id = 1, .key = SPAN_ARRAY(kek)},
		.entropy = prop_entropy(&prop),
		.site = config.site,
		.peer_site = config.peer_site};
	assert_false(failed(kms_open(&kms, &config, &ports, NULL)));
	kms_start(kms, (struct moment){.mono_ms = 1});
	memset(key, 0x51, sizeof key);
	assert_int_equal(link_says(QKD_BLOCK_PENDING, "q1", 5, SPAN_ARRAY(key)), ERR_NONE);
	assert_int_equal(link_says(QKD_BLOCK_FINAL, "q1", 5, span_of(NULL, 0)), ERR_NONE);
	return 0;
}

static int close_site(void **state)
{
	(void)state;
	kms_close(kms);
	return 0;
}

struct half {
	struct peer_exchange message;
	struct exchange_private private;
	struct peer_exchange_answer answer;
};

static void exchange(struct half *h)
{
	struct wire_fault fault = {0};
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));

	*h = (struct half){
		.message = {
			.block_id = {5}, .initiator = vault.peer_site, .responder = vault.site}};
	assert_false(failed(exchange_open(&vault.entropy, &h->message, &h->private)));
	peer_exchange_write(&w, &h->message);
	const struct said *s = ask(PEER_EXCHANGE, &w);
	assert_false(failed(s->err));
	assert_false(
		failed(peer_exchange_answer_decode(&h->answer, span_of(s->body, s->len), &fault)));
}

static uint32_t ready(void)
{
	struct kms_summary s;

	kms_summarise(kms, &s);
	return s.blocks_ready;
}

static void test_a_transcript_is_no_proof(void **state)
{
	struct half h;
	struct peer_reconcile m = {.count = 1, .blocks = {{.block_id = {5}}}};
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));

	(void)state;
	exchange(&h);
	writer_span(&w, span_str("merlon exchange 1"));
	peer_exchange_write(&w, &h.message);
	writer_span(&w, SPAN_ARRAY(h.answer.mlkem));
	writer_span(&w, SPAN_ARRAY(h.answer.x25519));
	assert_false(failed(sha256(writer_span_done(&w), m.blocks[0].transcript)));
	w = writer_of(SPAN_MUT_ARRAY(text));
	peer_reconcile_encode(&w, &m);
	ask(PEER_RECONCILE, &w);
	assert_int_equal(ready(), 0);
}

static enum err_kind offer(const char *master, const char *slave)
{
	struct peer_offer m = {.slave_count = 1, .size_bits = 256, .count = 1, .keys = {{{5}, 1}}};
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));

	assert_true(kms_name_set(&m.master, master) && kms_name_set(&m.slaves[0], slave));
	peer_offer_encode(&w, &m);
	return ask(PEER_OFFER, &w)->err.kind;
}

/* Names go into audit records and rows as they are. */
static void test_an_offer_writes_nothing_into_the_audit_log(void **state)
{
	struct half h;
	struct exchange_secrets secrets;
	struct peer_confirm m = {.block_id = {5}};
	uint8_t slot0[32];
	struct writer w = writer_of(SPAN_MUT_ARRAY(text));

	(void)state;
	exchange(&h);
	memset(slot0, 0x51, sizeof slot0);
	assert_false(failed(exchange_finish(
		&h.message, &h.answer, &h.private, SPAN_ARRAY(slot0), &secrets, m.proof)));
	memcpy(m.exchange_id, h.message.exchange_id, PEER_ID);
	w = writer_of(SPAN_MUT_ARRAY(text));
	peer_confirm_encode(&w, &m);
	assert_false(failed(ask(PEER_CONFIRM, &w)->err));
	assert_int_equal(ready(), 1);
	assert_int_equal(offer("a\",\"event\":\"forged", "b"), ERR_AUTH);
	assert_int_equal(offer("a", "b\nc"), ERR_AUTH);
	assert_int_equal(offer("a", "b"), ERR_NONE);
}

static void test_a_link_ends_its_own_unfinished_blocks_alone(void **state)
{
	const struct span none = span_of(NULL, 0);
	uint8_t key[OCTETS] = {1};

	(void)state;
	assert_int_equal(link_says(QKD_BLOCK_PENDING, "q1", 6, SPAN_ARRAY(key)), ERR_NONE);
	assert_int_equal(link_says(QKD_BLOCK_VOID, "q1", 5, none), ERR_STATE);
	assert_int_equal(link_says(QKD_BLOCK_VOID, "q2", 6, none), ERR_STATE);
	assert_int_equal(link_says(QKD_BLOCK_FINAL, "q2", 6, none), ERR_STATE);
	assert_int_equal(link_says(QKD_BLOCK_VOID, "q1", 6, none), ERR_NONE);
	assert_int_equal(link_says(QKD_BLOCK_VOID, "q1", 6, none), ERR_NONE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_a_transcript_is_no_proof, open_site, close_site),
		cmocka_unit_test_setup_teardown(
			test_an_offer_writes_nothing_into_the_audit_log, open_site, close_site),
		cmocka_unit_test_setup_teardown(
			test_a_link_ends_its_own_unfinished_blocks_alone, open_site, close_site),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
