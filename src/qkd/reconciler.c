// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "reconciler.h"

const struct reconciler *reconciler_of(enum reconcile_mode mode)
{
	static const struct reconciler *const modes[RECONCILE_MODES] = {
		[RECONCILE_CASCADE] = &reconciler_cascade,
	};

	return (unsigned)mode < RECONCILE_MODES ? modes[mode] : NULL;
}
