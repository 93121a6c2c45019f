// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "text.h"
#include <stdarg.h>
#include <stdio.h>

void text_add(struct text *t, const char *format, ...)
{
	va_list args;

	if (t->is_full)
		return;
	va_start(args, format);
	const int len = vsnprintf(t->at + t->len, t->limit - t->len, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= t->limit - t->len)
		t->is_full = true;
	else
		t->len += (size_t)len;
}

struct err text_result(const struct text *t, size_t *len, struct complaint *c)
{
	*len = t->is_full ? 0 : t->len;
	return t->is_full ? complain(c, ERR(LIMIT), "text longer than %zu octets", t->limit) : OK;
}

static bool is_plain(char ch)
{
	return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || (ch >= '0' && ch <= '9');
}

bool text_is_word(const char *text, const char *others, size_t max)
{
	const size_t len = text == NULL ? 0 : strlen(text);

	for (size_t i = 0; i < len; i++)
		if (!is_plain(text[i]) && strchr(others, text[i]) == NULL)
			return false;
	return len > 0 && len <= max;
}

bool text_is_interface(const char *text)
{
	return text_is_word(text, "_.-", 15) && is_plain(text[0]);
}

/* Four numbers up to 255, without leading zeros. */
static bool is_ipv4(const char *text)
{
	for (int i = 0; i < 4; i++) {
		const size_t digits = strspn(text, "0123456789");
		unsigned v = 0;
		for (size_t k = 0; k < digits && k < 4; k++)
			v = v * 10 + (unsigned)(text[k] - '0');
		if (digits == 0 || digits > 3 || v > 255 || (digits > 1 && text[0] == '0') ||
			text[digits] != (i < 3 ? '.' : '\0'))
			return false;
		text += digits + (i < 3);
	}
	return true;
}

/* Groups of hex digits; "::" once, for at least one group. The dotted form of the last two is not taken. */
static bool is_ipv6(const char *text)
{
	int groups = 0;
	bool has_gap = text[0] == ':' && text[1] == ':';

	text += has_gap ? 2 : 0;
	while (*text != '\0') {
		const size_t digits = strspn(text, "0123456789abcdefABCDEF");
		if (digits == 0 || digits > 4 || ++groups > 8)
			return false;
		text += digits;
		if (*text == '\0')
			break;
		const bool is_gap = text[0] == ':' && text[1] == ':';
		if (text[0] != ':' || text[1] == '\0' || (is_gap && has_gap))
			return false;
		has_gap = has_gap || is_gap;
		text += is_gap ? 2 : 1;
	}
	return has_gap ? groups < 8 : groups == 8;
}

int text_address_family(const char *text)
{
	if (text == NULL)
		return 0;
	if (is_ipv4(text))
		return 4;
	return is_ipv6(text) ? 6 : 0;
}

int text_prefix_family(const char *text)
{
	char address[40];
	const char *slash = text == NULL ? NULL : strchr(text, '/');
	unsigned bits = 0;

	if (slash == NULL || (size_t)(slash - text) >= sizeof(address))
		return 0;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	const size_t digits = strspn(slash + 1, "0123456789");
	if (digits == 0 || digits > 3 || slash[1 + digits] != '\0')
		return 0;
	for (size_t i = 0; i < digits; i++)
		bits = bits * 10 + (unsigned)(slash[1 + i] - '0');
	const int family = text_address_family(address);
	return bits <= (family == 6 ? 128 : 32) ? family : 0;
}
