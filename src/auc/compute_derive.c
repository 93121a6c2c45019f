// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "base/ct.h"
#include "base/secret.h"
#include "compute_rules.h"
#include <assert.h>
#include <stdio.h>

#define TYPE(type) (COMPUTE_CONSTANT | DERIVE_##type)
#define M(word) COMPUTE_##word
#define CK_IK {M(ck), M(ik)}

/* In an order in which each finds what the ones before it give. */
const struct compute_rule compute_rules[] = {
	{"kasme", DERIVE_KASME, CK_IK, {M(snid), M(sqn_xor_ak)}, {M(kasme)}, false},
	{"kenb", DERIVE_KENB, {M(kasme)}, {M(count)}, {M(kenb)}, false},
	{"nh", DERIVE_NH, {M(kasme)}, {M(sync)}, {M(nh)}, true},
	{"kenb_star", DERIVE_KENB_STAR, {M(kenb)}, {M(pci), M(arfcn)}, {M(kenb_star)}, true},
	{"knas", DERIVE_EPS_ALGORITHM, {M(kasme)}, {M(type), M(alg)}, {M(knas)}, true},
	{"knas_enc", DERIVE_EPS_ALGORITHM, {M(kasme)}, {TYPE(NAS_ENC), M(enc_alg)}, {M(knas_enc)},
		false},
	{"knas_int", DERIVE_EPS_ALGORITHM, {M(kasme)}, {TYPE(NAS_INT), M(int_alg)}, {M(knas_int)},
		false},
	{"krrc_enc", DERIVE_EPS_ALGORITHM, {M(kenb)}, {TYPE(RRC_ENC), M(enc_alg)}, {M(krrc_enc)},
		false},
	{"krrc_int", DERIVE_EPS_ALGORITHM, {M(kenb)}, {TYPE(RRC_INT), M(int_alg)}, {M(krrc_int)},
		false},
	{"kup_enc", DERIVE_EPS_ALGORITHM, {M(kenb)}, {TYPE(UP_ENC), M(enc_alg)}, {M(kup_enc)},
		false},
	{"kup_int", DERIVE_EPS_ALGORITHM, {M(kenb)}, {TYPE(UP_INT), M(int_alg)}, {M(kup_int)},
		false},
	{"ck_ik_handover", DERIVE_CK_IK_HANDOVER, {M(kasme)}, {M(count)},
		{M(ck_prime), M(ik_prime)}, true},
	{"nas_token", DERIVE_NAS_TOKEN, {M(kasme)}, {M(count)}, {M(nas_token)}, true},
	{"kasme_handover", DERIVE_KASME_HANDOVER, CK_IK, {M(nonce_mme)}, {M(kasme_prime)}, true},
	{"kasme_idle", DERIVE_KASME_IDLE, CK_IK, {M(nonce_ue), M(nonce_mme)}, {M(kasme_prime)},
		true},
	{"ck_ik_srvcc", DERIVE_CK_IK_SRVCC, {M(kasme)}, {M(count)}, {M(ck_prime), M(ik_prime)},
		true},
	{"ck_ik_idle", DERIVE_CK_IK_IDLE, {M(kasme)}, {M(count)}, {M(ck_prime), M(ik_prime)}, true},
	{"ck_prime", DERIVE_CK_IK_PRIME, CK_IK, {M(network_name), M(sqn_xor_ak)},
		{M(ck_prime), M(ik_prime)}, false},
	{"kausf", DERIVE_KAUSF, CK_IK, {M(snn), M(sqn_xor_ak)}, {M(kausf)}, false},
	{"res_star", DERIVE_RES_STAR, CK_IK, {M(snn), M(rand), M(res)}, {M(res_star)}, false},
	{"kseaf", DERIVE_KSEAF, {M(kausf)}, {M(snn)}, {M(kseaf)}, false},
	{"kamf", DERIVE_KAMF, {M(kseaf)}, {M(supi), M(abba)}, {M(kamf)}, false},
	{"kgnb", DERIVE_KGNB, {M(kamf)}, {M(count), M(access)}, {M(kgnb)}, false},
	{"nh_5g", DERIVE_5G_NH, {M(kamf)}, {M(sync)}, {M(nh_5g)}, true},
	{"kng_ran_star", DERIVE_KNG_RAN_STAR, {M(kgnb)}, {M(pci), M(arfcn)}, {M(kng_ran_star)},
		true},
	{"kng_ran_star_ng_enb", DERIVE_KNG_RAN_STAR_NG, {M(kgnb)}, {M(pci), M(arfcn)},
		{M(kng_ran_star_ng_enb)}, true},
	{"knas5g", DERIVE_5G_ALGORITHM, {M(kamf)}, {M(type), M(alg)}, {M(knas5g)}, true},
	{"knas5g_enc", DERIVE_5G_ALGORITHM, {M(kamf)}, {TYPE(NAS_ENC), M(enc_alg)}, {M(knas5g_enc)},
		false},
	{"knas5g_int", DERIVE_5G_ALGORITHM, {M(kamf)}, {TYPE(NAS_INT), M(int_alg)}, {M(knas5g_int)},
		false},
	{"krrc5g_enc", DERIVE_5G_ALGORITHM, {M(kgnb)}, {TYPE(RRC_ENC), M(enc_alg)}, {M(krrc5g_enc)},
		false},
	{"krrc5g_int", DERIVE_5G_ALGORITHM, {M(kgnb)}, {TYPE(RRC_INT), M(int_alg)}, {M(krrc5g_int)},
		false},
	{"kup5g_enc", DERIVE_5G_ALGORITHM, {M(kgnb)}, {TYPE(UP_ENC), M(enc_alg)}, {M(kup5g_enc)},
		false},
	{"kup5g_int", DERIVE_5G_ALGORITHM, {M(kgnb)}, {TYPE(UP_INT), M(int_alg)}, {M(kup5g_int)},
		false},
	{"kamf_prime", DERIVE_KAMF_PRIME, {M(kamf)}, {M(direction), M(count)}, {M(kamf_prime)},
		true},
	{"kasme_from_kamf_idle", DERIVE_KASME_FROM_KAMF_IDLE, {M(kamf)}, {M(count)},
		{M(kasme_prime)}, true},
	{"kasme_from_kamf_handover", DERIVE_KASME_FROM_KAMF_HANDOVER, {M(kamf)}, {M(count)},
		{M(kasme_prime)}, true},
	{"kamf_from_kasme_idle", DERIVE_KAMF_FROM_KASME_IDLE, {M(kasme)}, {M(count)},
		{M(kamf_prime)}, true},
	{"kamf_from_kasme_handover", DERIVE_KAMF_FROM_KASME_HANDOVER, {M(kasme)}, {M(nh)},
		{M(kamf_prime)}, true},
	{"ksn", DERIVE_KSN, {M(kgnb)}, {M(sn_counter)}, {M(ksn)}, true},
};
const size_t compute_rule_count = ARRAY_LEN(compute_rules);

const struct compute_special compute_specials[] = {
	{"c2", "[TS 33.102 §6.8.1.2]", {M(res)}, {M(sres)}},
	{"c3", "[TS 33.102 §6.8.1.2]", CK_IK, {M(kc)}},
	{"c4", "[TS 33.102 §6.8.2.3]", {M(kc)}, {M(ck)}},
	{"c5", "[TS 33.102 §6.8.2.3]", {M(kc)}, {M(ik)}},
	{"hres_star", "[TS 33.501 §A.5]", {M(rand), M(res_star)}, {M(hres_star), M(hxres_star)}},
	{"eap_aka_prime", "[RFC 9048 §3.3]", {M(ck_prime), M(ik_prime), M(identity)},
		{M(ck_prime), M(ik_prime), M(k_encr), M(k_aut), M(k_re), M(msk), M(emsk), M(kausf),
			M(kseaf), M(kamf)}},
	{"5g_aka", "[TS 33.501 §6.1.3.2]", {M(ck), M(ik), M(snn), M(sqn_xor_ak), M(rand), M(res)},
		{M(kausf), M(res_star), M(xres_star), M(hres_star), M(hxres_star), M(kseaf),
			M(kamf)}},
};
const size_t compute_special_count = ARRAY_LEN(compute_specials);

/* Other words for the same derivation. */
static const struct {
	const char *word, *is;
} words[] = {{"xres_star", "res_star"}, {"res*", "res_star"}, {"xres*", "res_star"},
	{"hxres_star", "hres_star"}, {"hres*", "hres_star"}, {"hxres*", "hres_star"},
	{"ik_prime", "ck_prime"}, {"kgnb_star", "kng_ran_star"}, {"sres", "c2"}, {"kc", "c3"},
	{"eap_aka'", "eap_aka_prime"}};

static struct span value_of(const struct compute *c, size_t m)
{
	return span_of(c->octets[m], c->len[m]);
}

/* A SUPI goes in without the prefix that says which kind it is [TS 33.501 §A.7.0]. */
static struct span supi_of(const struct compute *c)
{
	static const char *const prefixes[] = {"imsi-", "nai-", "gci-", "gli-"};
	const struct span supi = value_of(c, M(supi));

	for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
		const size_t len = strlen(prefixes[i]);
		if (supi.len > len && memcmp(supi.at, prefixes[i], len) == 0)
			return span_of(supi.at + len, supi.len - len);
	}
	return supi;
}

/* EARFCN-DL has two octets, and three where it needs them [TS 33.401 §A.5]. */
static struct span parameter_of(
	const struct compute *c, const struct compute_rule *rule, size_t i, uint8_t *constant)
{
	const size_t m = rule->p[i];

	*constant = (uint8_t)m;
	if (m >= COMPUTE_CONSTANT)
		return span_of(constant, 1);
	if (m == M(supi))
		return supi_of(c);
	if (m == M(arfcn) && rule->which == DERIVE_KENB_STAR && c->octets[m][0] == 0)
		return span_of(c->octets[m] + 1, 2);
	return value_of(c, m);
}

static size_t parameters_of(const struct compute_rule *rule)
{
	return derivations[rule->which].parameters;
}

/* The first member that is not there; COMPUTE_NONE: all are. */
static size_t missing_of(const struct compute *c, const struct compute_rule *rule)
{
	for (size_t i = 0; i < ARRAY_LEN(rule->key); i++)
		if (rule->key[i] != COMPUTE_NONE && !compute_has(c, rule->key[i]))
			return rule->key[i];
	for (size_t i = 0; i < parameters_of(rule); i++)
		if (rule->p[i] < COMPUTE_CONSTANT && !compute_has(c, rule->p[i]))
			return rule->p[i];
	return COMPUTE_NONE;
}

static struct err outputs_put(struct compute *c, const struct compute_rule *rule,
	const uint8_t out[static KDF_OCTETS], struct compute_fault *fault)
{
	const size_t kept = derivations[rule->which].kept;

	if (rule->out[1] == COMPUTE_NONE) {
		if (kept < KDF_OCTETS)
			compute_imply(c, M(kdf), span_of(out, KDF_OCTETS));
		return compute_put(c, rule->out[0], span_of(out + KDF_OCTETS - kept, kept), fault);
	}
	const struct err e = compute_put(c, rule->out[0], span_of(out, AUTH_KEY), fault);
	return failed(e) ? e
			 : compute_put(c, rule->out[1], span_of(out + AUTH_KEY, AUTH_KEY), fault);
}

/* ERR_INPUT without a fault: sizes that the clause does not have, such as CK of 256 bits. */
static struct err rule_run(
	struct compute *c, const struct compute_rule *rule, struct compute_fault *fault)
{
	struct span p[KDF_PARAMETERS_MAX];
	uint8_t key[2 * COMPUTE_OCTETS_MAX], out[KDF_OCTETS], constants[KDF_PARAMETERS_MAX];
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(rule->key) && rule->key[i] != COMPUTE_NONE; i++) {
		const struct span part = value_of(c, rule->key[i]);
		memcpy(key + len, part.at, part.len);
		len += part.len;
	}
	for (size_t i = 0; i < parameters_of(rule); i++)
		p[i] = parameter_of(c, rule, i, &constants[i]);
	fault->text[0] = '\0';
	struct err e = derive(rule->which, span_of(key, len), p, out);
	if (!failed(e))
		e = outputs_put(c, rule, out, fault);
	secret_wipe(key, sizeof key);
	secret_wipe(out, sizeof out);
	return e;
}

/* ---- what is no KDF ---- */

static bool is_of(const struct compute *c, size_t m, size_t octets)
{
	return compute_has(c, m) && c->len[m] == octets;
}

static bool are_digits(const struct compute *c, size_t m)
{
	for (size_t i = 0; i < c->len[m]; i++)
		if (c->octets[m][i] < '0' || c->octets[m][i] > '9')
			return false;
	return true;
}

/* One more, behind those that are there already. */
static struct err warn(struct compute *c, const char *text, struct compute_fault *fault)
{
	char all[COMPUTE_OCTETS_MAX];
	const int before = c->is_computed[M(warning)] ? c->len[M(warning)] : 0;

	snprintf(all, sizeof all, "%.*s%s%s", before, (const char *)c->octets[M(warning)],
		before > 0 ? "; " : "", text);
	return compute_put(c, M(warning), span_str(all), fault);
}

/* "mnc" or "mcc" and three digits and '.' */
static bool is_label(const uint8_t *at, const char *name)
{
	for (size_t i = 3; i < 6; i++)
		if (at[i] < '0' || at[i] > '9')
			return false;
	return memcmp(at, name, 3) == 0 && at[6] == '.';
}

/* [TS 24.501 §9.12.1]: three digits each, and for a network that is not public ":" and its NID
 * behind; or 5G:NSWO. */
static bool is_sn_name(struct span snn)
{
	static const char start[] = "5G:", domain[] = "3gppnetwork.org";
	enum { LABEL = 7, START = sizeof start - 1, DOMAIN_LEN = sizeof domain - 1 };
	const size_t len = START + 2 * LABEL + DOMAIN_LEN;

	if (span_equal(snn, span_str("5G:NSWO")))
		return true;
	return snn.len >= len && memcmp(snn.at, start, START) == 0 &&
	       is_label(snn.at + START, "mnc") && is_label(snn.at + START + LABEL, "mcc") &&
	       memcmp(snn.at + len - DOMAIN_LEN, domain, DOMAIN_LEN) == 0 &&
	       (snn.len == len || snn.at[len] == ':');
}

/* It is taken as it is: whoever tests a network that names itself wrongly wants its keys. */
static struct err sn_name_looked_at(struct compute *c, struct compute_fault *fault)
{
	if (!compute_has(c, M(snn)) || is_sn_name(value_of(c, M(snn))))
		return OK;
	return warn(c,
		"snn is taken as it is, but 5G:mncNNN.mccNNN.3gppnetwork.org is expected, with "
		"three digits each",
		fault);
}

/* SN name [TS 33.501 §6.1.1.4.1] and SN id [TS 24.301 §9.9.3.32] of MCC and MNC. */
static struct err network_named(struct compute *c, struct compute_fault *fault)
{
	char snn[40];
	const uint8_t *mcc = c->octets[M(mcc)], *mnc = c->octets[M(mnc)];

	if (!compute_has(c, M(mcc)) || !compute_has(c, M(mnc)))
		return OK;
	if (!are_digits(c, M(mcc)))
		return compute_refuse(fault, M(mcc), "three digits are expected");
	if (!are_digits(c, M(mnc)))
		return compute_refuse(fault, M(mnc), "two or three digits are expected");
	const bool is_short = c->len[M(mnc)] == 2;
	const unsigned third = is_short ? 15 : mnc[2] & 15u;
	const uint8_t snid[3] = {(uint8_t)((mcc[1] & 15) << 4 | (mcc[0] & 15)),
		(uint8_t)(third << 4 | (mcc[2] & 15)),
		(uint8_t)((mnc[1] & 15) << 4 | (mnc[0] & 15))};
	snprintf(snn, sizeof snn, "5G:mnc%s%.*s.mcc%.3s.3gppnetwork.org", is_short ? "0" : "",
		(int)c->len[M(mnc)], (const char *)mnc, (const char *)mcc);
	const struct err e = compute_put(c, M(snid), SPAN_ARRAY(snid), fault);
	return failed(e) ? e : compute_put(c, M(snn), span_str(snn), fault);
}

static struct err sqn_concealed(struct compute *c, struct compute_fault *fault)
{
	uint8_t concealed[6];

	if (compute_has(c, M(autn))) {
		const struct err e = compute_put(
			c, M(sqn_xor_ak), span_of(c->octets[M(autn)], sizeof concealed), fault);
		if (failed(e))
			return e;
	}
	if (!compute_has(c, M(sqn)) || !compute_has(c, M(ak)))
		return OK;
	for (size_t i = 0; i < sizeof concealed; i++)
		concealed[i] = c->octets[M(sqn)][i] ^ c->octets[M(ak)][i];
	if (c->is_given[M(autn)] && !ct_equal(concealed, c->octets[M(autn)], sizeof concealed))
		return compute_refuse(fault, M(autn), "is of another sqn or ak");
	return compute_put(c, M(sqn_xor_ak), SPAN_ARRAY(concealed), fault);
}

struct err compute_triplet(struct compute *c, struct compute_fault *fault)
{
	uint8_t padded[AUTH_RES_MAX] = {0}, sres[AUTH_SRES], kc[AUTH_KC];
	struct err e = OK;

	if (!compute_has(c, M(sres)) && compute_has(c, M(res)) && c->len[M(res)] <= AUTH_RES_MAX) {
		memcpy(padded, c->octets[M(res)], c->len[M(res)]);
		derive_c2(padded, sres);
		e = compute_put(c, M(sres), SPAN_ARRAY(sres), fault);
	}
	if (!failed(e) && !compute_has(c, M(kc)) && is_of(c, M(ck), AUTH_KEY) &&
		is_of(c, M(ik), AUTH_KEY)) {
		derive_c3(c->octets[M(ck)], c->octets[M(ik)], kc);
		e = compute_put(c, M(kc), SPAN_ARRAY(kc), fault);
	}
	secret_wipe(padded, sizeof padded);
	return e;
}

static struct err hres_star_put(struct compute *c, struct compute_fault *fault)
{
	uint8_t hres_star[DERIVE_RES_STAR_OCTETS];

	if (!compute_has(c, M(rand)) || !compute_has(c, M(res_star)))
		return OK;
	const struct err e =
		derive_hres_star(c->octets[M(rand)], c->octets[M(res_star)], hres_star);
	return failed(e) ? e : compute_put(c, M(hres_star), SPAN_ARRAY(hres_star), fault);
}

static struct err eap_put(struct compute *c, bool is_eap, struct compute_fault *fault)
{
	const struct {
		uint8_t member;
		size_t at, len;
	} parts[] = {
		{M(k_encr), offsetof(struct eap_aka_prime, k_encr), 16},
		{M(k_aut), offsetof(struct eap_aka_prime, k_aut), 32},
		{M(k_re), offsetof(struct eap_aka_prime, k_re), 32},
		{M(msk), offsetof(struct eap_aka_prime, msk), 64},
		{M(emsk), offsetof(struct eap_aka_prime, emsk), 64},
		{is_eap ? M(kausf) : M(kausf_eap), offsetof(struct eap_aka_prime, emsk), 32},
	};
	struct eap_aka_prime keys;

	if (!compute_has(c, M(ck_prime)) || !compute_has(c, M(ik_prime)) ||
		!compute_has(c, M(identity)))
		return OK;
	struct err e = derive_eap_aka_prime(
		c->octets[M(ck_prime)], c->octets[M(ik_prime)], value_of(c, M(identity)), &keys);
	for (size_t i = 0; i < ARRAY_LEN(parts) && !failed(e); i++)
		e = compute_put(c, parts[i].member,
			span_of((const uint8_t *)&keys + parts[i].at, parts[i].len), fault);
	secret_wipe(&keys, sizeof keys);
	return e;
}

static void defaults(struct compute *c)
{
	static const uint8_t abba[2] = {0}, access[1] = {1};

	compute_imply(c, M(abba), SPAN_ARRAY(abba));
	compute_imply(c, M(access), SPAN_ARRAY(access));
	if (compute_has(c, M(snn)))
		compute_imply(c, M(network_name), value_of(c, M(snn)));
}

/* CK, IK and RES of 256 bits, which TUAK can give, are no input of a derivation. The answer says
 * that it lacks what was asked for. */
static struct err left_out(
	struct compute *c, const struct compute_rule *rule, struct compute_fault *fault)
{
	char text[COMPUTE_OCTETS_MAX];

	if (c->is_left_out)
		return OK; /* the first is told */
	c->is_left_out = true;
	snprintf(text, sizeof text,
		"%s, and what follows from it, is left out: CK, IK or RES has a size that %s does "
		"not have",
		compute_rows[rule->out[0]].word, derivations[rule->which].clause);
	return warn(c, text, fault);
}

static struct err rules_run(struct compute *c, bool is_eap, struct compute_fault *fault)
{
	for (size_t i = 0; i < compute_rule_count; i++) {
		const struct compute_rule *rule = &compute_rules[i];
		if (rule->is_alone || c->is_computed[rule->out[0]] ||
			(is_eap && rule->out[0] == M(kausf)) || missing_of(c, rule) != COMPUTE_NONE)
			continue;
		struct err e = rule_run(c, rule, fault);
		if (failed(e) && e.kind == ERR_INPUT && fault->text[0] == '\0')
			e = left_out(c, rule, fault);
		if (failed(e))
			return e;
	}
	return OK;
}

struct err compute_chain(struct compute *c, bool is_eap, struct compute_fault *fault)
{
	struct err e = network_named(c, fault);

	if (!failed(e))
		e = sn_name_looked_at(c, fault);
	if (!failed(e))
		e = sqn_concealed(c, fault);
	if (failed(e))
		return e;
	defaults(c);
	e = rules_run(c, is_eap, fault);
	if (!failed(e))
		e = eap_put(c, is_eap, fault);
	if (!failed(e) && is_eap)
		e = rules_run(c, is_eap, fault); /* what follows from EAP's KAUSF */
	if (!failed(e))
		e = hres_star_put(c, fault);
	return e;
}

/* ---- by name ---- */

/* `key` under whatever name: the derivation's key, or CK and IK in one. */
static void key_taken(struct compute *c, const uint8_t *needs, size_t count)
{
	const size_t len = c->len[M(key)];

	if (!c->is_given[M(key)] || compute_has(c, needs[0]))
		return;
	if (count == 2 && len == (size_t)2 * AUTH_KEY && !compute_has(c, needs[1])) {
		compute_imply(c, needs[0], span_of(c->octets[M(key)], AUTH_KEY));
		compute_imply(c, needs[1], span_of(c->octets[M(key)] + AUTH_KEY, AUTH_KEY));
	} else if (len == compute_rows[needs[0]].max) {
		compute_imply(c, needs[0], value_of(c, M(key)));
	}
}

/* What can be given instead. */
static const struct {
	uint8_t member;
	const char *others;
} instead[] = {
	{M(ck), "ck and ik, or key, or k with op or opc and rand"},
	{M(ik), "ck and ik, or key, or k with op or opc and rand"},
	{M(sqn_xor_ak), "sqn_xor_ak, or sqn and ak, or autn"},
	{M(snn), "snn, or mcc and mnc"},
	{M(snid), "snid, or mcc and mnc"},
	{M(network_name), "network_name, or snn, or mcc and mnc"},
	{M(ck_prime), "ck_prime and ik_prime, or ck, ik, sqn_xor_ak and network_name or snn"},
	{M(ik_prime), "ck_prime and ik_prime, or ck, ik, sqn_xor_ak and network_name or snn"},
};

static struct err refuse_missing(size_t missing, const char *word, struct compute_fault *fault)
{
	for (size_t i = 0; i < ARRAY_LEN(instead); i++)
		if (instead[i].member == missing)
			return compute_refuse(
				fault, missing, "is expected for %s: %s", word, instead[i].others);
	return compute_refuse(fault, missing, "is expected for %s", word);
}

/* Only these are told. */
static void keep(struct compute *c, const uint8_t *members, size_t count)
{
	bool is_kept[COMPUTE_MEMBERS_END] = {false};

	for (size_t i = 0; i < count; i++)
		is_kept[members[i]] = members[i] != COMPUTE_NONE;
	is_kept[M(xres_star)] = is_kept[M(res_star)];
	is_kept[M(algorithm)] = is_kept[M(warning)] = true;
	for (size_t m = 0; m < COMPUTE_MEMBERS_END; m++)
		c->is_computed[m] = c->is_computed[m] && is_kept[m];
}

static struct err named_rule(
	struct compute *c, const struct compute_rule *rule, struct compute_fault *fault)
{
	const uint8_t outs[] = {rule->out[0], rule->out[1], M(kdf)};

	key_taken(c, rule->key, rule->key[1] != COMPUTE_NONE ? 2 : 1);
	struct err e = compute_chain(c, false, fault);
	if (failed(e))
		return e;
	const size_t missing = missing_of(c, rule);
	if (missing != COMPUTE_NONE)
		return refuse_missing(missing, rule->word, fault);
	e = rule_run(c, rule, fault);
	if (failed(e))
		return e.kind == ERR_INPUT && fault->text[0] == '\0'
			       ? compute_refuse(fault, rule->key[0],
					 "a key or a parameter has a size that %s does not have",
					 derivations[rule->which].clause)
			       : e;
	if (derivations[rule->which].kept < KDF_OCTETS && c->is_implied[M(kdf)])
		c->is_computed[M(kdf)] = true;
	keep(c, outs, ARRAY_LEN(outs));
	return OK;
}

/* Constant time does not matter to c4 and c5 less than to others: they copy and add. */
static struct err from_kc(struct compute *c, struct compute_fault *fault)
{
	uint8_t ck[AUTH_KEY], ik[AUTH_KEY];

	derive_c4(c->octets[M(kc)], ck);
	derive_c5(c->octets[M(kc)], ik);
	const struct err e = compute_put(c, M(ck), SPAN_ARRAY(ck), fault);
	return failed(e) ? e : compute_put(c, M(ik), SPAN_ARRAY(ik), fault);
}

static bool is_answered(const struct compute *c, const struct compute_special *special)
{
	for (size_t i = 0; i < COMPUTE_OUTS; i++)
		if (special->gives[i] != COMPUTE_NONE && c->is_computed[special->gives[i]])
			return true;
	return false;
}

static struct err named_special(
	struct compute *c, const struct compute_special *special, struct compute_fault *fault)
{
	const bool is_eap = strcmp(special->word, "eap_aka_prime") == 0;

	if (special->needs[0] == M(ck))
		key_taken(c, special->needs, 2);
	struct err e = compute_chain(c, is_eap, fault);

	for (size_t i = 0; i < COMPUTE_OUTS && !failed(e); i++)
		if (special->needs[i] != COMPUTE_NONE && !compute_has(c, special->needs[i]))
			return refuse_missing(special->needs[i], special->word, fault);
	if (failed(e))
		return e;
	e = special->word[0] == 'c' && special->needs[0] == M(kc) ? from_kc(c, fault)
								  : compute_triplet(c, fault);
	if (failed(e))
		return e;
	if (!is_answered(c, special))
		return compute_refuse(fault, special->needs[0], "a size is expected that %s has",
			special->clause);
	keep(c, special->gives, COMPUTE_OUTS);
	return OK;
}

struct err compute_named(struct compute *c, struct span word, struct compute_fault *fault)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (compute_word_equal(words[i].word, word))
			word = span_str(words[i].is);
	for (size_t i = 0; i < compute_rule_count; i++)
		if (compute_word_equal(compute_rules[i].word, word))
			return named_rule(c, &compute_rules[i], fault);
	for (size_t i = 0; i < compute_special_count; i++)
		if (compute_word_equal(compute_specials[i].word, word))
			return named_special(c, &compute_specials[i], fault);
	return ERR(ABSENT);
}
