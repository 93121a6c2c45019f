// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The roster: which serving nodes may ask the authentication centre, from where, and for whose
 * subscribers. GSUP has no authentication; what it has is a name that a node gives itself, and the
 * address that it comes from. Both must fit a row. A home network's subscribers are known by the
 * first digits of their IMSI, MCC and MNC [TS 23.003 §2.2]; a row may say which of them its node may
 * ask for.
 *
 * A row is one setting, written by the supervisor from CONFIG:
 *
 *     RATE BURST VECTORS ADDRESSES PLMNS NAME       100 200 3 10.9.0.0/24,10.8.0.7 00101,310260 SGSN-1
 *
 * with "-" for a list that is not there (any address, any subscriber), and 0 for a number that is not
 * there. The name is the rest of the line. An empty roster lets everybody in.
 *
 * Pure: text in, verdict out.
 */
#include "base/err.h"
#include "codec/auth.h"

enum { ROSTER_MAX = 200, ROSTER_ADDRESSES_MAX = 8, ROSTER_PLMNS_MAX = 32 };
enum { ROSTER_RATE_MAX = 1000000, PLMN_DIGITS_MIN = 5, PLMN_DIGITS_MAX = 6 };

/* IPv4 stands where IPv6 keeps it, behind ::ffff:0:0/96 [RFC 4291 §2.5.5.2]. */
struct roster_prefix {
	uint8_t octets[16], bits;
};

struct roster_row {
	char name[AUTH_NODE_MAX];
	size_t address_count, plmn_count;
	struct roster_prefix addresses[ROSTER_ADDRESSES_MAX];
	char plmns[ROSTER_PLMNS_MAX][PLMN_DIGITS_MAX + 1];
	uint64_t rate_per_s, burst; /* 0: the default */
	uint8_t vectors_max;        /* 0: as many as a request may ask for */
};

struct roster {
	size_t count;
	struct roster_row rows[ROSTER_MAX];
};

MUST_USE struct err roster_row_read(struct roster_row *row, const char *text, struct complaint *c);

/* "10.9.0.1", "10.9.0.1:1234", "[fd00::1]:1234", "10.9.0.0/16"; ERR_INPUT: none of these. */
MUST_USE struct err roster_prefix_read(struct roster_prefix *p, const char *text);

/* NULL: nobody of that name. */
const struct roster_row *roster_find(const struct roster *r, const char *name);
/* Whether any row is for that address. */
bool roster_knows(const struct roster *r, const struct roster_prefix *address);
bool roster_row_is_from(const struct roster_row *row, const struct roster_prefix *address);
bool roster_row_may_ask(const struct roster_row *row, const char *imsi);
