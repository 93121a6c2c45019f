// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * From a site's configuration to the plan of its supervisor: which processes, joined how, with which settings. A table: a row a
 * process, with the section that asks for it and a function that writes its settings.
 */
#include "cmd/site.h"
#include "gateway/fence.h"
#include "host/supervisor.h"

/* Fills a zeroed plan. No effect outside it. */
MUST_USE struct err plan_from_site(
	const struct site *site, struct supervisor_plan *plan, struct complaint *c);

/* Of a site with a gateway. Its texts are the site's. */
struct gateway_fence plan_fence(const struct site *site);
