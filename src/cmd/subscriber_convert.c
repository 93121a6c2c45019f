// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* `merlon subscriber convert SYSTEM FILE`: another system's subscribers as JSON lines. */
#include "base/secret.h"
#include "cmd/subscriber.h"
#include "codec/subscriber_json.h"
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const struct {
	const char *system;
	migration_read_fn *read;
} systems[] = {{"osmo-hlr", migrate_osmo_hlr}, {"open5gs", migrate_open5gs}};

migration_read_fn *migration_named(const char *system)
{
	for (size_t i = 0; i < ARRAY_LEN(systems); i++)
		if (strcmp(systems[i].system, system) == 0)
			return systems[i].read;
	return NULL;
}

bool migration_take(struct migration *m, const struct subscriber_row *row)
{
	uint8_t line[SUBSCRIBER_JSON_MAX];
	struct writer w = writer_of(SPAN_MUT_ARRAY(line));

	subscriber_json_encode(&w, row);
	const bool is_written = subscriber_write(m->out, writer_span_done(&w));
	secret_wipe(line, sizeof line);
	m->taken += is_written;
	return is_written;
}

void migration_refuse(struct migration *m, const char *imsi, const char *reason)
{
	m->refused++;
	fprintf(stderr, "merlon: %s: cannot be taken: %s\n", imsi, reason);
}

void migration_note(struct migration *m, const char *imsi, const char *what)
{
	m->noted++;
	fprintf(stderr, "merlon: %s: %s\n", imsi, what);
}

bool migration_is_whole(const struct migration *m)
{
	if (m->refused > 0 || m->noted > 0)
		fprintf(stderr,
			"merlon: %" PRIu64 " subscribers read and %" PRIu64
			" of them noted; %" PRIu64 " %s\n",
			m->taken, m->noted, m->refused,
			m->refused == 0 || m->is_skipping
				? "left out"
				: "cannot be taken (--skip leaves them out)");
	return m->refused == 0 || m->is_skipping;
}

int subscriber_convert_command(const struct invocation *in)
{
	struct migration m = {.read = migration_named(in->argv[0]),
		.out = STDOUT_FILENO,
		.is_skipping = option_value(in, "skip") != NULL};

	if (failed(secret_forbid_dumps()))
		return fail(EXIT_FAILED, "cannot forbid core dumps");
	if (m.read == NULL)
		return fail(EXIT_USAGE, "subscriber convert: osmo-hlr or open5gs, not '%s'",
			in->argv[0]);
	if (isatty(STDOUT_FILENO) && option_value(in, "force") == NULL)
		return fail(EXIT_USAGE, "what is written are keys in clear: not to a terminal "
					"(--force: all the same)");
	signal(SIGPIPE, SIG_IGN);
	return m.read(in->argv[1], &m) && migration_is_whole(&m) ? EXIT_OK : EXIT_CONFIG;
}
