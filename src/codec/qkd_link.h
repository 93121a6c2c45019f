// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The classical channel of a quantum link: what Alice and Bob say to each other (notices of
 * IPC_BLOCK_LINK, inside mutual TLS), in the order of one block:
 *
 *   LINK_HELLO       both    version, who I am, my parameters, mode of error correction, marks, pool ends and blocks; first message
 *   LINK_READY       both    the blocks are reconciled; pool ends now
 *   LINK_DETECTED    B -> A  while light comes in: where Bob detected, and no more; many, also during the block before
 *   LINK_MEASURED    B -> A  after the block's last detection: his bases, and his bits in the test basis; in parts
 *   LINK_SIFTED      A -> B  for each detection: dropped, or its intensity; her bit in the test basis; in parts
 *   LINK_RECONCILE   B -> A  how errors will be corrected, the seed of it, the error rate to expect
 *   LINK_QUESTION    B -> A  the mode's own (codec/qkd_cascade.h); several may be on their way
 *   LINK_ANSWER      A -> B  the mode's own; in the order of questions
 *   LINK_CORRECTED   B -> A  how many bits Bob turned over, by intensity
 *   LINK_VERIFY      A -> B  fresh hash key and the tag of her key
 *   LINK_VERIFIED    B -> A  the tags agree
 *   LINK_AMPLIFY     A -> B  length, how much of it refills the pads, and how long the seed is
 *   LINK_SEED        A -> B  the whole Toeplitz seed, in parts
 *   LINK_TAG         A -> B, then B -> A   the Wegman-Carter tag of everything above in this block
 *   LINK_FINAL       A -> B  the block is final at Alice
 *   LINK_ABORT       both    the block is dropped, and why
 *
 * All but HELLO and READY begin with the block's id.
 */
#include "codec/qkd_msg.h"

/*
 * Version of all that both ends must do alike: these messages, the modes' own (codec/qkd_cascade.h, codec/qkd_ldpc.h), and what each end
 * makes of them by itself, of which nothing is sent: Cascade's permutations (qkd/cascade_shape.h), the tables and the making of LDPC's codes
 * (qkd/ldpc_code.h), what is hashed how. Whoever changes any of these raises it: else every block of two different ends would fail in
 * verification, and nobody would know why. The first octet of HELLO, read before all else; no other version is spoken, for two ends make one key.
 * 1 and 2 stood there before there was a version: the role.
 */
enum { LINK_VERSION = 4 };

/* A request without a body, at any time: is the other end alive? The link itself knows nothing of it. */
enum { LINK_ALIVE = IPC_BLOCK_LINK };

enum link_type {
	LINK_HELLO = IPC_BLOCK_LINK + 1,
	LINK_READY,
	LINK_DETECTED,
	LINK_MEASURED,
	LINK_SIFTED,
	LINK_RECONCILE,
	LINK_QUESTION,
	LINK_ANSWER,
	LINK_CORRECTED,
	LINK_VERIFY,
	LINK_VERIFIED,
	LINK_AMPLIFY,
	LINK_SEED,
	LINK_TAG,
	LINK_FINAL,
	LINK_ABORT,
};

enum {
	LINK_DETECTIONS_MAX = 1 << 27, /* of one block */
	LINK_PART_MAX = 1 << 18,       /* detections in one message */
	LINK_SEED_PART_MAX = 1 << 19,  /* octets in one message */
	LINK_BODY_MAX = (1 << 20) + (1 << 19),
	LINK_GAP_OCTETS_MAX = 5,
	LINK_TAG_OCTETS = 16,
	LINK_VERIFY_OCTETS = 16,
	LINK_SEED_OCTETS = 16, /* of a mode of error correction */
	LINK_REFILL_MAX = 64,  /* pads for each direction, from one block */
};

enum link_role { LINK_ALICE = 1, LINK_BOB = 2 };

/* What both ends must have set alike, in units that compare exactly. */
struct link_parameters {
	uint8_t protocol; /* enum qkd_protocol */
	uint32_t detections_per_block;
	uint32_t final_bits_fixed;     /* 0: the length follows from the counts */
	uint32_t intensity_micro[3];   /* mean photon numbers, highest first, in millionths */
	uint32_t probability_micro[3]; /* of each intensity */
	uint32_t basis_x_micro;        /* probability of the key basis, at each end */
	uint8_t eps_sec_exponent;      /* eps_sec = 10^-exponent */
	uint8_t eps_cor_exponent;
};

struct link_hello {
	uint8_t version; /* as it was read; LINK_VERSION is written */
	enum link_role role;
	char link[QKD_LINK_MAX + 1];
	struct link_parameters parameters;
	uint8_t error_correction; /* the only mode that this end takes; 0: any */
	struct qkd_marks marks;
	struct qkd_marks ends; /* first pad index that does not exist yet, by direction */
	size_t block_count;
	struct qkd_block blocks[QKD_BLOCKS_MAX];
};

/* All other messages: each type uses the members that the table in qkd_link.c gives it. */
struct link_message {
	uint8_t block_id[QKD_BLOCK_ID];
	uint8_t session[16]; /* of the driver: slot numbers mean nothing across sessions */
	uint64_t first_slot; /* from which the first gap counts */
	uint8_t mode;
	uint8_t seed[LINK_SEED_OCTETS];
	uint32_t qber_ppm;
	uint32_t errors[3];
	uint8_t hash_key[16];
	uint8_t verify_tag[LINK_VERIFY_OCTETS];
	uint32_t final_bits, seed_bits;
	uint16_t refill;
	uint64_t pad_index;
	uint8_t tag[LINK_TAG_OCTETS];
	uint8_t reason;
	struct qkd_marks ends;
	uint32_t count;    /* of items */
	struct span items; /* see the functions below; QUESTION, ANSWER and SEED: octets */
};

/* An item of LINK_MEASURED: two bits. In the key basis Bob's bit is nobody's business, and zero. */
struct link_measured {
	uint8_t is_test_basis, test_bit;
};
/* An item of LINK_SIFTED, four bits: dropped, or kept with intensity 0 to 2 and, in the test basis, Alice's bit. */
struct link_sifted {
	uint8_t is_kept, intensity, test_bit;
};

/* ERR_VERSION: of another version, and nothing but that was read. */
MUST_USE struct err link_hello_decode(
	struct span body, struct link_hello *hello, struct wire_fault *fault);
void link_hello_encode(struct writer *w, const struct link_hello *hello);

MUST_USE struct err link_decode(
	uint16_t type, struct span body, struct link_message *m, struct wire_fault *fault);
void link_encode(struct writer *w, uint16_t type, const struct link_message *m);

/*
 * Items of a decoded message, 0 <= i < count. Items of LINK_DETECTED are gaps: slots since the detection before, in groups of seven
 * bits, lowest first, the top bit of an octet says that another follows; read one after another, *at from zero.
 */
static inline uint32_t link_gap_next(const struct link_message *m, size_t *at)
{
	uint32_t gap = 0;

	for (unsigned shift = 0; *at < m->items.len; shift += 7) {
		const uint8_t octet = m->items.at[(*at)++];
		gap |= (uint32_t)(octet & 0x7f) << shift;
		if (octet < 0x80)
			break;
	}
	return gap;
}

static inline struct link_measured link_measured_at(const struct link_message *m, uint32_t i)
{
	const uint8_t v = m->items.at[i / 4] >> i % 4 * 2 & 3;

	return (struct link_measured){v & 1, v >> 1};
}

static inline struct link_sifted link_sifted_at(const struct link_message *m, uint32_t i)
{
	const uint8_t v = m->items.at[i / 2] >> i % 2 * 4 & 15, kept = v & 3;

	return (struct link_sifted){kept != 0, (uint8_t)(kept - (kept != 0)), v >> 2 & 1};
}

/* The same, as numbers to be packed: item i of two or four bits. */
static inline uint8_t link_measured_code(struct link_measured d)
{
	return (uint8_t)(d.is_test_basis | (d.is_test_basis & d.test_bit) << 1);
}

static inline uint8_t link_sifted_code(struct link_sifted s)
{
	return s.is_kept ? (uint8_t)((s.intensity + 1) | s.test_bit << 2) : 0;
}

/* There are LINK_GAP_OCTETS_MAX octets at `at`; answers what lies behind the gap. */
static inline uint8_t *link_gap_write(uint8_t *at, uint32_t gap)
{
	for (; gap >= 0x80; gap >>= 7)
		*at++ = (uint8_t)(gap | 0x80);
	*at++ = (uint8_t)gap;
	return at;
}

static inline void link_gap_put(struct writer *w, uint32_t gap)
{
	uint8_t octets[LINK_GAP_OCTETS_MAX];

	writer_span(w, span_of(octets, (size_t)(link_gap_write(octets, gap) - octets)));
}
