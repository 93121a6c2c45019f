// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The quantum link in CONFIG: what a schema cannot say of it. */
#include "site.h"
#include "qkd/reconciler.h"
#include <inttypes.h>
#include <string.h>

static struct err check_word(const char *path, struct complaint *c, const char *key,
	const char *value, const char *first, const char *second)
{
	if (value == NULL || strcmp(value, first) == 0 || strcmp(value, second) == 0)
		return OK;
	return complain(c, ERR(INPUT), "%s: %s: '%s' or '%s' is expected: '%s'", path, key, first,
		second, value);
}

static struct err check_correction(const char *path, struct complaint *c, const char *value)
{
	enum reconcile_mode mode;

	if (value == NULL || reconcile_mode_read(value, &mode))
		return OK;
	return complain(c, ERR(INPUT),
		"%s: qkd.error_correction: 'auto', 'cascade' or 'ldpc' is expected: '%s'", path,
		value);
}

static struct err check_protocol(
	const char *path, struct complaint *c, const struct site_qkd_protocol *p)
{
	struct err e = check_word(path, c, "qkd.protocol.kind", p->kind, "two-decoy", "one-decoy");

	if (failed(e))
		return e;
	const struct {
		const char *key;
		const double *value;
		double most;
	} rows[] = {{"mu1", p->mu1, 2}, {"mu2", p->mu2, 2}, {"mu3", p->mu3, 2}, {"p1", p->p1, 1},
		{"p2", p->p2, 1}, {"p3", p->p3, 1}, {"basis_x", p->basis_x, 1},
		{"qber_max", p->qber_max, 0.5}};

	/* What the values must be to each other the process says at its start. */
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].value != NULL &&
			!(*rows[i].value >= 0 && *rows[i].value <= rows[i].most))
			return complain(c, ERR(INPUT),
				"%s: qkd.protocol.%s: a number from 0 to %g is expected: '%g'",
				path, rows[i].key, rows[i].most, *rows[i].value);
	return OK;
}

static struct err check_watch(const char *path, struct complaint *c, const struct site_qkd_watch *w)
{
	const struct {
		const char *key;
		const double *value;
	} rows[] = {{"unequal_max", w->unequal_max},
		{"intensity_tolerance", w->intensity_tolerance},
		{"gate_centre_least", w->gate_centre_least}, {"doubles_least", w->doubles_least}};

	if (w->monitor != NULL && strcmp(w->monitor, "auto") != 0 &&
		strcmp(w->monitor, "required") != 0 && strcmp(w->monitor, "off") != 0)
		return complain(c, ERR(INPUT),
			"%s: qkd.watch.monitor: auto, required or off is expected: '%s'", path,
			w->monitor);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].value != NULL && !(*rows[i].value >= 0 && *rows[i].value <= 1))
			return complain(c, ERR(INPUT),
				"%s: qkd.watch.%s: a number from 0 to 1 is expected: '%g'", path,
				rows[i].key, *rows[i].value);
	return OK;
}

static struct err check_random(
	const char *path, struct complaint *c, const struct site_qkd_random *r)
{
	const uint64_t bits = r->sample_bits != NULL ? *r->sample_bits : 8;

	if (bits != 1 && bits != 8)
		return complain(c, ERR(INPUT),
			"%s: qkd.random.sample_bits: 1 or 8 is expected: '%" PRIu64 "'", path,
			bits);
	if (bits == 1 && r->min_entropy == NULL)
		return complain(c, ERR(INPUT),
			"%s: qkd.random.min_entropy: is needed with sample_bits: 1", path);
	if (r->min_entropy != NULL && !(*r->min_entropy > 0 && *r->min_entropy <= (double)bits))
		return complain(c, ERR(INPUT),
			"%s: qkd.random.min_entropy: a number above 0, up to %" PRIu64
			" is expected: '%g'",
			path, bits, *r->min_entropy);
	return OK;
}

struct err site_qkd_check(const struct site_qkd *q, const char *path, struct complaint *c)
{
	struct err e = check_correction(path, c, q->error_correction);

	if (!failed(e) && q->protocol != NULL)
		e = check_protocol(path, c, q->protocol);
	if (!failed(e) && q->random != NULL)
		e = check_random(path, c, q->random);
	if (!failed(e) && q->watch != NULL)
		e = check_watch(path, c, q->watch);
	return e;
}
