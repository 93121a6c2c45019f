// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* One subscriber as osmo-hlr's database has him, and what he becomes. */
#include "codec/subscriber_row.h"

struct osmo_hlr_row {
	const char *imsi, *msisdn;          /* NULL: none, as of each text below */
	int64_t algorithm_2g, algorithm_3g; /* 0: no such keys */
	const char *ki;
	const char *k, *op, *opc;
	int64_t sqn, ind_bits;
};

/* NULL, or why he cannot be taken. */
const char *osmo_hlr_convert(const struct osmo_hlr_row *from, struct subscriber_row *row);
