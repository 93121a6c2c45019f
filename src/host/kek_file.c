// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "kek_file.h"
#include "crypt/aead.h"
#include "crypt/hkdf.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert((int)KEK_OCTETS == (int)AEAD_KEY, "what is derived is a key of crypt/aead.h");

static char open_to_all[256];

const char *key_file_open_to_all(void)
{
	return open_to_all[0] == '\0' ? NULL : open_to_all;
}

static void look_at_rights(int fd, const char *path)
{
	struct stat st;

	if (open_to_all[0] == '\0' && fstat(fd, &st) == 0 &&
		(st.st_mode & (S_IROTH | S_IWOTH)) != 0)
		snprintf(open_to_all, sizeof open_to_all, "%s", path);
}

/* Reads at most `text.len` octets; one more than a file may have tells that it has too many. */
static struct err load(const char *path, const char *setting, struct span_mut text, size_t *len,
	struct complaint *c)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return complain(
			c, ERR(IO), "%s: cannot read %s: %s", setting, path, strerror(errno));
	look_at_rights(fd, path);
	ssize_t got = 0;
	for (*len = 0; *len < text.len; *len += (size_t)got) {
		got = read(fd, text.at + *len, text.len - *len);
		if (got <= 0)
			break;
	}
	const int error = errno;
	close(fd);
	return got < 0 ? complain(c, ERR(IO), "%s: cannot read %s: %s", setting, path,
				 strerror(error))
		       : OK;
}

static size_t without_newline(const uint8_t *text, size_t len)
{
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	return len;
}

enum { KEY_TEXT_MAX = 2 * KEY_FILE_OCTETS_MAX + 2 };

/* The file's octets become a key of `size`, in place. */
static bool is_key(uint8_t text[static KEY_TEXT_MAX + 1], size_t len, size_t size)
{
	uint8_t key[KEY_FILE_OCTETS_MAX];

	if (len == size)
		return true;
	const size_t digits = without_newline(text, len);
	if (len > KEY_TEXT_MAX || digits != 2 * size)
		return false;
	text[digits] = '\0';
	const bool is_hex = hex_to_span(span_mut_of(key, size), (const char *)text);
	if (is_hex)
		memcpy(text, key, size);
	secret_wipe(key, sizeof key);
	return is_hex;
}

struct err key_file_read(const char *path, const char *setting, const size_t *sizes,
	size_t size_count, struct secret *octets, struct complaint *c)
{
	uint8_t text[KEY_TEXT_MAX + 1];
	size_t len = 0, i = 0;

	*octets = (struct secret){0};
	struct err e = load(path, setting, SPAN_MUT_ARRAY(text), &len, c);
	while (!failed(e) && i < size_count && !is_key(text, len, sizes[i]))
		i++;
	if (!failed(e) && i == size_count)
		e = size_count > 1 ? complain(c, ERR(INPUT),
					     "%s: %s: %zu or %zu octets, raw or as hex digits, are "
					     "expected",
					     setting, path, sizes[0], sizes[size_count - 1])
				   : complain(c, ERR(INPUT),
					     "%s: %s: %zu octets, or %zu hex digits, are expected",
					     setting, path, sizes[0], 2 * sizes[0]);
	if (!failed(e))
		e = secret_copy(octets, span_of(text, sizes[i]));
	secret_wipe(text, sizeof text);
	return failed(e) ? complain(c, e, "%s: %s: %s", setting, path, err_word(e)) : OK;
}

struct err text_file_read(const char *path, const char *setting, size_t least, size_t most,
	struct secret *text, struct complaint *c)
{
	struct secret whole;
	size_t len = 0;

	*text = (struct secret){0};
	struct err e =
		secret_open(&whole, most + 3); /* a newline of two octets, and one too many */
	if (!failed(e))
		e = load(path, setting, secret_span_mut(&whole), &len, c);
	len = failed(e) ? 0 : without_newline(whole.bytes, len);
	if (!failed(e) && (len < least || len > most || memchr(whole.bytes, '\n', len) != NULL ||
				  memchr(whole.bytes, '\0', len) != NULL))
		e = complain(c, ERR(INPUT), "%s: %s: one line of %zu to %zu octets is expected",
			setting, path, least, most);
	if (!failed(e))
		e = secret_copy(text, span_of(whole.bytes, len));
	secret_close(&whole);
	return failed(e) ? complain(c, e, "%s: %s: %s", setting, path, err_word(e)) : OK;
}

struct err kek_derive(struct span octets, const char *purpose, struct secret *key, uint32_t *key_id)
{
	uint8_t id[4] = {0};
	char info[64];

	struct err e = secret_open(key, AEAD_KEY);
	snprintf(info, sizeof info, "merlon kek/%s", purpose);
	if (!failed(e))
		e = hkdf_sha256(octets, span_of(NULL, 0), span_str(info), secret_span_mut(key));
	snprintf(info, sizeof info, "merlon kek id/%s", purpose);
	if (!failed(e))
		e = hkdf_sha256(octets, span_of(NULL, 0), span_str(info), SPAN_MUT_ARRAY(id));
	if (failed(e))
		secret_close(key);
	*key_id = (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 | id[3];
	return e;
}

struct err kek_file_read(const char *path, const char *purpose, struct secret *key,
	uint32_t *key_id, struct complaint *c)
{
	static const size_t sizes[] = {KEK_OCTETS};
	struct secret octets;

	*key = (struct secret){0};
	struct err e = key_file_read(path, "kek_file", sizes, ARRAY_LEN(sizes), &octets, c);
	if (failed(e))
		return e;
	e = kek_derive(secret_span(&octets), purpose, key, key_id);
	secret_close(&octets);
	return failed(e) ? complain(c, e, "kek_file: %s: %s", path, err_word(e)) : OK;
}
