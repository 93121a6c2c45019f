// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/command.h"
#include "host/audit_log.h"
#include "host/loop.h"
#include "host/metrics.h"
#include <inttypes.h>
#include <stdio.h>

static void print_summary(const struct invocation *in, const struct audit_summary *s)
{
	char buffer[512], head[2 * AUDIT_HASH_OCTETS + 1];
	struct json_writer json = json_writer_of(SPAN_MUT_ARRAY(buffer));

	json_open(&json, NULL, '{');
	json_u64(&json, "records", s->records);
	json_u64(&json, "octets", s->octets);
	json_u64(&json, "torn_octets", s->torn_octets);
	json_hex(&json, "head", SPAN_ARRAY(s->head));
	json_close(&json, '}');
	hex_from_span(head, SPAN_ARRAY(s->head));
	if (wants_json(in))
		printf("%.*s\n", (int)json.len, json.at);
	else
		printf("the chain holds: %" PRIu64 " records; head %s\n", s->records, head);
}

int audit_verify_command(const struct invocation *in)
{
	struct audit_summary summary = {0};
	struct complaint c = {0};
	struct disk disk;
	uint64_t size;
	struct err e = disk_posix_open(&disk, in->argv[0], &c);

	if (failed(e))
		return fail(EXIT_CONFIG, "%s", c.text);
	/* An empty chain holds as well: who mistypes the folder must not be told that all is well.
	 */
	if (disk.size(disk.ctx, AUDIT_FILE, &size).kind == ERR_ABSENT) {
		disk_posix_close(&disk);
		return fail(EXIT_CONFIG, "%s: no audit log here (%s)", in->argv[0], AUDIT_FILE);
	}
	e = audit_log_verify(&disk, &summary, &c);
	disk_posix_close(&disk);
	if (failed(e))
		return fail(EXIT_FAILED, "%s: %s", in->argv[0], c.text);
	print_summary(in, &summary);
	return EXIT_OK;
}
