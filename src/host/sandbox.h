// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The sandbox: named levels, one file. A process opens what it needs, then enters its level and
 * cannot leave: no_new_privs, capabilities dropped, uid and gid of the site's user, Landlock rules,
 * and a seccomp allow-list under which any other system call kills the process (SIGSYS). Sanitizer
 * builds get a documented wider list, never none.
 */
#include "base/err.h"

enum sandbox_level {
	SANDBOX_VAULT,  /* read, write, poll, memory, getrandom, exit. No files, no sockets */
	SANDBOX_STORE,  /* + files beneath one folder (SQLite), threads. No sockets */
	SANDBOX_FRONT,  /* accept and use sockets that are open; no connect, no files */
	SANDBOX_LINK,   /* FRONT + connect TCP and Unix sockets (qkd, kms peer, gateway) */
	SANDBOX_IMPORT, /* one file open for reading, channels. Nothing else */
	SANDBOX_AUDIT,  /* append to files beneath one folder */
	SANDBOX_OPTICS, /* the simulated channel: Unix sockets accepted, nothing else */
	SANDBOX_LEVELS
};

struct sandbox_request {
	enum sandbox_level level;
	const char *user;   /* NULL or already that user: kept */
	const char *folder; /* STORE, AUDIT: files only beneath it */
	const char *
		read_folder; /* FRONT, LINK: certificates may be read again at reload; NULL: none */
};

/* Irrevocable. On error the process must exit: it may be half in. `c` names the missing kernel
 * feature, if that is the cause. */
MUST_USE struct err sandbox_enter(const struct sandbox_request *request, struct complaint *c);
const char *sandbox_level_name(enum sandbox_level level);
/* What this kernel offers, for `doctor`: Landlock ABI (0: none), seccomp, memfd_secret. */
int sandbox_landlock_abi(void);
