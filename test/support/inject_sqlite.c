// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "inject.h"
#include <assert.h>
#include <sqlite3.h>

static sqlite3_mem_methods real;

static void *counted_malloc(int octets)
{
	return inject_now(INJECT_ALLOC) ? NULL : real.xMalloc(octets);
}

static void *counted_realloc(void *at, int octets)
{
	return inject_now(INJECT_ALLOC) ? NULL : real.xRealloc(at, octets);
}

void inject_sqlite(void)
{
	sqlite3_mem_methods counted;

	int rc = sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
	counted = real;
	counted.xMalloc = counted_malloc;
	counted.xRealloc = counted_realloc;
	if (rc == SQLITE_OK)
		rc = sqlite3_config(SQLITE_CONFIG_MALLOC, &counted);
	assert(rc == SQLITE_OK);
	(void)rc;
}
