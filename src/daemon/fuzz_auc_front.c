// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The front in all its states: an input is a sequence of acts, an octet each with what it needs. Whatever
 * happens, in whatever order, each request is answered once or its peer has gone, and in the end
 * nothing is left.
 */
#include "daemon/auc-front/peer.h"
#include "daemon/auc-front/world.h"
#include "codec/ipa.h"
#include "wire/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum act {
	ACT_OCTETS,
	ACT_NAME,
	ACT_GSUP,
	ACT_STORE,
	ACT_RELEASE,
	ACT_WAIT,
	ACT_CONNECT,
	ACT_RULES,
	ACTS
};
enum { FUZZ_OCTETS_MAX = 1024, FUZZ_PEERS_MAX = 16 };

static void act_gsup(struct reader *r)
{
	static struct gsup g;
	const uint8_t flags = reader_u8(r, "flags");

	memset(&g, 0, sizeof g);
	g.type = reader_u8(r, "type");
	snprintf(g.imsi, sizeof g.imsi, "00101000000000%u", flags % 4u);
	g.has_cause = g.type % 4 == 1;
	g.vector_count = g.type == GSUP_SEND_AUTH_INFO_RESULT;
	g.has_auts = g.has_rand = (flags & 4) != 0;
	g.domain = (flags & 8) != 0 ? AUTH_CS : 0;
	g.has_message_class = (flags & 16) != 0;
	g.has_session_state = g.has_session = (flags & 32) != 0;
	g.destination_len = (flags & 64) != 0 ? 3 : 0;
	g.source_len = (flags & 128) != 0 ? 4 : 0;
	if (g.source_len > 0)
		g.source[0] = reader_u8(r, "source");
	world_say_gsup(&g);
}

static void act_rules(uint8_t which)
{
	static const char *const rosters[][3] = {{NULL}, {"0 0 0 - - a", NULL},
		{"2 1 1 - 00101 a", "0 0 0 10.0.0.1 - b", NULL}, {"0 0 0 - 99999 a", NULL}};

	world_rules(rosters[which % ARRAY_LEN(rosters)], which / ARRAY_LEN(rosters) % 2);
}

static void act(struct reader *r)
{
	static const enum err_kind kinds[] = {ERR_ABSENT, ERR_STATE, ERR_AUTH, ERR_LIMIT, ERR_IO};
	char name[2] = {0};
	const uint8_t what = reader_u8(r, "act");

	switch (what % ACTS) {
	case ACT_OCTETS:
		world_say(reader_span(r, reader_u8(r, "length") % (reader_left(r) + 1), "octets"));
		break;
	case ACT_NAME:
		name[0] = (char)('a' + what / ACTS % 3);
		world_say_name(name);
		break;
	case ACT_GSUP:
		act_gsup(r);
		break;
	case ACT_STORE:
		world.answer = what / ACTS % 4;
		world.error = (struct err){kinds[what / ACTS / 4 % ARRAY_LEN(kinds)]};
		break;
	case ACT_RELEASE:
		if (world.answer != WORLD_HOLD)
			world_release();
		break;
	case ACT_WAIT:
		world_wait((uint64_t)reader_u8(r, "time") * 100);
		break;
	case ACT_CONNECT:
		world_connect();
		break;
	case ACT_RULES:
		act_rules(what / ACTS);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool is_open;
	static struct gsup g;
	struct wire_fault fault = {0};
	struct reader r =
		reader_of(span_of(data, size < FUZZ_OCTETS_MAX ? size : FUZZ_OCTETS_MAX), &fault);

	if (!is_open)
		world_open(FUZZ_PEERS_MAX);
	is_open = true;
	world.answer = WORLD_VECTORS;
	world_rules(NULL, 0);
	world_connect();
	while (reader_more(&r)) {
		act(&r);
		while (world_hear(&g))
			if (gsup_is_request(g.type) && g.type != GSUP_INSERT_DATA_REQUEST)
				abort();
	}
	world_check_empty();
	return 0;
}
