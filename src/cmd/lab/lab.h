// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * merlon lab: the main job, on one machine. Two sites with an untrusted backhaul between them are
 * brought up, proved and taken down; lab/README of the source tree has the picture. A table of
 * steps (steps.c) is the whole story.
 */

/* Arguments as main() has them, from "lab" on. Returns an exit code. */
int lab_command(int argc, char **argv);
