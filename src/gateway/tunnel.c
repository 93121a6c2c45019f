// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "tunnel.h"
#include <stdio.h>

static void list_write(struct writer *w, const char *name, const char *text)
{
	vici_list(w, name, &text, 1);
}

static void seconds_write(struct writer *w, const char *name, uint32_t seconds)
{
	char text[16];

	snprintf(text, sizeof(text), "%us", seconds);
	vici_value_text(w, name, text);
}

static void ends_write(struct writer *w, const struct tunnel_policy *p)
{
	vici_section_open(w, "local");
	vici_value_text(w, "auth", "pubkey");
	vici_value_text(w, "id", p->local_id);
	vici_list_of_one(w, "certs", p->certificate);
	vici_section_close(w);
	vici_section_open(w, "remote");
	vici_value_text(w, "auth", "pubkey");
	vici_value_text(w, "id", p->peer_id);
	vici_list_of_one(w, "cacerts", p->ca);
	vici_section_close(w);
}

static void child_write(struct writer *w, const struct tunnel_policy *p)
{
	vici_section_open(w, "children");
	vici_section_open(w, TUNNEL_CHILD);
	list_write(w, "local_ts", p->local_subnet);
	list_write(w, "remote_ts", p->remote_subnet);
	list_write(w, "esp_proposals", p->esp_proposal);
	vici_value_text(w, "rekey_time", "1h");
	vici_value_text(w, "start_action", "none");
	vici_value_text(w, "close_action", "none");
	vici_value_text(w, "dpd_action", "clear");
	vici_section_close(w);
	vici_section_close(w);
}

void tunnel_connection_write(
	struct writer *w, const struct tunnel_policy *p, const char *name, const char *ppk_id)
{
	/* An IKE rekey brings no new PPK, so there is none; the lifetime is the initiator's matter. */
	const bool is_initiator = p->role == ROTATE_INITIATOR;

	vici_section_open(w, name);
	vici_value_text(w, "version", "2");
	list_write(w, "local_addrs", p->local_address);
	list_write(w, "remote_addrs", p->peer_address);
	list_write(w, "proposals", p->ike_proposal);
	vici_value_text(w, "ppk_id", ppk_id);
	vici_value_text(w, "ppk_required", "yes");
	vici_value_text(w, "encap", "yes");
	vici_value_text(w, "mobike", "no");
	vici_value_text(w, "fragmentation", "yes");
	vici_value_text(w, "unique", "no");
	vici_value_text(w, "keyingtries", "1");
	vici_value_text(w, "dpd_delay", "2s");
	vici_value_text(w, "rekey_time", "0s");
	seconds_write(w, "reauth_time", is_initiator ? p->lifetime_s : 0);
	vici_value_text(w, "over_time", is_initiator ? "10s" : "0s");
	vici_value_text(w, "rand_time", "0s");
	ends_write(w, p);
	child_write(w, p);
	vici_section_close(w);
}

void tunnel_ppk_write(struct writer *w, const char *ppk_id, struct span ppk)
{
	vici_value_text(w, "id", ppk_id);
	vici_value_text(w, "type", "PPK");
	vici_value(w, "data", ppk);
	list_write(w, "owners", ppk_id);
}

/* Of 1 to 16 hex digits; 0 where it is none. */
static uint64_t spi_read(struct span sa, const char *name)
{
	char text[17];
	uint64_t v = 0;

	vici_text(sa, name, text, sizeof(text));
	for (const char *at = text; *at != '\0'; at++) {
		const char *digits = "0123456789abcdef", *digit = strchr(digits, *at);
		if (digit == NULL)
			return 0;
		v = v << 4 | (uint64_t)(digit - digits);
	}
	return v;
}

static void children_read(struct span sa, struct tunnel_sa *out)
{
	struct vici_walk walk;
	struct vici_element child;
	struct span children;

	vici_find(sa, VICI_SECTION, "child-sas", &children);
	vici_walk_begin(&walk, children);
	while (vici_next(&walk, &child)) {
		if (child.kind != VICI_SECTION)
			continue;
		out->has_child = out->has_child || vici_is(child.value, "state", "INSTALLED");
		out->bytes_in += vici_u64(child.value, "bytes-in", 0);
		out->bytes_out += vici_u64(child.value, "bytes-out", 0);
	}
}

bool tunnel_sa_read(struct span message, struct tunnel_sa *out)
{
	struct vici_walk walk;
	struct vici_element e;

	*out = (struct tunnel_sa){0};
	vici_walk_begin(&walk, message);
	do {
		if (!vici_next(&walk, &e))
			return false;
	} while (e.kind != VICI_SECTION);
	if (e.name.len >= sizeof(out->connection))
		return false;
	memcpy(out->connection, e.name.at, e.name.len);
	out->unique_id = vici_u64(e.value, "uniqueid", 0);
	out->spi_initiator = spi_read(e.value, "initiator-spi");
	out->spi_responder = spi_read(e.value, "responder-spi");
	out->is_established = vici_is(e.value, "state", "ESTABLISHED");
	out->has_ppk = vici_is(e.value, "ppk", "yes");
	children_read(e.value, out);
	return out->unique_id != 0;
}
