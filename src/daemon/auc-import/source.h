// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The file of an import, row by row, in either form: a regular file, or a pipe that is read as it
 * fills. It is read once. Memory is the owner's, in a secret, and of fixed size.
 *
 * Who fills a pipe may die in the middle, and a pipe ends for its reader in the same way as if all
 * were said. So a pipe's last octet is NUL, which no row has: without it, what came is not the whole.
 */
#include "codec/import_options.h"
#include "codec/subscriber_csv.h"
#include "codec/subscriber_json.h"
#include <assert.h>

enum { SOURCE_TEXT = 64 << 10 };
static_assert((int)SUBSCRIBER_LINE_MAX < (int)SOURCE_TEXT, "a line fits");

struct source_memory {
	_Alignas(16) uint8_t scratch[SUBSCRIBER_JSON_SCRATCH];
	uint8_t text[SOURCE_TEXT];
};

struct source {
	struct source_memory *memory;
	int fd;
	enum import_format format;
	size_t len, at; /* of the text: all, and read already */
	uint32_t line;  /* number of the last line that was given */
	uint64_t octets;
	bool is_pipe, has_last;             /* NUL, the last octet of a pipe, was read */
	bool is_end, has_shape, is_useless; /* useless: a wrong header, no lines at all */
	struct csv_shape shape;
};

void source_open(struct source *s, int fd, bool is_pipe, enum import_format format,
	struct source_memory *memory);
/*
 * The next row. ERR_ABSENT at the end; ERR_STATE where a pipe has nothing now; ERR_INPUT where line
 * s->line is wrong, with the fault: the next call goes on behind it; ERR_IO; ERR_TIMEOUT where a pipe
 * ended without its last octet.
 */
MUST_USE struct err source_next(
	struct source *s, struct subscriber_row *row, struct subscriber_fault *fault);
