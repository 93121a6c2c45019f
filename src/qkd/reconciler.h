// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Third stage: Bob's bits become Alice's. Two modes behind one face: Cascade (cascade.h), interactive, cheap, many rounds; and
 * syndrome coding with rate-adaptive LDPC codes (ldpc.h), one message and few rounds, more work.
 *
 * Bob drives. He asks; Alice answers each question, in order, and remembers nothing that a question does not tell her
 * anew but her own tables of the key. Several questions may be on their way at once, each about other frames: that is how round trips
 * cost nothing. A key is cut into frames; at most `frames_in_flight` are worked on at once, so memory has a bound that does not grow
 * with the key.
 *
 * The account. Each bit that depends on a key and leaves an end is counted when it is said, at both ends alike:
 *   parities  Alice's: parities, syndromes, disclosed bits. All of them, also those that follow from others
 *   answers   Bob's: what his questions tell of his bits beyond what is fixed beforehand (how parities compared, that a
 *             frame is not decoded yet, which positions he names), in bits, rounded up
 * A frame that fails is work and leak all the same.
 *
 * Nothing here is random: `seed` is public, fresh for each key and drawn by Bob; permutations and subsets follow from
 * it (LDPC has none). It must not be known before the key is fixed, else errors could be planted where they hide. Both ends make these, and
 * codes, alike and by themselves: who changes how raises LINK_VERSION (codec/qkd_link.h).
 */
#include "base/span.h"
#include "qkd.h"
#include "wire/writer.h"

/* Bit i of a key is bit i % 64 of word i / 64. In secret memory; spare bits of the last word are zero. */
struct key_words {
	uint64_t *words;
	uint32_t bits;
};

enum reconcile_mode { RECONCILE_CASCADE = 1, RECONCILE_LDPC = 2, RECONCILE_MODES };

enum {
	RECONCILE_BITS_MAX = 1 << 27,
	RECONCILE_BODY_MAX = 1 << 20, /* octets of one question or answer */
	RECONCILE_SEED = 16,
	RECONCILE_QUESTIONS_MAX = 64, /* on their way */
	RECONCILE_FRAMES_MAX = 1024,  /* in flight */
};

struct reconcile_account {
	uint64_t parities, answers; /* leak, see above */
	uint64_t corrected;         /* bits that Bob turned over; Alice does not know */
	uint64_t rounds; /* the most questions that waited for each other, of one lane or frame */
	uint32_t frames,
		frames_failed; /* failed: Bob knows; Alice of Cascade's, whose frames end with a word of his */
};

struct reconcile_settings {
	bool is_bob;
	uint32_t key_bits_max;     /* of any key to come */
	uint32_t frames_in_flight; /* at most; 1 to RECONCILE_FRAMES_MAX */
};

struct reconcile; /* of one mode; holds secrets */

/* One mode. All memory is taken by open. */
struct reconciler {
	const char *word;
	struct err (*open)(struct reconcile **out, const struct reconcile_settings *settings);
	void (*close)(struct reconcile *r);
	/*
	 * A new key, 1 to key_bits_max bits; Bob's is corrected in place. `qber` is the expectation, alike at both ends.
	 * ERR_INPUT where this mode cannot do it.
	 */
	struct err (*begin)(struct reconcile *r, struct key_words key, double qber,
		const uint8_t seed[static RECONCILE_SEED]);
	/* Bob: writes the next question. False: there is none now; answers are awaited, or all is done. */
	bool (*ask)(struct reconcile *r, struct writer *question);
	/* Alice. QKD_PROTOCOL: no question that an honest Bob asks; nothing was answered. */
	enum qkd_abort (*answer)(struct reconcile *r, struct span question, struct writer *answer);
	/* Bob: the answer to the oldest question on its way. QKD_PROTOCOL: it is none. */
	enum qkd_abort (*learn)(struct reconcile *r, struct span answer);
	/* Bob: nothing is left to ask or to await. Frames may have failed (see the account): verification will say so. */
	bool (*is_done)(const struct reconcile *r);
	struct reconcile_account (*account)(const struct reconcile *r);
	/* The key is done with, corrected or given up: wipes what this mode has of it, which `begin` alone would leave until the next one. */
	void (*forget)(struct reconcile *r);
};

extern const struct reconciler reconciler_cascade, reconciler_ldpc;

/* The mode of that number, as RECONCILE_… says; NULL where there is none. */
const struct reconciler *reconciler_of(enum reconcile_mode mode);

/* As CONFIG says it: 0 is "auto", any mode. NULL: there is no such mode. */
const char *reconcile_mode_word(enum reconcile_mode mode);
bool reconcile_mode_read(const char *word, enum reconcile_mode *mode);

/* Error rates of a block: of its key, once corrected, and of its test basis. They need not be alike: bases differ, and so may attacks. */
struct reconcile_errors {
	double key, test;
};

/*
 * The error rate to be expected of a key: as of the last corrected one, `before` (both 0: none), which had many bits; where the test basis, of
 * about `test_bits` bits, has changed by more than chance does, so much more or less. A change leaves no less than the
 * lesser of what the key before and the test basis have: no code reaches many times the errors that were expected.
 */
double reconcile_expect(struct reconcile_errors before, double test, double test_bits);

/* What the choice of a mode depends on. */
struct reconcile_circumstances {
	uint32_t key_bits;
	double qber;          /* expected */
	double bits_a_second; /* of the keys before, as they came out; 0: not known yet */
	double round_trip_ms; /* 0: not known yet */
	bool is_ldpc_fast;    /* Bob's processor has a path for it: ldpc_is_fast() */
};

/*
 * LDPC where it can do the key and keeps up with it, for it tells about half of what Cascade's two ends tell together; else Cascade, unless its many
 * rounds over a long line let through less than LDPC's work on that processor does.
 */
enum reconcile_mode reconcile_choose(const struct reconcile_circumstances *c);
