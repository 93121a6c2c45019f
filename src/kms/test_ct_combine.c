// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* Run under valgrind with -Dct_check=true: all three sources are secret, and so is the key. */
#include "base/ct.h"
#include "kms/combine.h"
#include "kms/shelf.h"

int main(void)
{
	uint8_t qkd[SLOT_OCTETS] = {1}, mlkem[SLOT_OCTETS] = {2}, x25519[SLOT_OCTETS] = {3};
	struct kms_name site, other;
	uint8_t key[SLOT_OCTETS];

	if (!kms_name_set(&site, "radio") || !kms_name_set(&other, "core"))
		return 1;
	ct_classify(qkd, sizeof qkd);
	ct_classify(mlkem, sizeof mlkem);
	ct_classify(x25519, sizeof x25519);
	const struct combine_context context = {.site = &site, .other = &other};
	const struct combine_secrets secrets = {
		.qkd = SPAN_ARRAY(qkd), .mlkem = SPAN_ARRAY(mlkem), .x25519 = SPAN_ARRAY(x25519)};
	return failed(key_combine(&context, &secrets, SPAN_MUT_ARRAY(key))) ? 1 : 0;
}
