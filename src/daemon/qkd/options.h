// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The settings of merlon-qkd, and what the link and its pads begin with. Read once, at start. */
#include "base/secret.h"
#include "host/process.h"
#include "qkd/link.h"

struct options {
	char link[QKD_LINK_MAX + 1], role[8], driver[512], bootstrap_file[512];
	char driver_kind[12], driver_record[512], driver_name[IDENTITY_NAME_MAX],
		driver_session[33];
	double driver_pace; /* of recordings; 0: as fast as they can be read */
	bool driver_record_allowed, driver_replay_allowed;
	uint64_t driver_slots_per_second;
	double gate_offset_ps, gate_window, gate_drift_ppm;
	char gate_channels[64];
	char channel_role[8], channel_address[64], peer_name[IDENTITY_NAME_MAX];
	char certificate[512], key[512], ca[512];
	char error_correction[12], protocol[12];
	uint64_t channel_port, block_bits, ring_slots, frames_in_flight, final_bits_fixed,
		eps_sec_exponent, eps_cor_exponent;
	char random_device[512];
	uint64_t random_sample_bits;
	double random_min_entropy; /* of a sample, as its maker claims */
	double mu[3], p[3], basis_x, qber_max;
	char watch_monitor[12];
	uint64_t watch_alpha_exponent, watch_bias_na_max, watch_power_pw_max;
	double watch_unequal_max, watch_intensity_tolerance, watch_gate_centre_least,
		watch_doubles_least;
};

MUST_USE struct err options_read(
	const struct settings *settings, struct options *o, struct complaint *c);
struct qkd_link_settings options_link(const struct options *o);
/* The detector of each channel of a free-running receiver; false: gate.channels is no such list. */
bool options_channels(const struct options *o, uint8_t masks[static DRIVER_CHANNELS]);

/* The bootstrap secret, which both ends hold. The file holds it as hex or as it is: random octets
 * are never hex alone. */
MUST_USE struct err options_bootstrap(const char *path, struct secret *out, struct complaint *c);
