// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "random.h"
#include "crypt/hkdf.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SALT = 32, RAW_MAX = 64 << 10 };

static struct err fault(struct random_source *r, const char *why)
{
	if (r->fault == NULL)
		r->fault = why;
	r->stock_len = 0;
	if (r->stock.len > 0)
		secret_wipe(r->stock.bytes, r->stock.len);
	return ERR(CRYPTO);
}

static uint64_t now_ms(void)
{
	struct timespec t = {0};

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Fills `raw` with fresh samples, tests them. */
static struct err samples_take(struct random_source *r, struct span_mut raw)
{
	const uint64_t until_ms = now_ms() + RANDOM_WAIT_MS;
	size_t got = 0;

	while (got < raw.len) {
		const ssize_t n = read(r->fd, raw.at + got, raw.len - got);
		if (n > 0) {
			got += (size_t)n;
			continue;
		}
		if (n == 0)
			return fault(r, "it ended");
		if (errno != EAGAIN && errno != EINTR)
			return fault(r, "it cannot be read");
		const uint64_t t = now_ms();
		if (t >= until_ms)
			return fault(r, "it says nothing");
		struct pollfd ready = {.fd = r->fd, .events = POLLIN};
		(void)poll(&ready, 1, (int)(until_ms - t)); /* the next read says how it went */
	}
	health_feed(&r->health, span_of(raw.at, raw.len));
	return r->health.state == HEALTH_FAULT ? fault(r, r->health.fault) : OK;
}

/* One piece: the system's octets XOR what follows from the samples. */
static struct err mix(struct random_source *r, struct span_mut out)
{
	static const char purpose[] = "merlon random 1";
	const struct span_mut piece = span_mut_of(r->piece.bytes, out.len);
	uint8_t salt[SALT];

	struct err e = entropy_fill(&r->system, SPAN_MUT_ARRAY(salt));
	if (!failed(e))
		e = entropy_fill(&r->system, out);
	if (failed(e))
		return fault(r, "the system's generator refuses");
	e = samples_take(r, secret_span_mut(&r->raw));
	if (!failed(e))
		e = hkdf_sha256(secret_span(&r->raw), SPAN_ARRAY(salt), span_str(purpose), piece);
	for (size_t i = 0; i < out.len && !failed(e); i++)
		out.at[i] ^= piece.at[i];
	secret_wipe(r->raw.bytes, r->raw.len);
	secret_wipe(piece.at, piece.len);
	secret_wipe(salt, sizeof salt);
	return e;
}

/* A bit for a double click is not worth samples of its own. */
static struct err stock_take(struct random_source *r, struct span_mut out)
{
	struct err e = OK;

	if (r->stock_len < out.len) {
		e = mix(r, secret_span_mut(&r->stock));
		r->stock_len = failed(e) ? 0 : r->stock.len;
	}
	if (failed(e))
		return e;
	r->stock_len -= out.len;
	memcpy(out.at, r->stock.bytes + r->stock_len, out.len);
	secret_wipe(r->stock.bytes + r->stock_len, out.len);
	return OK;
}

static struct err pieces_take(struct random_source *r, struct span_mut out)
{
	struct err e = OK;

	for (size_t at = 0; at < out.len && !failed(e); at += RANDOM_PIECE)
		e = mix(r, span_mut_of(out.at + at,
				   out.len - at < RANDOM_PIECE ? out.len - at : RANDOM_PIECE));
	return e;
}

static struct err fill(void *ctx, struct span_mut out)
{
	struct random_source *r = ctx;
	struct err e = r->fault != NULL ? ERR(CRYPTO) : OK;

	if (!failed(e) && r->fd < 0) {
		e = entropy_fill(&r->system, out);
		if (failed(e))
			e = fault(r, "the system's generator refuses");
	}
	if (!failed(e) && r->fd >= 0 && out.len > 0)
		e = out.len <= RANDOM_SMALL ? stock_take(r, out) : pieces_take(r, out);
	if (failed(e) && out.len > 0)
		secret_wipe(out.at, out.len);
	r->octets += failed(e) ? 0 : out.len;
	return e;
}

struct entropy random_entropy(struct random_source *r)
{
	return (struct entropy){.ctx = r, .fill = fill};
}

/* ---- opening ---- */

/* A file gives the same again at each start: no source. */
static bool is_source(int fd)
{
	struct stat s;

	return fstat(fd, &s) == 0 && (S_ISCHR(s.st_mode) || S_ISFIFO(s.st_mode));
}

static struct err device_open(struct random_source *r, const char *device, struct complaint *c)
{
	r->fd = open(device, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (r->fd < 0)
		return complain(
			c, ERR(IO), "random.device: cannot open %s: %s", device, strerror(errno));
	if (!is_source(r->fd))
		return complain(
			c, ERR(INPUT), "random.device: %s is no device and no FIFO", device);
	return OK;
}

/* [SP 800-90B §4.3]: these samples are used for nothing else. A failure is a fault, not an error. */
static void start_up(struct random_source *r)
{
	const size_t octets = HEALTH_START_SAMPLES * r->health.claim.sample_bits / 8;
	struct err e = OK;

	for (size_t at = 0; at < octets && !failed(e);) {
		const size_t n = octets - at < r->raw.len ? octets - at : r->raw.len;
		e = samples_take(r, span_mut_of(r->raw.bytes, n));
		at += n;
	}
	secret_wipe(r->raw.bytes, r->raw.len);
}

struct err random_open(struct random_source *r, const char *device,
	const struct health_claim *claim, struct entropy system, struct complaint *c)
{
	*r = (struct random_source){.fd = -1, .system = system};
	if (device == NULL || device[0] == '\0')
		return OK;
	struct err e = health_open(&r->health, claim, c);
	const size_t raw = failed(e) ? 1 : health_octets_for(claim, RANDOM_CLAIMED_BITS);
	if (!failed(e) && raw > RAW_MAX)
		e = complain(
			c, ERR(INPUT), "random.min_entropy: %g is too little", claim->min_entropy);
	if (!failed(e))
		e = device_open(r, device, c);
	if (!failed(e))
		e = secret_open(&r->raw, raw);
	if (!failed(e))
		e = secret_open(&r->piece, RANDOM_PIECE);
	if (!failed(e))
		e = secret_open(&r->stock, RANDOM_STOCK);
	if (failed(e)) {
		random_close(r);
		return complain(c, e, "random.device: no memory for secrets");
	}
	start_up(r);
	return OK;
}

void random_close(struct random_source *r)
{
	if (r->fd >= 0)
		close(r->fd);
	secret_close(&r->raw);
	secret_close(&r->piece);
	secret_close(&r->stock);
	secret_wipe(&r->health, sizeof r->health);
	*r = (struct random_source){.fd = -1, .fault = "it is closed"};
}
