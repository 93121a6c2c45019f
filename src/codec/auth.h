// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What an authentication centre is asked and what it answers [TS 33.102 §6.3.2], whatever protocol
 * brought it: GSUP now, S6a and SBI later. The codecs of the protocols turn into these, and rooms
 * know only these.
 */
#include "base/span.h"

enum { IMSI_DIGITS_MAX = 15, IMSI_TEXT = IMSI_DIGITS_MAX + 1, IMSI_DIGITS_MIN = 6 };
enum { AUTH_VECTORS_MAX = 5, AUTH_NODE_MAX = 64 }; /* AUTH_NODE_MAX with its NUL */
enum { AUTH_RAND = 16, AUTH_AUTN = 16, AUTH_AUTS = 14, AUTH_KEY = 16, AUTH_RES_MAX = 16 };
enum { AUTH_SRES = 4, AUTH_KC = 8 };

enum auth_domain { AUTH_PS = 1, AUTH_CS = 2 };

/* Whether the separation bit of AMF is 1 (EPS, 5GS) or 0 (UTRAN, GERAN) [TS 33.102 Annex H]. */
enum auth_radio { AUTH_UTRAN = 1, AUTH_EPS = 2 };

struct auth_request {
	char imsi[IMSI_TEXT]; /* digits, NUL-terminated */
	enum auth_domain domain;
	enum auth_radio radio;
	char node[AUTH_NODE_MAX]; /* the serving node's name: with the domain, it decides IND */
	uint8_t vectors;          /* 1 … AUTH_VECTORS_MAX */
	bool has_resync;
	uint8_t rand[AUTH_RAND], auts[AUTH_AUTS]; /* with has_resync [TS 33.102 §6.3.5] */
};

/* A quintuple with the triplet that follows from it [TS 33.102 §6.8.1.2]; or, of a 2G subscriber,
 * RAND, SRES and Kc alone, and the rest zero. */
struct auth_vector {
	bool is_triplet;
	uint8_t rand[AUTH_RAND], autn[AUTH_AUTN];
	uint8_t ck[AUTH_KEY], ik[AUTH_KEY];
	uint8_t res_len, res[AUTH_RES_MAX];
	uint8_t sres[AUTH_SRES], kc[AUTH_KC];
};

/* 6 to 15 digits and nothing else. Asked several times of each request: strspn() would build a set
 * of ten digits each time. */
static inline bool imsi_is_valid(const char *imsi)
{
	size_t len = 0;

	while (len <= IMSI_DIGITS_MAX && imsi[len] >= '0' && imsi[len] <= '9')
		len++;
	return imsi[len] == '\0' && len >= IMSI_DIGITS_MIN && len <= IMSI_DIGITS_MAX;
}
