// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "proc_msg.h"
#include "base/log.h"
#include <string.h>

/* A text: its length in two octets, then its octets, none of them NUL. */
static void text_put(struct writer *w, const char *text, size_t size)
{
	const size_t len = strnlen(text, size - 1);

	writer_u16(w, (uint16_t)len);
	writer_span(w, span_of(text, len));
}

static void text_take(struct reader *r, char *out, size_t size, const char *field)
{
	const size_t len = reader_u16(r, field);
	memset(out, 0, size);
	if (!reader_require(r, len < size, field, NULL))
		return;
	const struct span bytes = reader_span(r, len, field);
	if (reader_require(
		    r, bytes.len == 0 || memchr(bytes.at, '\0', bytes.len) == NULL, field, NULL))
		memcpy(out, bytes.at, bytes.len);
}

#define TEXT_PUT(w, field) text_put((w), (field), sizeof(field))
#define TEXT_TAKE(r, field, name) text_take((r), (field), sizeof(field), (name))

void proc_setup_encode(struct writer *w, const struct proc_setup *m)
{
	TEXT_PUT(w, m->process);
	TEXT_PUT(w, m->site);
	TEXT_PUT(w, m->user);
	writer_u8(w, m->log_least);
	writer_span(w, m->settings);
}

struct err proc_setup_decode(struct span body, struct proc_setup *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	TEXT_TAKE(&r, m->process, "process");
	TEXT_TAKE(&r, m->site, "site");
	TEXT_TAKE(&r, m->user, "user");
	m->log_least = reader_u8(&r, "log_least");
	m->settings = reader_rest(&r);
	return wire_result(fault);
}

void proc_reload_encode(struct writer *w, const struct proc_reload *m)
{
	writer_u8(w, m->log_least);
	writer_span(w, m->settings);
}

struct err proc_reload_decode(struct span body, struct proc_reload *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	m->log_least = reader_u8(&r, "log_least");
	reader_require(&r, m->log_least < LOG_LEVELS, "log_least", NULL);
	m->settings = reader_rest(&r);
	return wire_result(fault);
}

void proc_outcome_encode(struct writer *w, const struct proc_outcome *m)
{
	writer_u8(w, (uint8_t)m->err.kind);
	writer_span(w, m->text);
}

struct err proc_outcome_decode(struct span body, struct proc_outcome *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	const uint8_t kind = reader_u8(&r, "err");
	reader_require(&r, kind < ERR_KINDS, "err", NULL);
	m->err.kind = (enum err_kind)kind;
	m->text = reader_rest(&r);
	return wire_result(fault);
}

void proc_channel_encode(struct writer *w, const struct proc_channel *m)
{
	TEXT_PUT(w, m->peer);
}

struct err proc_channel_decode(struct span body, struct proc_channel *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	TEXT_TAKE(&r, m->peer, "peer");
	reader_end(&r, "channel");
	return wire_result(fault);
}

void proc_query_encode(struct writer *w, const struct proc_query *m)
{
	TEXT_PUT(w, m->process);
	TEXT_PUT(w, m->verb);
	TEXT_PUT(w, m->argument);
}

struct err proc_query_decode(struct span body, struct proc_query *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	TEXT_TAKE(&r, m->process, "process");
	TEXT_TAKE(&r, m->verb, "verb");
	TEXT_TAKE(&r, m->argument, "argument");
	reader_end(&r, "query");
	return wire_result(fault);
}

void proc_run_once_encode(struct writer *w, const struct proc_run_once *m)
{
	TEXT_PUT(w, m->process);
	TEXT_PUT(w, m->argument);
}

struct err proc_run_once_decode(struct span body, struct proc_run_once *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	TEXT_TAKE(&r, m->process, "process");
	TEXT_TAKE(&r, m->argument, "argument");
	reader_end(&r, "run_once");
	return wire_result(fault);
}

void proc_alarm_encode(struct writer *w, const struct proc_alarm *m)
{
	writer_u8(w, m->is_raised);
	writer_u8(w, m->severity);
	writer_u64(w, (uint64_t)m->since_unix_ms);
	TEXT_PUT(w, m->kind);
	TEXT_PUT(w, m->resource);
	TEXT_PUT(w, m->text);
	TEXT_PUT(w, m->meaning);
}

struct err proc_alarm_decode(struct span body, struct proc_alarm *m, struct wire_fault *fault)
{
	struct reader r = reader_of(body, fault);

	const uint8_t is_raised = reader_u8(&r, "is_raised");
	reader_require(&r, is_raised <= 1, "is_raised", NULL);
	m->is_raised = is_raised == 1;
	m->severity = reader_u8(&r, "severity");
	m->since_unix_ms = (int64_t)reader_u64(&r, "since_unix_ms");
	TEXT_TAKE(&r, m->kind, "kind");
	TEXT_TAKE(&r, m->resource, "resource");
	TEXT_TAKE(&r, m->text, "text");
	TEXT_TAKE(&r, m->meaning, "meaning");
	reader_end(&r, "alarm");
	return wire_result(fault);
}
