// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "base/ct.h"
#include "base/secret.h"
#include "compute_rules.h"
#include "crypt/comp128.h"
#include "crypt/keccak.h"
#include "crypt/tuak.h"
#include "auc/aka.h"
#include <stdarg.h>
#include <stdio.h>

#define M(word) COMPUTE_##word

struct err compute_refuse(struct compute_fault *fault, size_t member, const char *format, ...)
{
	va_list args;

	snprintf(fault->field, sizeof fault->field, "%s",
		member == COMPUTE_NONE ? "" : compute_rows[member].word);
	va_start(args, format);
	vsnprintf(fault->text, sizeof fault->text, format, args);
	va_end(args);
	return ERR(INPUT);
}

static void store(struct compute *c, size_t m, struct span value)
{
	memmove(c->octets[m], value.at, value.len);
	c->len[m] = (uint8_t)value.len;
}

static size_t twin_of(size_t m)
{
	return m == M(res)         ? M(xres)
	       : m == M(res_star)  ? M(xres_star)
	       : m == M(hres_star) ? M(hxres_star)
				   : COMPUTE_NONE;
}

struct err compute_put(struct compute *c, size_t m, struct span value, struct compute_fault *fault)
{
	const size_t twin = twin_of(m);

	if (c->is_given[m] &&
		(c->len[m] != value.len || !ct_equal(c->octets[m], value.at, value.len)))
		return compute_refuse(fault, m, "is not what is computed from the other members");
	store(c, m, value);
	c->is_computed[m] = true;
	if (twin != COMPUTE_NONE) {
		store(c, twin, value);
		c->is_computed[twin] = true;
	}
	return OK;
}

void compute_imply(struct compute *c, size_t m, struct span value)
{
	if (c->is_given[m] || c->is_computed[m])
		return;
	store(c, m, value);
	c->is_implied[m] = true;
}

uint64_t compute_number(const struct compute *c, size_t m)
{
	uint64_t v = 0;

	for (size_t i = 0; compute_has(c, m) && i < c->len[m]; i++)
		v = v << 8 | c->octets[m][i];
	return v;
}

static struct err needs(struct compute *c, size_t m, const char *who, struct compute_fault *fault)
{
	return compute_has(c, m) ? OK : compute_refuse(fault, m, "is expected for %s", who);
}

/* ---- f1 to f5* of one card, with the lengths that are asked for ---- */

struct card {
	uint8_t algorithm; /* AUC_MILENAGE, AUC_TUAK, AUC_XOR */
	struct milenage milenage;
	struct milenage_constants constants;
	struct tuak tuak;
	const uint8_t *k, *rand;
};

static void xor_with_length_of_res(
	const struct card *card, const uint8_t *sqn, const uint8_t *amf, struct tuak_output *f)
{
	struct aka_output x;

	xor_compute(card->k, card->rand, sqn, amf, &x);
	for (size_t i = 0; i < AUTH_RAND; i++)
		f->res[i] = card->k[i] ^ card->rand[i];
	memcpy(f->mac_a, x.mac_a, sizeof x.mac_a);
	memcpy(f->mac_s, x.mac_a, sizeof x.mac_a);
	memcpy(f->ck, x.ck, sizeof x.ck);
	memcpy(f->ik, x.ik, sizeof x.ik);
	memcpy(f->ak, x.ak, sizeof x.ak);
	memcpy(f->ak_star, x.ak, sizeof x.ak);
	secret_wipe(&x, sizeof x);
}

static void functions(
	const struct card *card, const uint8_t *sqn, const uint8_t *amf, struct tuak_output *f)
{
	struct milenage_output m;

	if (card->algorithm == AUC_TUAK) {
		tuak_f1(&card->tuak, card->rand, sqn, amf, f);
		tuak_f1_star(&card->tuak, card->rand, sqn, amf, f);
		tuak_f2345(&card->tuak, card->rand, f);
		tuak_f5_star(&card->tuak, card->rand, f);
		return;
	}
	if (card->algorithm == AUC_XOR) {
		xor_with_length_of_res(card, sqn, amf, f);
		return;
	}
	milenage_compute(&card->milenage, card->rand, sqn, amf, &m);
	memcpy(f->mac_a, m.mac_a, sizeof m.mac_a);
	memcpy(f->mac_s, m.mac_s, sizeof m.mac_s);
	memcpy(f->res, m.res, sizeof m.res);
	memcpy(f->ck, m.ck, sizeof m.ck);
	memcpy(f->ik, m.ik, sizeof m.ik);
	memcpy(f->ak, m.ak, sizeof m.ak);
	memcpy(f->ak_star, m.ak_star, sizeof m.ak_star);
	secret_wipe(&m, sizeof m);
}

/* AUTN = SQN xor AK || AMF || MAC-A [TS 33.102 §6.3.2], which has room for 64 bits of MAC. */
static struct err challenge_put(struct compute *c, const struct card *card,
	const struct tuak_output *f, struct compute_fault *fault)
{
	const size_t mac = card->tuak.lengths.mac;
	uint8_t autn[AUTH_AUTN];

	struct err e = compute_put(c, M(mac_a), span_of(f->mac_a, mac), fault);
	if (!failed(e))
		e = compute_put(c, M(mac_s), span_of(f->mac_s, mac), fault);
	if (failed(e) || mac != AKA_MAC)
		return e;
	for (size_t i = 0; i < SQN_OCTETS; i++)
		autn[i] = c->octets[M(sqn)][i] ^ f->ak[i];
	memcpy(autn + SQN_OCTETS, c->octets[M(amf)], AMF_OCTETS);
	memcpy(autn + SQN_OCTETS + AMF_OCTETS, f->mac_a, AKA_MAC);
	return compute_put(c, M(autn), SPAN_ARRAY(autn), fault);
}

static struct err keys_put(struct compute *c, const struct card *card, const struct tuak_output *f,
	struct compute_fault *fault)
{
	const struct tuak_lengths *l = &card->tuak.lengths;
	const struct {
		size_t member;
		struct span value;
	} rows[] = {{M(res), span_of(f->res, l->res)}, {M(ck), span_of(f->ck, l->ck)},
		{M(ik), span_of(f->ik, l->ik)}, {M(ak), SPAN_ARRAY(f->ak)},
		{M(ak_star), SPAN_ARRAY(f->ak_star)}};
	struct err e = OK;

	for (size_t i = 0; i < ARRAY_LEN(rows) && !failed(e); i++)
		e = compute_put(c, rows[i].member, rows[i].value, fault);
	return e;
}

/* As the home side opens AUTS: MAC-S is over SQN_MS and AMF 0 [TS 33.102 §6.3.3]. A wrong one is an
 * answer here, not an error; then SQN_MS is not told, as it says nothing. */
static struct err auts_open(struct compute *c, const struct card *card, const uint8_t *ak_star,
	struct compute_fault *fault)
{
	static const uint8_t amf[AMF_OCTETS];
	const uint8_t *auts = c->octets[M(auts)];
	uint8_t sqn_ms[SQN_OCTETS];
	struct tuak_output f;

	for (size_t i = 0; i < SQN_OCTETS; i++)
		sqn_ms[i] = auts[i] ^ ak_star[i];
	functions(card, sqn_ms, amf, &f);
	const uint8_t is_right = ct_equal(f.mac_s, auts + SQN_OCTETS, AKA_MAC);
	struct err e = compute_put(c, M(mac_s_ok), span_of(&is_right, 1), fault);
	if (!failed(e) && is_right)
		e = compute_put(c, M(sqn_ms), SPAN_ARRAY(sqn_ms), fault);
	if (!failed(e) && !c->is_computed[M(mac_s)])
		e = compute_put(c, M(mac_s), span_of(f.mac_s, AKA_MAC), fault);
	secret_wipe(&f, sizeof f);
	return e;
}

/* AUTS as the card makes it. */
static struct err auts_make(struct compute *c, const struct card *card, const uint8_t *ak_star,
	struct compute_fault *fault)
{
	static const uint8_t amf[AMF_OCTETS];
	uint8_t auts[AUTH_AUTS];
	struct tuak_output f;

	functions(card, c->octets[M(sqn_ms)], amf, &f);
	for (size_t i = 0; i < SQN_OCTETS; i++)
		auts[i] = c->octets[M(sqn_ms)][i] ^ ak_star[i];
	memcpy(auts + SQN_OCTETS, f.mac_s, AKA_MAC);
	secret_wipe(&f, sizeof f);
	return compute_put(c, M(auts), SPAN_ARRAY(auts), fault);
}

static struct err resynchronisation(struct compute *c, const struct card *card,
	const uint8_t *ak_star, struct compute_fault *fault)
{
	if (!c->is_given[M(auts)] && !c->is_given[M(sqn_ms)])
		return OK;
	if (card->tuak.lengths.mac != AKA_MAC)
		return compute_refuse(fault, M(mac_bits), "AUTS has a MAC-S of 64 bits");
	return c->is_given[M(auts)] ? auts_open(c, card, ak_star, fault)
				    : auts_make(c, card, ak_star, fault);
}

/* SQN without RAND and RAND without SQN both give what they can. */
static struct err card_run(struct compute *c, const struct card *card, struct compute_fault *fault)
{
	static const uint8_t amf[AMF_OCTETS] = {0x80, 0}, none[SQN_OCTETS];
	struct tuak_output f;

	if (!compute_has(c, M(rand)))
		return c->is_computed[M(opc)] || c->is_computed[M(topc)]
			       ? OK
			       : compute_refuse(fault, M(rand), "is expected");
	compute_imply(c, M(amf), SPAN_ARRAY(amf));
	const bool has_sqn = compute_has(c, M(sqn));
	functions(card, has_sqn ? c->octets[M(sqn)] : none, c->octets[M(amf)], &f);
	struct err e = has_sqn ? challenge_put(c, card, &f, fault) : OK;
	if (!failed(e))
		e = keys_put(c, card, &f, fault);
	if (!failed(e))
		e = resynchronisation(c, card, f.ak_star, fault);
	secret_wipe(&f, sizeof f);
	return e;
}

/* ---- MILENAGE ---- */

/* The next of five values with commas between; empty after the last. */
static struct span next_of(struct span *list)
{
	size_t len = 0;

	while (len < list->len && list->at[len] != ',')
		len++;
	const struct span item = span_of(list->at, len);
	const size_t skip = len < list->len ? len + 1 : len;
	*list = span_of(list->at + skip, list->len - skip);
	return item;
}

static bool rotation_from(struct span text, uint8_t *bits)
{
	unsigned v = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] < '0' || text.at[i] > '9' || v > 127)
			return false;
		v = v * 10 + (unsigned)(text.at[i] - '0');
	}
	*bits = (uint8_t)v;
	return text.len > 0 && v <= 127;
}

static struct err constants_of(
	const struct compute *c, struct milenage_constants *m, struct compute_fault *fault)
{
	struct span r = span_of(c->octets[M(r)], c->len[M(r)]);
	struct span constants = span_of(c->octets[M(c)], c->len[M(c)]);

	*m = milenage_standard;
	for (size_t i = 0; i < MILENAGE_OUTS; i++) {
		if (compute_has(c, M(r)) && !rotation_from(next_of(&r), &m->r[i]))
			return compute_refuse(fault, M(r), "five numbers of 0 to 127 are expected");
		if (compute_has(c, M(c)) &&
			!hex_digits_to_span(SPAN_MUT_ARRAY(m->c[i]), next_of(&constants)))
			return compute_refuse(fault, M(c), "five times 32 hex digits are expected");
	}
	if (compute_has(c, M(r)) && r.len > 0)
		return compute_refuse(fault, M(r), "five numbers of 0 to 127 are expected");
	if (compute_has(c, M(c)) && constants.len > 0)
		return compute_refuse(fault, M(c), "five times 32 hex digits are expected");
	return OK;
}

static struct err k_is_short(struct compute *c, const char *who, struct compute_fault *fault)
{
	const struct err e = needs(c, M(k), who, fault);

	if (failed(e) || c->len[M(k)] == AUTH_KEY)
		return e;
	return compute_refuse(fault, M(k), "32 hex digits are expected for %s", who);
}

static struct err milenage_prepare(const struct aes128_engine *engine, struct compute *c,
	struct card *card, struct compute_fault *fault)
{
	uint8_t opc[MILENAGE_KEY];

	struct err e = k_is_short(c, "milenage", fault);
	if (!failed(e) && !compute_has(c, M(op)) && !compute_has(c, M(opc)))
		e = compute_refuse(fault, M(opc), "op or opc is expected for milenage");
	if (!failed(e))
		e = constants_of(c, &card->constants, fault);
	if (failed(e))
		return e;
	if (compute_has(c, M(op))) {
		milenage_opc(engine, c->octets[M(k)], c->octets[M(op)], opc);
		e = compute_put(c, M(opc), SPAN_ARRAY(opc), fault);
		secret_wipe(opc, sizeof opc);
	}
	card->algorithm = AUC_MILENAGE;
	card->milenage = (struct milenage){.engine = engine,
		.constants = &card->constants,
		.k = c->octets[M(k)],
		.opc = c->octets[M(opc)]};
	card->tuak.lengths = (struct tuak_lengths){.mac = 8, .res = 8, .ck = 16, .ik = 16};
	return e;
}

static struct err with_milenage(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	struct card card = {.k = c->octets[M(k)], .rand = c->octets[M(rand)]};
	const struct err e = milenage_prepare(engine, c, &card, fault);

	return failed(e) ? e : card_run(c, &card, fault);
}

/* SRES#1 and SRES#2, with Kc [TS 55.205] */
static struct err with_gsm_milenage(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	struct card card = {.k = c->octets[M(k)], .rand = c->octets[M(rand)]};
	struct tuak_output f;
	static const uint8_t none[SQN_OCTETS];

	struct err e = milenage_prepare(engine, c, &card, fault);
	if (!failed(e))
		e = needs(c, M(rand), "gsm-milenage", fault);
	if (failed(e))
		return e;
	functions(&card, none, none, &f);
	e = keys_put(c, &card, &f, fault);
	if (!failed(e))
		e = compute_put(c, M(sres2), span_of(f.res, AUTH_SRES), fault);
	c->is_computed[M(ak)] = c->is_computed[M(ak_star)] = c->is_computed[M(xres)] = false;
	secret_wipe(&f, sizeof f);
	return e;
}

/* ---- TUAK ---- */

/* Bits that were given, or the default, as octets; 0 where they are no octets. */
static uint8_t octets_of(const struct compute *c, size_t m, uint8_t otherwise)
{
	const uint64_t bits = compute_number(c, m);

	return !compute_has(c, m) ? otherwise : bits % 8 == 0 ? (uint8_t)(bits / 8) : 0;
}

static struct err lengths_check(const struct tuak *t, struct compute_fault *fault)
{
	static const struct {
		uint8_t at, member;
		uint8_t allowed[4];
		const char *text;
	} rows[] = {
		{offsetof(struct tuak_lengths, mac), M(mac_bits), {8, 16, 32, 32},
			"64, 128 or 256"},
		{offsetof(struct tuak_lengths, res), M(res_bits), {4, 8, 16, 32},
			"32, 64, 128 or 256"},
		{offsetof(struct tuak_lengths, ck), M(ck_bits), {16, 32, 32, 32}, "128 or 256"},
		{offsetof(struct tuak_lengths, ik), M(ik_bits), {16, 32, 32, 32}, "128 or 256"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (memchr(rows[i].allowed, ((const uint8_t *)&t->lengths)[rows[i].at], 4) == NULL)
			return compute_refuse(
				fault, rows[i].member, "%s is expected", rows[i].text);
	return failed(tuak_check(t)) ? compute_refuse(fault, M(iterations), "1 to 255 is expected")
				     : OK;
}

static struct err with_tuak(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	struct card card = {.algorithm = AUC_TUAK, .rand = c->octets[M(rand)]};
	uint8_t topc[TUAK_TOP];

	(void)engine;
	struct err e = needs(c, M(k), "tuak", fault);
	if (!failed(e) && !compute_has(c, M(top)) && !compute_has(c, M(topc)))
		e = compute_refuse(fault, M(topc), "top or topc is expected for tuak");
	if (failed(e))
		return e;
	card.tuak = (struct tuak){.k = c->octets[M(k)],
		.topc = c->octets[M(topc)],
		.lengths = {.k = c->len[M(k)],
			.mac = octets_of(c, M(mac_bits), 8),
			.res = octets_of(c, M(res_bits), 8),
			.ck = octets_of(c, M(ck_bits), 16),
			.ik = octets_of(c, M(ik_bits), 16)},
		.iterations = compute_has(c, M(iterations)) ? c->octets[M(iterations)][0] : 1};
	e = lengths_check(&card.tuak, fault);
	if (!failed(e) && compute_has(c, M(top))) {
		tuak_topc(&card.tuak, c->octets[M(top)], topc);
		e = compute_put(c, M(topc), SPAN_ARRAY(topc), fault);
		secret_wipe(topc, sizeof topc);
	}
	return failed(e) ? e : card_run(c, &card, fault);
}

/* ---- XOR, COMP128, Keccak ---- */

static struct err with_xor(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	struct card card = {.algorithm = AUC_XOR, .k = c->octets[M(k)], .rand = c->octets[M(rand)]};

	(void)engine;
	card.tuak.lengths = (struct tuak_lengths){
		.mac = 8, .res = octets_of(c, M(res_bits), 8), .ck = 16, .ik = 16};
	if (card.tuak.lengths.res < 4 || card.tuak.lengths.res > XOR_OCTETS)
		return compute_refuse(fault, M(res_bits), "32 to 128, whole octets, is expected");
	const struct err e = k_is_short(c, "xor", fault);
	return failed(e) ? e : card_run(c, &card, fault);
}

static struct err triplet_of(struct compute *c, const char *who,
	void (*algorithm)(const uint8_t *, const uint8_t *, uint8_t *, uint8_t *),
	struct compute_fault *fault)
{
	uint8_t sres[AUTH_SRES], kc[AUTH_KC];

	struct err e = k_is_short(c, who, fault);
	if (!failed(e))
		e = needs(c, M(rand), who, fault);
	if (failed(e))
		return e;
	algorithm(c->octets[M(k)], c->octets[M(rand)], sres, kc);
	e = compute_put(c, M(sres), SPAN_ARRAY(sres), fault);
	return failed(e) ? e : compute_put(c, M(kc), SPAN_ARRAY(kc), fault);
}

static struct err with_xor_2g(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	(void)engine;
	return triplet_of(c, "xor-2g", xor_2g_compute, fault);
}

/* What it asks for does not matter. */
static struct err with_comp128_v1(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	(void)engine;
	(void)c;
	return compute_refuse(fault, M(algorithm),
		"COMP128v1 is broken: K can be extracted from the card, over the air too; it is "
		"not computed here. Replace the card");
}

static struct err with_comp128_v2(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	(void)engine;
	return triplet_of(c, "comp128v2", comp128_v2, fault);
}

static struct err with_comp128_v3(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	(void)engine;
	return triplet_of(c, "comp128v3", comp128_v3, fault);
}

/* A lane's first octet is its lowest [FIPS 202 §3.1.2]. */
static struct err with_keccak(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	uint64_t lanes[KECCAK_LANES] = {0};
	uint8_t out[KECCAK_OCTETS];

	(void)engine;
	const struct err e = needs(c, M(in), "keccak-f1600", fault);
	if (failed(e))
		return e;
	for (size_t i = 0; i < KECCAK_OCTETS; i++)
		lanes[i / 8] |= (uint64_t)c->octets[M(in)][i] << 8 * (i % 8);
	keccak_f1600(lanes);
	for (size_t i = 0; i < KECCAK_OCTETS; i++)
		out[i] = (uint8_t)(lanes[i / 8] >> 8 * (i % 8));
	return compute_put(c, M(out), SPAN_ARRAY(out), fault);
}

static const struct algorithm {
	const char *word, *others[2], *clause, *needs, *gives;
	uint8_t id; /* of its warning */
	bool has_chain;
	struct err (*run)(
		const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault);
} algorithms[] = {
	{"milenage", {"milenage-3g", "opc"}, "[TS 35.206]",
		"k, op|opc, rand; sqn, amf; auts|sqn_ms; r, c",
		"opc, mac_a, mac_s, autn, res, ck, ik, ak, ak_star, sres, kc; sqn_ms, "
		"mac_s_ok|auts",
		AUC_MILENAGE, true, with_milenage},
	{"tuak", {"tuak-3g", "topc"}, "[TS 35.231]",
		"k, top|topc, rand; sqn, amf; auts|sqn_ms; iterations, mac_bits, res_bits, "
		"ck_bits, ik_bits",
		"topc and as milenage", AUC_TUAK, true, with_tuak},
	{"gsm-milenage", {"milenage-2g", "milenage-gsm"}, "[TS 55.205]", "k, op|opc, rand; r, c",
		"opc, sres (SRES#1), sres2 (SRES#2), kc, res, ck, ik", AUC_GSM_MILENAGE, false,
		with_gsm_milenage},
	{"xor", {"xor-3g", "umts-xor"}, "[TS 34.108 §8.1.2]",
		"k, rand; sqn, amf; auts|sqn_ms; res_bits", "as milenage", AUC_XOR, true, with_xor},
	{"xor-2g", {"gsm-xor", "xor-gsm"}, "[TS 51.010-1 Annex 4]", "k, rand", "sres, kc", AUC_XOR,
		false, with_xor_2g},
	{"comp128v2", {"comp128-2", "a3a8-2"}, "no standard", "k, rand", "sres, kc", AUC_COMP128_V2,
		false, with_comp128_v2},
	{"comp128v3", {"comp128-3", "a3a8-3"}, "no standard", "k, rand", "sres, kc", AUC_COMP128_V3,
		false, with_comp128_v3},
	{"comp128v1", {"comp128", "comp128-1"}, "no standard", "", "refused: broken", 0, false,
		with_comp128_v1},
	{"keccak-f1600", {"keccak", "keccak-f"}, "[FIPS 202 §3]", "in", "out", 0, false,
		with_keccak},
};

static const struct algorithm *algorithm_of(struct span word)
{
	for (size_t i = 0; i < ARRAY_LEN(algorithms); i++)
		if (compute_word_equal(algorithms[i].word, word) ||
			compute_word_equal(algorithms[i].others[0], word) ||
			compute_word_equal(algorithms[i].others[1], word))
			return &algorithms[i];
	return NULL;
}

static struct err card_algorithm(const struct aes128_engine *engine, const struct algorithm *a,
	struct compute *c, struct compute_fault *fault)
{
	const char *warning = auc_algorithm_warning(a->id);

	const struct err e = a->run(engine, c, fault);
	if (failed(e))
		return e;
	if (warning != NULL)
		store(c, M(warning), span_str(warning));
	c->is_computed[M(warning)] = warning != NULL;
	return OK;
}

/* A derivation whose CK and IK are not given may have a card's keys instead. */
static struct err card_first(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	if (compute_has(c, M(ck)) || !compute_has(c, M(k)))
		return OK;
	if (compute_has(c, M(op)) || compute_has(c, M(opc)))
		return with_milenage(engine, c, fault);
	return compute_has(c, M(top)) || compute_has(c, M(topc)) ? with_tuak(engine, c, fault) : OK;
}

static struct span word_of(const struct compute *c)
{
	return span_of(c->octets[M(algorithm)], c->len[M(algorithm)]);
}

bool compute_refuses(const struct compute *c, struct compute_fault *fault)
{
	const struct algorithm *a = compute_has(c, M(algorithm)) ? algorithm_of(word_of(c)) : NULL;

	return a != NULL && a->run == with_comp128_v1 && failed(with_comp128_v1(NULL, NULL, fault));
}

struct err compute_run(
	const struct aes128_engine *engine, struct compute *c, struct compute_fault *fault)
{
	const struct span word = word_of(c);
	struct err e = OK;

	if (!compute_has(c, M(algorithm)))
		return compute_refuse(fault, M(algorithm),
			"an algorithm or a derivation is expected; --list names them all");
	const struct algorithm *a = algorithm_of(word);
	if (a != NULL) {
		e = card_algorithm(engine, a, c, fault);
		if (!failed(e) && a->has_chain)
			e = compute_chain(c, false, fault);
		if (!failed(e) && (a->has_chain || a->id == AUC_GSM_MILENAGE))
			e = compute_triplet(c, fault);
	} else {
		e = card_first(engine, c, fault);
		if (!failed(e))
			e = compute_named(c, word, fault);
	}
	if (e.kind == ERR_ABSENT)
		return compute_refuse(fault, M(algorithm),
			"an algorithm or a derivation that is not known; --list names them all");
	if (failed(e) && fault->text[0] == '\0')
		snprintf(fault->text, sizeof fault->text, "libcrypto refused: %s", err_word(e));
	c->is_computed[M(algorithm)] = true;
	return e;
}

/* ---- what there is ---- */

static void append(char *to, size_t size, const char *word)
{
	const size_t len = strlen(to);

	snprintf(to + len, size - len, "%s%s", len > 0 ? ", " : "", word);
}

static void rule_listed(const struct compute_rule *rule, struct compute_listed *l)
{
	l->word = rule->word;
	l->clause = derivations[rule->which].clause;
	for (size_t i = 0; i < 2; i++) {
		if (rule->key[i] != COMPUTE_NONE)
			append(l->needs, sizeof l->needs, compute_rows[rule->key[i]].word);
		if (rule->out[i] != COMPUTE_NONE)
			append(l->gives, sizeof l->gives, compute_rows[rule->out[i]].word);
	}
	for (size_t i = 0; i < derivations[rule->which].parameters; i++)
		if (rule->p[i] < COMPUTE_CONSTANT)
			append(l->needs, sizeof l->needs, compute_rows[rule->p[i]].word);
}

static void special_listed(const struct compute_special *special, struct compute_listed *l)
{
	l->word = special->word;
	l->clause = special->clause;
	for (size_t i = 0; i < COMPUTE_OUTS; i++) {
		if (special->needs[i] != COMPUTE_NONE)
			append(l->needs, sizeof l->needs, compute_rows[special->needs[i]].word);
		if (special->gives[i] != COMPUTE_NONE)
			append(l->gives, sizeof l->gives, compute_rows[special->gives[i]].word);
	}
}

bool compute_list(size_t i, struct compute_listed *listed)
{
	*listed = (struct compute_listed){0};
	if (i < ARRAY_LEN(algorithms)) {
		listed->word = algorithms[i].word;
		listed->clause = algorithms[i].clause;
		append(listed->needs, sizeof listed->needs, algorithms[i].needs);
		append(listed->gives, sizeof listed->gives, algorithms[i].gives);
		return true;
	}
	i -= ARRAY_LEN(algorithms);
	if (i < compute_rule_count) {
		rule_listed(&compute_rules[i], listed);
		return true;
	}
	i -= compute_rule_count;
	if (i < compute_special_count) {
		special_listed(&compute_specials[i], listed);
		return true;
	}
	return false;
}
