// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* What the files of merlon-kms-store share. */
#include "host/process.h"
#include "kms/kms.h"
#include "rows.h"

struct store_options {
	char database[SETTING_TEXT_MAX], site[KMS_SAE_MAX + 1], peer_site[ALARM_RESOURCE_MAX];
	char kme_id[KMS_SAE_MAX + 1], peer_kme_id[KMS_SAE_MAX + 1];
	char gateway_sae[KMS_SAE_MAX + 1], gateway_peer_sae[KMS_SAE_MAX + 1];
	uint64_t key_bits, offer_ms, collect_s, low_keys;
	size_t sae_count, peer_sae_count;
	char saes[KMS_SAES_MAX][KMS_SAE_MAX + 1], peer_saes[KMS_SAES_MAX][KMS_SAE_MAX + 1];
};

enum neighbour_name {
	NEIGHBOUR_VAULT,
	NEIGHBOUR_FRONT,
	NEIGHBOUR_PEER,
	NEIGHBOUR_QKD,
	NEIGHBOUR_GATEWAY,
	NEIGHBOUR_AUDIT,
	NEIGHBOURS
};

struct neighbour {
	const char *name;
	uint16_t block; /* it may ask of this block alone; 0: it asks nothing */
	bool is_gateway;
	struct channel *channel;    /* NULL: not there */
	bool is_probed, is_probing; /* vault and audit: it has answered on this channel */
	uint64_t life;
};

struct kms_store {
	struct process *process;
	struct store_options options;
	char folder[SETTING_TEXT_MAX];
	struct store *store;
	struct kms *kms;
	struct pool savings, askers;
	struct loop_timer tick;
	struct neighbour neighbours[NEIGHBOURS];
	struct kms_summary summary;
};

/* query.c */
void store_query(
	struct kms_store *s, const char *verb, const char *argument, struct process_query *q);
void store_summary_write(struct json_writer *json, const struct kms_summary *s);
