// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Which texts are events of the audit log: one JSON object [RFC 8259], at most AUDIT_EVENT_MAX octets, all of
 * them printable ASCII (so one line, and no octet that a torn write leaves behind), at most
 * AUDIT_DEPTH_MAX deep. Octet by octet through a table of states; nothing is built.
 */
#include "wire/reader.h"

enum { AUDIT_EVENT_MAX = 4096, AUDIT_DEPTH_MAX = 16 };

MUST_USE struct err audit_event_check(struct span event, struct wire_fault *fault);
