// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the supervisor and its processes say to each other, and what the operator's commands say to
 * the supervisor: bodies of frames (codec/ipc.h) in block PROC.
 *
 * A child hears PROC_SETUP first of all, answers with PROC_READY once it stands in its sandbox, and
 * from then on answers STATUS, METRICS, QUERY and the two phases of a reload. The same types
 * asked over the control socket concern the whole site.
 *
 * An answer is a `struct proc_outcome`: a kind of error and a text, which is the result (JSON,
 * OpenMetrics) where there is no error, and a sentence for the operator where there is one. The
 * frame itself is then OK: a frame with an error has no body.
 *
 * Descriptors travel beside a message (SCM_RIGHTS): with PROC_RUN_ONCE over the control socket, and
 * with each packet of the hand-over socket, whose content is one `struct proc_channel`, without a
 * frame.
 */
#include "codec/ipc.h"

enum proc_type {
	PROC_SETUP = IPC_BLOCK_PROC + 1, /* notice: proc_setup */
	PROC_READY,          /* notice, by the child: proc_outcome; an error: it exits */
	PROC_STOP,           /* notice to a child, empty; request over the control socket */
	PROC_RELOAD_PREPARE, /* request: proc_reload; proc_outcome */
	PROC_RELOAD_COMMIT,  /* request: empty; proc_outcome */
	PROC_RELOAD,         /* control socket: empty; proc_outcome */
	PROC_STATUS,   /* request: empty; JSON members from a child, an object from the site */
	PROC_METRICS,  /* request: empty; OpenMetrics text */
	PROC_QUERY,    /* request: proc_query; proc_outcome with a JSON value */
	PROC_ALARM,    /* notice, by the child: proc_alarm */
	PROC_RESULT,   /* notice, by a run-once child: proc_outcome with a JSON value */
	PROC_RUN_ONCE, /* control socket, with a descriptor: proc_run_once */
	PROC_STUCK,    /* notice, by the child: proc_channel; that vault answers it no more */
};

enum { PROC_NAME_MAX = 48, PROC_ARGUMENT_MAX = 512, PROC_TEXT_MAX = 256 };

struct proc_setup {
	char process[PROC_NAME_MAX];
	char site[PROC_NAME_MAX];
	char user[PROC_NAME_MAX]; /* "": keep the user */
	uint8_t log_least;        /* enum log_level */
	struct span settings;     /* host/settings.h */
};

struct proc_reload {
	uint8_t log_least;    /* enum log_level */
	struct span settings; /* host/settings.h */
};

struct proc_outcome {
	struct err err;
	struct span text;
};

struct proc_channel {
	char peer[PROC_NAME_MAX];
};

struct proc_query {
	char process[PROC_NAME_MAX]; /* empty in the message to the child itself */
	char verb[PROC_NAME_MAX];
	char argument[PROC_ARGUMENT_MAX];
};

struct proc_run_once {
	char process[PROC_NAME_MAX];
	char argument[PROC_ARGUMENT_MAX]; /* becomes the setting `argument` where not empty */
};

struct proc_alarm {
	bool is_raised;
	uint8_t severity; /* enum alarm_severity */
	int64_t since_unix_ms;
	char kind[PROC_TEXT_MAX];
	char resource[PROC_TEXT_MAX];
	char text[PROC_TEXT_MAX];
	char meaning[PROC_TEXT_MAX];
};

/* A text too long for its field is cut when encoded. */
void proc_setup_encode(struct writer *w, const struct proc_setup *m);
void proc_reload_encode(struct writer *w, const struct proc_reload *m);
void proc_outcome_encode(struct writer *w, const struct proc_outcome *m);
void proc_channel_encode(struct writer *w, const struct proc_channel *m);
void proc_query_encode(struct writer *w, const struct proc_query *m);
void proc_run_once_encode(struct writer *w, const struct proc_run_once *m);
void proc_alarm_encode(struct writer *w, const struct proc_alarm *m);

MUST_USE struct err proc_setup_decode(
	struct span body, struct proc_setup *m, struct wire_fault *fault);
MUST_USE struct err proc_reload_decode(
	struct span body, struct proc_reload *m, struct wire_fault *fault);
MUST_USE struct err proc_outcome_decode(
	struct span body, struct proc_outcome *m, struct wire_fault *fault);
MUST_USE struct err proc_channel_decode(
	struct span body, struct proc_channel *m, struct wire_fault *fault);
MUST_USE struct err proc_query_decode(
	struct span body, struct proc_query *m, struct wire_fault *fault);
MUST_USE struct err proc_run_once_decode(
	struct span body, struct proc_run_once *m, struct wire_fault *fault);
MUST_USE struct err proc_alarm_decode(
	struct span body, struct proc_alarm *m, struct wire_fault *fault);
