// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * A base-station subsystem and one mobile, just real enough that a real SGSN attaches it.
 *
 * Life: NS-RESET, ALIVE, UNBLOCK; BVC-RESET of the signalling circuit and of one cell; ATTACH
 * REQUEST; then whatever the SGSN asks: identity, authentication (also again after a
 * synchronisation failure), until ATTACH ACCEPT. Nothing but UDP to one address; blocking, with one
 * deadline for all of it.
 */
#include "base/err.h"
#include "cmd/lab/usim.h"

struct gb_settings {
	const char *local_address, *sgsn_address; /* IPv4 literals */
	uint16_t local_port, sgsn_port;
	const char *imsi; /* 15 digits */
	struct usim usim;
	unsigned deadline_ms;
	bool is_verbose; /* each message of the mobile on stderr */
};

struct gb_outcome {
	bool attach_accepted, autn_mac_ok;
	unsigned challenges, synch_failures;
	uint64_t sqn;
	uint8_t reject_cause; /* 0: none */
};

/* OK when the attach was accepted. ERR_TIMEOUT, ERR_AUTH (rejected, or the AUTN's MAC is wrong),
 * ERR_IO. */
MUST_USE struct err gb_attach(
	struct gb_settings *settings, struct gb_outcome *outcome, struct complaint *c);
int gb_main(int argc, char **argv);
