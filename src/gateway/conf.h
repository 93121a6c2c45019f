// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * charon's own configuration (strongswan.conf), as text. Only what cannot be said over VICI is here: plugins, the
 * socket, timing, silence. Connections, certificates and keys come over VICI from the gateway agent.
 *
 *     STRONGSWAN_CONF=<file> charon-systemd        in the site's network namespace, as root
 *
 * kernel-libipsec (ESP in user space, on a TUN device) must stand before kernel-netlink in the list of plugins.
 */
#include "base/err.h"
#include "base/span.h"

enum charon_esp { CHARON_ESP_USERSPACE, CHARON_ESP_KERNEL };

struct gateway_conf {
	enum charon_esp esp;
	const char *vici_socket; /* absolute path */
	const char *group;       /* may connect to the socket; NULL: root alone */
	const char *log_file;    /* NULL: no log. It names peers and keys' ids, never keys. */
};

MUST_USE struct err gateway_conf_render(
	const struct gateway_conf *conf, struct span_mut out, size_t *len, struct complaint *c);
