// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * HTTP/2 [RFC 9113]. nghttp2 keeps the protocol; this bounds what it takes in: streams, headers,
 * bodies, resets (rapid reset, CVE-2023-44487), continuation frames, control frames to be
 * acknowledged.
 */
#include "http_inner.h"
#include "base/secret.h"
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	RESETS_BURST = 100,
	RESETS_PER_SECOND = 33,
	/* Refused bodies are thrown away as they come; past this the request is reset. */
	THROWN_AWAY_MAX = HTTP_BODY_MAX,
	/* Headers that expand beyond this are an attack on us, not a request [RFC 9113 §10.5.1]. */
	HEAD_ATTACK = 4 * HTTP_HEAD_MAX,
};

struct http2_request {
	int32_t stream_id;
	bool is_dispatched, is_head;
	struct http_draft draft;
	struct octets answer;
	size_t thrown_away;
	struct http2_request *next, **link;
};

struct http2 {
	nghttp2_session *session;
	struct http2_request *requests;
	bool is_reading;
};

static struct http2_request *request_of(nghttp2_session *session, int32_t stream_id)
{
	return nghttp2_session_get_stream_user_data(session, stream_id);
}

static void request_free(struct http2_request *r)
{
	*r->link = r->next;
	if (r->next != NULL)
		r->next->link = r->link;
	http_draft_close(&r->draft);
	octets_close(&r->answer);
	free(r);
}

/* ---- What nghttp2 tells ---- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct http_conn *c = ctx;
	struct http2 *h = c->state;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	struct http2_request *r = calloc(1, sizeof *r);
	if (r == NULL)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	r->stream_id = frame->hd.stream_id;
	http_draft_open(&r->draft, c->server);
	r->next = h->requests;
	r->link = &h->requests;
	if (r->next != NULL)
		r->next->link = &r->next;
	h->requests = r;
	nghttp2_session_set_stream_user_data(session, r->stream_id, r);
	return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *ctx)
{
	struct http2_request *r = request_of(session, frame->hd.stream_id);

	(void)flags, (void)ctx;
	if (r == NULL)
		return 0;
	const struct span n = span_of(name, name_len), v = span_of(value, value_len);
	if (span_equal(n, span_str(":method")))
		http_draft_method(&r->draft, v);
	else if (span_equal(n, span_str(":path")))
		http_draft_target(&r->draft, v);
	else
		http_draft_header(&r->draft, n, v);
	return r->draft.head_octets > HEAD_ATTACK ? NGHTTP2_ERR_CALLBACK_FAILURE : 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id, const uint8_t *data,
	size_t len, void *ctx)
{
	struct http2_request *r = request_of(session, stream_id);

	(void)flags, (void)ctx;
	if (r == NULL)
		return 0;
	http_draft_body(&r->draft, span_of(data, len));
	if (r->draft.refusal != 0)
		r->thrown_away += len;
	if (r->thrown_away > THROWN_AWAY_MAX)
		nghttp2_submit_rst_stream(
			session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_ENHANCE_YOUR_CALM);
	return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	struct http_conn *c = ctx;

	if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
		(frame->hd.flags & NGHTTP2_FLAG_END_STREAM) == 0)
		return 0;
	struct http2_request *r = request_of(session, frame->hd.stream_id);
	if (r == NULL || r->is_dispatched)
		return 0;
	r->is_dispatched = true;
	r->is_head = strcmp(r->draft.method, "HEAD") == 0;
	http_dispatch(c, &r->draft, r->stream_id);
	http_draft_close(&r->draft);
	return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code, void *ctx)
{
	struct http2_request *r = request_of(session, stream_id);

	(void)code, (void)ctx;
	if (r != NULL)
		request_free(r);
	return 0;
}

/* A GOAWAY with an error: the peer broke the rules of a connection [RFC 9113 §5.4.1]. */
static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *ctx)
{
	(void)session;
	if (frame->hd.type == NGHTTP2_GOAWAY && frame->goaway.error_code != NGHTTP2_NO_ERROR)
		http_conn_refused(ctx, 0);
	return 0;
}

/* ---- Answers ---- */

static nghttp2_ssize give_body(nghttp2_session *session, int32_t stream_id, uint8_t *out,
	size_t len, uint32_t *flags, nghttp2_data_source *source, void *ctx)
{
	struct http2_request *r = source->ptr;
	const struct span left = octets_span(&r->answer);

	(void)session, (void)stream_id, (void)ctx;
	if (len > left.len)
		len = left.len;
	if (len > 0)
		memcpy(out, left.at, len);
	octets_drop(&r->answer, len);
	if (r->answer.len == 0)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (nghttp2_ssize)len;
}

static nghttp2_nv header(const char *name, const char *value)
{
	return (nghttp2_nv){.name = (uint8_t *)(uintptr_t)name,
		.value = (uint8_t *)(uintptr_t)value,
		.namelen = strlen(name),
		.valuelen = strlen(value)};
}

static void http2_answer(struct http_conn *c, int32_t stream_id, const struct http_reply *reply)
{
	struct http2 *h = c->state;
	struct http2_request *r = request_of(h->session, stream_id);
	char status[16], length[24];
	nghttp2_nv headers[5];
	size_t count = 0;

	if (r == NULL)
		return; /* reset meanwhile */
	snprintf(status, sizeof status, "%u", reply->status);
	snprintf(length, sizeof length, "%zu", reply->body.len);
	headers[count++] = header(":status", status);
	headers[count++] = header("date", http_date(c->server));
	headers[count++] = header("cache-control", "no-store");
	if (reply->status != 204)
		headers[count++] = header("content-length", length);
	if (reply->content_type != NULL)
		headers[count++] = header("content-type", reply->content_type);
	const nghttp2_data_provider2 body = {.source.ptr = r, .read_callback = give_body};
	const bool has_body = reply->body.len > 0 && !r->is_head;
	if (failed(octets_put(&r->answer, reply->body)) ||
		nghttp2_submit_response2(
			h->session, stream_id, headers, count, has_body ? &body : NULL) != 0)
		nghttp2_submit_rst_stream(
			h->session, NGHTTP2_FLAG_NONE, stream_id, NGHTTP2_INTERNAL_ERROR);
	loop_flush_later(c->server->loop, &c->flush);
}

/* ---- In and out ---- */

static void http2_flush(struct http_conn *c)
{
	struct http2 *h = c->state;
	const uint8_t *out;
	nghttp2_ssize len;

	while (!c->is_ending && (len = nghttp2_session_mem_send2(h->session, &out)) != 0) {
		if (len < 0) {
			http_conn_end(c);
			return;
		}
		http_conn_send(c, span_of(out, (size_t)len));
		/* It lies in nghttp2's own buffer, which stays for as long as the session; an answer may hold a key. */
		secret_wipe((void *)(uintptr_t)out, (size_t)len);
	}
	if (c->server->is_draining && c->exchange_count == 0 && h->requests == NULL)
		http_conn_end(c);
	else if (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session))
		http_conn_end(c);
}

static void http2_bytes(struct http_conn *c, struct span bytes)
{
	struct http2 *h = c->state;
	const nghttp2_ssize taken = nghttp2_session_mem_recv2(h->session, bytes.at, bytes.len);

	http2_flush(c);
	if (taken >= 0 || c->is_ending)
		return;
	http_conn_refused(c, 0);
	http_conn_end(c);
}

static void http2_idle(struct http_conn *c)
{
	struct http2 *h = c->state;

	nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
	http2_flush(c);
	http_conn_end(c);
}

/* Tells the peer which request was the last; those that came are answered [RFC 9113 §6.8]. */
static void http2_drain(struct http_conn *c)
{
	struct http2 *h = c->state;

	nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE,
		nghttp2_session_get_last_proc_stream_id(h->session), NGHTTP2_NO_ERROR, NULL, 0);
	loop_flush_later(c->server->loop, &c->flush);
}

static bool session_open(
	struct http_conn *c, nghttp2_session_callbacks *callbacks, nghttp2_option *option)
{
	struct http2 *h = c->state;
	const nghttp2_settings_entry settings[] = {
		{NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, HTTP_REQUESTS_PER_STREAM_MAX},
		{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, HTTP_HEAD_MAX},
		{NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1},
	};

	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
	nghttp2_option_set_stream_reset_rate_limit(option, RESETS_BURST, RESETS_PER_SECOND);
	nghttp2_option_set_no_closed_streams(option, 1);
	return nghttp2_session_server_new2(&h->session, callbacks, c, option) == 0 &&
	       nghttp2_submit_settings(
		       h->session, NGHTTP2_FLAG_NONE, settings, ARRAY_LEN(settings)) == 0;
}

static void http2_close(struct http_conn *c)
{
	struct http2 *h = c->state;

	nghttp2_session_del(h->session);
	while (h->requests != NULL)
		request_free(h->requests);
	free(h);
}

static struct err http2_open(struct http_conn *c)
{
	nghttp2_session_callbacks *callbacks = NULL;
	nghttp2_option *option = NULL;

	c->state = calloc(1, sizeof(struct http2));
	if (c->state == NULL)
		return ERR(LIMIT);
	const bool is_open = nghttp2_session_callbacks_new(&callbacks) == 0 &&
			     nghttp2_option_new(&option) == 0 && session_open(c, callbacks, option);
	nghttp2_session_callbacks_del(callbacks);
	nghttp2_option_del(option);
	if (is_open)
		return OK;
	http2_close(c);
	return ERR(LIMIT);
}

const struct http_speech http2_speech = {
	.open = http2_open,
	.bytes = http2_bytes,
	.answer = http2_answer,
	.flush = http2_flush,
	.idle = http2_idle,
	.drain = http2_drain,
	.close = http2_close,
};
