// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "figures.h"
#include <stddef.h>

struct row {
	const char *name, *labels, *help;
	enum metric_type type;
	size_t at; /* in the status */
};

#define AT(field) offsetof(struct qkd_link_status, field)
#define JUDGED(word, reason)                                                                       \
	{"merlon_qkd_watch_blocks", "verdict=\"" word "\"", "Blocks by the watch's verdict.",      \
		METRIC_COUNTER, AT(watch.blocks[reason])}
#define PHOTONS(which, k)                                                                          \
	{"merlon_qkd_watch_intensity_photons", "intensity=\"" which "\"",                          \
		"Mean photon number, as measured last.", METRIC_REAL, AT(watch.intensity[k])}

static const struct row rows[] = {
	{"merlon_qkd_blocks", "end=\"final\"", "Blocks by how they ended.", METRIC_COUNTER,
		AT(blocks_final)},
	{"merlon_qkd_blocks", "end=\"aborted\"", "Blocks by how they ended.", METRIC_COUNTER,
		AT(blocks_aborted)},
	{"merlon_qkd_secret_bits", NULL, "Bits given to the key store.", METRIC_COUNTER,
		AT(secret_bits)},
	{"merlon_qkd_pads_send", NULL, "Authentication pads left to send.", METRIC_GAUGE,
		AT(pads_send)},
	{"merlon_qkd_pads_accept", NULL, "Authentication pads left to accept.", METRIC_GAUGE,
		AT(pads_accept)},
	{"merlon_qkd_round_trip_seconds", NULL, "Round trip to the peer, as Bob measures it.",
		METRIC_REAL, AT(round_trip_seconds)},
	JUDGED("sound", QKD_GOES_ON),
	JUDGED("detectors_blinded", QKD_BLINDED),
	JUDGED("double_clicks_excess", QKD_DOUBLE_CLICKS),
	JUDGED("detectors_unequal", QKD_DETECTORS_UNEQUAL),
	JUDGED("intensity_off", QKD_INTENSITY_OFF),
	JUDGED("monitor_silent", QKD_MONITOR_SILENT),
	{"merlon_qkd_watch_records", NULL, "Records of the device's instruments.", METRIC_COUNTER,
		AT(watch.records)},
	{"merlon_qkd_watch_forgotten_ranges", NULL,
		"Monitored ranges that made room for newer ones.", METRIC_COUNTER,
		AT(watch.forgotten)},
	{"merlon_qkd_watch_bias_amperes", NULL, "Largest bias current of a detector, now.",
		METRIC_REAL, AT(watch.bias_amperes)},
	{"merlon_qkd_watch_bias_limit_amperes", NULL, "Largest bias current of a sound detector.",
		METRIC_REAL, AT(watch.bias_amperes_max)},
	{"merlon_qkd_watch_power_watts", NULL, "Largest input power of a detector, now.",
		METRIC_REAL, AT(watch.power_watts)},
	{"merlon_qkd_watch_power_limit_watts", NULL, "Largest input power of a sound detector.",
		METRIC_REAL, AT(watch.power_watts_max)},
	PHOTONS("0", 0),
	PHOTONS("1", 1),
	PHOTONS("2", 2),
	{"merlon_qkd_watch_double_clicks", NULL, "Double clicks of the last block.", METRIC_REAL,
		AT(watch.doubles)},
	{"merlon_qkd_watch_double_clicks_least", NULL, "What so much light makes at least.",
		METRIC_REAL, AT(watch.doubles_least)},
	{"merlon_qkd_watch_double_clicks_most", NULL, "What so much light makes at most.",
		METRIC_REAL, AT(watch.doubles_most)},
	{"merlon_qkd_watch_unequal_ratio", "basis=\"x\"",
		"Difference of a basis' two detectors over their sum, last block.", METRIC_REAL,
		AT(watch.unequal[0])},
	{"merlon_qkd_watch_unequal_ratio", "basis=\"z\"",
		"Difference of a basis' two detectors over their sum, last block.", METRIC_REAL,
		AT(watch.unequal[1])},
	{"merlon_qkd_watch_gate_centre_ratio", NULL,
		"Clicks in the middle half of the gate, of all, last block.", METRIC_REAL,
		AT(watch.gate_centre)},
};

void figures_open(struct metrics *m, const struct qkd_link_status *status)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		metrics_add(m, (struct metric){.name = rows[i].name,
				       .help = rows[i].help,
				       .labels = rows[i].labels,
				       .type = rows[i].type,
				       .value = (const char *)status + rows[i].at});
}
