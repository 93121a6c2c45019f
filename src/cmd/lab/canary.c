// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/canary.h"
#include "base/secret.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HEAD = 8, WINDOW_MAX = 16, DEPTH_MAX = 16 };
enum { FILTER_BITS = 24, PATTERNS_MAX = CANARY_VALUES_MAX * 6 };

static const size_t window_octets[CANARY_ENCODINGS] = {8, 16, 16, 12};

/* One way in which a value may be written. */
struct pattern {
	const char *name;
	enum canary_encoding encoding;
	size_t len;
	uint8_t *octets;
};

/* A place in a pattern where a match may begin; windows of equal hash hang in one list. */
struct window {
	uint32_t pattern, offset;
	uint64_t head;
};

struct canary {
	size_t value_count, pattern_count;
	struct pattern patterns[PATTERNS_MAX];
	size_t window_count, window_room;
	struct window *windows; /* sorted by head before a search */
	bool is_sorted;
	uint8_t *filter; /* a bit for each hash of a head */
};

const char *canary_encoding_word(enum canary_encoding encoding)
{
	static const char *const words[CANARY_ENCODINGS] = {
		"raw", "hex", "hex, upper case", "base64"};

	return words[encoding];
}

struct err canary_open(struct canary **c)
{
	*c = calloc(1, sizeof **c);
	if (*c == NULL)
		return ERR(LIMIT);
	(*c)->filter = calloc(1, (size_t)1 << (FILTER_BITS - 3));
	if ((*c)->filter == NULL) {
		free(*c);
		*c = NULL;
		return ERR(LIMIT);
	}
	return OK;
}

void canary_close(struct canary *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->pattern_count; i++) {
		secret_wipe(c->patterns[i].octets, c->patterns[i].len);
		free(c->patterns[i].octets);
	}
	if (c->windows != NULL)
		secret_wipe(c->windows, c->window_count * sizeof *c->windows);
	free(c->windows);
	free(c->filter);
	free(c);
}

size_t canary_planted(const struct canary *c)
{
	return c->value_count;
}

static uint64_t head_at(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof v);
	return v;
}

static size_t filter_bit(uint64_t head)
{
	return (size_t)((head * 0x9e3779b97f4a7c15u) >> (64 - FILTER_BITS));
}

/* Eight equal octets are no secret: a value that has them would be found in every zero page. */
static bool is_flat(uint64_t head)
{
	return head == (head & 0xff) * 0x0101010101010101u;
}

static struct err window_add(struct canary *c, uint32_t pattern, uint32_t offset, uint64_t head)
{
	if (is_flat(head))
		return OK;
	if (c->window_count == c->window_room) {
		const size_t room = c->window_room == 0 ? 4096 : 2 * c->window_room;
		struct window *more = realloc(c->windows, room * sizeof *more);
		if (more == NULL)
			return ERR(LIMIT);
		c->windows = more;
		c->window_room = room;
	}
	c->windows[c->window_count++] = (struct window){pattern, offset, head};
	c->filter[filter_bit(head) >> 3] |= (uint8_t)(1u << (filter_bit(head) & 7));
	c->is_sorted = false;
	return OK;
}

/* Takes over `octets`. */
static struct err pattern_add(struct canary *c, const char *name, enum canary_encoding encoding,
	uint8_t *octets, size_t len)
{
	const uint32_t at = (uint32_t)c->pattern_count;
	struct err e = OK;

	c->patterns[c->pattern_count++] = (struct pattern){name, encoding, len, octets};
	for (size_t i = 0; !failed(e) && i + window_octets[encoding] <= len; i++)
		e = window_add(c, at, (uint32_t)i, head_at(octets + i));
	return e;
}

static struct err plant_hex(struct canary *c, const char *name, struct span value, bool is_upper)
{
	char *text = malloc(2 * value.len + 1);

	if (text == NULL)
		return ERR(LIMIT);
	hex_from_span(text, value);
	for (char *p = text; is_upper && *p != '\0'; p++)
		if (*p >= 'a')
			*p = (char)(*p - 'a' + 'A');
	return pattern_add(c, name, is_upper ? CANARY_HEX_UPPER : CANARY_HEX_LOWER, (uint8_t *)text,
		2 * value.len);
}

/*
 * With `skip` octets of the value left out in front, what is left begins a group of three: its
 * characters do not depend on neighbours, but for a last group that is not whole, which is left
 * out, too.
 */
static struct err plant_base64(struct canary *c, const char *name, struct span value, size_t skip)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const size_t groups = (value.len - skip) / 3;
	uint8_t *text = malloc(4 * groups + 1);

	if (text == NULL)
		return ERR(LIMIT);
	for (size_t g = 0; g < groups; g++) {
		const uint8_t *in = value.at + skip + 3 * g;
		const uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
		for (unsigned i = 0; i < 4; i++)
			text[4 * g + i] = (uint8_t)digits[v >> (18 - 6 * i) & 63];
	}
	return pattern_add(c, name, CANARY_BASE64, text, 4 * groups);
}

struct err canary_plant(struct canary *c, const char *name, struct span value)
{
	uint8_t *raw;
	struct err e;

	if (value.len < CANARY_VALUE_MIN || value.len > CANARY_VALUE_MAX ||
		c->value_count >= CANARY_VALUES_MAX)
		return ERR(LIMIT);
	raw = malloc(value.len);
	if (raw == NULL)
		return ERR(LIMIT);
	memcpy(raw, value.at, value.len);
	c->value_count++;
	e = pattern_add(c, name, CANARY_RAW, raw, value.len);
	for (int is_upper = 0; !failed(e) && is_upper < 2; is_upper++)
		e = plant_hex(c, name, value, is_upper);
	for (size_t skip = 0; !failed(e) && skip < 3; skip++)
		e = plant_base64(c, name, value, skip);
	return e;
}

static int window_compare(const void *a, const void *b)
{
	const uint64_t x = ((const struct window *)a)->head, y = ((const struct window *)b)->head;

	return x < y ? -1 : x > y;
}

static const struct window *windows_of(const struct canary *c, uint64_t head)
{
	size_t low = 0, high = c->window_count;

	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (c->windows[middle].head < head)
			low = middle + 1;
		else
			high = middle;
	}
	return low < c->window_count && c->windows[low].head == head ? &c->windows[low] : NULL;
}

/* The window that matches at `at`, or NULL. */
static const struct window *match_at(const struct canary *c, const uint8_t *at, size_t left)
{
	const uint64_t head = head_at(at);
	const struct window *w = windows_of(c, head);

	for (; w != NULL && w < c->windows + c->window_count && w->head == head; w++) {
		const struct pattern *p = &c->patterns[w->pattern];
		const size_t need = window_octets[p->encoding];
		if (need <= left && memcmp(at, p->octets + w->offset, need) == 0)
			return w;
	}
	return NULL;
}

static void finding_add(const struct canary *c, struct canary_result *result, const char *where,
	size_t offset, const struct window *w)
{
	struct canary_finding *f;

	result->hits++;
	if (result->finding_count == CANARY_FINDINGS_MAX)
		return;
	f = &result->findings[result->finding_count++];
	f->value = c->patterns[w->pattern].name;
	f->encoding = c->patterns[w->pattern].encoding;
	f->offset = offset;
	snprintf(f->where, sizeof f->where, "%s", where);
}

/* How far the match at `at` goes on, so that one leak is one hit. */
static size_t match_octets(
	const struct canary *c, const struct window *w, const uint8_t *at, size_t left)
{
	const struct pattern *p = &c->patterns[w->pattern];
	size_t n = 0;

	while (n < left && w->offset + n < p->len && at[n] == p->octets[w->offset + n])
		n++;
	return n;
}

struct err canary_search(
	struct canary *c, const char *where, struct span bytes, struct canary_result *result)
{
	if (!c->is_sorted && c->window_count > 0)
		qsort(c->windows, c->window_count, sizeof *c->windows, window_compare);
	c->is_sorted = true;
	result->octets += bytes.len;
	for (size_t i = 0; i + HEAD <= bytes.len; i++) {
		const size_t bit = filter_bit(head_at(bytes.at + i));
		if ((c->filter[bit >> 3] >> (bit & 7) & 1) == 0)
			continue;
		const struct window *w = match_at(c, bytes.at + i, bytes.len - i);
		if (w == NULL)
			continue;
		finding_add(c, result, where, i, w);
		i += match_octets(c, w, bytes.at + i, bytes.len - i) - 1;
	}
	return OK;
}

struct err canary_search_file(struct canary *c, const char *path, struct canary_result *result,
	struct complaint *complaint)
{
	struct stat st;
	struct err e = OK;
	const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd < 0 || fstat(fd, &st) != 0) {
		if (fd >= 0)
			close(fd);
		return complain(complaint, ERR(IO), "%s: %s", path, strerror(errno));
	}
	if (S_ISREG(st.st_mode) && st.st_size > 0) {
		void *at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
		if (at == MAP_FAILED) {
			e = complain(complaint, ERR(IO), "%s: %s", path, strerror(errno));
		} else {
			result->files++;
			e = canary_search(c, path, span_of(at, (size_t)st.st_size), result);
			munmap(at, (size_t)st.st_size);
		}
	}
	close(fd);
	return e;
}

static bool is_excepted(const char *name, const char *const *except)
{
	for (; except != NULL && *except != NULL; except++)
		if (strcmp(name, *except) == 0)
			return true;
	return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* Recursion on our own folders, bounded by depth. */
static struct err folder_search(struct canary *c, const char *path, const char *const *except,
	struct canary_result *result, int depth, struct complaint *complaint)
{
	struct err e = OK;
	DIR *folder = opendir(path);

	if (folder == NULL)
		return complain(complaint, ERR(IO), "%s: %s", path, strerror(errno));
	for (const struct dirent *d; !failed(e) && (d = readdir(folder)) != NULL;) {
		char below[4096];
		if (is_excepted(d->d_name, except) || snprintf(below, sizeof below, "%s/%s", path,
							      d->d_name) >= (int)sizeof below)
			continue;
		if (d->d_type == DT_DIR && depth < DEPTH_MAX)
			e = folder_search(c, below, except, result, depth + 1, complaint);
		else if (d->d_type == DT_REG)
			e = canary_search_file(c, below, result, complaint);
	}
	closedir(folder);
	return e;
}

struct err canary_search_folder(struct canary *c, const char *path, const char *const *except,
	struct canary_result *result, struct complaint *complaint)
{
	return folder_search(c, path, except, result, 0, complaint);
}
