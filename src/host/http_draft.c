// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "http_inner.h"
#include <strings.h>

void http_draft_open(struct http_draft *d, struct http_server *server)
{
	*d = (struct http_draft){.server = server};
}

void http_draft_close(struct http_draft *d)
{
	d->server->draft_octets -= d->body.len;
	octets_close(&d->target);
	octets_close(&d->body);
	http_draft_open(d, d->server);
}

void http_draft_refuse(struct http_draft *d, unsigned status)
{
	if (d->refusal == 0)
		d->refusal = status;
}

static bool copy_text(char *out, size_t size, struct span text)
{
	if (text.len >= size)
		return false;
	if (text.len > 0)
		memcpy(out, text.at, text.len);
	out[text.len] = '\0';
	return true;
}

void http_draft_method(struct http_draft *d, struct span method)
{
	if (!copy_text(d->method, sizeof d->method, method))
		http_draft_refuse(d, 501);
}

void http_draft_target(struct http_draft *d, struct span part)
{
	if (d->target.len + part.len > HTTP_TARGET_MAX)
		http_draft_refuse(d, 414);
	else if (failed(octets_put(&d->target, part)))
		http_draft_refuse(d, 503);
}

void http_draft_header(struct http_draft *d, struct span name, struct span value)
{
	static const char content_type[] = "content-type";

	d->headers++;
	d->head_octets += name.len + value.len;
	if (d->headers > HTTP_HEADERS_MAX || d->head_octets > HTTP_HEAD_MAX)
		http_draft_refuse(d, 431);
	else if (name.len == sizeof content_type - 1 &&
		 strncasecmp((const char *)name.at, content_type, name.len) == 0 &&
		 !copy_text(d->content_type, sizeof d->content_type, value))
		http_draft_refuse(d, 431);
}

void http_draft_body(struct http_draft *d, struct span part)
{
	if (d->refusal != 0)
		return;
	if (d->body.len + part.len > HTTP_BODY_MAX) {
		http_draft_refuse(d, 413);
	} else if (d->server->draft_octets + part.len > HTTP_DRAFTS_MAX ||
		   failed(octets_put(&d->body, part))) {
		http_draft_refuse(d, 503);
	} else {
		d->server->draft_octets += part.len;
	}
}

/* Visible ASCII without '#': what else comes is no target [RFC 9112 §3.2]. */
static bool is_target(struct span target)
{
	for (size_t i = 0; i < target.len; i++)
		if (target.at[i] <= 0x20 || target.at[i] > 0x7e || target.at[i] == '#')
			return false;
	return target.len > 0 && target.at[0] == '/';
}

bool http_draft_split(struct http_draft *d, const char **path, const char **query)
{
	if (!is_target(octets_span(&d->target))) {
		http_draft_refuse(d, 400);
		return false;
	}
	if (failed(octets_put(&d->target, span_of("", 1)))) {
		http_draft_refuse(d, 503);
		return false;
	}
	char *text = (char *)d->target.at + d->target.head;
	char *mark = strchr(text, '?');
	if (mark != NULL)
		*mark = '\0';
	*path = text;
	*query = mark != NULL ? mark + 1 : "";
	return true;
}
