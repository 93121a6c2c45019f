// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "conf.h"
#include "text.h"

static bool is_path(const char *text)
{
	return text_is_word(text, "_.-/", 100) && text[0] == '/';
}

static struct err conf_check(const struct gateway_conf *conf, struct complaint *c)
{
	if (!is_path(conf->vici_socket))
		return complain(c, ERR(INPUT), "charon: vici_socket is no plain absolute path");
	if (conf->log_file != NULL && !is_path(conf->log_file))
		return complain(c, ERR(INPUT), "charon: log_file is no plain absolute path");
	if (conf->group != NULL && !text_is_word(conf->group, "_-", 32))
		return complain(c, ERR(INPUT), "charon: group is no group name");
	return OK;
}

struct err gateway_conf_render(
	const struct gateway_conf *conf, struct span_mut out, size_t *len, struct complaint *c)
{
	struct text t = {.at = (char *)out.at, .limit = out.len};
	const bool in_userspace = conf->esp == CHARON_ESP_USERSPACE;
	const struct err e = conf_check(conf, c);

	*len = 0;
	if (failed(e))
		return e;
	text_add(&t,
		"charon-systemd {\n"
		"  load = random nonce x509 constraints pubkey pkcs1 pkcs8 pem openssl drbg %s"
		"kernel-netlink socket-default vici\n",
		in_userspace ? "kernel-libipsec " : "");
	if (conf->group != NULL)
		text_add(&t, "  group = %s\n", conf->group);
	/* Retransmission gives up after about 9 s: a dead peer is noticed within 11. An SA is never
	 * joined by a second rotation: each has its own PPK. */
	text_add(&t, "  threads = 16\n  install_routes = yes\n  install_virtual_ip = no\n"
		     "  crash_journal = no\n  retransmit_tries = 3\n  retransmit_timeout = 1.0\n"
		     "  retransmit_base = 1.6\n  reuse_ikesa = no\n  block_threshold = 50\n"
		     "  half_open_timeout = 10\n");
	text_add(&t, "  plugins {\n    vici { socket = unix://%s }\n", conf->vici_socket);
	if (in_userspace)
		text_add(&t, "    kernel-libipsec { allow_peer_ts = no }\n");
	text_add(&t, "  }\n  journal { default = -1 }\n  syslog { daemon { default = -1 } auth { "
		     "default = -1 } }\n");
	if (conf->log_file != NULL)
		text_add(&t,
			"  filelog { merlon { path = %s\n    default = 1\n    flush_line = yes\n"
			"    time_format = %%Y-%%m-%%dT%%H:%%M:%%S } }\n",
			conf->log_file);
	text_add(&t, "}\n");
	return text_result(&t, len, c);
}
