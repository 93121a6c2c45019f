// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The sites that run on this machine, found by their control sockets: /run/merlon/NAME/control.sock. A command asks one of them
 * (--site NAME) or each.
 */
#include "cmd/command.h"
#include "base/span.h"
#include "host/control.h"

enum { SITES_MAX = 16, SITE_ANSWER_MAX = 1 << 20 };

struct site_found {
	char name[64];
	char socket[128];
};

/* Sites in the order of their names; `only` NULL: all. */
size_t sites_find(struct site_found found[static SITES_MAX], const char *only);

/* A question to one process of one site; the reply is to be freed. */
struct control_reply site_query(
	const struct site_found *site, const char *process, const char *verb, const char *argument);

/* Of a reply that failed. */
enum exit_code exit_code_of_reply(const struct control_reply *reply);

/*
 * Asks each site and prints the answers: with -o json one site's value as it is, several as one list; else by `print`.
 * Returns the exit code: the first failure's, or EXIT_UNREACHABLE where no site runs.
 */
struct site_question {
	uint16_t type;                         /* enum proc_type */
	const char *process, *verb, *argument; /* PROC_QUERY alone */
	void (*print)(const char *site, struct span json);
	bool is_text; /* the answer is no JSON: with -o json it becomes a string */
};
int sites_ask(const struct invocation *in, const struct site_question *question);
