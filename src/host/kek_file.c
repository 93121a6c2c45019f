// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "kek_file.h"
#include "crypt/aead.h"
#include "crypt/hkdf.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { KEK_HEX = 2 * AEAD_KEY, KEK_FILE_MAX = KEK_HEX + 2 };

/* Reads at most `text.len` octets; one more than a key file can have tells that it is none. */
static struct err load(const char *path, struct span_mut text, size_t *len, struct complaint *c)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return complain(c, ERR(IO), "kek_file: cannot read %s: %s", path, strerror(errno));
	ssize_t got = 0;
	for (*len = 0; *len < text.len; *len += (size_t)got) {
		got = read(fd, text.at + *len, text.len - *len);
		if (got <= 0)
			break;
	}
	close(fd);
	return got < 0 ? complain(c, ERR(IO), "kek_file: cannot read %s: %s", path, strerror(errno))
		       : OK;
}

/* The file's octets become 32, in place. */
static struct err parse(
	const char *path, uint8_t text[static KEK_FILE_MAX], size_t len, struct complaint *c)
{
	uint8_t key[AEAD_KEY];

	if (len == AEAD_KEY)
		return OK;
	while (len > KEK_HEX && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	text[len < KEK_FILE_MAX ? len : KEK_FILE_MAX - 1] = '\0';
	const bool is_key = len == KEK_HEX && hex_to_span(SPAN_MUT_ARRAY(key), (const char *)text);
	if (is_key)
		memcpy(text, key, sizeof key);
	secret_wipe(key, sizeof key);
	return is_key ? OK
		      : complain(c, ERR(INPUT),
				"kek_file: %s: 32 octets, or 64 hex digits, are expected", path);
}

struct err kek_file_read(const char *path, const char *purpose, struct secret *key,
	uint32_t *key_id, struct complaint *c)
{
	uint8_t text[KEK_FILE_MAX + 1], id[4];
	char info[64];
	size_t len = 0;

	*key = (struct secret){0};
	struct err e = load(path, SPAN_MUT_ARRAY(text), &len, c);
	if (!failed(e))
		e = parse(path, text, len, c);
	if (!failed(e))
		e = secret_open(key, AEAD_KEY);
	snprintf(info, sizeof info, "merlon kek/%s", purpose);
	if (!failed(e))
		e = hkdf_sha256(span_of(text, AEAD_KEY), span_of(NULL, 0), span_str(info),
			secret_span_mut(key));
	snprintf(info, sizeof info, "merlon kek id/%s", purpose);
	if (!failed(e))
		e = hkdf_sha256(span_of(text, AEAD_KEY), span_of(NULL, 0), span_str(info),
			SPAN_MUT_ARRAY(id));
	secret_wipe(text, sizeof text);
	if (failed(e)) {
		secret_close(key);
		return complain(c, e, "kek_file: %s: %s", path, err_word(e));
	}
	*key_id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
	return OK;
}
