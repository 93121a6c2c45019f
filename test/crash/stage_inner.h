// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Between the parts of the stage: stage.c lives and dies, stage_play.c asks, stage_vault.c answers. */
#include "stage.h"

/* Sends a request; the answer's id. */
uint64_t stage_ask(struct stage *s, struct stage_end *e, uint16_t type, const struct writer *w);
/* Waits for whatever comes, and takes it in. */
void stage_turn(struct stage *s);

void stage_imsi(uint32_t card, char imsi[static IMSI_TEXT]);
uint32_t stage_card(const char *imsi);
/* What stands for sealed keys. */
struct span stage_sealed(
	const char *imsi, unsigned number, struct stage_key key, uint8_t out[static STAGE_SEALED]);

void stage_answer(struct stage *s, struct stage_end *e, const struct ipc_frame *question,
	struct err err, const struct writer *w);
void stage_on_vault_frame(struct stage *s, const struct ipc_frame *frame);
/* Wrapped keys into s->keys; into `again` those that are under the former root. */
void stage_keys_take(struct stage *s, struct span body, struct auc_wrapped_keys *again,
	char texts[static AUC_WRAPPED_KEYS_MAX][64]);
_Noreturn void stage_die(const char *what);
