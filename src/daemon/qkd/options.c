// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/qkd/options.h"
#include "codec/qkd_pads.h"
#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	BLOCK_BITS = 120000,
	RING_SLOTS = 1 << 24,
	RING_SLOTS_MAX = 1 << 30,
	FRAMES_IN_FLIGHT = 64,
	SLOTS_PER_DETECTION_MAX = 1000000, /* a line so dark makes no key */
};

static const struct setting_row rows[] = {
	SETTING_ROW("link", SETTING_TEXT, false, struct options, link),
	SETTING_ROW("role", SETTING_TEXT, false, struct options, role),
	SETTING_ROW("driver.socket", SETTING_TEXT, false, struct options, driver),
	SETTING_ROW("driver.kind", SETTING_TEXT, true, struct options, driver_kind),
	SETTING_ROW("driver.name", SETTING_TEXT, true, struct options, driver_name),
	SETTING_ROW("driver.pace", SETTING_F64, true, struct options, driver_pace),
	SETTING_ROW("driver.record", SETTING_TEXT, true, struct options, driver_record),
	SETTING_ROW(
		"driver.record_allowed", SETTING_BOOL, true, struct options, driver_record_allowed),
	SETTING_ROW(
		"driver.replay_allowed", SETTING_BOOL, true, struct options, driver_replay_allowed),
	SETTING_ROW("driver.session", SETTING_TEXT, true, struct options, driver_session),
	SETTING_ROW("driver.slots_per_second", SETTING_U64, true, struct options,
		driver_slots_per_second),
	SETTING_ROW("gate.offset_ps", SETTING_F64, true, struct options, gate_offset_ps),
	SETTING_ROW("gate.window", SETTING_F64, true, struct options, gate_window),
	SETTING_ROW("gate.drift_ppm", SETTING_F64, true, struct options, gate_drift_ppm),
	SETTING_ROW("gate.channels", SETTING_TEXT, true, struct options, gate_channels),
	SETTING_ROW("bootstrap_file", SETTING_TEXT, false, struct options, bootstrap_file),
	SETTING_ROW("channel.role", SETTING_TEXT, false, struct options, channel_role),
	SETTING_ROW("channel.address", SETTING_TEXT, false, struct options, channel_address),
	SETTING_ROW("channel.port", SETTING_U64, false, struct options, channel_port),
	SETTING_ROW("peer.name", SETTING_TEXT, false, struct options, peer_name),
	SETTING_ROW("tls.certificate", SETTING_TEXT, false, struct options, certificate),
	SETTING_ROW("tls.key", SETTING_TEXT, false, struct options, key),
	SETTING_ROW("tls.ca", SETTING_TEXT, false, struct options, ca),
	SETTING_ROW("random.device", SETTING_TEXT, true, struct options, random_device),
	SETTING_ROW("random.sample_bits", SETTING_U64, true, struct options, random_sample_bits),
	SETTING_ROW("random.min_entropy", SETTING_F64, true, struct options, random_min_entropy),
	SETTING_ROW("block_bits", SETTING_U64, true, struct options, block_bits),
	SETTING_ROW("ring_slots", SETTING_U64, true, struct options, ring_slots),
	SETTING_ROW("frames_in_flight", SETTING_U64, true, struct options, frames_in_flight),
	SETTING_ROW("error_correction", SETTING_TEXT, true, struct options, error_correction),
	SETTING_ROW("protocol.kind", SETTING_TEXT, true, struct options, protocol),
	SETTING_ROW(
		"protocol.final_bits_fixed", SETTING_U64, true, struct options, final_bits_fixed),
	SETTING_ROW("protocol.mu1", SETTING_F64, true, struct options, mu[0]),
	SETTING_ROW("protocol.mu2", SETTING_F64, true, struct options, mu[1]),
	SETTING_ROW("protocol.mu3", SETTING_F64, true, struct options, mu[2]),
	SETTING_ROW("protocol.p1", SETTING_F64, true, struct options, p[0]),
	SETTING_ROW("protocol.p2", SETTING_F64, true, struct options, p[1]),
	SETTING_ROW("protocol.p3", SETTING_F64, true, struct options, p[2]),
	SETTING_ROW("protocol.basis_x", SETTING_F64, true, struct options, basis_x),
	SETTING_ROW("protocol.qber_max", SETTING_F64, true, struct options, qber_max),
	SETTING_ROW(
		"protocol.eps_sec_exponent", SETTING_U64, true, struct options, eps_sec_exponent),
	SETTING_ROW(
		"protocol.eps_cor_exponent", SETTING_U64, true, struct options, eps_cor_exponent),
	SETTING_ROW("watch.monitor", SETTING_TEXT, true, struct options, watch_monitor),
	SETTING_ROW(
		"watch.alpha_exponent", SETTING_U64, true, struct options, watch_alpha_exponent),
	SETTING_ROW("watch.unequal_max", SETTING_F64, true, struct options, watch_unequal_max),
	SETTING_ROW("watch.intensity_tolerance", SETTING_F64, true, struct options,
		watch_intensity_tolerance),
	SETTING_ROW("watch.gate_centre_least", SETTING_F64, true, struct options,
		watch_gate_centre_least),
	SETTING_ROW("watch.doubles_least", SETTING_F64, true, struct options, watch_doubles_least),
	SETTING_ROW("watch.bias_na_max", SETTING_U64, true, struct options, watch_bias_na_max),
	SETTING_ROW("watch.power_pw_max", SETTING_U64, true, struct options, watch_power_pw_max),
};

static bool is_hex_text(const uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isxdigit(at[i]))
			return false;
	return len % 2 == 0;
}

struct err options_bootstrap(const char *path, struct secret *out, struct complaint *c)
{
	struct secret text;
	struct err e = secret_open(&text, 2 * BOOTSTRAP_OCTETS_MAX + 2);

	if (failed(e))
		return complain(c, e, "no memory for secrets");
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text.bytes, text.len - 1);
	if (fd >= 0)
		close(fd);
	if (n > 0 && text.bytes[n - 1] == '\n' && is_hex_text(text.bytes, (size_t)n - 1))
		text.bytes[--n] = '\0';
	if (n <= 0)
		e = complain(c, ERR(IO), "bootstrap_file: cannot read %s", path);
	else if (!is_hex_text(text.bytes, (size_t)n))
		e = secret_copy(out, span_of(text.bytes, (size_t)n));
	else {
		e = secret_open(out, (size_t)n / 2);
		text.bytes[n] = '\0';
		if (!failed(e) && !hex_to_span(secret_span_mut(out), (const char *)text.bytes))
			e = ERR(INPUT);
	}
	secret_close(&text);
	return e;
}

static uint32_t micro(double v)
{
	return v <= 0 ? 0 : (uint32_t)(v * 1e6 + 0.5);
}

/* Both ends choose the key basis: that share of the detections becomes key. */
static uint32_t detections_of(const struct options *o)
{
	return (uint32_t)((double)o->block_bits / (o->basis_x * o->basis_x)) + 1;
}

static int correction_of(const struct options *o)
{
	enum reconcile_mode mode;

	return reconcile_mode_read(o->error_correction, &mode) ? (int)mode : -1;
}

static int protocol_of(const struct options *o)
{
	enum qkd_protocol protocol;

	return qkd_protocol_read(o->protocol, &protocol) ? (int)protocol : -1;
}

/* In the order of enum watch_mode; -1: none of them. */
static int watch_of(const struct options *o)
{
	static const char *const words[] = {"off", "auto", "required"};

	for (int i = 0; i < (int)ARRAY_LEN(words); i++)
		if (strcmp(o->watch_monitor, words[i]) == 0)
			return i;
	return -1;
}

struct qkd_link_settings options_link(const struct options *o)
{
	const uint32_t detections = detections_of(o);
	struct qkd_parameters limits = {0};

	qkd_limits(&limits, (uint32_t)o->block_bits);
	struct qkd_link_settings s = {
		.role = strcmp(o->role, "alice") == 0 ? LINK_ALICE : LINK_BOB,
		.shared = {.protocol = (uint8_t)protocol_of(o),
			.detections_per_block = detections,
			.final_bits_fixed = (uint32_t)o->final_bits_fixed,
			.basis_x_micro = micro(o->basis_x),
			.eps_sec_exponent = (uint8_t)o->eps_sec_exponent,
			.eps_cor_exponent = (uint8_t)o->eps_cor_exponent},
		.qber_max = o->qber_max,
		.key_bits_min = limits.key_bits_min,
		.test_bits_min = limits.test_bits_min,
		.final_bits_min = limits.final_bits_min,
		.slots_max = (uint64_t)detections * SLOTS_PER_DETECTION_MAX,
		.ring_slots = o->ring_slots,
		.mode = (enum reconcile_mode)correction_of(o),
		.frames_in_flight = (uint32_t)o->frames_in_flight,
		.answer_ms_max = 15000,
		.driver_ms_max = 10000,
		.watch = {.mode = (enum watch_mode)watch_of(o),
			.alpha_exponent = (unsigned)o->watch_alpha_exponent,
			.unequal_max = o->watch_unequal_max,
			.intensity_tolerance = o->watch_intensity_tolerance,
			.gate_centre_least = o->watch_gate_centre_least,
			.doubles_least = o->watch_doubles_least,
			.bias_na_max = (uint32_t)o->watch_bias_na_max,
			.power_pw_max = (uint32_t)o->watch_power_pw_max},
	};

	memcpy(s.link, o->link, sizeof s.link);
	for (size_t k = 0; k < 3; k++) {
		const bool is_used = k < 2 || s.shared.protocol == QKD_TWO_DECOY;
		s.shared.intensity_micro[k] = is_used ? micro(o->mu[k]) : 0;
		s.shared.probability_micro[k] = is_used ? micro(o->p[k]) : 0;
	}
	return s;
}

bool options_channels(const struct options *o, uint8_t masks[static DRIVER_CHANNELS])
{
	static const char *const words[] = {"X0", "X1", "Z0", "Z1"};
	const char *at = o->gate_channels;

	memset(masks, 0, DRIVER_CHANNELS);
	for (size_t channel = 0; channel < DRIVER_CHANNELS; channel++) {
		const size_t len = strcspn(at, " ");
		for (size_t i = 0; i < ARRAY_LEN(words); i++)
			if (len == 2 && memcmp(at, words[i], 2) == 0)
				masks[channel] = (uint8_t)(1u << i);
		if (masks[channel] == 0 && !(len == 1 && *at == '-'))
			return false;
		if (at[len] == '\0')
			return true;
		at += len + 1;
	}
	return false;
}

static struct err driver_check(const struct options *o, struct complaint *c)
{
	uint8_t masks[DRIVER_CHANNELS];

	if (!(o->driver_pace >= 0 && o->driver_pace <= 1000))
		return complain(c, ERR(INPUT), "driver.pace: 0 to 1000");
	if (!(o->gate_window > 0 && o->gate_window <= 0.5) ||
		!(o->gate_drift_ppm >= 0 && o->gate_drift_ppm <= 1000) ||
		!(o->gate_offset_ps >= 0 && o->gate_offset_ps <= 1e18))
		return complain(c, ERR(INPUT),
			"gate: window is at most 0.5, drift_ppm 0 to 1000, offset_ps 0 to 1e18");
	if (!options_channels(o, masks))
		return complain(c, ERR(INPUT),
			"gate.channels: X0, X1, Z0, Z1 or - for each channel, with spaces: '%s'",
			o->gate_channels);
	return OK;
}

static bool is_fraction(double v)
{
	return v >= 0 && v <= 1;
}

static struct err watch_check(const struct options *o, struct complaint *c)
{
	if (watch_of(o) < 0)
		return complain(c, ERR(INPUT),
			"watch.monitor: 'auto', 'required' or 'off', not '%s'", o->watch_monitor);
	if (o->watch_alpha_exponent < 1 || o->watch_alpha_exponent > 15)
		return complain(c, ERR(INPUT), "watch.alpha_exponent: 1 to 15");
	if (!is_fraction(o->watch_unequal_max) || !is_fraction(o->watch_intensity_tolerance) ||
		!is_fraction(o->watch_gate_centre_least) || !is_fraction(o->watch_doubles_least))
		return complain(c, ERR(INPUT),
			"watch: unequal_max, intensity_tolerance, gate_centre_least and "
			"doubles_least are fractions from 0 to 1");
	if (o->watch_bias_na_max > UINT32_MAX || o->watch_power_pw_max > UINT32_MAX)
		return complain(c, ERR(INPUT), "watch: bias_na_max and power_pw_max are 32 bits");
	return OK;
}

static struct err options_check(const struct options *o, struct complaint *c)
{
	if (strcmp(o->role, "alice") != 0 && strcmp(o->role, "bob") != 0)
		return complain(c, ERR(INPUT), "role: 'alice' or 'bob', not '%s'", o->role);
	if (strcmp(o->channel_role, "listen") != 0 && strcmp(o->channel_role, "connect") != 0)
		return complain(c, ERR(INPUT), "channel.role: 'listen' or 'connect', not '%s'",
			o->channel_role);
	if (o->channel_port == 0 || o->channel_port > 65535)
		return complain(c, ERR(INPUT), "channel.port: 1 to 65535");
	if (o->block_bits < QKD_BLOCK_BITS_MIN || o->block_bits > QKD_BLOCK_BITS_MAX)
		return complain(c, ERR(INPUT), "block_bits: %d to %d", QKD_BLOCK_BITS_MIN,
			QKD_BLOCK_BITS_MAX);
	if (o->ring_slots < 1 << 16 || o->ring_slots > RING_SLOTS_MAX ||
		(o->ring_slots & (o->ring_slots - 1)) != 0)
		return complain(
			c, ERR(INPUT), "ring_slots: a power of two, 65536 to %d", RING_SLOTS_MAX);
	if (o->frames_in_flight < 1 || o->frames_in_flight > RECONCILE_FRAMES_MAX)
		return complain(c, ERR(INPUT), "frames_in_flight: 1 to %d", RECONCILE_FRAMES_MAX);
	if (correction_of(o) < 0)
		return complain(c, ERR(INPUT),
			"error_correction: 'auto', 'cascade' or 'ldpc', not '%s'",
			o->error_correction);
	if (protocol_of(o) < 0)
		return complain(c, ERR(INPUT),
			"protocol.kind: 'two-decoy' or 'one-decoy', not '%s'", o->protocol);
	if (o->final_bits_fixed % 8 != 0 || o->final_bits_fixed > QKD_KEY_MAX * 8)
		return complain(c, ERR(INPUT),
			"protocol.final_bits_fixed: a multiple of 8, at most %d", QKD_KEY_MAX * 8);
	if (!(o->basis_x > 0.1 && o->basis_x < 1))
		return complain(c, ERR(INPUT), "protocol.basis_x: between 0.1 and 1");
	if (o->eps_sec_exponent < 1 || o->eps_sec_exponent > 30 || o->eps_cor_exponent < 1 ||
		o->eps_cor_exponent > 16)
		return complain(c, ERR(INPUT),
			"protocol: eps_sec_exponent is 1 to 30, eps_cor_exponent 1 to 16");
	struct err e = driver_check(o, c);
	return failed(e) ? e : watch_check(o, c);
}

struct err options_read(const struct settings *settings, struct options *o, struct complaint *c)
{
	*o = (struct options){.random_sample_bits = 8,
		.random_min_entropy = 4,
		.block_bits = BLOCK_BITS,
		.ring_slots = RING_SLOTS,
		.frames_in_flight = FRAMES_IN_FLIGHT,
		.error_correction = "auto",
		.protocol = "two-decoy",
		.mu = {0.6, 0.22, 2e-4},
		.p = {0.2, 0.55, 0.25},
		.basis_x = 0.75,
		.qber_max = qkd_qber_max,
		.eps_sec_exponent = 10,
		.eps_cor_exponent = 15,
		.driver_kind = "socket",
		.driver_pace = 1,
		.gate_window = 0.5,
		.gate_drift_ppm = 10,
		.gate_channels = "X0 X1 Z0 Z1",
		.watch_monitor = "auto",
		.watch_alpha_exponent = 6,
		.watch_unequal_max = 0.05,
		.watch_intensity_tolerance = 0.05,
		.watch_gate_centre_least = 0.9,
		.watch_doubles_least = 0.5};
	struct err e = settings_read(settings, rows, ARRAY_LEN(rows), o, c);
	return failed(e) ? e : options_check(o, c);
}
