// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "stream_inner.h"
#include "base/secret.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Encrypted at a time: the wire is kept busy, and the encrypted copy of a long queue stays short.
 */
enum { ENCRYPT_AT_ONCE = 256 << 10 };
/* What TLS itself answers, to one who asks for it and does not read it: a peer may ask for a key
 * update as often as it likes [RFC 8446 §4.6.3]. */
enum { TLS_ANSWERS_MAX = 64 << 10 };

static void on_flush(void *ctx);
static void on_deadline(void *ctx);
static void on_written(uv_write_t *write, int status);
static void reading_set(struct stream *s);

struct stream *stream_new(struct loop *l, const struct stream_events *events, void *ctx)
{
	struct stream *s = calloc(1, sizeof *s);

	if (s == NULL)
		return NULL;
	s->loop = l;
	s->events = events;
	s->ctx = ctx;
	s->flush = (struct flush_item){.flush = on_flush, .ctx = s};
	s->handshake_ms_max = STREAM_CONNECT_MS_MAX;
	loop_timer_open(l, &s->deadline, on_deadline, s);
	return s;
}

void stream_free(struct stream *s)
{
	loop_timer_stop(&s->deadline);
	loop_flush_cancel(s->loop, &s->flush);
	tls_session_close(s->tls);
	octets_close(&s->pending);
	octets_close(&s->out);
	free(s);
}

/* ---- The end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct stream *s = handle->data;

	if (s->listener != NULL)
		listener_stream_gone(s->listener);
	if (s->events != NULL && s->events->closed != NULL)
		s->events->closed(s->ctx, s, s->why, &s->complaint);
	stream_free(s);
}

void stream_end(struct stream *s, struct err why)
{
	if (s->state == STREAM_ENDED)
		return;
	s->state = STREAM_ENDED;
	listener_stream_shaken(s);
	if (!failed(s->why))
		s->why = why;
	loop_timer_stop(&s->deadline);
	loop_flush_cancel(s->loop, &s->flush);
	uv_close(&s->uv.handle, on_closed);
}

static void end_by_system(struct stream *s, int status, const char *what)
{
	complain(&s->complaint, ERR(IO), "%s: %s", what, uv_strerror(status));
	stream_end(s, ERR(IO));
}

static void on_deadline(void *ctx)
{
	struct stream *s = ctx;

	switch (s->state) {
	case STREAM_CONNECTING:
		complain(&s->complaint, ERR(TIMEOUT), "no connection after %d ms",
			STREAM_CONNECT_MS_MAX);
		stream_end(s, ERR(TIMEOUT));
		break;
	case STREAM_HANDSHAKING:
		complain(&s->complaint, ERR(TIMEOUT), "TLS handshake took longer than %u ms",
			s->handshake_ms_max);
		stream_end(s, ERR(TIMEOUT));
		break;
	case STREAM_DRAINING:
		complain(&s->complaint, ERR(TIMEOUT),
			"peer did not take what was sent before the end");
		stream_end(s, ERR(TIMEOUT));
		break;
	case STREAM_LINGERING: /* an orderly end, as far as we are concerned */
		stream_end(s, OK);
		break;
	case STREAM_OPEN:
	case STREAM_ENDED:
		break;
	}
}

static void on_shutdown(uv_shutdown_t *shutdown, int status)
{
	struct stream *s = shutdown->data;

	/* On a Unix socket closing loses nothing. */
	if (status != 0 || s->uv.handle.type != UV_TCP)
		stream_end(s, OK);
}

static void linger(struct stream *s)
{
	s->state = STREAM_LINGERING;
	listener_stream_shaken(s);
	loop_timer_once(&s->deadline, STREAM_LINGER_MS_MAX);
	s->shutdown.data = s;
	if (uv_shutdown(&s->shutdown, &s->uv.stream, on_shutdown) != 0)
		stream_end(s, OK);
	else
		reading_set(s);
}

/* ---- Sending: stream_send() only queues; the loop's flush list sends before it sleeps. ---- */

static struct err out_fill_tls(struct stream *s)
{
	struct span clear = octets_span(&s->pending);
	struct err e;

	if (s->state == STREAM_CONNECTING || s->state == STREAM_HANDSHAKING)
		clear.len = 0; /* the owner may send at once; it leaves once the peer is known */
	if (clear.len > ENCRYPT_AT_ONCE)
		clear.len = ENCRYPT_AT_ONCE;
	if (clear.len > 0) {
		e = tls_write(s->tls, clear);
		if (failed(e))
			return complain(&s->complaint, e, "cannot encrypt");
		octets_drop(&s->pending, clear.len);
	}
	if (s->state == STREAM_DRAINING && s->pending.len == 0)
		tls_end(s->tls);
	return tls_take(s->tls, &s->out);
}

static struct err out_fill(struct stream *s)
{
	if (s->out.len > 0)
		return OK;
	if (s->tls != NULL)
		return out_fill_tls(s);
	const struct octets empty = s->out;
	s->out = s->pending;
	s->pending = empty;
	return OK;
}

/* One write; what the kernel does not take at once waits for it. False: wait, or ended. */
static bool write_out(struct stream *s)
{
	const struct span bytes = octets_span(&s->out);
	uv_buf_t buf = uv_buf_init((char *)(uintptr_t)bytes.at, (unsigned)bytes.len);
	int n = uv_try_write(&s->uv.stream, &buf, 1);

	if (n == UV_EAGAIN)
		n = 0;
	if (n < 0) {
		end_by_system(s, n, "sending");
		return false;
	}
	octets_drop(&s->out, (size_t)n);
	if (s->out.len == 0)
		return true;
	buf.base += n;
	buf.len -= (size_t)n;
	s->write.data = s;
	n = uv_write(&s->write, &s->uv.stream, &buf, 1, on_written);
	if (n != 0)
		end_by_system(s, n, "sending");
	s->is_writing = n == 0;
	return false;
}

static void send_all(struct stream *s)
{
	if (s->state == STREAM_CONNECTING || s->state == STREAM_ENDED || s->is_writing)
		return;
	for (;;) {
		const struct err e = out_fill(s);
		if (failed(e)) {
			stream_end(s, e);
			return;
		}
		if (s->out.len == 0)
			break;
		if (!write_out(s))
			return;
	}
	if (s->state == STREAM_DRAINING)
		linger(s);
}

static void on_written(uv_write_t *write, int status)
{
	struct stream *s = write->data;

	s->is_writing = false;
	if (s->state == STREAM_ENDED)
		return;
	if (status != 0) {
		end_by_system(s, status, "sending");
		return;
	}
	octets_drop(&s->out, s->out.len);
	if (s->state <= STREAM_DRAINING)
		send_all(s);
}

struct err stream_send(struct stream *s, struct span bytes)
{
	if (s->state > STREAM_OPEN)
		return ERR(STATE);
	if (bytes.len > STREAM_QUEUE_MAX - stream_queued(s))
		return ERR(LIMIT);
	const struct err e = octets_put(&s->pending, bytes);
	if (failed(e))
		return e;
	loop_flush_later(s->loop, &s->flush);
	return OK;
}

size_t stream_queued(const struct stream *s)
{
	const size_t queued = s->pending.len + s->out.len;

	return queued < STREAM_QUEUE_MAX ? queued : STREAM_QUEUE_MAX;
}

/* ---- Receiving ---- */

static void hand_over(struct stream *s, struct span bytes)
{
	if (bytes.len > 0 && s->state == STREAM_OPEN && s->events != NULL &&
		s->events->bytes != NULL)
		s->events->bytes(s->ctx, s, bytes);
}

static void open_now(struct stream *s)
{
	s->state = STREAM_OPEN;
	listener_stream_shaken(s);
	loop_timer_stop(&s->deadline);
	loop_flush_later(s->loop, &s->flush);
}

static void peer_ended(struct stream *s)
{
	if (s->state == STREAM_OPEN)
		stream_close(s);
	else if (s->state == STREAM_LINGERING)
		stream_end(s, OK);
}

/* Decrypts what has come and hands it over, until the owner pauses or more must come. */
static void tls_hand_over(struct stream *s)
{
	const struct span_mut clear = span_mut_of(s->loop->scratch, LOOP_SCRATCH);
	bool is_end = false;
	size_t len = 1;

	while (len > 0 && !is_end && s->is_told_open && !s->is_paused && s->state == STREAM_OPEN) {
		const struct err e = tls_read(s->tls, clear, &len, &is_end, &s->complaint);
		if (failed(e)) {
			stream_end(s, e);
			return;
		}
		hand_over(s, span_of(clear.at, len));
		secret_wipe(clear.at, len);
	}
	if (is_end)
		peer_ended(s);
}

/* The alert that tells the peer why should still reach it. */
static void tls_refuse(struct stream *s, struct err why)
{
	s->why = why;
	if (s->is_writing || failed(tls_take(s->tls, &s->out)) || s->out.len == 0 || write_out(s))
		linger(s);
}

static void tls_shake(struct stream *s)
{
	bool is_done = false;
	const struct err e = tls_handshake(s->tls, &is_done, &s->peer, &s->complaint);

	loop_flush_later(s->loop, &s->flush);
	if (failed(e))
		tls_refuse(s, e);
	else if (is_done)
		open_now(s);
}

static bool tls_answers_pile_up(const struct stream *s)
{
	return s->state == STREAM_OPEN && tls_waiting(s->tls) > TLS_ANSWERS_MAX;
}

static void tls_received(struct stream *s, struct span wire)
{
	const struct err e = tls_put(s->tls, wire);

	if (failed(e)) {
		stream_end(s, e);
		return;
	}
	if (s->state == STREAM_HANDSHAKING)
		tls_shake(s);
	tls_hand_over(s);
	if (tls_answers_pile_up(s)) {
		complain(&s->complaint, ERR(LIMIT), "peer does not read what TLS answers");
		stream_end(s, ERR(LIMIT));
	}
	if (s->state != STREAM_ENDED)
		loop_flush_later(
			s->loop, &s->flush); /* answers of TLS itself, such as key updates */
}

static void on_eof(struct stream *s)
{
	if (s->state == STREAM_HANDSHAKING) {
		complain(&s->complaint, ERR(IO), "peer ended within the TLS handshake");
		stream_end(s, ERR(IO));
	} else if (s->tls != NULL && s->state == STREAM_OPEN) {
		/* Without close_notify somebody in between may have cut it short [RFC 8446 §6.1].
		 */
		complain(&s->complaint, ERR(IO), "connection was cut without the end of TLS");
		stream_end(s, ERR(IO));
	} else {
		uv_read_stop(&s->uv.stream);
		peer_ended(s);
	}
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
	struct stream *s = handle->data;

	(void)suggested;
	*buf = uv_buf_init((char *)s->loop->scratch, LOOP_SCRATCH);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
	struct stream *s = stream->data;

	if (n == 0 || s->state == STREAM_ENDED)
		return;
	if (n == UV_EOF) {
		on_eof(s);
		return;
	}
	if (n < 0) {
		end_by_system(s, (int)n, "receiving");
		return;
	}
	/* What comes while lingering is thrown away, also unread TLS. */
	if (s->tls == NULL)
		hand_over(s, span_of(buf->base, (size_t)n));
	else if (s->state < STREAM_LINGERING)
		tls_received(s, span_of(buf->base, (size_t)n));
	secret_wipe(buf->base, (size_t)n);
}

/* Reads when the owner wants octets, when TLS needs them, and at the end. */
static void reading_set(struct stream *s)
{
	const bool is_wanted = s->state == STREAM_HANDSHAKING || s->state == STREAM_LINGERING ||
			       (s->state == STREAM_OPEN && !s->is_paused);
	int status = 0;

	if (s->state == STREAM_CONNECTING || s->state == STREAM_ENDED)
		return;
	if (!is_wanted)
		uv_read_stop(&s->uv.stream);
	else
		status = uv_read_start(&s->uv.stream, on_room, on_read);
	if (status != 0 && status != UV_EALREADY)
		end_by_system(s, status, "receiving");
}

/* What was put off to the end of the turn: the news that it is open, octets that a pause held back,
 * sending. */
static void on_flush(void *ctx)
{
	struct stream *s = ctx;

	if (s->state >= STREAM_OPEN && !s->is_told_open) {
		s->is_told_open = true;
		if (s->state == STREAM_OPEN && s->events != NULL && s->events->opened != NULL)
			s->events->opened(s->ctx, s, &s->peer);
	}
	if (s->tls != NULL)
		tls_hand_over(s);
	reading_set(s);
	send_all(s);
}

void stream_connected(struct stream *s)
{
	stream_address_take(s);
	if (s->tls == NULL) {
		open_now(s);
		return;
	}
	s->state = STREAM_HANDSHAKING;
	loop_timer_once(&s->deadline, s->handshake_ms_max);
	tls_shake(s);
}

/* ---- The owner's words ---- */

void stream_pause(struct stream *s, bool is_paused)
{
	if (s->is_paused == is_paused)
		return;
	s->is_paused = is_paused;
	/* At once: libuv reads up to 32 times before this turn of the loop ends, if it may. */
	if (is_paused)
		reading_set(s);
	if (s->state != STREAM_ENDED)
		loop_flush_later(s->loop, &s->flush);
}

void stream_set_context(struct stream *s, const struct stream_events *events, void *ctx)
{
	s->events = events;
	s->ctx = ctx;
}

const struct peer_identity *stream_peer(const struct stream *s)
{
	return &s->peer;
}

void stream_close(struct stream *s)
{
	if (s->state < STREAM_OPEN) {
		stream_end(s, OK);
	} else if (s->state == STREAM_OPEN) {
		s->state = STREAM_DRAINING;
		loop_timer_once(&s->deadline, STREAM_DRAIN_MS_MAX);
		loop_flush_later(s->loop, &s->flush);
	}
}

void stream_abort(struct stream *s)
{
	stream_end(s, OK);
}
