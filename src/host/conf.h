// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Configuration files: YAML by a schema in C (libcyaml). Anything that the schema does not know is an error, with
 * its place and the nearest name that it does know:
 *
 *     core.yaml:7:3: unknown key 'adress' (did you mean 'address'?)
 *
 * A file is loaded whole or not at all, and loading has no effect but to fill a structure.
 */
#include "base/err.h"
#include <cyaml/cyaml.h>

/* *out is a new structure of the schema's kind; give it back with conf_free(). */
MUST_USE struct err conf_load(
	const char *path, const cyaml_schema_value_t *schema, void **out, struct complaint *c);
void conf_free(const cyaml_schema_value_t *schema, void *loaded);

/* The key of the schema, at any depth, that is nearest to `word`; NULL when none is near. */
const char *conf_nearest(const cyaml_schema_value_t *schema, const char *word);
