// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Frames between processes of one site, and between sites inside mutual TLS.
 *
 * Every message is a frame: a request that wants one answer, an answer, or a notice that wants none. Frames are
 * pipelined: many requests travel before the first answer, and answers may overtake each other;
 * `request_id` pairs them. The version is in every frame: a process speaks its own and
 * the one before.
 *
 *   octet  0      4     5     6       8            16            20
 *          length ver   kind  type    request_id   deadline_ms   body …
 *          u32    u8    u8    u16     u64          u32
 *
 * `length` counts what follows it. In an answer, `deadline_ms` carries the error kind instead (0: OK),
 * and the body is that of the answer's type, empty where it is an error.
 * Bodies are typed by the rooms' message codecs: codec/auc_msg.h, codec/kms_msg.h, codec/proc_msg.h.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum { IPC_VERSION = 1, IPC_VERSION_LEAST = 1 };
enum { IPC_HEADER = 20, IPC_FRAME_MAX = 4 << 20 };

enum ipc_kind { IPC_REQUEST = 1, IPC_ANSWER = 2, IPC_NOTICE = 3 };

/* Types are numbered per owner, in blocks: a frame of a foreign block is refused, not guessed at. */
enum ipc_block {
	IPC_BLOCK_PROC = 0x0000,    /* supervisor <-> every process */
	IPC_BLOCK_AUC = 0x0100,     /* auc front <-> store <-> vault; import <-> vault and store */
	IPC_BLOCK_KMS = 0x0200,     /* kms fronts, gateway <-> kms store */
	IPC_BLOCK_KVAULT = 0x0300,  /* kms store <-> kms vault */
	IPC_BLOCK_QKD = 0x0400,     /* qkd <-> kms store */
	IPC_BLOCK_AUDIT = 0x0500,   /* stores <-> audit */
	IPC_BLOCK_PEER = 0x0600,    /* site <-> site: kms peers */
	IPC_BLOCK_GATEWAY = 0x0700, /* site <-> site: gateway agents */
	IPC_BLOCK_LINK = 0x0800,    /* site <-> site: the classical channel of a quantum link */
};

struct ipc_frame {
	enum ipc_kind kind;
	uint16_t type;
	uint64_t request_id;
	uint32_t deadline_ms; /* requests: milliseconds that the asker will wait */
	struct err err;       /* answers */
	struct span body;     /* in the receiver's buffer */
};

/*
 * Looks at the head of a stream. *size = octets of the whole first frame (header included), or 0 when
 * fewer than 4 octets are there. ERR_INPUT where the length is impossible: the stream is lost.
 */
MUST_USE struct err ipc_frame_size(struct span stream, size_t *size);

/* Decodes exactly one frame. */
MUST_USE struct err ipc_decode(
	struct span bytes, struct ipc_frame *frame, struct wire_fault *fault);

/* Appends the head alone, of a frame whose body is sent from where it lies. */
void ipc_encode_head(struct writer *w, const struct ipc_frame *frame);

/* Appends one frame. */
void ipc_encode(struct writer *w, const struct ipc_frame *frame);
