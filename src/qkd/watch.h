// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The watch over the device: whether what its instruments say, and what its detectors did, is what the proof assumes. A proof about
 * light and bases says nothing of a receiver that somebody blinded, or of a gate that sees one detector better than the other
 * [Lydersen et al., Nature Photonics 4, 686 (2010); Qi, Fung, Lo, Ma, QIC 7, 73 (2007)]; counts alone may look perfect.
 * So each block is judged before an end says a word of bases.
 *
 * What is asked of the slots of a block, and the reason that it gives:
 *
 *   QKD_MONITOR_SILENT     monitoring is required and does not cover every slot
 *   QKD_BLINDED            bias current or input power above what a sound detector has (HELLO, or the settings);
 *                          or far fewer double clicks than so much light must make
 *   QKD_DOUBLE_CLICKS      far more of them: the light is not the source's (photon-number splitting makes bunches of it)
 *   QKD_INTENSITY_OFF      an intensity is not what the proof reckons with
 *   QKD_DETECTORS_UNEQUAL  of one basis, one detector clicks more than tolerance and chance allow; or clicks come at the edges of the gate
 *
 * Double clicks: from gain and settings follows the transmission, from it how often both detectors see a photon of one pulse. Only slots
 * in which the bases differ are reckoned for the least (there each detector has half of the light, whatever the misalignment);
 * for the most, qber_max of misalignment as well. Efficiencies that differ, and dead times, make fewer: hence `doubles_least`.
 *
 * False alarms. WATCH_TESTS tests that depend on chance share alpha = 10^-alpha_exponent of a block: each is a tail of the normal or the
 * Poisson distribution at alpha / WATCH_TESTS, beyond what is tolerated. So a device that keeps the tolerances exactly at their
 * edge is refused in at most alpha of all blocks, a better one far more rarely. Alice's block has no such test.
 * Afterpulses make clicks of one detector come in groups; the tolerance has to cover that too.
 *
 * What it cannot see: an attack that keeps every instrument quiet. Instruments are as good as their makers, and an unmonitored device is
 * watched by its counts alone.
 */
#include "codec/qkd_driver.h"
#include "qkd.h"

enum { WATCH_TESTS = 5, WATCH_SPANS = 4096, WATCH_SPAN_CLICKS = 4096, WATCH_DOUBLES_MOST = 4 };

enum watch_mode {
	WATCH_OFF,
	WATCH_AUTO, /* monitoring is required of a device whose HELLO says that it has instruments */
	WATCH_REQUIRED
};

struct watch_settings {
	enum watch_mode mode;
	unsigned alpha_exponent;
	double unequal_max;                 /* |n0 - n1| / (n0 + n1) that is tolerated */
	double intensity_tolerance;         /* relative; and a thousandth of a photon in any case */
	double gate_centre_least;           /* of all clicks, in the middle half of the gate */
	double doubles_least;               /* of the double clicks that are expected */
	uint32_t bias_na_max, power_pw_max; /* 0: as HELLO says */
};

/* Neighbouring ranges of one verdict, until there are clicks enough. */
struct watch_span {
	uint64_t first, end;
	enum qkd_abort verdict;
	uint32_t clicks, binned, centre;
};

/* What metrics show. Nothing is decided by it. */
struct watch_figures {
	uint64_t blocks[QKD_ABORTS]; /* judged, by reason; [QKD_GOES_ON]: sound */
	uint64_t records, forgotten; /* of the instruments; ranges that had to make room */
	/* The instruments' newest record, and what HELLO or the settings allow. */
	double bias_amperes, bias_amperes_max, power_watts, power_watts_max;
	double intensity[QKD_INTENSITIES]; /* photons */
	/* Of the newest block with clicks: those seen, and what so much light makes at least and at most. */
	double doubles, doubles_least, doubles_most;
	double unequal[2];  /* |n0 - n1| / (n0 + n1), of X and of Z */
	double gate_centre; /* of all clicks whose time within the gate was told */
};

struct watch {
	struct watch_settings settings;
	struct qkd_parameters parameters;
	double alpha_each, z; /* of each test, two-sided */
	bool is_required;
	uint8_t session[16];
	uint32_t bias_na_max, power_pw_max;
	bool has_position;  /* since the device's HELLO */
	uint64_t next_slot; /* where the instruments' next record must begin */
	struct watch_span spans[WATCH_SPANS];
	uint32_t from, count; /* the ring */
	struct watch_figures figures;
};

/* What an end knows of a block. Alice, who has no detectors, gives no clicks. */
struct watch_block {
	uint64_t first_slot, end_slot, slots_lost;
	uint64_t clicks[DRIVER_DETECTORS]; /* X0, X1, Z0, Z1; a double click is one of them */
	uint64_t detections, double_clicks;
};

void qkd_watch_open(struct watch *w, const struct watch_settings *settings,
	const struct qkd_parameters *parameters);
void qkd_watch_session(struct watch *w, const struct driver_hello *hello);
/* ERR_INPUT: it does not begin where the one before ended. */
MUST_USE struct err qkd_watch_record(struct watch *w, const struct driver_monitor *monitor);
enum qkd_abort qkd_watch_judge(struct watch *w, const struct watch_block *block);

/* Double clicks a slot, at least and at most, of a device that detects in `gain` of its slots. */
void qkd_watch_doubles(const struct qkd_parameters *p, double gain, double *least, double *most);
/* Bob's detections, 2 bits each (sift.h: basis, bit), into clicks and detections. */
void qkd_watch_count(struct watch_block *block, const uint8_t *codes, uint32_t count);
