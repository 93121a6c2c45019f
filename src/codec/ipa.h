// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * IPA: the multiplex under GSUP on TCP [Osmocom: Abis manual, "IPA multiplex"; OsmoHLR manual,
 * "GSUP"].
 *
 *   octet 0        2        3
 *         length   stream   payload …          `length` counts the payload alone
 *         u16      u8
 *
 * Two streams concern us. CCM (0xfe) keeps the connection: PING and PONG, and the identity
 * exchange: the server asks (ID_GET) at once, the client answers (ID_RESP), and only then may it
 * send requests. Its serial number (tag 00) is its name for routing. 0xee carries Osmocom's
 * extensions, of which 05 is GSUP.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum { IPA_HEADER = 3, IPA_PAYLOAD_MAX = 4096, IPA_FRAME_MAX = IPA_HEADER + IPA_PAYLOAD_MAX };
enum ipa_stream { IPA_STREAM_OSMO = 0xee, IPA_STREAM_CCM = 0xfe };
enum { IPA_EXTENSION_GSUP = 0x05 };
enum ipa_ccm_type {
	IPA_CCM_PING = 0x00,
	IPA_CCM_PONG = 0x01,
	IPA_CCM_ID_GET = 0x04,
	IPA_CCM_ID_RESP = 0x05,
	IPA_CCM_ID_ACK = 0x06,
};
enum ipa_tag { IPA_TAG_SERIAL = 0x00, IPA_TAG_UNIT_NAME = 0x01, IPA_TAG_UNIT_ID = 0x08 };

enum ipa_kind { IPA_CCM, IPA_GSUP, IPA_FOREIGN };
struct ipa_frame {
	enum ipa_kind kind;
	uint8_t stream;
	uint8_t ccm_type;    /* IPA_CCM */
	struct span payload; /* after the CCM type or the extension octet */
};

enum { IPA_NAME_MAX = 64 };
struct ipa_identity {
	/* Printable ASCII, NUL-terminated, "" where the client did not say. */
	char serial[IPA_NAME_MAX], unit_name[IPA_NAME_MAX], unit_id[IPA_NAME_MAX];
};

/*
 * Looks at the head of a stream. *size = octets of the whole first frame, or 0 when the header is
 * not complete. ERR_LIMIT for a payload longer than IPA_PAYLOAD_MAX: the stream is lost.
 */
MUST_USE struct err ipa_frame_size(struct span stream, size_t *size);
MUST_USE struct err ipa_decode(
	struct span bytes, struct ipa_frame *frame, struct wire_fault *fault);

/*
 * Whole frames out of a stream that comes in pieces. The beginning of a frame that has not come
 * whole is kept; what comes next completes it. Zeroed at start.
 */
struct ipa_assembly {
	size_t len;
	uint8_t partial[IPA_FRAME_MAX];
};
/* Gives `take` each whole frame in turn, until there is none or it answers false. ERR_LIMIT: a
 * frame too long, so where the next one begins is lost. */
MUST_USE struct err ipa_assemble(struct ipa_assembly *a, struct span bytes,
	bool (*take)(void *ctx, struct span frame), void *ctx);

/* Payload of ID_RESP. A name that is not printable, or longer than IPA_NAME_MAX - 1, is a fault. */
MUST_USE struct err ipa_id_resp_decode(
	struct span payload, struct ipa_identity *identity, struct wire_fault *fault);
/* Payload of ID_GET: whether each tag asked for is one that we could answer does not matter here.
 */
MUST_USE struct err ipa_id_get_decode(
	struct span payload, struct span_mut tags, size_t *count, struct wire_fault *fault);

/* Whole frames, appended. */
void ipa_ccm_encode(struct writer *w, enum ipa_ccm_type type);
void ipa_id_get_encode(struct writer *w); /* asks for serial, unit name and unit id */
void ipa_id_resp_encode(struct writer *w, const struct ipa_identity *identity);
/* Opens a GSUP frame: write the message after it, then close the mark. */
size_t ipa_gsup_open(struct writer *w);
void ipa_gsup_close(struct writer *w, size_t mark);
