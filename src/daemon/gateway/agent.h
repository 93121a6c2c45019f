// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The gateway agent: joins the rotation (gateway/rotate.h) to charon, the key store, the other
 * site's agent and the operator. One file each:
 *
 *   gateway.c   the process: settings, files, status, questions
 *   agent.c     effects of the rotation, and the answers that become its events
 *   sas.c       what charon has: credentials, connections, its list of SAs
 *   peer.c      the link to the other agent
 *   charon.c    the connection to charon
 */
#include "charon.h"
#include "codec/gateway_msg.h"
#include "gateway/rotate.h"
#include "gateway/tunnel.h"
#include "host/process.h"

enum {
	AGENT_SAS_MAX = 16,
	AGENT_POLL_MS = 2000,
	AGENT_PEER_RETRY_MS = 500,
	AGENT_KMS_ASK_MS = 7000
};

struct agent_settings {
	char role[16]; /* initiator | responder */
	char sae[128], peer_sae[128];
	char vici[108];
	char local_address[64], peer_address[64], local_subnet[64], remote_subnet[64];
	char local_id[128],
		peer_id[128]; /* of IKE; absent: the certificate's first DNS name, peer_name */
	char certificate[256], key[256], ca[256];
	char ike_proposal[128], esp_proposal[128];
	uint64_t rotate_s, lifetime_s;
	char peer_role[16];     /* of the agents' TLS: listen | connect */
	char agent_address[64]; /* to listen on, or to connect to */
	uint64_t peer_port;
	char peer_name[128];
	char tls_certificate[256], tls_key[256], tls_ca[256];
};

/* What a rotation is about, while it runs. */
struct agent_rotation {
	uint32_t serial; /* answers that carry another one come too late */
	struct gateway_rotation which;
	struct secret key;
	char ppk_id[ROTATE_NAME_MAX], connection[ROTATE_NAME_MAX];
	bool is_loaded;                        /* charon was asked to take it */
	uint64_t spi_initiator, spi_responder; /* responder: of the SA that the peer says is up */
	struct channel *asker; /* responder: who waits for an answer, and for which request */
	uint64_t request_id;
};

struct agent {
	struct process *process;
	struct agent_settings settings, next; /* next: prepared, not committed */
	struct secret key_pem, certificate_pem, ca_pem;
	struct tunnel_policy policy;
	struct charon charon;
	bool is_charon_ready; /* it has credentials, and its responder the connection */
	struct channel *kms;

	struct tls_profile *tls;
	struct listener *listener;
	struct channel *peer;
	struct stream *peer_stream; /* connecting */
	uint64_t refused_peers, malformed;
	struct loop_timer peer_retry;

	struct rotate rotate;
	struct agent_rotation now;
	struct loop_timer tick, poll;
	struct process_query *waiting; /* the operator's "rotate" */

	struct tunnel_sa sas[AGENT_SAS_MAX],
		reading[AGENT_SAS_MAX]; /* the last list; the one being read */
	size_t sa_count, reading_count;
	bool has_setup_failed;

	bool is_up;
	struct tunnel_sa current; /* the SA of the last rotation that was confirmed */
	char current_ppk_id[ROTATE_NAME_MAX];
	uint64_t unique_id_seen; /* the highest before the rotation that runs */
};

extern const struct alarm_kind alarm_tunnel_down, alarm_no_key, alarm_rotation_failed;

/* agent.c */
void agent_event(struct agent *a, enum rotate_event event);
void agent_tick(struct agent *a);       /* what is due, then the timer for what comes next */
void agent_ready_note(struct agent *a); /* charon or the peer came or went */
void agent_tunnel_set(struct agent *a, bool is_up, const char *why);

/* sas.c */
extern const struct charon_events agent_charon_events;
void agent_ppk_load(struct agent *a);
void agent_initiate(struct agent *a);
void agent_list(struct agent *a);
void agent_abandon(struct agent *a);
void agent_retire(struct agent *a);
void agent_expire(struct agent *a);

/* peer.c */
MUST_USE struct err agent_peer_open(struct agent *a, struct complaint *c);
void agent_peer_connect(struct agent *a);
void agent_peer_offer(struct agent *a);
void agent_peer_tell(struct agent *a, enum gateway_msg_type type);
void agent_peer_answer(struct agent *a, struct err err);
