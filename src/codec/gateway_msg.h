// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the gateway agents of two sites say to each other (block GATEWAY), inside mutual TLS. The initiator of the
 * tunnel asks, the responder answers. Keys never travel here: only their ids.
 *
 *   initiator                                  responder
 *   GATEWAY_OFFER {rotation, key_id}     -->   takes the key of that id from its own key store, loads the PPK
 *                                        <--   answer OK: charon will accept it. Or why not:
 *                                              ERR_ABSENT no such key here, ERR_STATE busy, ERR_IO charon is away
 *   GATEWAY_ACTIVATED {…, SPIs}          -->   notice: the IKE SA with these SPIs is up; forget the PPK
 *   GATEWAY_DROP {rotation, key_id}      -->   notice: it did not come up; forget the PPK, the key is burnt
 *                                        <--   GATEWAY_READY: notice: charon here is ready and has no tunnel; come with a key
 */
#include "codec/ipc.h"

enum gateway_msg_type {
	GATEWAY_OFFER = IPC_BLOCK_GATEWAY | 1,
	GATEWAY_ACTIVATED = IPC_BLOCK_GATEWAY | 2,
	GATEWAY_DROP = IPC_BLOCK_GATEWAY | 3,
	GATEWAY_READY = IPC_BLOCK_GATEWAY | 4, /* empty body */
};

enum { GATEWAY_KEY_ID_OCTETS = 16, GATEWAY_MSG_MAX = 64 };

/* One attempt to put a fresh PPK to use; OFFER and DROP carry just this. */
struct gateway_rotation {
	uint32_t rotation; /* the initiator's counter: which attempt this is about */
	uint8_t key_id[GATEWAY_KEY_ID_OCTETS];
};

struct gateway_activated {
	struct gateway_rotation which;
	uint64_t spi_initiator, spi_responder; /* of the IKE SA */
};

void gateway_rotation_encode(struct writer *w, const struct gateway_rotation *m);
MUST_USE struct err gateway_rotation_decode(
	struct gateway_rotation *m, struct span body, struct wire_fault *fault);
void gateway_activated_encode(struct writer *w, const struct gateway_activated *m);
MUST_USE struct err gateway_activated_decode(
	struct gateway_activated *m, struct span body, struct wire_fault *fault);
