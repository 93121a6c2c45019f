// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * qkd -> kms-store: what one end of a quantum link keeps durably (frames of IPC_BLOCK_QKD).
 *
 * The store keeps for each link a state blob (authentication pads and hash keys; opaque to it, sealed at
 * rest), two marks (the next free pad of each direction: they only ever rise) and blocks. Every
 * answer means: durable. All but QKD_OPEN are answered by an empty body.
 *
 *   request            body                                                answer
 *   QKD_OPEN           link                                                marks, state, newest blocks
 *   QKD_MARK           link, marks                                         a mark below the stored: ERR_STATE
 *   QKD_BLOCK_PENDING  link, block id, key (secret), report (JSON text)    the block, not to be used yet
 *   QKD_BLOCK_FINAL    link, block id, state, marks                        atomically: block usable, new state
 *   QKD_BLOCK_VOID     link, block id                                      the block is erased
 *   QKD_STATE          link, state, marks                                  new state
 *
 * Decoded spans are views into the message: whoever receives secrets wipes the buffer.
 */
#include "wire/reader.h"
#include "wire/writer.h"
#include "codec/ipc.h"

enum qkd_type {
	QKD_OPEN = IPC_BLOCK_QKD + 1,
	QKD_MARK,
	QKD_BLOCK_PENDING,
	QKD_BLOCK_FINAL,
	QKD_BLOCK_VOID,
	QKD_STATE,
};

enum {
	QKD_LINK_MAX = 32, /* octets of a link's name: a-z 0-9 - */
	QKD_STATE_MAX = 64 << 10,
	QKD_KEY_MAX = 256 << 10, /* octets of one block's key */
	QKD_REPORT_MAX = 4096,
	QKD_BLOCKS_MAX = 64, /* newest blocks in the answer to QKD_OPEN */
	QKD_BLOCK_ID = 16,
	QKD_REQUEST_MAX = QKD_KEY_MAX + QKD_STATE_MAX + QKD_REPORT_MAX + 256,
};

enum qkd_block_state { QKD_PENDING = 1, QKD_FINAL = 2 };

struct qkd_marks {
	uint64_t send, accept;
};

/* One structure for all requests: each type uses the members that the table above gives it. */
struct qkd_request {
	char link[QKD_LINK_MAX + 1];
	uint8_t block_id[QKD_BLOCK_ID];
	struct qkd_marks marks;
	struct span state;
	struct span key; /* secret */
	struct span report;
};

struct qkd_block {
	uint8_t id[QKD_BLOCK_ID];
	enum qkd_block_state state;
};

struct qkd_opened {
	struct qkd_marks marks;
	struct span state; /* empty: this link was never opened before */
	size_t block_count;
	struct qkd_block blocks[QKD_BLOCKS_MAX]; /* newest first */
};

/* ERR_INPUT for a body that is not exactly one well-formed request of `type`, or an unknown type. */
MUST_USE struct err qkd_request_decode(
	uint16_t type, struct span body, struct qkd_request *request, struct wire_fault *fault);
void qkd_request_encode(struct writer *w, uint16_t type, const struct qkd_request *request);

MUST_USE struct err qkd_opened_decode(
	struct span body, struct qkd_opened *opened, struct wire_fault *fault);
void qkd_opened_encode(struct writer *w, const struct qkd_opened *opened);
