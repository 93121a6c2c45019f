// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "command.h"

int main(int argc, char **argv)
{
	return command_dispatch(argc, argv);
}
