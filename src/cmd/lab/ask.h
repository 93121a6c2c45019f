// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/* Answers of the sites and of helpers, as JSON. Freed with yyjson_doc_free(). */
#include <sys/types.h>
#include <yyjson.h>

/* NULL where it is no JSON. */
yyjson_doc *lab_answer_read(const char *text, size_t len);
/* Member "/tunnel/established" of process "gateway" in a site's status; NULL where there is none.
 */
yyjson_val *lab_member(yyjson_doc *status, const char *process, const char *pointer);
/* 0 where it does not run. */
pid_t lab_pid(yyjson_doc *status, const char *process);
