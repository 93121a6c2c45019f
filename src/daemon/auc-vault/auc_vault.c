// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The vault of the authentication centre: one channel, no loop, no network, no files after the
 * start. */
#include "daemon/auc-vault/vault_work.h"
#include "host/kek_file.h"
#include "host/process.h"

struct vault_settings {
	char role[16];
	char kek_file[SETTING_TEXT_MAX], kek_file_before[SETTING_TEXT_MAX];
	char passphrase_file[SETTING_TEXT_MAX], passphrase_file_before[SETTING_TEXT_MAX];
	struct vault_limits_settings limits;
};

#define TEXT(name, field) SETTING_ROW(name, SETTING_TEXT, true, struct vault_settings, field)
#define NUMBER(name, field) SETTING_ROW(name, SETTING_U64, true, struct vault_settings, field)

static const struct setting_row rows[] = {
	SETTING_ROW("role", SETTING_TEXT, false, struct vault_settings, role),
	TEXT("kek_file", kek_file),
	TEXT("kek_file_before", kek_file_before),
	TEXT("passphrase_file", passphrase_file),
	TEXT("passphrase_file_before", passphrase_file_before),
	NUMBER("rate_per_s", limits.rate_per_s),
	NUMBER("subscriber_burst", limits.subscriber_burst),
	NUMBER("subscriber_per_hour", limits.subscriber_per_hour),
	NUMBER("auts_burst", limits.auts_burst),
	NUMBER("auts_per_hour", limits.auts_per_hour),
};

/* A `kek_file` is a root, and what rows of the release before were sealed under. */
static struct err add_file(
	struct auc_vault *v, const char *setting, const char *path, struct complaint *c)
{
	static const size_t sizes[] = {KEK_OCTETS};
	struct secret octets;

	struct err e = key_file_read(path, setting, sizes, ARRAY_LEN(sizes), &octets, c);
	if (!failed(e))
		e = vault_roots_add(&v->roots, AUC_ROOT_FILE, secret_span(&octets));
	if (!failed(e))
		e = auc_vault_former_key_add(v, secret_span(&octets));
	secret_close(&octets);
	return failed(e) ? complain(c, e, "%s: %s: %s", setting, path, err_word(e)) : OK;
}

static struct err add_passphrase(
	struct auc_vault *v, const char *setting, const char *path, struct complaint *c)
{
	struct secret text;

	struct err e =
		text_file_read(path, setting, VAULT_PASSPHRASE_MIN, VAULT_PASSPHRASE_MAX, &text, c);
	if (!failed(e))
		e = vault_roots_add(&v->roots, AUC_ROOT_PASSPHRASE, secret_span(&text));
	secret_close(&text);
	return failed(e) ? complain(c, e, "%s: %s: %s", setting, path, err_word(e)) : OK;
}

/* The present root first, of whatever kind; then those before. */
static struct err open_roots(
	struct auc_vault *v, const struct vault_settings *s, struct complaint *c)
{
	const struct {
		const char *setting, *path;
		struct err (*add)(struct auc_vault *v, const char *setting, const char *path,
			struct complaint *c);
		bool is_present;
	} sources[] = {
		{"kek_file", s->kek_file, add_file, true},
		{"passphrase_file", s->passphrase_file, add_passphrase, true},
		{"kek_file_before", s->kek_file_before, add_file, false},
		{"passphrase_file_before", s->passphrase_file_before, add_passphrase, false},
	};
	size_t present = 0;

	for (size_t i = 0; i < ARRAY_LEN(sources); i++) {
		if (sources[i].path[0] == '\0')
			continue;
		present += sources[i].is_present;
		if (present > 1 || (present == 0 && !sources[i].is_present))
			break;
		const struct err e = sources[i].add(v, sources[i].setting, sources[i].path, c);
		if (failed(e))
			return e;
	}
	return present == 1 ? OK
			    : complain(c, ERR(INPUT),
				      "exactly one of kek_file and passphrase_file is wanted");
}

static struct err role_of(const char *word, enum auc_vault_role *role, struct complaint *c)
{
	const bool is_import = strcmp(word, "import") == 0;

	*role = is_import ? AUC_VAULT_IMPORTS : AUC_VAULT_SERVES;
	return is_import || strcmp(word, "serve") == 0
		       ? OK
		       : complain(c, ERR(INPUT), "role: serve or import is expected");
}

static struct err open_vault(void **state, const struct settings *settings, struct complaint *c)
{
	static struct auc_vault vault;
	static struct vault_settings s;
	struct auc_vault_options options = {.entropy = entropy_posix(), .clock = clock_coarse()};

	*state = &vault;
	s = (struct vault_settings){.limits = VAULT_LIMITS_DEFAULT};
	struct err e = settings_read(settings, rows, ARRAY_LEN(rows), &s, c);
	if (!failed(e))
		e = role_of(s.role, &options.role, c);
	options.limits = s.limits;
	if (!failed(e))
		e = auc_vault_open(&vault, &options);
	return failed(e) ? e : open_roots(&vault, &s, c);
}

int main(int argc, char **argv)
{
	static const struct vault_kind kind = {
		.name = "auc-vault", .open = open_vault, .serve = auc_vault_serve};

	return process_vault_main(argc, argv, &kind);
}
