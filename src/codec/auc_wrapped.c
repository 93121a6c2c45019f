// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "auc_wrapped.h"

void auc_wrapped_head_encode(struct writer *w, const struct auc_wrapped *wrapped)
{
	writer_u8(w, AUC_WRAPPED_VERSION);
	writer_u8(w, (uint8_t)wrapped->root);
	if (wrapped->root != AUC_ROOT_PASSPHRASE)
		return;
	writer_span(w, SPAN_ARRAY(wrapped->salt));
	writer_u32(w, wrapped->memory_kib);
	writer_u8(w, wrapped->passes);
	writer_u8(w, wrapped->lanes);
}

static enum auc_root take_root(struct reader *r)
{
	switch (reader_u8(r, "root")) {
	case AUC_ROOT_FILE:
		return AUC_ROOT_FILE;
	case AUC_ROOT_PASSPHRASE:
		return AUC_ROOT_PASSPHRASE;
	case AUC_ROOT_TOKEN:
		return AUC_ROOT_TOKEN;
	default:
		reader_refuse(r, ERR(VERSION), "root", NULL);
		return AUC_ROOT_FILE;
	}
}

struct err auc_wrapped_decode(
	struct span bytes, struct auc_wrapped *wrapped, struct wire_fault *fault)
{
	struct reader r = reader_of(bytes, fault);

	*wrapped = (struct auc_wrapped){0};
	if (reader_u8(&r, "version") != AUC_WRAPPED_VERSION)
		reader_refuse(&r, ERR(VERSION), "version", NULL);
	wrapped->root = take_root(&r);
	if (wrapped->root == AUC_ROOT_PASSPHRASE) {
		reader_copy(&r, SPAN_MUT_ARRAY(wrapped->salt), "salt");
		wrapped->memory_kib = reader_u32(&r, "memory_kib");
		wrapped->passes = reader_u8(&r, "passes");
		wrapped->lanes = reader_u8(&r, "lanes");
	}
	wrapped->head = span_of(bytes.at, bytes.len - reader_left(&r));
	wrapped->sealed = reader_rest(&r);
	reader_require(&r, wrapped->sealed.len > 0, "sealed", NULL);
	return wire_result(fault);
}
