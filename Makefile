# Copyright (c) the Merlon authors
# SPDX-License-Identifier: Apache-2.0
#
# The front of the house. `sudo make lab` and `sudo make check` do all their set-up by themselves.
#   make            build                       make deps     what a fresh machine needs
#   make lab        the main job, on one machine (LAB=--once: prove it and leave; LAB=... other options)
#   make check      every test                  make shell    a shell where Debian 13 is
#   make fuzz       libFuzzer, FUZZ_SECONDS a target          make format   clang-format
# On Debian 13 everything runs on the machine itself, elsewhere in a Debian 13 root folder (doc/platform.md).

BUILD ?= build
ENTER := tools/platform/enter
LAB ?=
FUZZ_SECONDS ?= 60

.PHONY: all build deps lab check shell fuzz format clean
all: build

deps:
	@tools/platform/deps

build: deps
	@$(ENTER) sh -c '[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) >/tmp/merlon-setup.log 2>&1 || { cat /tmp/merlon-setup.log; exit 1; }' >&2
	@$(ENTER) ninja -C $(BUILD) $(if $(V),-v,--quiet) >&2

lab: build
	@$(ENTER) ./merlon lab $(LAB)

check: deps
	@$(ENTER) tools/check

shell: deps
	@$(ENTER) bash

fuzz: deps
	@$(ENTER) tools/fuzz --seconds $(FUZZ_SECONDS)

format:
	@$(ENTER) sh -c 'git ls-files "*.[ch]" | xargs clang-format-19 -i'

clean:
	rm -rf $(BUILD) build-*
