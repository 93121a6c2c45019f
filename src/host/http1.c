// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/1.1 [RFC 9112]. llhttp reads; this decides. Input that comes while a request is at the
 * handler waits in `input`, and the stream is paused: one request at a time, answers in order.
 */
#include "http_inner.h"
#include <llhttp.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { NAME_MAX_KEPT = 32, VALUE_MAX_KEPT = 256 };

struct http1 {
	llhttp_t parser;
	struct http_conn *conn;
	struct http_draft draft;
	struct octets input;
	bool is_running; /* inside run(): answers need not wake it */
	bool has_begun;  /* octets of the next request came */
	bool is_whole, is_busy, is_last, is_head, wants_continue;
	unsigned hosts;
	size_t name_len, value_len; /* real lengths; what is kept may be shorter */
	char name[NAME_MAX_KEPT], value[VALUE_MAX_KEPT];
};

/* ---- What llhttp tells. Anything but 0 stops it. ---- */

static int verdict(const struct http1 *h)
{
	return h->draft.refusal == 0 ? 0 : -1;
}

static int on_begin(llhttp_t *parser)
{
	struct http1 *h = parser->data;

	h->has_begun = true;
	h->is_whole = h->wants_continue = false;
	h->hosts = 0;
	return 0;
}

static int on_target(llhttp_t *parser, const char *at, size_t len)
{
	struct http1 *h = parser->data;

	http_draft_target(&h->draft, span_of(at, len));
	return verdict(h);
}

/* Lengths count in full, the text only as far as any header that we read needs it. */
static int keep(struct http1 *h, char *kept, size_t size, size_t *len, struct span part)
{
	if (*len < size)
		memcpy(kept + *len, part.at, part.len < size - *len ? part.len : size - *len);
	*len += part.len;
	if (h->draft.head_octets + h->name_len + h->value_len > HTTP_HEAD_MAX)
		http_draft_refuse(&h->draft, 431);
	return verdict(h);
}

static int on_name(llhttp_t *parser, const char *at, size_t len)
{
	struct http1 *h = parser->data;

	return keep(h, h->name, sizeof h->name, &h->name_len, span_of(at, len));
}

static int on_value(llhttp_t *parser, const char *at, size_t len)
{
	struct http1 *h = parser->data;

	return keep(h, h->value, sizeof h->value, &h->value_len, span_of(at, len));
}

static bool header_is(const struct http1 *h, const char *name)
{
	return h->name_len == strlen(name) && strncasecmp(h->name, name, h->name_len) == 0;
}

static int on_header(llhttp_t *parser)
{
	struct http1 *h = parser->data;
	const bool is_kept = h->name_len <= sizeof h->name && h->value_len <= sizeof h->value;

	h->hosts += header_is(h, "host");
	if (header_is(h, "expect"))
		h->wants_continue = true;
	/* One too long to be any that we read counts, nameless. */
	http_draft_header(&h->draft, is_kept ? span_of(h->name, h->name_len) : (struct span){0},
		is_kept ? span_of(h->value, h->value_len) : (struct span){0});
	if (!is_kept)
		h->draft.head_octets += h->name_len + h->value_len;
	h->name_len = h->value_len = 0;
	return verdict(h);
}

static int on_head(llhttp_t *parser)
{
	struct http1 *h = parser->data;
	const char *method = llhttp_method_name(llhttp_get_method(parser));

	http_draft_method(&h->draft, span_str(method));
	h->is_head = strcmp(method, "HEAD") == 0;
	/* Exactly one Host [RFC 9112 §3.2]; nobody may read two. */
	if (h->hosts > 1 || (h->hosts == 0 && (parser->http_major > 1 || parser->http_minor > 0)))
		http_draft_refuse(&h->draft, 400);
	if (parser->http_major != 1)
		http_draft_refuse(&h->draft, 505);
	if (strcmp(method, "CONNECT") == 0)
		http_draft_refuse(&h->draft, 501);
	if ((parser->flags & F_CONTENT_LENGTH) != 0 && parser->content_length > HTTP_BODY_MAX)
		http_draft_refuse(&h->draft, 413);
	/* An offer to upgrade is declined by going on [RFC 9110 §7.8]. */
	parser->upgrade = 0;
	if (h->wants_continue && h->draft.refusal == 0)
		http_conn_send(h->conn, span_str("HTTP/1.1 100 Continue\r\n\r\n"));
	return verdict(h);
}

static int on_body(llhttp_t *parser, const char *at, size_t len)
{
	struct http1 *h = parser->data;

	http_draft_body(&h->draft, span_of(at, len));
	return verdict(h);
}

static int on_whole(llhttp_t *parser)
{
	struct http1 *h = parser->data;

	h->is_whole = true;
	h->is_last = !llhttp_should_keep_alive(parser);
	return HPE_PAUSED;
}

static const llhttp_settings_t *settings(void)
{
	static llhttp_settings_t s;

	if (s.on_url == NULL) {
		llhttp_settings_init(&s);
		s.on_message_begin = on_begin;
		s.on_url = on_target;
		s.on_header_field = on_name;
		s.on_header_value = on_value;
		s.on_header_value_complete = on_header;
		s.on_headers_complete = on_head;
		s.on_body = on_body;
		s.on_message_complete = on_whole;
	}
	return &s;
}

/* ---- Answers ---- */

static const struct {
	unsigned status;
	const char *reason;
} reasons[] = {
	{200, "OK"},
	{201, "Created"},
	{202, "Accepted"},
	{204, "No Content"},
	{400, "Bad Request"},
	{401, "Unauthorized"},
	{403, "Forbidden"},
	{404, "Not Found"},
	{405, "Method Not Allowed"},
	{408, "Request Timeout"},
	{409, "Conflict"},
	{413, "Content Too Large"},
	{414, "URI Too Long"},
	{415, "Unsupported Media Type"},
	{429, "Too Many Requests"},
	{431, "Request Header Fields Too Large"},
	{500, "Internal Server Error"},
	{501, "Not Implemented"},
	{503, "Service Unavailable"},
	{504, "Gateway Timeout"},
	{505, "HTTP Version Not Supported"},
};

static const char *reason_of(unsigned status)
{
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "";
}

static void http1_answer(struct http_conn *c, int32_t stream_id, const struct http_reply *reply)
{
	struct http1 *h = c->state;
	char head[512];

	(void)stream_id;
	h->is_last |= c->server->is_draining;
	int len = snprintf(head, sizeof head,
		"HTTP/1.1 %u %s\r\nDate: %s\r\nCache-Control: no-store\r\n", reply->status,
		reason_of(reply->status), http_date(c->server));
	if (reply->content_type != NULL)
		len += snprintf(head + len, sizeof head - (size_t)len, "Content-Type: %.128s\r\n",
			reply->content_type);
	if (reply->status != 204)
		len += snprintf(head + len, sizeof head - (size_t)len, "Content-Length: %zu\r\n",
			reply->body.len);
	len += snprintf(head + len, sizeof head - (size_t)len, "%s\r\n",
		h->is_last ? "Connection: close\r\n" : "");
	http_conn_send(c, span_of(head, (size_t)len));
	if (!h->is_head && reply->status != 204)
		http_conn_send(c, reply->body);
	h->is_busy = h->has_begun = h->is_head = false;
	if (h->is_last)
		http_conn_end(c);
	else if (!h->is_running)
		loop_flush_later(c->server->loop, &c->flush);
}

/* What cannot be read as a request is answered, and nothing after it is believed. */
static void refuse(struct http_conn *c, unsigned status)
{
	struct http1 *h = c->state;
	const struct http_reply reply = {.status = status};

	http_conn_refused(c, status);
	h->is_last = true;
	http1_answer(c, 0, &reply);
}

/* ---- The run through the input ---- */

static void take_whole(struct http_conn *c)
{
	struct http1 *h = c->state;

	llhttp_resume(&h->parser);
	h->is_busy = true;
	http_dispatch(c, &h->draft, 0);
	http_draft_close(&h->draft);
}

static void step(struct http_conn *c)
{
	struct http1 *h = c->state;
	const struct span input = octets_span(&h->input);

	h->is_whole = false;
	const llhttp_errno_t e = llhttp_execute(&h->parser, (const char *)input.at, input.len);
	const char *stop = e == HPE_OK ? NULL : llhttp_get_error_pos(&h->parser);
	octets_drop(&h->input, stop == NULL ? input.len : (size_t)(stop - (const char *)input.at));
	if (h->is_whole && e == HPE_PAUSED)
		take_whole(c);
	else if (e != HPE_OK)
		refuse(c, h->draft.refusal != 0 ? h->draft.refusal : 400);
}

static void run(struct http_conn *c)
{
	struct http1 *h = c->state;

	h->is_running = true;
	while (!h->is_busy && !c->is_ending && h->input.len > 0)
		step(c);
	h->is_running = false;
	http_conn_pause(c, h->is_busy);
}

static void http1_bytes(struct http_conn *c, struct span bytes)
{
	struct http1 *h = c->state;

	if (failed(octets_put(&h->input, bytes)))
		http_conn_end(c);
	else
		run(c);
}

static void http1_idle(struct http_conn *c)
{
	const struct http1 *h = c->state;

	if (h->has_begun)
		refuse(c, 408);
	else
		http_conn_end(c);
}

static void http1_drain(struct http_conn *c)
{
	struct http1 *h = c->state;

	h->is_last = true;
	if (!h->is_busy)
		http_conn_end(c);
}

static struct err http1_open(struct http_conn *c)
{
	struct http1 *h = calloc(1, sizeof *h);

	if (h == NULL)
		return ERR(LIMIT);
	h->conn = c;
	llhttp_init(&h->parser, HTTP_REQUEST, settings());
	h->parser.data = h;
	http_draft_open(&h->draft, c->server);
	c->state = h;
	return OK;
}

static void http1_close(struct http_conn *c)
{
	struct http1 *h = c->state;

	http_draft_close(&h->draft);
	octets_close(&h->input);
	free(h);
}

const struct http_speech http1_speech = {
	.open = http1_open,
	.bytes = http1_bytes,
	.answer = http1_answer,
	.flush = run,
	.idle = http1_idle,
	.drain = http1_drain,
	.close = http1_close,
};
