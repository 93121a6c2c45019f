// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The vault of the authentication centre: one channel, no loop, no network, no files after the
 * start. */
#include "daemon/auc-vault/vault_work.h"
#include "host/kek_file.h"
#include "host/process.h"

struct vault_settings {
	char kek_file[512];
};

static const struct setting_row rows[] = {
	SETTING_ROW("kek_file", SETTING_TEXT, false, struct vault_settings, kek_file),
};

static struct err open_vault(void **state, const struct settings *settings, struct complaint *c)
{
	static struct auc_vault vault;
	struct vault_settings s = {0};

	*state = &vault;
	struct err e = settings_read(settings, rows, ARRAY_LEN(rows), &s, c);
	if (failed(e))
		return e;
	e = kek_file_read(s.kek_file, "auc", &vault.kek, &vault.kek_id, c);
	if (failed(e))
		return e;
	return auc_vault_open(&vault, entropy_posix());
}

int main(int argc, char **argv)
{
	static const struct vault_kind kind = {
		.name = "auc-vault", .open = open_vault, .serve = auc_vault_serve};

	return process_vault_main(argc, argv, &kind);
}
