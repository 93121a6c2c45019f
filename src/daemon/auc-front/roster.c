// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "roster.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- addresses ---- */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool address_read(struct roster_prefix *p, const char *text)
{
	if (inet_pton(AF_INET, text, p->octets + sizeof mapped) == 1) {
		memcpy(p->octets, mapped, sizeof mapped);
		return true;
	}
	return inet_pton(AF_INET6, text, p->octets) == 1;
}

/* Cuts the port off, and the brackets that keep an IPv6 address apart from it. */
static char *host_of(char *text)
{
	char *colon = strrchr(text, ':');

	if (text[0] == '[') {
		char *end = strchr(text, ']');
		if (end != NULL)
			*end = '\0';
		return text + 1;
	}
	if (colon != NULL && strchr(text, ':') == colon)
		*colon = '\0';
	return text;
}

struct err roster_prefix_read(struct roster_prefix *p, const char *text)
{
	char copy[64];

	if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
		return ERR(INPUT);
	char *slash = strchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	if (!address_read(p, host_of(copy)))
		return ERR(INPUT);
	const bool is_4 = memcmp(p->octets, mapped, sizeof mapped) == 0;
	p->bits = 128;
	if (slash == NULL)
		return OK;
	char *end;
	const unsigned long bits = strtoul(slash + 1, &end, 10);
	if (end == slash + 1 || *end != '\0' || bits > (is_4 ? 32 : 128))
		return ERR(INPUT);
	p->bits = (uint8_t)(is_4 ? bits + 96 : bits);
	return OK;
}

static bool prefix_holds(const struct roster_prefix *p, const struct roster_prefix *address)
{
	const size_t whole = p->bits / 8;
	const unsigned rest = p->bits % 8;

	if (memcmp(p->octets, address->octets, whole) != 0)
		return false;
	return rest == 0 || (p->octets[whole] ^ address->octets[whole]) >> (8 - rest) == 0;
}

/* ---- a row of text ---- */

/* The word before the next blank, which is cut off; *at goes behind it. */
static char *word_take(char **at)
{
	char *word = *at, *blank = strchr(word, ' ');

	if (blank == NULL)
		return NULL;
	*blank = '\0';
	*at = blank + 1;
	return word;
}

static bool number_take(char **at, uint64_t max, uint64_t *value)
{
	const char *word = word_take(at);
	char *end;

	if (word == NULL || word[0] < '0' || word[0] > '9')
		return false;
	*value = strtoull(word, &end, 10);
	return *end == '\0' && *value <= max;
}

/* The next element of a list with commas between; NULL at its end. "-" is the empty list. */
static char *element_take(char **list)
{
	char *element = *list;

	if (element == NULL || strcmp(element, "-") == 0)
		return NULL;
	char *comma = strchr(element, ',');
	if (comma != NULL)
		*comma = '\0';
	*list = comma == NULL ? NULL : comma + 1;
	return element;
}

static struct err addresses_read(struct roster_row *row, char *list, struct complaint *c)
{
	for (const char *word; (word = element_take(&list)) != NULL; row->address_count++) {
		if (row->address_count == ROSTER_ADDRESSES_MAX)
			return complain(
				c, ERR(LIMIT), "at most %d addresses", ROSTER_ADDRESSES_MAX);
		if (failed(roster_prefix_read(&row->addresses[row->address_count], word)))
			return complain(c, ERR(INPUT),
				"an address or ADDRESS/BITS is expected: '%s'", word);
	}
	return OK;
}

static struct err plmns_read(struct roster_row *row, char *list, struct complaint *c)
{
	for (const char *word; (word = element_take(&list)) != NULL; row->plmn_count++) {
		const size_t digits = strspn(word, "0123456789");
		if (row->plmn_count == ROSTER_PLMNS_MAX)
			return complain(c, ERR(LIMIT), "at most %d PLMNs", ROSTER_PLMNS_MAX);
		if (word[digits] != '\0' || digits < PLMN_DIGITS_MIN || digits > PLMN_DIGITS_MAX)
			return complain(c, ERR(INPUT),
				"MCC and MNC, 5 or 6 digits, are expected: '%s'", word);
		memcpy(row->plmns[row->plmn_count], word, digits + 1);
	}
	return OK;
}

static bool is_name(const char *name)
{
	for (const char *p = name; *p != '\0'; p++)
		if (*p < 0x20 || *p > 0x7e)
			return false;
	return name[0] != '\0' && strlen(name) < AUTH_NODE_MAX;
}

struct err roster_row_read(struct roster_row *row, const char *text, struct complaint *c)
{
	char copy[1024], *at = copy, *addresses, *plmns;
	uint64_t vectors;

	*row = (struct roster_row){0};
	if ((size_t)snprintf(copy, sizeof copy, "%s", text) >= sizeof copy)
		return complain(c, ERR(LIMIT), "a peer's row is too long");
	if (!number_take(&at, ROSTER_RATE_MAX, &row->rate_per_s) ||
		!number_take(&at, ROSTER_RATE_MAX, &row->burst) ||
		!number_take(&at, AUTH_VECTORS_MAX, &vectors))
		return complain(c, ERR(INPUT),
			"rate_per_s and burst at most %d, vectors_max at most %d are expected",
			ROSTER_RATE_MAX, AUTH_VECTORS_MAX);
	row->vectors_max = (uint8_t)vectors;
	addresses = word_take(&at);
	plmns = word_take(&at);
	if (addresses == NULL || plmns == NULL || !is_name(at))
		return complain(c, ERR(INPUT),
			"a name of at most %d printable characters is expected", AUTH_NODE_MAX - 1);
	memcpy(row->name, at, strlen(at) + 1);
	const struct err e = addresses_read(row, addresses, c);
	return failed(e) ? e : plmns_read(row, plmns, c);
}

/* ---- verdicts ---- */

const struct roster_row *roster_find(const struct roster *r, const char *name)
{
	for (size_t i = 0; i < r->count; i++)
		if (strcmp(r->rows[i].name, name) == 0)
			return &r->rows[i];
	return NULL;
}

bool roster_row_is_from(const struct roster_row *row, const struct roster_prefix *address)
{
	for (size_t i = 0; i < row->address_count; i++)
		if (prefix_holds(&row->addresses[i], address))
			return true;
	return row->address_count == 0;
}

bool roster_knows(const struct roster *r, const struct roster_prefix *address)
{
	for (size_t i = 0; i < r->count; i++)
		if (roster_row_is_from(&r->rows[i], address))
			return true;
	return r->count == 0;
}

bool roster_row_may_ask(const struct roster_row *row, const char *imsi)
{
	for (size_t i = 0; i < row->plmn_count; i++)
		if (strncmp(imsi, row->plmns[i], strlen(row->plmns[i])) == 0)
			return true;
	return row->plmn_count == 0;
}
