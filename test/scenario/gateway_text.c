// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The gateway's texts, for the scenario test to apply as `merlon run` does:
 *
 *     gateway_text fence|routes INTERFACE LOCAL PEER LOCAL_PREFIX REMOTE_PREFIX listen|connect PORT
 *     gateway_text conf VICI_SOCKET GROUP LOG_FILE
 */
#include "gateway/conf.h"
#include "gateway/fence.h"
#include <stdio.h>
#include <stdlib.h>

static struct err render(
	int argc, char **argv, struct span_mut out, size_t *len, struct complaint *c)
{
	if (argc == 5 && strcmp(argv[1], "conf") == 0) {
		const struct gateway_conf conf = {
			.vici_socket = argv[2], .group = argv[3], .log_file = argv[4]};
		return gateway_conf_render(&conf, out, len, c);
	}
	if (argc != 9)
		return complain(c, ERR(INPUT), "see the source for its arguments");
	struct gateway_fence fence = {.backhaul = argv[2],
		.tunnel = "ipsec0",
		.local_address = argv[3],
		.peer_address = argv[4],
		.local_prefix = argv[5],
		.remote_prefix = argv[6]};
	const bool listens = strcmp(argv[7], "listen") == 0;
	*(listens ? &fence.listen_count : &fence.connect_count) = 1;
	*(listens ? fence.listen_ports : fence.connect_ports) = (uint16_t)atoi(argv[8]);
	return strcmp(argv[1], "fence") == 0 ? gateway_fence_render(&fence, out, len, c)
					     : gateway_fence_routes_render(&fence, out, len, c);
}

int main(int argc, char **argv)
{
	char out[GATEWAY_TEXT_MAX];
	struct complaint c = {0};
	size_t len;

	if (failed(render(argc, argv, SPAN_MUT_ARRAY(out), &len, &c))) {
		fprintf(stderr, "gateway_text: %s\n", c.text);
		return 1;
	}
	fwrite(out, 1, len, stdout);
	return 0;
}
