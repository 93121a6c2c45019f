// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-kms-vault: seals blocks, holds the private keys of exchanges while they last, and combines keys
 * (kms/vault.h). It has one channel, to kms-store, and draws its own randomness.
 *
 * Settings: kek_file, site, peer.site.
 */
#include "host/kek_file.h"
#include "host/process.h"
#include "kms/vault.h"

struct vault_settings {
	char kek_file[SETTING_TEXT_MAX], site[KMS_SAE_MAX + 1], peer_site[KMS_SAE_MAX + 1];
};

static const struct setting_row rows[] = {
	SETTING_ROW("kek_file", SETTING_TEXT, false, struct vault_settings, kek_file),
	SETTING_ROW("site", SETTING_TEXT, false, struct vault_settings, site),
	SETTING_ROW("peer.site", SETTING_TEXT, false, struct vault_settings, peer_site),
};

static struct kms_vault vault;
static struct secret kek;

static struct err vault_open(void **state, const struct settings *settings, struct complaint *c)
{
	struct vault_settings s = {0};

	struct err e = settings_read(settings, rows, ARRAY_LEN(rows), &s, c);
	if (!failed(e) &&
		(!kms_name_set(&vault.site, s.site) ||
			!kms_name_set(&vault.peer_site, s.peer_site) || vault.site.len == 0 ||
			kms_name_equal(&vault.site, &vault.peer_site)))
		e = complain(c, ERR(INPUT), "site and peer.site: two different names expected");
	if (!failed(e))
		e = kek_file_read(s.kek_file, "kms", &kek, &vault.kek.id, c);
	if (failed(e))
		return e;
	vault.kek.key = secret_span(&kek);
	vault.entropy = entropy_posix();
	*state = &vault;
	return OK;
}

static struct err vault_serve(void *ctx, uint16_t type, struct span body, struct writer *answer)
{
	return kms_vault_serve(ctx, type, body, answer);
}

static const struct vault_kind kms_vault_kind = {
	.name = "kms-vault", .open = vault_open, .serve = vault_serve};

int main(int argc, char **argv)
{
	return process_vault_main(argc, argv, &kms_vault_kind);
}
