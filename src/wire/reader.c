// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "reader.h"

void reader_fault(struct reader *r, struct err e, const char *field, const char *clause)
{
	if (reader_failed(r))
		return;
	*r->fault = (struct wire_fault){
		.err = e, .offset = (size_t)(r->at - r->base), .field = field, .clause = clause};
}
