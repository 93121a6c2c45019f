// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* An export of Open5GS' subscribers (codec/open5gs.h), document by document. */
#include "base/secret.h"
#include "cmd/subscriber.h"
#include "codec/open5gs.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct export
{
	_Alignas(16) uint8_t scratch[OPEN5GS_SCRATCH];
	uint8_t text[2 * OPEN5GS_DOCUMENT_MAX];
	struct subscriber_row row;
	size_t len;
	uint64_t documents;
};

static bool document_migrate(struct export *x, struct span document, struct migration *m)
{
	char name[64];
	const char *reason;
	bool has_more;

	x->documents++;
	const struct err e = open5gs_decode(document, x->scratch, &x->row, &has_more, &reason);
	snprintf(name, sizeof name, "document %llu", (unsigned long long)x->documents);
	if (x->row.clear.imsi[0] != '\0')
		snprintf(name, sizeof name, "%s", x->row.clear.imsi);
	if (failed(e)) {
		char text[160];
		snprintf(text, sizeof text, "%s is expected", reason);
		migration_refuse(m, name, text);
		return true;
	}
	if (has_more)
		migration_note(m, name, "the first MSISDN is kept, the others are not");
	return migration_take(m, &x->row);
}

/* All documents that are whole; ERR_STATE: one goes on behind what was read. */
static struct err documents_migrate(struct export *x, struct migration *m)
{
	size_t at = 0, len;
	struct span document;
	struct err e;

	do {
		e = open5gs_cut(span_of(x->text + at, x->len - at), &document, &len);
		at += e.kind == ERR_STATE ? 0 : len;
		if (!failed(e) && !document_migrate(x, document, m))
			e = ERR(IO);
	} while (!failed(e));
	memmove(x->text, x->text + at, x->len - at);
	x->len -= at;
	return e.kind == ERR_ABSENT ? OK : e;
}

static struct err file_migrate(int fd, struct export *x, struct migration *m)
{
	struct err e = OK;
	ssize_t n;

	do {
		n = read(fd, x->text + x->len, sizeof x->text - x->len);
		if (n < 0)
			return ERR(IO);
		x->len += (size_t)n;
		e = documents_migrate(x, m);
		if (e.kind == ERR_STATE && x->len < sizeof x->text && n > 0)
			e = OK;
	} while (n > 0 && !failed(e));
	return e;
}

bool migrate_open5gs(const char *path, struct migration *m)
{
	struct secret secret;
	const int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		fail(EXIT_CONFIG, "%s: %s", path, strerror(errno));
		return false;
	}
	struct err e = secret_open(&secret, sizeof(struct export));
	if (!failed(e))
		e = file_migrate(fd, (struct export *)(void *)secret.bytes, m);
	if (failed(e))
		fail(EXIT_CONFIG, "%s: behind %llu subscribers: %s", path,
			(unsigned long long)(m->taken + m->refused),
			e.kind == ERR_INPUT   ? "a document { … } is expected"
			: e.kind == ERR_STATE ? "a document that ends, within 256 KiB, is expected"
					      : err_word(e));
	secret_close(&secret);
	if (fd != STDIN_FILENO)
		close(fd);
	return !failed(e);
}
