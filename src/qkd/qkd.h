// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Quantum key distribution, after the light: from what two devices saw to a key that only two ends know.
 *
 * Protocol: BB84 with phase-randomised weak coherent pulses of three intensities (two decoys), asymmetric bases,
 * finite-key security against coherent attacks by Lim, Curty, Walenta, Xu, Zbinden, Phys. Rev. A 89,
 * 022307 (2014), cited as [Lim (n)] by equation. Key basis X, test basis Z.
 *
 * Words. Slot: one pulse of the source, numbered. Detection: a slot in which Bob's detectors fired. Block: a fixed range of slots,
 * post-processed as a whole. Alice sends light and her key is the reference; Bob corrects his.
 * Intensity 0 is the signal mu1 (brightest), 1 and 2 are the decoys mu2 > mu3.
 *
 * Bases and intensities of a block are announced only after its last slot was detected: announcing earlier would tell an
 * eavesdropper which slots of a running block are still worth attacking [Pfister, Lütkenhaus,
 * Wehner, Coles, New J. Phys. 18, 053001 (2016)].
 *
 * Five stages, five files, each `in, parameters -> out or the reason to abort`:
 *   sift       keep slots where both used one basis; the test basis is revealed whole
 *   estimate   bound what an eavesdropper may know of the X bits [Lim (2)-(5)]
 *   reconcile  make Bob's bits equal to Alice's, counting each parity that is published (Cascade)
 *   verify     compare a hash of both keys under a fresh key
 *   amplify    shorten by all that may be known [Lim (1)], by a Toeplitz hash with a full seed
 * link.h drives them over the classical channel and the key store.
 *
 * The leak account is a ledger carried along: each bit that depends on the X bits and leaves an end is counted, at both ends, when
 * it is sent or received: parities (all of them; also those that follow from others), the numbers of corrected bits, and the tag
 * of the verification. Test bits are counted as revealed; they are no part of the key.
 *
 * The epsilon budget of a block: eps_sec (secrecy, all of [Lim (B4)]: 21 equal terms), eps_cor (the ends differ
 * and nobody notices: collision of the verification hash), eps_auth (a forged transcript passes: at
 * most 2 (L + 1) / 2^128 for L blocks of 16 octets, see wegman_carter.h). They add up over blocks.
 *
 * Open point, said here because it is a limit of the claim: [Lim] proves blocks of fixed detected length; ours are of fixed sent
 * length with the bound evaluated on the counts observed. Wiesemann et al., arXiv:2405.16578 treats that
 * rigorously; the constants have not been re-derived from it.
 *
 * Cascade is two-way. Bob sends no parity, but his questions tell how each of Alice's compared with his: one bit each, and nothing more,
 * since all that he says is determined by these. Tupkary, Lütkenhaus, arXiv:2307.00576 show that leaving them out can
 * be wrong for decoy-state BB84. So the account takes them as leak in full: twice the parities.
 */
#include "base/alarm.h"
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

enum { QKD_INTENSITIES = 3 };

/* Sifted bits of a block that CONFIG takes. The most: the key store's messages take QKD_KEY_MAX octets of one block's key. */
enum { QKD_BLOCK_BITS_MIN = 4000, QKD_BLOCK_BITS_MAX = 4000000 };

/* Which proof bounds the eavesdropper. Intensity 2 is not used by one decoy. */
enum qkd_protocol {
	QKD_TWO_DECOY = 1, /* [Lim] */
	QKD_ONE_DECOY =
		2, /* Rusca, Boaron, Grünenfelder, Martin, Zbinden, APL 112, 171104 (2018): [Rusca] */
};

/* As CONFIG says it; NULL: there is no such protocol. */
const char *qkd_protocol_word(enum qkd_protocol protocol);
bool qkd_protocol_read(const char *word, enum qkd_protocol *protocol);

struct qkd_parameters {
	enum qkd_protocol protocol;
	double intensity[QKD_INTENSITIES]; /* mean photon number: mu1 > mu2 + mu3, mu2 > mu3 >= 0 */
	double probability[QKD_INTENSITIES]; /* sums to 1 */
	double basis_x;                      /* probability of the key basis */
	double eps_sec, eps_cor;
	double qber_max;        /* of the test basis: above it, somebody listens */
	uint32_t key_bits_min;  /* sifted X bits below which a block is not worth its pads */
	uint32_t test_bits_min; /* sifted Z bits below which the estimate says nothing */
	uint32_t final_bits_min;
	/*
	 * 0: the length of the final key follows from the counts (variable length). Else a block makes exactly so many bits, or none
	 * where the bound has fewer (fixed length, an acceptance test).
	 */
	uint32_t final_bits_fixed;
};

extern const double qkd_qber_max; /* where nobody says another one */
/* The least of a block's counts, and of its length, for the mean of its key bits. */
void qkd_limits(struct qkd_parameters *p, uint32_t key_bits);

/* ERR_INPUT, with the reason, where the formulae of [Lim] do not hold. */
MUST_USE struct err qkd_parameters_check(const struct qkd_parameters *p, struct complaint *c);

/* Detections after sifting, by intensity: n_{X,k}, n_{Z,k}, and errors m_{Z,k} [Lim §II]. */
struct qkd_counts {
	uint32_t key[QKD_INTENSITIES], test[QKD_INTENSITIES], test_errors[QKD_INTENSITIES];
	uint32_t key_errors
		[QKD_INTENSITIES]; /* m_{X,k}: corrected bits, known after reconciliation */
};

static inline uint32_t qkd_sum(const uint32_t n[QKD_INTENSITIES])
{
	return n[0] + n[1] + n[2];
}

struct qkd_ledger {
	uint64_t detections; /* announced by Bob */
	uint64_t sifted;     /* X bits in the block */
	uint64_t revealed;   /* Z bits, published at both ends */
	uint64_t corrected;  /* bits that Bob turned over */
	uint64_t parities;   /* Alice's, published during reconciliation: leak */
	uint64_t answers;    /* how each compared with Bob's, which his next questions tell: leak */
	uint64_t tag_bits;   /* published by verification: leak */
	uint64_t seed_bits;  /* public, independent of the key */
	uint64_t final_bits; /* after amplification; refill included */
	uint64_t refill_bits;
	uint64_t rounds; /* of error correction: questions that waited for each other */
	uint32_t frames, frames_failed;
	uint8_t mode; /* enum reconcile_mode */
};

enum qkd_abort {
	QKD_GOES_ON,
	QKD_TOO_FEW_COUNTS,
	QKD_QBER_TOO_HIGH,      /* eavesdropping suspected */
	QKD_DECOY_INCONSISTENT, /* counts no honest channel makes: eavesdropping suspected */
	QKD_NO_SECRET,          /* the bound leaves fewer bits than a block needs */
	QKD_NOT_CORRECTED,
	QKD_VERIFICATION_FAILED,
	QKD_TAG_WRONG,
	QKD_PADS_LOW,
	QKD_STORE_REFUSED,
	QKD_DATA_ABSENT, /* an end has not the slots of the block (restarted, lost) */
	QKD_PROTOCOL,    /* the peer said what it may not say now */
	QKD_PEER_SILENT,
	QKD_NO_ENTROPY,
	QKD_BLINDED, /* detectors behave as under bright light: eavesdropping suspected */
	QKD_DETECTORS_UNEQUAL, /* efficiencies differ by more than the bound assumes: eavesdropping suspected */
	QKD_INTENSITY_OFF, /* the source's own monitor says other intensities than the proof assumes */
	QKD_MONITOR_SILENT, /* monitoring is required and did not come */
	QKD_RANDOM_FAULT,   /* a random source failed its health test */
	QKD_DOUBLE_CLICKS, /* more of them than the source's light makes: eavesdropping suspected */
	QKD_ABORTS
};

const char *qkd_abort_word(enum qkd_abort reason);

extern const struct alarm_kind qkd_alarm_eavesdropping, qkd_alarm_pads_low, qkd_alarm_link_down,
	qkd_alarm_driver_silent, qkd_alarm_authentication, qkd_alarm_block_aborted, qkd_alarm_store,
	qkd_alarm_desynchronised, qkd_alarm_device, qkd_alarm_random, qkd_alarm_ends_differ;

/* The alarm that a reason raises; NULL where it is part of ordinary life. */
const struct alarm_kind *qkd_abort_alarm(enum qkd_abort reason);
