// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "ldpc_decode.h"
#include "base/secret.h"
#include <math.h>
#include <string.h>

static size_t aligned(size_t octets)
{
	return (octets + 63) / 64 * 64;
}

struct layout {
	size_t posteriors, messages, ratios, places, turned, syndrome, words, end;
};

static struct layout layout_of(uint32_t columns, uint32_t lifts)
{
	const size_t words = (size_t)columns * lifts;
	struct layout l = {0};

	l.messages = words * LDPC_POSTERIOR_OCTETS;
	l.ratios = l.messages + (size_t)LDPC_EDGES_MAX * lifts * LDPC_LANES;
	l.places = l.ratios + (size_t)LDPC_ROW_EDGES_MAX * LDPC_LANES;
	l.turned = l.places + aligned(LDPC_ROW_EDGES_MAX * sizeof(uint32_t));
	l.syndrome = l.turned + aligned(words);
	l.words = l.syndrome + 2 * (size_t)LDPC_ROWS_MAX * lifts * 8;
	l.end = aligned(l.words + words * 8);
	return l;
}

size_t ldpc_frame_octets(uint32_t columns, uint32_t lifts)
{
	return layout_of(columns, lifts).end;
}

void ldpc_frame_place(struct ldpc_frame *f, uint8_t *memory, uint32_t columns, uint32_t lifts,
	enum ldpc_path path)
{
	const struct layout l = layout_of(columns, lifts);

	f->state = (struct ldpc_state){
		.path = path,
		.posteriors = (int8_t *)(memory + l.posteriors),
		.messages = (int8_t *)(memory + l.messages),
		.ratios = (int8_t *)(memory + l.ratios),
		.at = (uint32_t *)(void *)(memory + l.places),
		.turned = memory + l.turned,
	};
	f->syndrome = (uint64_t *)(void *)(memory + l.syndrome);
	f->words = (uint64_t *)(void *)(memory + l.words);
}

/* The log-likelihood ratio of a bit as it arrives, in steps. */
static int8_t ratio_of(double qber)
{
	static const double steps = LDPC_STEPS_A_NAT, ratio_max = LDPC_MESSAGE_MAX;
	const double q = qber < 0.0005 ? 0.0005 : qber > 0.4 ? 0.4 : qber;

	return (int8_t)fmin(ratio_max, round(steps * log((1 - q) / q)));
}

void ldpc_frame_wipe(struct ldpc_frame *f, const struct ldpc_code *code)
{
	const size_t words = (size_t)code->columns * code->lifts;

	secret_wipe(f->words, words * sizeof *f->words);
	secret_wipe(f->state.posteriors, words * ldpc_posterior_octets(f->state.path));
	secret_wipe(f->state.messages, (size_t)code->start[code->rows] * code->lifts * LDPC_LANES);
	secret_wipe(f->state.ratios, (size_t)LDPC_ROW_EDGES_MAX * LDPC_LANES);
	secret_wipe(f->syndrome, 2 * (size_t)code->rows * code->lifts * sizeof *f->syndrome);
}

void ldpc_frame_begin(
	struct ldpc_frame *f, const struct ldpc_code *code, uint32_t bits, double qber)
{
	memset(f->syndrome, 0, 2 * (size_t)code->rows * code->lifts * sizeof *f->syndrome);
	f->bits = bits;
	f->ratio = ratio_of(qber);
	f->split = 0;
}

static void state_begin(struct ldpc_frame *f, const struct ldpc_code *code)
{
	const size_t words = (size_t)code->columns * code->lifts;
	const size_t each = ldpc_posterior_octets(f->state.path);

	memset(f->state.messages, 0, (size_t)code->start[code->rows] * code->lifts * LDPC_LANES);
	memset(f->state.turned, 0, words);
	memset(f->state.posteriors, f->ratio, words * each);
	for (size_t i = f->bits; i < words * LDPC_LANES; i++) {
		int8_t *p = f->state.posteriors + i / 64 * each + i % 64;
		p[0] = p[each - LDPC_LANES] = INT8_MAX;
	}
}

static uint32_t row_update(struct ldpc_frame *f, const struct ldpc_code *code, uint32_t row)
{
	const uint64_t *whole = f->syndrome + (size_t)row * code->lifts;
	const uint64_t *half = whole + (size_t)code->rows * code->lifts;
	const uint32_t from = code->start[row], middle = code->half[row],
		       end = code->start[row + 1];
	uint32_t different = 0;

	for (uint32_t q = 0; q < code->lifts; q++) {
		if (row >= f->split) {
			different += ldpc_check(code, &f->state, from, end, q, whole[q]);
			continue;
		}
		different += ldpc_check(code, &f->state, from, middle, q, half[q]);
		different += ldpc_check(code, &f->state, middle, end, q, whole[q] ^ half[q]);
	}
	return different;
}

static uint64_t signs_of(const int8_t *lanes)
{
	uint64_t bits = 0;

	for (uint32_t i = 0; i < LDPC_LANES; i++)
		bits |= (uint64_t)(lanes[i] < 0) << i;
	return bits;
}

static void words_write(struct ldpc_frame *f, const struct ldpc_code *code)
{
	for (size_t i = 0; i < (size_t)code->columns * code->lifts; i++) {
		const uint64_t v =
			signs_of(f->state.posteriors + i * ldpc_posterior_octets(f->state.path));
		const uint32_t t = f->state.turned[i];
		f->words[i] = t == 0 ? v : v << t | v >> (64 - t);
	}
}

/* Behind the frame's bits there are zeros at both ends. */
static bool has_error_behind(const struct ldpc_frame *f, const struct ldpc_code *code)
{
	const size_t words = (size_t)code->columns * code->lifts;
	size_t i = f->bits / 64;

	if (f->bits % 64 != 0 && f->words[i++] >> f->bits % 64 != 0)
		return true;
	for (; i < words; i++)
		if (f->words[i] != 0)
			return true;
	return false;
}

static bool is_right(struct ldpc_frame *f, const struct ldpc_code *code)
{
	const size_t octets = code->lifts * sizeof(uint64_t);
	uint64_t sums[LDPC_LIFTS_MAX];

	words_write(f, code);
	if (has_error_behind(f, code))
		return false;
	for (uint32_t r = 0; r < code->rows; r++) {
		const uint64_t *whole = f->syndrome + (size_t)r * code->lifts;
		ldpc_row_sums(code, r, false, f->words, sums);
		if (memcmp(sums, whole, octets) != 0)
			return false;
		if (r >= f->split)
			continue;
		ldpc_row_sums(code, r, true, f->words, sums);
		if (memcmp(sums, whole + (size_t)code->rows * code->lifts, octets) != 0)
			return false;
	}
	return true;
}

/*
 * A few checks that do not come right lie about a trapping set [Richardson 2003]: some bits, all in error, that hold each other. Their
 * posteriors have stayed below what they began with; they are turned, and the checks say whether that was right.
 */
static void doubtful_turn(struct ldpc_frame *f, const struct ldpc_code *code)
{
	const size_t octets =
		(size_t)code->columns * code->lifts * ldpc_posterior_octets(f->state.path);

	for (size_t i = 0; i < octets; i++) {
		int8_t *p = &f->state.posteriors[i];
		if (*p > 0 && *p < f->ratio)
			*p = (int8_t)-*p;
	}
}

static uint32_t iteration(struct ldpc_frame *f, const struct ldpc_code *code)
{
	uint32_t different = 0;

	for (uint32_t r = 0; r < code->rows; r++)
		different += row_update(f, code, r);
	return different;
}

bool ldpc_frame_run(struct ldpc_frame *f, const struct ldpc_code *code)
{
	const uint32_t few = code->lifts * LDPC_FEW_PER_LIFT;
	uint32_t least = UINT32_MAX, since = 0;

	state_begin(f, code);
	f->turns = 0;
	for (uint32_t i = 0; i < LDPC_ITERATIONS_MAX && since < LDPC_PATIENCE; i++) {
		const uint32_t different = iteration(f, code);
		if (different == 0 && is_right(f, code))
			return true;
		since = different < least ? 0 : since + 1;
		least = different < least ? different : least;
		if (since < LDPC_PATIENCE || least > few || f->turns == LDPC_TURNS_MAX)
			continue;
		f->turns++;
		since = 0;
		doubtful_turn(f, code);
	}
	return false;
}
