// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "host/audit_log.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A file in memory, as long as any that a fuzzer makes, and one group more. */
static struct {
	uint8_t bytes[(1 << 20) + AUDIT_GROUP_MAX];
	size_t len;
} file;

static struct err file_append(void *ctx, const char *name, struct span bytes)
{
	(void)ctx, (void)name;
	if (bytes.len > sizeof file.bytes - file.len)
		return ERR(IO);
	memcpy(file.bytes + file.len, bytes.at, bytes.len);
	file.len += bytes.len;
	return OK;
}

static struct err file_sync(void *ctx, const char *name)
{
	(void)ctx, (void)name;
	return OK;
}

static struct err file_size(void *ctx, const char *name, uint64_t *octets)
{
	(void)ctx, (void)name;
	*octets = file.len;
	return OK;
}

static struct err file_read(
	void *ctx, const char *name, uint64_t offset, struct span_mut out, size_t *len)
{
	(void)ctx, (void)name;
	*len = offset >= file.len ? 0 : file.len - (size_t)offset;
	*len = *len < out.len ? *len : out.len;
	if (*len > 0)
		memcpy(out.at, file.bytes + offset, *len);
	return OK;
}

static struct err file_cut(void *ctx, const char *name, uint64_t octets)
{
	(void)ctx, (void)name;
	if (octets > file.len)
		abort();
	file.len = (size_t)octets;
	return OK;
}

static const struct disk disk = {.append = file_append,
	.sync = file_sync,
	.size = file_size,
	.read = file_read,
	.cut = file_cut};

/* A log that opens takes a record, and is then whole; one that is longer than the window is so from there on. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct audit_log log;
	struct audit_summary summary;
	uint8_t hash[AUDIT_HASH_OCTETS];
	uint64_t seq;

	if (size > sizeof file.bytes - AUDIT_GROUP_MAX)
		return 0;
	if (size > 0)
		memcpy(file.bytes, data, size);
	file.len = size;
	if (failed(audit_log_open(&log, &disk, NULL)))
		return 0;
	if (failed(audit_log_add(&log, 1, span_str("{}"), &seq, hash)) ||
		failed(audit_log_sync(&log)))
		abort();
	audit_log_close(&log);
	const struct err e = audit_log_verify(&disk, &summary, NULL);
	if (file.len <= AUDIT_WINDOW && (failed(e) || summary.records != seq ||
						memcmp(summary.head, hash, sizeof hash) != 0))
		abort();
	return 0;
}
