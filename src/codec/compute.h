// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What `merlon auc compute` is given and answers: named members, each a string of octets. One table
 * says which there are; JSON lines, the command's options, its help and its answers are all of it.
 *
 *     {"algorithm":"milenage","k":"465b…","opc":"cd63…","rand":"2355…","sqn":"ff9bb4d0b607","amf":"b9b9"}
 *
 * A member's name is taken in any case, with or without '_' and '-': sqn_xor_ak, sqnXorAk, SQN-XOR-AK.
 * Other customary names are aliases. A name that is not known is refused, and so is one that comes
 * twice; comment, name, set, source and spec are skipped, id comes back in the answer, a number as a
 * number. id and algorithm are read first, wherever they stand: a mistake in any other member is
 * answered with the id, and does not hide an algorithm that is refused.
 *
 * Kinds: HEX, that many octets as hex digits; NUMBER, decimal or 0x…, kept in that many octets, the
 * highest first; SQN, twelve hex digits or a JSON number; TEXT; BOOL.
 */
#include "base/err.h"
#include "base/span.h"
#include "wire/writer.h"

enum compute_kind { COMPUTE_HEX, COMPUTE_NUMBER, COMPUTE_SQN, COMPUTE_TEXT, COMPUTE_BOOL };

/* Whether a member can be given (it is an option as well), or is an answer alone. */
enum compute_role { COMPUTE_GIVEN, COMPUTE_ANSWER };

/* M(word, kind, octets at least, at most, role, help) */
#define COMPUTE_MEMBERS(M)                                                                         \
	M(id, TEXT, 1, 64, ANSWER, "comes back in the answer")                                     \
	M(algorithm, TEXT, 1, 32, GIVEN, "what is computed: see --list")                           \
	M(warning, TEXT, 0, 255, ANSWER, "what one should know who chose this algorithm")          \
	M(k, HEX, 16, 32, GIVEN, "K, 16 octets; TUAK: 16 or 32")                                   \
	M(op, HEX, 16, 16, GIVEN, "OP; OPc is computed")                                           \
	M(opc, HEX, 16, 16, GIVEN, "OPc")                                                          \
	M(top, HEX, 32, 32, GIVEN, "TUAK: TOP; TOPc is computed")                                  \
	M(topc, HEX, 32, 32, GIVEN, "TUAK: TOPc")                                                  \
	M(rand, HEX, 16, 16, GIVEN, "RAND")                                                        \
	M(sqn, SQN, 6, 6, GIVEN, "SQN; without it no MAC and no AUTN")                             \
	M(amf, HEX, 2, 2, GIVEN, "AMF as it is (default: 8000)")                                   \
	M(auts, HEX, 14, 14, GIVEN, "AUTS, to be opened: sqn_ms and mac_s_ok")                     \
	M(sqn_ms, SQN, 6, 6, GIVEN, "the card's SQN: AUTS is computed as the card would")          \
	M(r, TEXT, 1, 32, GIVEN, "MILENAGE: the operator's r1,r2,r3,r4,r5 in bits, 0 to 127")      \
	M(c, TEXT, 1, 200, GIVEN, "MILENAGE: the operator's c1,c2,c3,c4,c5, 16 octets each")       \
	M(iterations, NUMBER, 1, 255, GIVEN, "TUAK: permutations each time (default: 1)")          \
	M(mac_bits, NUMBER, 2, 256, GIVEN, "TUAK: 64 (default), 128 or 256")                       \
	M(res_bits, NUMBER, 2, 256, GIVEN, "TUAK: 32, 64 (default), 128 or 256")                   \
	M(ck_bits, NUMBER, 2, 256, GIVEN, "TUAK: 128 (default) or 256")                            \
	M(ik_bits, NUMBER, 2, 256, GIVEN, "TUAK: 128 (default) or 256")                            \
	M(key, HEX, 16, 64, GIVEN, "the key of a derivation, under whatever name it has")          \
	M(mcc, TEXT, 3, 3, GIVEN, "of the serving network: snid and snn are made of it")           \
	M(mnc, TEXT, 2, 3, GIVEN, "of the serving network")                                        \
	M(snid, HEX, 3, 3, GIVEN, "SN id, the PLMN in three octets as in TS 24.301: 00f110")       \
	M(snn, TEXT, 1, 255, GIVEN, "serving network name: 5G:mnc001.mcc001.3gppnetwork.org")      \
	M(network_name, TEXT, 1, 255, GIVEN,                                                       \
		"EAP-AKA': access network identity, WLAN (default: snn)")                          \
	M(identity, TEXT, 1, 255, GIVEN, "EAP-AKA': the identity in MK")                           \
	M(supi, TEXT, 1, 255, GIVEN,                                                               \
		"SUPI: digits of the IMSI, or an NAI; a prefix imsi- or nai- is dropped")          \
	M(abba, HEX, 1, 255, GIVEN, "ABBA (default: 0000)")                                        \
	M(enc_alg, NUMBER, 1, 255, GIVEN, "identity of the ciphering algorithm (EEA, NEA)")        \
	M(int_alg, NUMBER, 1, 255, GIVEN, "identity of the integrity algorithm (EIA, NIA)")        \
	M(type, NUMBER, 1, 255, GIVEN, "algorithm type distinguisher, for knas and knas5g")        \
	M(alg, NUMBER, 1, 255, GIVEN, "algorithm identity, for knas and knas5g")                   \
	M(count, NUMBER, 4, 4294967295, GIVEN,                                                     \
		"NAS COUNT, uplink or downlink as the clause has it")                              \
	M(access, NUMBER, 1, 255, GIVEN, "access type distinguisher (default: 1, 3GPP)")           \
	M(sync, HEX, 32, 32, GIVEN, "SYNC-input of NH: KeNB or KgNB, or the NH before")            \
	M(pci, NUMBER, 2, 65535, GIVEN, "physical cell id of the target")                          \
	M(arfcn, NUMBER, 3, 16777215, GIVEN, "ARFCN-DL or EARFCN-DL of the target")                \
	M(nonce_ue, HEX, 4, 4, GIVEN, "NONCE_UE")                                                  \
	M(nonce_mme, HEX, 4, 4, GIVEN, "NONCE_MME")                                                \
	M(direction, NUMBER, 1, 1, GIVEN, "KAMF': 1 in handover, 0 in idle mode mobility")         \
	M(sn_counter, NUMBER, 2, 65535, GIVEN, "KSN: SN Counter")                                  \
	M(in, HEX, 200, 200, GIVEN, "Keccak-f[1600]: the state")                                   \
	M(out, HEX, 200, 200, ANSWER, "Keccak-f[1600]: the state, permuted")                       \
	M(mac_a, HEX, 8, 32, ANSWER, "MAC-A, f1")                                                  \
	M(mac_s, HEX, 8, 32, ANSWER,                                                               \
		"MAC-S, f1*; with auts and no sqn: the one that AUTS should have")                 \
	M(mac_s_ok, BOOL, 1, 1, ANSWER, "whether the MAC-S of AUTS is right")                      \
	M(res, HEX, 4, 32, GIVEN, "RES, f2")                                                       \
	M(xres, HEX, 4, 32, ANSWER, "the same under the network's name")                           \
	M(ck, HEX, 16, 32, GIVEN, "CK, f3")                                                        \
	M(ik, HEX, 16, 32, GIVEN, "IK, f4")                                                        \
	M(ak, HEX, 6, 6, GIVEN, "AK, f5")                                                          \
	M(ak_star, HEX, 6, 6, ANSWER, "AK*, f5*")                                                  \
	M(sqn_xor_ak, HEX, 6, 6, GIVEN, "SQN xor AK: also of sqn and ak, or of autn")              \
	M(autn, HEX, 16, 16, GIVEN, "AUTN")                                                        \
	M(sres, HEX, 4, 4, ANSWER, "SRES; GSM-MILENAGE: SRES#1; else c2")                          \
	M(sres2, HEX, 4, 4, ANSWER, "GSM-MILENAGE: SRES#2")                                        \
	M(kc, HEX, 8, 8, GIVEN, "Kc, c3")                                                          \
	M(kasme, HEX, 32, 32, GIVEN, "KASME")                                                      \
	M(kenb, HEX, 32, 32, GIVEN, "KeNB")                                                        \
	M(nh, HEX, 32, 32, GIVEN, "NH of EPS")                                                     \
	M(kenb_star, HEX, 32, 32, ANSWER, "KeNB*")                                                 \
	M(knas, HEX, 16, 16, ANSWER, "of KASME or key, type and alg")                              \
	M(knas_enc, HEX, 16, 16, ANSWER, "KNASenc of EPS")                                         \
	M(knas_int, HEX, 16, 16, ANSWER, "KNASint of EPS")                                         \
	M(krrc_enc, HEX, 16, 16, ANSWER, "KRRCenc of EPS")                                         \
	M(krrc_int, HEX, 16, 16, ANSWER, "KRRCint of EPS")                                         \
	M(kup_enc, HEX, 16, 16, ANSWER, "KUPenc of EPS")                                           \
	M(kup_int, HEX, 16, 16, ANSWER, "KUPint of EPS")                                           \
	M(nas_token, HEX, 32, 32, ANSWER, "NAS token")                                             \
	M(kasme_prime, HEX, 32, 32, ANSWER, "K'ASME")                                              \
	M(kausf, HEX, 32, 32, GIVEN, "KAUSF")                                                      \
	M(res_star, HEX, 16, 16, GIVEN, "RES*")                                                    \
	M(xres_star, HEX, 16, 16, ANSWER, "the same under the network's name")                     \
	M(hres_star, HEX, 16, 16, ANSWER, "HRES*")                                                 \
	M(hxres_star, HEX, 16, 16, ANSWER, "the same under the network's name")                    \
	M(kseaf, HEX, 32, 32, GIVEN, "KSEAF")                                                      \
	M(kamf, HEX, 32, 32, GIVEN, "KAMF")                                                        \
	M(kamf_prime, HEX, 32, 32, ANSWER, "KAMF'")                                                \
	M(kgnb, HEX, 32, 32, GIVEN, "KgNB; with access 2: KN3IWF")                                 \
	M(nh_5g, HEX, 32, 32, GIVEN, "NH of 5GS")                                                  \
	M(kng_ran_star, HEX, 32, 32, ANSWER, "KNG-RAN* for a gNB")                                 \
	M(kng_ran_star_ng_enb, HEX, 32, 32, ANSWER, "KNG-RAN* for an ng-eNB")                      \
	M(ksn, HEX, 32, 32, ANSWER, "KSN")                                                         \
	M(knas5g, HEX, 16, 16, ANSWER, "of KAMF or key, type and alg")                             \
	M(knas5g_enc, HEX, 16, 16, ANSWER, "KNASenc of 5GS")                                       \
	M(knas5g_int, HEX, 16, 16, ANSWER, "KNASint of 5GS")                                       \
	M(krrc5g_enc, HEX, 16, 16, ANSWER, "KRRCenc of 5GS")                                       \
	M(krrc5g_int, HEX, 16, 16, ANSWER, "KRRCint of 5GS")                                       \
	M(kup5g_enc, HEX, 16, 16, ANSWER, "KUPenc of 5GS")                                         \
	M(kup5g_int, HEX, 16, 16, ANSWER, "KUPint of 5GS")                                         \
	M(ck_prime, HEX, 16, 16, GIVEN, "CK'")                                                     \
	M(ik_prime, HEX, 16, 16, GIVEN, "IK'")                                                     \
	M(k_encr, HEX, 16, 16, ANSWER, "K_encr")                                                   \
	M(k_aut, HEX, 32, 32, ANSWER, "K_aut")                                                     \
	M(k_re, HEX, 32, 32, ANSWER, "K_re")                                                       \
	M(msk, HEX, 64, 64, ANSWER, "MSK")                                                         \
	M(emsk, HEX, 64, 64, ANSWER, "EMSK")                                                       \
	M(kausf_eap, HEX, 32, 32, ANSWER, "KAUSF of EAP-AKA', beside that of 5G AKA")              \
	M(kdf, HEX, 32, 32, ANSWER, "all of a KDF's output, where a derivation keeps half of it")

enum compute_member {
	COMPUTE_NONE, /* no member */
#define M(word, kind, min, max, role, help) COMPUTE_##word,
	COMPUTE_MEMBERS(M)
#undef M
		COMPUTE_MEMBERS_END
};

enum { COMPUTE_OCTETS_MAX = 255, COMPUTE_LINE_MAX = 8192, COMPUTE_ANSWER_MAX = 16384 };

struct compute_row {
	const char *word;
	enum compute_kind kind;
	uint64_t min, max; /* octets; NUMBER: octets, and the highest value */
	enum compute_role role;
	const char *help;
};

extern const struct compute_row compute_rows[COMPUTE_MEMBERS_END];

/* Members that were given, and that are computed. The caller keeps it in a secret or wipes it. */
struct compute {
	bool is_given[COMPUTE_MEMBERS_END], is_computed[COMPUTE_MEMBERS_END];
	bool is_implied[COMPUTE_MEMBERS_END]; /* a default: used, not told */
	bool is_id_number, is_left_out;       /* of `warning`: something is not computed */
	uint8_t len[COMPUTE_MEMBERS_END];
	uint8_t octets[COMPUTE_MEMBERS_END][COMPUTE_OCTETS_MAX];
};

/* What is wrong, and with which member; never what stands there. */
struct compute_fault {
	char field[40]; /* "": the line as a whole */
	char text[200];
};

/* Two words that differ in case, '_' and '-' alone. */
bool compute_word_equal(const char *a, struct span b);
/* COMPUTE_NONE: no such member, no such alias. */
enum compute_member compute_member_of(struct span word);

/* As an option gives it. */
MUST_USE struct err compute_set(struct compute *c, enum compute_member member, const char *text,
	struct compute_fault *fault);
/* One line of JSON. *c is cleared first. */
MUST_USE struct err compute_decode(
	struct compute *c, struct span line, struct compute_fault *fault);

/* {"…":"…", …}: those that were given, or those that were computed and `id`. */
void compute_encode_given(struct writer *w, const struct compute *c);
void compute_encode_answer(struct writer *w, const struct compute *c);
/* {"error":"…","line":n,"field":"…"} */
void compute_encode_fault(struct writer *w, const struct compute *c,
	const struct compute_fault *fault, uint64_t line);
