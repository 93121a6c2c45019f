// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "rotate.h"
#include <stdio.h>

struct row {
	enum rotate_state state;
	enum rotate_event event;
	enum rotate_state next;
	uint32_t effects;
};

/* The ways out that fail, by what has to be undone. */
enum {
	FAIL = ROTATE_ABANDON | ROTATE_FAILED,
	FAIL_TOLD = FAIL | ROTATE_DROP,    /* the peer may hold the PPK */
	FAIL_ASKED = FAIL | ROTATE_REFUSE, /* the peer waits for an answer */
};

static const struct row initiator_rows[] = {
	{ROTATE_IDLE, ROTATE_ON_START, ROTATE_KEY, ROTATE_TAKE_KEY},

	{ROTATE_KEY, ROTATE_ON_KEY, ROTATE_OFFER, ROTATE_TELL_OFFER},
	{ROTATE_KEY, ROTATE_ON_NO_KEY, ROTATE_IDLE, FAIL | ROTATE_NO_KEY},
	{ROTATE_KEY, ROTATE_ON_REFUSED, ROTATE_IDLE, FAIL},
	{ROTATE_KEY, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL},
	{ROTATE_KEY, ROTATE_ON_TIMEOUT, ROTATE_IDLE, FAIL},

	{ROTATE_OFFER, ROTATE_ON_ACK, ROTATE_LOAD, ROTATE_LOAD_PPK},
	{ROTATE_OFFER, ROTATE_ON_REFUSED, ROTATE_IDLE, FAIL},
	{ROTATE_OFFER, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_OFFER, ROTATE_ON_TIMEOUT, ROTATE_IDLE, FAIL_TOLD},

	{ROTATE_LOAD, ROTATE_ON_LOADED, ROTATE_UP, ROTATE_INITIATE},
	{ROTATE_LOAD, ROTATE_ON_REFUSED, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_LOAD, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_LOAD, ROTATE_ON_TIMEOUT, ROTATE_IDLE, FAIL_TOLD},

	{ROTATE_UP, ROTATE_ON_UP, ROTATE_CONFIRM, ROTATE_LIST},
	{ROTATE_UP, ROTATE_ON_REFUSED, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_UP, ROTATE_ON_DOWN, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_UP, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_UP, ROTATE_ON_TIMEOUT, ROTATE_IDLE, FAIL_TOLD},

	{ROTATE_CONFIRM, ROTATE_ON_CONFIRMED, ROTATE_IDLE,
		ROTATE_TELL_UP | ROTATE_RETIRE | ROTATE_DONE},
	{ROTATE_CONFIRM, ROTATE_ON_DENIED, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_CONFIRM, ROTATE_ON_DOWN, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_CONFIRM, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL_TOLD},
	{ROTATE_CONFIRM, ROTATE_ON_TIMEOUT, ROTATE_IDLE, FAIL_TOLD},
};

static const struct row responder_rows[] = {
	{ROTATE_IDLE, ROTATE_ON_OFFERED, ROTATE_KEY, ROTATE_TAKE_KEY},

	{ROTATE_KEY, ROTATE_ON_KEY, ROTATE_LOAD, ROTATE_LOAD_PPK},
	{ROTATE_KEY, ROTATE_ON_NO_KEY, ROTATE_IDLE, FAIL_ASKED | ROTATE_NO_KEY},
	{ROTATE_KEY, ROTATE_ON_REFUSED, ROTATE_IDLE, FAIL_ASKED},
	{ROTATE_KEY, ROTATE_ON_DROPPED, ROTATE_IDLE, FAIL_ASKED},
	{ROTATE_KEY, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL_ASKED},
	{ROTATE_KEY, ROTATE_ON_TIMEOUT, ROTATE_IDLE, FAIL_ASKED},

	{ROTATE_LOAD, ROTATE_ON_LOADED, ROTATE_UP, ROTATE_ACCEPT},
	{ROTATE_LOAD, ROTATE_ON_REFUSED, ROTATE_IDLE, FAIL_ASKED},
	{ROTATE_LOAD, ROTATE_ON_DROPPED, ROTATE_IDLE, FAIL_ASKED},
	{ROTATE_LOAD, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL_ASKED},
	{ROTATE_LOAD, ROTATE_ON_TIMEOUT, ROTATE_IDLE, FAIL_ASKED},

	{ROTATE_UP, ROTATE_ON_ACTIVATED, ROTATE_CONFIRM, ROTATE_LIST},
	/* The initiator gave up without a word that reached us. */
	{ROTATE_UP, ROTATE_ON_OFFERED, ROTATE_KEY, ROTATE_ABANDON | ROTATE_TAKE_KEY},
	{ROTATE_UP, ROTATE_ON_DROPPED, ROTATE_IDLE, FAIL},
	{ROTATE_UP, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL},
	/* Perhaps only its word was lost: charon knows. */
	{ROTATE_UP, ROTATE_ON_TIMEOUT, ROTATE_CONFIRM, ROTATE_LIST},

	{ROTATE_CONFIRM, ROTATE_ON_CONFIRMED, ROTATE_IDLE, ROTATE_RETIRE | ROTATE_DONE},
	{ROTATE_CONFIRM, ROTATE_ON_DENIED, ROTATE_IDLE, FAIL},
	{ROTATE_CONFIRM, ROTATE_ON_DROPPED, ROTATE_IDLE, FAIL},
	{ROTATE_CONFIRM, ROTATE_ON_CHARON_LOST, ROTATE_IDLE, FAIL},
	{ROTATE_CONFIRM, ROTATE_ON_TIMEOUT, ROTATE_IDLE, FAIL},
};

static const struct {
	const struct row *rows;
	size_t count;
} tables[ROTATE_ROLES] = {
	[ROTATE_INITIATOR] = {initiator_rows, ARRAY_LEN(initiator_rows)},
	[ROTATE_RESPONDER] = {responder_rows, ARRAY_LEN(responder_rows)},
};

/* The responder is given more than the initiator, so that an offer is not outlived by its answer. */
static const struct {
	const char *word;
	uint64_t wait_ms[ROTATE_ROLES];
} states[ROTATE_STATES] = {
	[ROTATE_IDLE] = {"idle", {0, 0}},
	[ROTATE_KEY] = {"key", {10000, 8000}},
	[ROTATE_OFFER] = {"offer", {15000, 0}},
	[ROTATE_LOAD] = {"load", {5000, 5000}},
	[ROTATE_UP] = {"up", {10000, 20000}},
	[ROTATE_CONFIRM] = {"confirm", {5000, 5000}},
};

static uint64_t pause_ms(uint32_t failed_in_row)
{
	uint64_t ms = ROTATE_PAUSE_MS_MIN;

	for (uint32_t i = 1; i < failed_in_row && ms < ROTATE_PAUSE_MS_MAX; i++)
		ms *= 2;
	return ms < ROTATE_PAUSE_MS_MAX ? ms : ROTATE_PAUSE_MS_MAX;
}

void rotate_open(
	struct rotate *r, enum rotate_role role, struct rotate_times times, struct moment now)
{
	*r = (struct rotate){.role = role, .times = times, .start_ms = now.mono_ms};
}

void rotate_retime(struct rotate *r, struct rotate_times times, struct moment now)
{
	const bool is_other_lifetime = times.lifetime_ms != r->times.lifetime_ms;

	r->times = times;
	r->is_retimed = is_other_lifetime && r->state != ROTATE_IDLE;
	if (r->done > 0 && r->failed_in_row == 0) /* else it starts soon anyhow */
		r->start_ms = is_other_lifetime ? now.mono_ms : r->done_ms + times.period_ms;
}

static void outcome_note(struct rotate *r, uint32_t effects, struct moment now)
{
	if (effects & ROTATE_DONE) {
		r->done++;
		r->done_ms = now.mono_ms;
		r->failed_in_row = 0;
		r->has_expired = false;
		r->start_ms = now.mono_ms + (r->is_retimed ? 0 : r->times.period_ms);
		r->is_retimed = false;
	}
	if (effects & ROTATE_FAILED) {
		r->failed++;
		r->failed_in_row++;
		r->start_ms = now.mono_ms + pause_ms(r->failed_in_row);
	}
}

uint32_t rotate_step(struct rotate *r, enum rotate_event event, struct moment now)
{
	for (size_t i = 0; i < tables[r->role].count; i++) {
		const struct row *row = &tables[r->role].rows[i];
		if (row->state != r->state || row->event != event)
			continue;
		r->state = row->next;
		r->deadline_ms = now.mono_ms + states[row->next].wait_ms[r->role];
		outcome_note(r, row->effects, now);
		return row->effects;
	}
	r->unexpected++;
	return 0;
}

/* When an idle machine starts by itself. */
static uint64_t due_ms(const struct rotate *r)
{
	const bool can_start =
		r->role == ROTATE_INITIATOR && r->state == ROTATE_IDLE && !r->is_held;

	return can_start ? r->start_ms : UINT64_MAX;
}

static uint64_t expiry_ms(const struct rotate *r)
{
	return r->done == 0 || r->has_expired ? UINT64_MAX : r->done_ms + r->times.lifetime_ms;
}

uint32_t rotate_tick(struct rotate *r, struct moment now)
{
	if (now.mono_ms >= expiry_ms(r)) {
		r->has_expired = true;
		return ROTATE_EXPIRED;
	}
	if (r->state != ROTATE_IDLE && now.mono_ms >= r->deadline_ms)
		return rotate_step(r, ROTATE_ON_TIMEOUT, now);
	if (now.mono_ms >= due_ms(r))
		return rotate_step(r, ROTATE_ON_START, now);
	return 0;
}

uint64_t rotate_next_ms(const struct rotate *r)
{
	uint64_t next = expiry_ms(r);

	if (r->state != ROTATE_IDLE && r->deadline_ms < next)
		next = r->deadline_ms;
	return due_ms(r) < next ? due_ms(r) : next;
}

void rotate_hurry(struct rotate *r, struct moment now)
{
	if (r->start_ms > now.mono_ms + ROTATE_PAUSE_MS_MIN)
		r->start_ms = now.mono_ms + ROTATE_PAUSE_MS_MIN;
}

static void uuid_text(char out[static 37], const uint8_t key_id[static 16])
{
	static const uint8_t dash_before[] = {4, 6, 8, 10};
	size_t at = 0, dash = 0;

	for (size_t i = 0; i < 16; i++) {
		if (dash < ARRAY_LEN(dash_before) && i == dash_before[dash]) {
			out[at++] = '-';
			dash++;
		}
		hex_from_span(out + at, span_of(key_id + i, 1));
		at += 2;
	}
}

void rotate_ppk_id(char out[static ROTATE_NAME_MAX], const uint8_t key_id[static 16])
{
	char uuid[37];

	uuid_text(uuid, key_id);
	snprintf(out, ROTATE_NAME_MAX, "%s@merlon", uuid);
}

void rotate_connection(char out[static ROTATE_NAME_MAX], const uint8_t key_id[static 16])
{
	char uuid[37];

	uuid_text(uuid, key_id);
	snprintf(out, ROTATE_NAME_MAX, "merlon-%s", uuid);
}

const char *rotate_state_word(enum rotate_state state)
{
	return states[state].word;
}
