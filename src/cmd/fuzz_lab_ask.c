// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/ask.h"
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A process that is found has a number that is a process id, whatever was written there. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	yyjson_doc *doc = lab_answer_read((const char *)data, size);

	if (lab_pid(doc, "qkd") < 0 || lab_pid(NULL, "qkd") != 0)
		abort();
	(void)yyjson_get_num(lab_member(doc, "qkd", "/qber"));
	yyjson_doc_free(doc);
	return 0;
}
