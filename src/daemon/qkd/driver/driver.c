// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "driver.h"
#include <string.h>

/* A vendor's driver is a row here and a file beside this one. */
static const struct driver_kind kinds[] = {
	{"socket", false, NULL, driver_socket_connect, driver_stream_pause},
	{"tcp", false, driver_tcp_prepare, driver_tcp_connect, driver_stream_pause},
	{"file", true, driver_tape_prepare, driver_file_connect, driver_tape_pause},
	{"s15", true, driver_timestamps_prepare, driver_timestamps_connect, driver_tape_pause},
};

struct err driver_prepare(struct driver *d, struct complaint *c)
{
	const char *word = d->options->driver_kind;

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		if (strcmp(kinds[i].word, word) == 0)
			d->kind = &kinds[i];
	if (d->kind == NULL)
		return complain(
			c, ERR(INPUT), "driver.kind: socket, tcp, file or s15, not '%s'", word);
	if (d->kind->is_replay && !d->options->driver_replay_allowed)
		return complain(c, ERR(INPUT),
			"driver.kind: %s makes key of a recording, which is as secret as its file: "
			"needs driver.replay_allowed",
			word);
	return d->kind->prepare == NULL ? OK : d->kind->prepare(d, c);
}
