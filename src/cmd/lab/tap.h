// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The tap on the untrusted backhaul: records every frame, then judges every frame.
 *
 * The judge knows no exception but these: ARP and neighbour discovery; IKE, that is UDP 500 or 4500
 * with a whole IKEv2 header [RFC 7296 §3.1, RFC 3948 §2.2] or a NAT keep-alive; ESP, by its
 * protocol number or inside UDP 4500, and not with null encryption; TLS on the listed ports. On
 * those a TCP segment without payload passes; payload must, in the order of its sequence numbers,
 * be TLS records that begin with a handshake [RFC 8446 §5.1]. All else is clear text: also a frame
 * that cannot be read, a later fragment whose first one was not seen, a segment whose predecessor
 * never came.
 *
 * What it does not see: octets that a peer sends a second time with other content. Each captured
 * interface needs a judge of its own.
 */
#include "base/err.h"
#include "base/span.h"

enum tap_class { TAP_ARP, TAP_ND, TAP_IKE, TAP_ESP, TAP_TLS, TAP_CLEARTEXT, TAP_CLASSES };

enum { TAP_PORTS_MAX = 8, TAP_DESCRIBED_MAX = 8, TAP_DESCRIPTION_MAX = 128 };

struct tap_count {
	uint64_t packets[TAP_CLASSES];
	size_t described;
	char descriptions[TAP_DESCRIBED_MAX][TAP_DESCRIPTION_MAX]; /* the first clear ones */
};

struct tap_judge;
MUST_USE struct err tap_judge_open(struct tap_judge **j, const uint16_t *tls_ports, size_t count);
/* Borrows the frame until tap_judge_end(): a segment ahead of its turn is judged when its turn
 * comes. */
void tap_classify(struct tap_judge *j, struct span frame);
/* Judges what still waits; the counts are final. */
const struct tap_count *tap_judge_end(struct tap_judge *j);
void tap_judge_close(struct tap_judge *j);

/* A whole capture file; adds to `count`. ERR_INPUT where the file is damaged. */
MUST_USE struct err tap_judge_file(const char *path, const uint16_t *tls_ports, size_t port_count,
	struct tap_count *count, struct complaint *c);
const char *tap_class_word(enum tap_class class);

/*
 * Records `interfaces` (of the namespace that the caller is in), one file each, until `stop_fd` is
 * readable or closed. A byte is written to `ready_fd` when the sockets are open. *dropped counts
 * frames that the kernel could not hand over: with any, the verdict is worth nothing.
 */
struct tap_interface {
	const char *name, *path;
};
enum { TAP_INTERFACES_MAX = 4 };
MUST_USE struct err tap_record(const struct tap_interface *interfaces, size_t count, int ready_fd,
	int stop_fd, uint64_t *dropped, struct complaint *c);
