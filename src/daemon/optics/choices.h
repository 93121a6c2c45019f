// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* The command line of merlon-optics. */
#include "qkd/optics_model.h"

enum { CHOICES_ATTACKS_MAX = 8 };

struct choices {
	struct optics_settings optics;
	const char *alice, *bob, *record_alice, *record_bob, *rate, *attack_kind;
	double mode, intercepted, attack, is_unmonitored, free_running;
	/* Of the texts above. */
	double slots_per_second;
	bool is_unpaced;
	enum optics_attack attacks[CHOICES_ATTACKS_MAX]; /* SIGUSR1 begins one after the other */
	size_t attack_count;
};

/* 0: go on; otherwise the exit status + 1. */
int choices_take(struct choices *out, int argc, char **argv);
