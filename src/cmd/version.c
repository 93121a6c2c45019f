// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "command.h"
#include "codec/ipc.h"
#include "crypt/openssl.h"
#include "host/metrics.h"
#include <openssl/crypto.h>
#include <sqlite3.h>
#include <stdio.h>
#include <uv.h>

int version_command(const struct invocation *in)
{
	char buffer[512];
	struct json_writer json = json_writer_of(SPAN_MUT_ARRAY(buffer));

	json_open(&json, NULL, '{');
	json_text(&json, "merlon", MERLON_VERSION);
	json_u64(&json, "ipc_version", IPC_VERSION);
	json_u64(&json, "ipc_version_least", IPC_VERSION_LEAST);
	json_text(&json, "openssl", OpenSSL_version(OPENSSL_FULL_VERSION_STRING));
	json_text(&json, "sqlite", sqlite3_libversion());
	json_text(&json, "libuv", uv_version_string());
	json_close(&json, '}');
	if (wants_json(in))
		printf("%.*s\n", (int)json.len, json.at);
	else
		printf("merlon %s (messages v%d; openssl %s, sqlite %s, libuv %s)\n",
			MERLON_VERSION, IPC_VERSION, OpenSSL_version(OPENSSL_FULL_VERSION_STRING),
			sqlite3_libversion(), uv_version_string());
	return EXIT_OK;
}
