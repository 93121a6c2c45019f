// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "auc_keys.h"

static const struct {
	uint8_t algorithm, opc_octets;
	bool may_be_long; /* K of 32 octets */
	const char *word;
} rows[] = {
	{AUC_MILENAGE, 16, false, "milenage"},
	{AUC_TUAK, 32, true, "tuak"},
	{AUC_GSM_MILENAGE, 16, false, "gsm-milenage"},
	{AUC_XOR, 0, false, "xor"},
	{AUC_COMP128_V2, 0, false, "comp128v2"},
	{AUC_COMP128_V3, 0, false, "comp128v3"},
};

static size_t row_of(uint8_t algorithm)
{
	size_t i = 0;

	while (i < ARRAY_LEN(rows) && rows[i].algorithm != algorithm)
		i++;
	return i;
}

size_t auc_opc_octets(uint8_t algorithm)
{
	const size_t i = row_of(algorithm);

	return i < ARRAY_LEN(rows) ? rows[i].opc_octets : 0;
}

const char *auc_algorithm_word(uint8_t algorithm)
{
	const size_t i = row_of(algorithm);

	return i < ARRAY_LEN(rows) ? rows[i].word : "?";
}

uint8_t auc_algorithm_from(struct span word)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (span_equal(word, span_str(rows[i].word)))
			return rows[i].algorithm;
	return 0;
}

void auc_keys_encode(struct writer *w, const struct auc_keys *keys)
{
	writer_u8(w, keys->algorithm);
	writer_u8(w, keys->profile);
	writer_span(w, SPAN_ARRAY(keys->amf));
	writer_u8(w, keys->k_len);
	writer_span(w, span_of(keys->k, keys->k_len));
	writer_span(w, span_of(keys->opc, auc_opc_octets(keys->algorithm)));
	if (keys->algorithm == AUC_TUAK) {
		writer_u8(w, keys->res_octets);
		writer_u8(w, keys->iterations);
	}
}

static void take_tuak(struct reader *r, struct auc_keys *keys)
{
	keys->res_octets = reader_u8(r, "res_octets");
	reader_require(r, keys->res_octets == 4 || keys->res_octets == 8 || keys->res_octets == 16,
		"res_octets", "TS 35.231 §5.1");
	keys->iterations = reader_u8(r, "iterations");
	reader_require(r, keys->iterations >= 1, "iterations", "TS 35.231 §5.1");
}

void auc_keys_take(struct reader *r, struct auc_keys *keys)
{
	*keys = (struct auc_keys){.algorithm = reader_u8(r, "algorithm")};
	const size_t row = row_of(keys->algorithm);
	if (!reader_require(r, row < ARRAY_LEN(rows), "algorithm", NULL))
		return;
	keys->profile = reader_u8(r, "profile");
	reader_copy(r, SPAN_MUT_ARRAY(keys->amf), "amf");
	keys->k_len = reader_u8(r, "k_len");
	if (!reader_require(r, keys->k_len == 16 || (keys->k_len == 32 && rows[row].may_be_long),
		    "k_len", NULL)) {
		keys->k_len = 0;
		return;
	}
	keys->opc_len = rows[row].opc_octets;
	reader_copy(r, span_mut_of(keys->k, keys->k_len), "k");
	reader_copy(r, span_mut_of(keys->opc, keys->opc_len), "opc");
	if (keys->algorithm == AUC_TUAK)
		take_tuak(r, keys);
}

struct err auc_keys_decode(struct span bytes, struct auc_keys *keys, struct wire_fault *fault)
{
	struct reader r = reader_of(bytes, fault);

	auc_keys_take(&r, keys);
	reader_end(&r, "keys");
	return wire_result(fault);
}

struct err auc_keys_decode_former(
	struct span bytes, struct auc_keys *keys, struct wire_fault *fault)
{
	struct reader r = reader_of(bytes, fault);

	*keys = (struct auc_keys){.algorithm = AUC_MILENAGE, .k_len = 16, .opc_len = 16};
	reader_copy(&r, span_mut_of(keys->k, 16), "k");
	reader_copy(&r, span_mut_of(keys->opc, 16), "opc");
	reader_copy(&r, SPAN_MUT_ARRAY(keys->amf), "amf");
	reader_require(&r, reader_u8(&r, "algorithm") == AUC_MILENAGE, "algorithm", NULL);
	reader_end(&r, "keys");
	return wire_result(fault);
}
