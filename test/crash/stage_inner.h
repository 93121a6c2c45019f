// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Between the halves of the stage: stage.c lives and dies, stage_play.c asks. */
#include "stage.h"

/* Sends a request; the answer's id. */
uint64_t stage_ask(struct stage *s, struct stage_end *e, uint16_t type, const struct writer *w);
/* Waits for whatever comes, and takes it in. */
void stage_turn(struct stage *s);

void stage_imsi(uint32_t card, char imsi[static IMSI_TEXT]);
/* What stands for sealed keys: whose they are, and by which import they came. */
struct span stage_sealed(const char *imsi, unsigned number, char text[static 64]);
