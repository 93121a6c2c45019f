// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "kms/vault.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct err same(void *ctx, struct span_mut out)
{
	(void)ctx;
	memset(out.at, 0x5a, out.len);
	return OK;
}

/* Whatever a stolen store sends: an answer or an error, and never more than the answer holds. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t kek[32] = {1};
	static uint8_t out[KVAULT_MESSAGE_MAX];
	struct kms_vault v = {.kek = {.id = 1, .key = SPAN_ARRAY(kek)}, .entropy = {.fill = same}};
	struct writer w = writer_of(SPAN_MUT_ARRAY(out));

	if (size == 0 || !kms_name_set(&v.site, "core") || !kms_name_set(&v.peer_site, "radio"))
		return 0;
	const uint16_t type = (uint16_t)(IPC_BLOCK_KVAULT | data[0]);
	const struct err e = kms_vault_serve(&v, type, span_of(data + 1, size - 1), &w);
	if (!failed(e) && w.is_full)
		abort();
	return 0;
}
