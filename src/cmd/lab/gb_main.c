// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/gb.h"

int main(int argc, char **argv)
{
	return gb_main(argc, argv);
}
