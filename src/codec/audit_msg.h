// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What stores ask of the audit process (block AUDIT): to append one event, which is one JSON object on
 * one line (codec/audit_event.h says which). It is answered when it is durable; until then nothing that
 * it records may happen. An error, or no answer, means that it may or may not be in the log.
 */
#include "codec/audit_record.h"
#include "codec/ipc.h"

enum audit_msg_type {
	AUDIT_APPEND = IPC_BLOCK_AUDIT | 1, /* request: audit_append; answer: audit_appended */
};

struct audit_append {
	struct span event;
};

struct audit_appended {
	uint64_t seq;
	uint8_t hash[AUDIT_HASH_OCTETS];
};

void audit_append_encode(struct writer *w, const struct audit_append *m);
MUST_USE struct err audit_append_decode(
	struct span body, struct audit_append *m, struct wire_fault *fault);
void audit_appended_encode(struct writer *w, const struct audit_appended *m);
MUST_USE struct err audit_appended_decode(
	struct span body, struct audit_appended *m, struct wire_fault *fault);
