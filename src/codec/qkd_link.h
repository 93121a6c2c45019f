// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The classical channel of a quantum link: what Alice and Bob say to each other (notices of
 * IPC_BLOCK_LINK, inside mutual TLS), in the order of one block:
 *
 *   LINK_HELLO       both    who I am, my parameters, marks, pool ends and blocks; first message
 *   LINK_READY       both    the blocks are reconciled; pool ends now
 *   LINK_DETECTIONS  B -> A  after the last slot of the block: where and in which basis Bob detected; his test bits
 *   LINK_SIFTED      A -> B  for each detection: dropped, or its intensity; her test bits
 *   LINK_PASS        B -> A  Cascade: a permutation and a block size; answered by all block parities
 *   LINK_RANGES      B -> A  Cascade: many ranges of many passes; answered by their parities
 *   LINK_PARITIES    A -> B  the answer, one bit an item
 *   LINK_CORRECTED   B -> A  how many bits Bob turned over
 *   LINK_VERIFY      A -> B  fresh hash key and the tag of her key
 *   LINK_VERIFIED    B -> A  the tags agree
 *   LINK_AMPLIFY     A -> B  length, how much of it refills the pads, and the whole Toeplitz seed
 *   LINK_TAG         A -> B, then B -> A   the Wegman-Carter tag of everything above in this block
 *   LINK_FINAL       A -> B  the block is final at Alice
 *   LINK_ABORT       both    the block is dropped, and why
 *
 * All but HELLO and READY begin with the block's id.
 */
#include "codec/qkd_msg.h"

/* A request without a body, at any time: is the other end alive? The link itself knows nothing of it. */
enum { LINK_ALIVE = IPC_BLOCK_LINK };

enum link_type {
	LINK_HELLO = IPC_BLOCK_LINK + 1,
	LINK_READY,
	LINK_DETECTIONS,
	LINK_SIFTED,
	LINK_PASS,
	LINK_RANGES,
	LINK_PARITIES,
	LINK_CORRECTED,
	LINK_VERIFY,
	LINK_VERIFIED,
	LINK_AMPLIFY,
	LINK_TAG,
	LINK_FINAL,
	LINK_ABORT,
};

enum {
	LINK_SLOTS_MAX = 1 << 22,      /* of one block: a gap fits an entry of LINK_DETECTIONS */
	LINK_DETECTIONS_MAX = 1 << 19, /* of one block */
	LINK_RANGES_MAX = 1 << 17,     /* of one message */
	LINK_BITS_MAX = 1 << 23,       /* parities of one message; seed bits */
	LINK_BODY_MAX = 3 * LINK_DETECTIONS_MAX + 1024,
	LINK_TAG_OCTETS = 16,
	LINK_REFILL_MAX = 64, /* pads for each direction, from one block */
};

enum link_role { LINK_ALICE = 1, LINK_BOB = 2 };

/* What both ends must have set alike, in units that compare exactly. */
struct link_parameters {
	uint32_t slots_per_block;
	uint32_t intensity_micro[3];   /* mean photon numbers, highest first, in millionths */
	uint32_t probability_micro[3]; /* of each intensity */
	uint32_t basis_x_micro;        /* probability of the key basis, at each end */
	uint8_t eps_sec_exponent;      /* eps_sec = 10^-exponent */
	uint8_t eps_cor_exponent;
};

struct link_hello {
	enum link_role role;
	char link[QKD_LINK_MAX + 1];
	struct link_parameters parameters;
	struct qkd_marks marks;
	struct qkd_marks ends; /* first pad index that does not exist yet, by direction */
	size_t block_count;
	struct qkd_block blocks[QKD_BLOCKS_MAX];
};

/* All other messages: each type uses the members that the table in qkd_link.c gives it. */
struct link_message {
	uint8_t block_id[QKD_BLOCK_ID];
	uint8_t session[16]; /* of the driver: slot numbers mean nothing across sessions */
	uint64_t first_slot;
	uint32_t slot_count;
	uint8_t pass;
	uint32_t pass_block_bits;
	uint64_t permutation;
	uint32_t errors;
	uint8_t hash_key[16];
	uint8_t verify_tag[8];
	uint32_t final_bits;
	uint16_t refill;
	uint64_t pad_index;
	uint8_t tag[LINK_TAG_OCTETS];
	uint8_t reason;
	struct qkd_marks ends;
	uint32_t count;    /* of items */
	struct span items; /* of the type's size; read with the functions below */
};

/* An item of LINK_DETECTIONS. `gap`: slots since the detection before (since the block's first slot). */
struct link_detection {
	uint32_t gap;
	bool is_test_basis;
	uint8_t test_bit; /* Bob's, in the test basis; zero in the key basis, where it is nobody's business */
};
struct link_range {
	uint8_t pass;
	uint32_t start, len;
};
/* An item of LINK_SIFTED: dropped, or kept with intensity 0 to 2 and, in the test basis, Alice's bit. */
struct link_sifted {
	bool is_kept;
	uint8_t intensity, test_bit;
};

MUST_USE struct err link_hello_decode(
	struct span body, struct link_hello *hello, struct wire_fault *fault);
void link_hello_encode(struct writer *w, const struct link_hello *hello);

MUST_USE struct err link_decode(
	uint16_t type, struct span body, struct link_message *m, struct wire_fault *fault);
void link_encode(struct writer *w, uint16_t type, const struct link_message *m);

/* Items of a decoded message, 0 <= i < count. */
struct link_detection link_detection_at(const struct link_message *m, uint32_t i);
struct link_range link_range_at(const struct link_message *m, uint32_t i);
struct link_sifted link_sifted_at(const struct link_message *m, uint32_t i);
bool link_bit_at(const struct link_message *m, uint32_t i);

/* The same, written one after another into the buffer that becomes `items`. */
void link_detection_put(struct writer *w, struct link_detection d);
void link_range_put(struct writer *w, struct link_range range);
void link_sifted_put(struct writer *w, struct link_sifted s);

bool link_parameters_equal(const struct link_parameters *a, const struct link_parameters *b);
