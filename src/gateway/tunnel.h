// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The tunnel in charon's words: what is asked of it over VICI, and what it says of its SAs. */
#include "codec/vici.h"
#include "gateway/rotate.h"

#define TUNNEL_CHILD "net"
/* The responder's one connection, and the PPKs that it accepts: any that is loaded, and none is but the offered one. */
#define TUNNEL_RESPONDER "merlon"
#define TUNNEL_RESPONDER_PPK "*@merlon"

struct tunnel_policy {
	enum rotate_role role;
	const char *local_address, *peer_address;
	const char *local_id, *peer_id;
	const char *local_subnet, *remote_subnet;
	const char *ike_proposal, *esp_proposal;
	struct span certificate, ca; /* PEM */
	uint32_t lifetime_s;
};

/*
 * The message of load-conn. The PPK is required: without it there is no SA [RFC 8784 §3]. The initiator's charon
 * enforces the lifetime too, for the case that we are dead: its reauthentication then finds no PPK
 * any more, and the SA ends.
 */
void tunnel_connection_write(
	struct writer *w, const struct tunnel_policy *policy, const char *name, const char *ppk_id);
/* The message of load-shared. */
void tunnel_ppk_write(struct writer *w, const char *ppk_id, struct span ppk);

struct tunnel_sa {
	char connection[ROTATE_NAME_MAX];
	uint64_t unique_id;
	uint64_t spi_initiator, spi_responder;
	bool is_established, has_ppk, has_child; /* child: installed */
	uint64_t bytes_in, bytes_out;
};

/* A list-sa event, or the SA's section in ike-updown and child-updown. False: no IKE SA in it. */
bool tunnel_sa_read(struct span message, struct tunnel_sa *sa);
