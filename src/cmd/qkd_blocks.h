// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * The leak ledger for people and programs: `merlon qkd blocks`.
 *
 * With -o json each block is one JSON object on a line of its own, the newest last. Its members, which stay as they are (others may be
 * added): unix_ms, time, site, link, block_id, role, optics, state (of the key store: pending, final, agreed, ready,
 * spent, void; or aborted), abort (a reason, or "none"), qber, test_qber, phase_error, detections, sifted, revealed,
 * corrected, parities, answers, tag_bits, seed_bits, final_bits, refill_bits, f (null where nothing was corrected), mode (null where the
 * report names none).
 */
#include <stdint.h>
#include <stdio.h>
#include <yyjson.h>

/* f = parities / (sifted h(qber)); negative where it means nothing. */
double qkd_block_f(yyjson_val *block);
/* One object a line. `site` becomes a member. */
void qkd_block_print_json(FILE *out, const char *site, yyjson_val *block);
/* A line of the table; NULL: its head. */
void qkd_block_print_row(FILE *out, const char *site, yyjson_val *block);
