// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The raw events of the time-tag cards of qcrypto and S-Fifteen Instruments: a file without a header, one event in 64 bits.
 * [qcrypto filespec] remotecrypto/filespec.txt of github.com/kurtsiefer/qcrypto, section 0, status 16.5.09; readevents3.c there,
 * option -a 1; S15qkd/timestampsimulator of github.com/s-fifteen-instruments/QKDServer writes the same.
 *
 * Two 32-bit words, the more significant first, each little-endian. Of the 64 bits, the upper 49 are the time in units of 125 ps,
 * the lowest 4 the detectors that fired, one bit each. The 11 bits between are the card's own (phase, marks) and not
 * read here; "up to eight detectors" is said there to be for future use, and those bits are the card's too.
 *
 * The time starts over every 2^49 units, 19.5 hours: an event that is more than half of that before the one before it begins a new round.
 * An event that is a little earlier than the one before it cannot be told from a broken file and is refused; one without a
 * detector tells the time alone. Packaged files ([qcrypto filespec] section 1: a header of five words) are not read.
 */
#include "codec/qkd_driver.h"

enum { TIMESTAMP_OCTETS = 8, TIMESTAMP_UNIT_PS = 125, TIMESTAMP_DETECTORS = 4 };

struct timestamps {
	bool has_last;
	uint64_t last, rounds; /* units of the last event in its round; rounds before it */
};

struct timestamp {
	uint64_t time_ps; /* goes on through the rounds */
	uint8_t pattern;  /* bit d: detector d fired */
};

/* Exactly one event, after those that `t` has seen. ERR_INPUT: out of order, or more rounds than picoseconds can tell. */
MUST_USE struct err timestamp_decode(
	struct timestamps *t, struct span bytes, struct timestamp *out, struct wire_fault *fault);
void timestamp_encode(struct writer *w, uint64_t time_ps, uint8_t pattern);
