// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "daemon/qkd/options.h"
#include "codec/qkd_pads.h"
#include <ctype.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	SLOTS_PER_KEY_BIT = 25, /* at the lab's 10 km: gain 0.07, both ends in the key basis 0.56 */
	BLOCK_BITS = 120000,
	KEY_BITS_LEAST = 40, /* per cent of block_bits */
};

static const struct setting_row rows[] = {
	SETTING_ROW("link", SETTING_TEXT, false, struct options, link),
	SETTING_ROW("role", SETTING_TEXT, false, struct options, role),
	SETTING_ROW("driver.socket", SETTING_TEXT, false, struct options, driver),
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

struct qkd_link_settings options_link(const struct options *o)
{
	struct qkd_link_settings s = {
		.role = strcmp(o->role, "alice") == 0 ? LINK_ALICE : LINK_BOB,
		.shared = {.slots_per_block = (uint32_t)o->block_bits * SLOTS_PER_KEY_BIT,
			.basis_x_micro = micro(o->basis_x),
			.eps_sec_exponent = (uint8_t)o->eps_sec_exponent,
			.eps_cor_exponent = (uint8_t)o->eps_cor_exponent},
		.qber_max = o->qber_max,
		.key_bits_min = (uint32_t)o->block_bits / 100 * KEY_BITS_LEAST,
		.test_bits_min = (uint32_t)o->block_bits / 100,
		.final_bits_min = 4096,
		.key_bits_max = (uint32_t)o->block_bits * 2,
		.detections_max = (uint32_t)o->block_bits * 3,
		.answer_ms_max = 15000,
		.driver_ms_max = 10000,
	};

	memcpy(s.link, o->link, sizeof s.link);
	for (size_t k = 0; k < 3; k++) {
		s.shared.intensity_micro[k] = micro(o->mu[k]);
		s.shared.probability_micro[k] = micro(o->p[k]);
	}
	return s;
}

static struct err options_check(const struct options *o, struct complaint *c)
{
	const uint64_t most = LINK_SLOTS_MAX / SLOTS_PER_KEY_BIT;

	if (strcmp(o->role, "alice") != 0 && strcmp(o->role, "bob") != 0)
		return complain(c, ERR(INPUT), "role: 'alice' or 'bob', not '%s'", o->role);
	if (strcmp(o->channel_role, "listen") != 0 && strcmp(o->channel_role, "connect") != 0)
		return complain(c, ERR(INPUT), "channel.role: 'listen' or 'connect', not '%s'",
			o->channel_role);
	if (o->channel_port == 0 || o->channel_port > 65535)
		return complain(c, ERR(INPUT), "channel.port: 1 to 65535");
	if (o->block_bits < 10000 || o->block_bits > most)
		return complain(c, ERR(INPUT), "block_bits: 10000 to %d", (int)most);
	if (o->eps_sec_exponent < 1 || o->eps_sec_exponent > 30 || o->eps_cor_exponent < 1 ||
		o->eps_cor_exponent > 16)
		return complain(c, ERR(INPUT),
			"protocol: eps_sec_exponent is 1 to 30, eps_cor_exponent 1 to 16");
	return OK;
}

struct err options_read(const struct settings *settings, struct options *o, struct complaint *c)
{
	*o = (struct options){.random_sample_bits = 8,
		.random_min_entropy = 4,
		.block_bits = BLOCK_BITS,
		.mu = {0.6, 0.22, 2e-4},
		.p = {0.2, 0.55, 0.25},
		.basis_x = 0.75,
		.qber_max = 0.08,
		.eps_sec_exponent = 10,
		.eps_cor_exponent = 15};
	struct err e = settings_read(settings, rows, ARRAY_LEN(rows), o, c);
	return failed(e) ? e : options_check(o, c);
}
