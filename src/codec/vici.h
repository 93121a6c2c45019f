// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * VICI, the control protocol of strongSwan's charon (its README: "Versatile IKE Control Interface"), over a
 * Unix stream socket.
 *
 * A packet is a u32 length (of what follows), a type, for some types a name, and a message. A message is a section:
 * values, lists and further sections, each with a name; numbers are written as text. Lists do not nest.
 *
 *   client                             charon
 *   CMD_REQUEST "load-conn" {…}   -->
 *                                 <--  CMD_RESPONSE {success=yes} or CMD_UNKNOWN
 *   EVENT_REGISTER "ike-updown"   -->
 *                                 <--  EVENT_CONFIRM or EVENT_UNKNOWN
 *                                 <--  EVENT "ike-updown" {…}     at any time, also before an answer
 *
 * There are no sequence numbers: one request at a time on a connection.
 *
 * A message is validated whole, within limits, before anybody looks into it; a look is then a walk over one
 * section (vici_next) or a search by name in it (vici_text, vici_find). Everything is a view of the
 * receiver's buffer.
 */
#include "wire/reader.h"
#include "wire/writer.h"

enum {
	VICI_PACKET_MAX = 512 << 10, /* charon's own limit, without the length field */
	VICI_DEPTH_MAX = 8,          /* sections within sections; charon itself uses four */
	VICI_ELEMENTS_MAX = 16384,   /* of one message, ends included */
};

enum vici_type {
	VICI_CMD_REQUEST,
	VICI_CMD_RESPONSE,
	VICI_CMD_UNKNOWN,
	VICI_EVENT_REGISTER,
	VICI_EVENT_UNREGISTER,
	VICI_EVENT_CONFIRM,
	VICI_EVENT_UNKNOWN,
	VICI_EVENT,
	VICI_TYPES
};

/* Whether packets of the type carry a name. */
bool vici_type_is_named(enum vici_type type);

struct vici_packet {
	enum vici_type type;
	struct span name;    /* empty where the type has none */
	struct span message; /* the outermost section's inside */
};

/*
 * Looks at the head of a stream. *size = octets of the whole first packet (length included), or 0 when
 * fewer than 4 octets are there. ERR_INPUT where the length is impossible: the stream is lost.
 */
MUST_USE struct err vici_packet_size(struct span stream, size_t *size);

/* Decodes exactly one packet and validates its message. */
MUST_USE struct err vici_decode(
	struct span bytes, struct vici_packet *packet, struct wire_fault *fault);

enum vici_kind { VICI_SECTION, VICI_VALUE, VICI_LIST, VICI_ITEM };

struct vici_element {
	enum vici_kind kind;
	struct span name;  /* empty for items */
	struct span value; /* of values and items; the inside of sections and lists */
};

/* Walks the elements of one validated section or list, not those of the sections within. */
struct vici_walk {
	struct wire_fault fault;
	struct reader r;
};
void vici_walk_begin(struct vici_walk *walk, struct span inside);
bool vici_next(struct vici_walk *walk, struct vici_element *element);

/* The element of that name and kind. False: there is none. */
bool vici_find(struct span inside, enum vici_kind kind, const char *name, struct span *value);
/* The value as text; cut at `size` - 1 octets. False, and "", where there is none. */
bool vici_text(struct span inside, const char *name, char *out, size_t size);
/* Whether the value is there and equals `text`. */
bool vici_is(struct span inside, const char *name, const char *text);
/* A decimal number; `fallback` where it is absent or is none. */
uint64_t vici_u64(struct span inside, const char *name, uint64_t fallback);

/*
 * Encoding. vici_begin(), elements, vici_end(); then writer_result(). A name over 255 octets, a value over 65535
 * or a packet over the limit make the writer full.
 */
size_t vici_begin(struct writer *w, enum vici_type type, const char *name);
void vici_end(struct writer *w, size_t mark);
void vici_section_open(struct writer *w, const char *name);
void vici_section_close(struct writer *w);
void vici_value(struct writer *w, const char *name, struct span value);
void vici_value_text(struct writer *w, const char *name, const char *text);
/* A list of `count` texts, in one call. */
void vici_list(struct writer *w, const char *name, const char *const *texts, size_t count);
/* A list of one value that need not be text (a certificate). */
void vici_list_of_one(struct writer *w, const char *name, struct span value);
