// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The stage for merlon-auc-store: the real process, started as the supervisor starts it, and all its
 * neighbours played by the test: supervisor, front, vault, importer. The vault is the recorder: every
 * number that the store decides on is seen there first. It computes nothing; a vector carries its SQN.
 * To each subscriber there is a card (support/usim.h), which takes or refuses what reaches the front.
 *
 * A process may die at any moment. Then whatever was asked answers STAGE_DEAD, and the stage is struck
 * and set again for the next life; cards, numbers and what was promised stay.
 */
#include "clock.h"
#include "codec/auc_msg.h"
#include "support/numbers.h"
#include "support/prop.h"
#include "support/usim.h"
#include "traced.h"

enum { STAGE_CARDS = 24, STAGE_ASKS_MAX = 16, STAGE_IMPORTS_MAX = 8 };
enum { STAGE_SEALED = 58 };
enum { STAGE_LEASE = 16 }; /* units that a lease reaches ahead: the least that the process takes */

enum stage_word { STAGE_OK, STAGE_REFUSED, STAGE_DEAD };

struct card {
	struct usim usim;
	uint8_t keys;    /* number of the import whose keys the store must have, durably; 0: none */
	bool may_refuse; /* another card was put in its place: one AUTS is its right */
};

/* An import as it was asked for: rows first … first + count - 1. */
struct stage_import {
	uint8_t number; /* from 1: also its id */
	uint32_t first, count;
	uint64_t seq; /* used elsewhere; 0: none named */
	bool is_told; /* its commit was answered OK */
};

/* A key-encryption key. Of two that were made under one id, the serial tells which. */
struct stage_key {
	uint32_t id, serial;
};

struct stage_end {
	int fd;
	uint8_t *bytes;
	size_t len;
	uint64_t ids;
};

struct stage_question {
	uint64_t id; /* 0: free */
	uint32_t card;
	struct auth_request request;
	bool is_refused; /* by the card */
	struct err err;
	bool is_answered;
};

struct stage_faults {
	uint64_t repeated; /* SEQ that came twice */
	uint64_t refused;  /* vectors that a card refused which had no reason to */
	uint64_t lost;     /* subscribers that were promised and are not known */
	uint64_t halved;   /* imports that are there in part */
	uint64_t foreign;  /* sealed keys that are not the subscriber's newest */
	uint64_t no_start; /* lives that did not begin though the database is ours */
};

struct stage {
	char folder[64], database[96], clock_file[96];
	struct crash_clock *clock;
	/* Over all lives. */
	struct card cards[STAGE_CARDS];
	struct numbers numbers;
	struct stage_import imports[STAGE_IMPORTS_MAX];
	size_t import_count;
	struct stage_faults faults;
	uint64_t vectors, resyncs, resealed, lives;
	uint32_t key_serials;
	unsigned root, root_former; /* under which key-encryption keys are wrapped */
	/* This life. */
	struct traced process;
	struct stage_key keys[AUC_WRAPPED_KEYS_MAX]; /* that the vault was given; ids rise */
	size_t key_count;
	bool is_dead, is_ready;
	struct err ready_err;
	char complaint[256];
	int handover;
	struct stage_end control, front, vault, import;
	struct stage_question asks[STAGE_ASKS_MAX];
	uint64_t awaited; /* id at the importer, or the front's other questions */
	struct err awaited_err;
	char awaited_text[64];
	bool is_awaited_done;
};

void stage_open(struct stage *s, const char *build); /* a folder of its own */
void stage_close(struct stage *s);
/* The recorder, the cards and the promises begin anew, with an empty database. */
void stage_forget(struct stage *s);

/* Sets the stage: kill_at as in traced.h; is_plain: not traced. STAGE_OK once the process is ready. */
enum stage_word stage_begin(
	struct stage *s, bool is_plain, enum traced_which which, uint64_t kill_at);
/* In order, as the supervisor stops it. */
void stage_stop(struct stage *s);
/* kill -9 now. */
void stage_kill(struct stage *s);

enum stage_word stage_import(struct stage *s, uint32_t first, uint32_t count, uint64_t seq);
/* `count` vectors for the card at that node; where the card refuses, AUTS, and then it must take. */
enum stage_word stage_vectors(struct stage *s, uint32_t card, uint32_t node, uint8_t count);
/* The same for several at once: none waits for another. */
enum stage_word stage_vectors_at_once(
	struct stage *s, const uint32_t *cards, const uint32_t *nodes, size_t n);
/* As the operator asks: `merlon subscriber remove`, `merlon auc rotate-kek` and others. */
enum stage_word stage_query(struct stage *s, const char *verb, const char *argument);
enum stage_word stage_remove(struct stage *s, uint32_t card);
/* A new key-encryption key, and all rows sealed anew under it. */
enum stage_word stage_rotate(struct stage *s);
/* Another card in its place, which has seen that SEQ last. */
void stage_replace_card(struct stage *s, uint32_t card, uint64_t seq);
/* Both clocks go on. */
void stage_wait_s(struct stage *s, int64_t seconds);
/* Are those known who were promised, and no import in part? After a start. */
enum stage_word stage_check_subscribers(struct stage *s);
/* Counts what came twice into the faults. */
void stage_count_repeats(struct stage *s);
bool stage_is_faultless(const struct stage *s);
void stage_print_faults(const struct stage *s);
