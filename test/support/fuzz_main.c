// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * Runs a fuzz target over its corpus, without a fuzzer: every seed that ever found a bug is a test of
 * every build. Argument: the corpus folder. An empty or missing corpus is a failure.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *folder, const char *name)
{
	static uint8_t data[1 << 20];
	char path[4096];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return 0;
	const size_t size = fread(data, 1, sizeof data, file);
	fclose(file);
	/* An allocation of the exact size, so that a sanitizer sees a read past the end. */
	uint8_t *exact = malloc(size + (size == 0));
	if (exact == NULL)
		return 0;
	for (size_t i = 0; i < size; i++)
		exact[i] = data[i];
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
	return 1;
}

int main(int argc, char **argv)
{
	DIR *folder = argc > 1 ? opendir(argv[1]) : NULL;
	int count = 0;

	if (folder == NULL) {
		fprintf(stderr, "no corpus folder: %s\n", argc > 1 ? argv[1] : "(none given)");
		return 1;
	}
	for (const struct dirent *d = readdir(folder); d != NULL; d = readdir(folder))
		if (d->d_name[0] != '.')
			count += replay(argv[1], d->d_name);
	closedir(folder);
	printf("%d seeds\n", count);
	return count > 0 ? 0 : 1;
}
