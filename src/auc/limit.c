// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "limit.h"

enum { HOUR_MS = 3600000 };

bool limit_take(const struct limit *limit, uint64_t now_ms, uint32_t *level, uint32_t count)
{
	const uint32_t now = (uint32_t)(now_ms / HOUR_MS * limit->per_hour +
					now_ms % HOUR_MS * limit->per_hour / HOUR_MS);
	const uint32_t ahead = *level - now;
	const uint32_t held = ahead <= limit->burst ? ahead : 0;

	if (count > limit->burst || held > limit->burst - count)
		return false;
	*level = now + held + count;
	return true;
}
