// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The vault of the authentication centre: one channel, no loop, no network, no files after the
 * start. */
#include "daemon/auc-vault/vault_profiles.h"
#include "daemon/auc-vault/vault_work.h"
#include "host/kek_file.h"
#include "host/process.h"
#include "host/token.h"

struct token_variable {
	char text[SETTING_TEXT_MAX];
};

struct token_settings {
	char module[SETTING_TEXT_MAX], token[64], key[64], pin_file[SETTING_TEXT_MAX], user[64];
	struct token_variable environment[TOKEN_ENVIRONMENT_MAX];
	size_t environment_count;
};

struct vault_settings {
	char role[16];
	char kek_file[SETTING_TEXT_MAX], kek_file_before[SETTING_TEXT_MAX];
	char passphrase_file[SETTING_TEXT_MAX], passphrase_file_before[SETTING_TEXT_MAX];
	struct token_settings token, token_before;
	struct vault_limits_settings limits;
	struct vault_transport_setting transport[VAULT_TRANSPORTS_MAX];
	struct vault_profile_setting profiles[AUC_PROFILES_MAX];
	size_t transport_count, profile_count;
	bool allow_xor;
};

#define TEXT(name, field) SETTING_ROW(name, SETTING_TEXT, true, struct vault_settings, field)
#define NUMBER(name, field) SETTING_ROW(name, SETTING_U64, true, struct vault_settings, field)

static const struct setting_row variable_rows[] = {
	SETTING_ROW("", SETTING_TEXT, false, struct token_variable, text),
};
static const struct setting_row transport_rows[] = {
	SETTING_ROW("name", SETTING_TEXT, false, struct vault_transport_setting, name),
	SETTING_ROW("algorithm", SETTING_TEXT, false, struct vault_transport_setting, algorithm),
	SETTING_ROW("key_file", SETTING_TEXT, false, struct vault_transport_setting, key_file),
	SETTING_ROW("iv", SETTING_TEXT, true, struct vault_transport_setting, iv),
	SETTING_ROW("fields", SETTING_TEXT, false, struct vault_transport_setting, fields),
	SETTING_ROW("kcv", SETTING_TEXT, true, struct vault_transport_setting, kcv),
};
static const struct setting_row profile_rows[] = {
	SETTING_ROW("number", SETTING_U64, false, struct vault_profile_setting, number),
	SETTING_ROW("r", SETTING_TEXT, false, struct vault_profile_setting, r),
	SETTING_ROW("c", SETTING_TEXT, false, struct vault_profile_setting, c),
};

static const struct setting_row rows[] = {
	SETTING_ROW("role", SETTING_TEXT, false, struct vault_settings, role),
	TEXT("kek_file", kek_file),
	TEXT("kek_file_before", kek_file_before),
	TEXT("passphrase_file", passphrase_file),
	TEXT("passphrase_file_before", passphrase_file_before),
	TEXT("token.module", token.module),
	TEXT("token.token", token.token),
	TEXT("token.key", token.key),
	TEXT("token.pin_file", token.pin_file),
	TEXT("token.user", token.user),
	SETTING_LIST_ROW("token.environment", true, struct vault_settings, token.environment,
		token.environment_count, variable_rows),
	TEXT("token_before.module", token_before.module),
	TEXT("token_before.token", token_before.token),
	TEXT("token_before.key", token_before.key),
	TEXT("token_before.pin_file", token_before.pin_file),
	TEXT("token_before.user", token_before.user),
	SETTING_LIST_ROW("token_before.environment", true, struct vault_settings,
		token_before.environment, token_before.environment_count, variable_rows),
	NUMBER("rate_per_s", limits.rate_per_s),
	NUMBER("subscriber_burst", limits.subscriber_burst),
	NUMBER("subscriber_per_hour", limits.subscriber_per_hour),
	NUMBER("auts_burst", limits.auts_burst),
	NUMBER("auts_per_hour", limits.auts_per_hour),
	SETTING_LIST_ROW("transport", true, struct vault_settings, transport, transport_count,
		transport_rows),
	SETTING_LIST_ROW(
		"profiles", true, struct vault_settings, profiles, profile_count, profile_rows),
	SETTING_ROW("allow_xor", SETTING_BOOL, true, struct vault_settings, allow_xor),
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

static struct err add_token(
	struct auc_vault *v, const struct token_settings *t, struct complaint *c)
{
	struct token_question q = {.module = t->module,
		.token = t->token,
		.key = t->key,
		.pin_file = t->pin_file,
		.user = t->user[0] == '\0' ? NULL : t->user};
	struct secret root;

	for (size_t i = 0; i < t->environment_count; i++)
		q.environment[i] = t->environment[i].text;
	struct err e = token_derive(&q, &root, c);
	if (!failed(e))
		e = vault_roots_add(&v->roots, AUC_ROOT_TOKEN, secret_span(&root));
	secret_close(&root);
	return failed(e) ? complain(c, e, "token %s: %s", t->token, err_word(e)) : OK;
}

/* Of the present ones there is one; it goes first. */
static struct err add_roots(struct auc_vault *v, const char *const settings[2],
	const char *kek_file, const char *passphrase_file, const struct token_settings *token,
	struct complaint *c)
{
	struct err e = kek_file[0] == '\0' ? OK : add_file(v, settings[0], kek_file, c);

	if (!failed(e) && passphrase_file[0] != '\0')
		e = add_passphrase(v, settings[1], passphrase_file, c);
	if (!failed(e) && token->module[0] != '\0')
		e = add_token(v, token, c);
	return e;
}

static struct err open_roots(
	struct auc_vault *v, const struct vault_settings *s, struct complaint *c)
{
	static const char *const present[] = {"kek_file", "passphrase_file"},
				 *const before[] = {"kek_file_before", "passphrase_file_before"};
	const int count = (s->kek_file[0] != '\0') + (s->passphrase_file[0] != '\0') +
			  (s->token.module[0] != '\0');

	if (count != 1)
		return complain(c, ERR(INPUT),
			"exactly one of kek_file, passphrase_file and token is wanted");
	const struct err e = add_roots(v, present, s->kek_file, s->passphrase_file, &s->token, c);
	return failed(e) ? e
			 : add_roots(v, before, s->kek_file_before, s->passphrase_file_before,
				   &s->token_before, c);
}

static struct err open_lists(
	struct auc_vault *v, const struct vault_settings *s, struct complaint *c)
{
	struct err e = OK;

	v->algorithms.is_xor_allowed = s->allow_xor;
	if (v->role != AUC_VAULT_IMPORTS && s->transport_count > 0)
		return complain(c, ERR(INPUT), "transport keys are for the vault of an import");
	for (size_t i = 0; i < s->profile_count && !failed(e); i++)
		e = vault_profile_add(&v->algorithms, v->constants, &s->profiles[i], c);
	for (size_t i = 0; i < s->transport_count && !failed(e); i++)
		e = vault_transport_add(&v->transports, &s->transport[i], c);
	return e;
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
	if (!failed(e))
		e = open_roots(&vault, &s, c);
	return failed(e) ? e : open_lists(&vault, &s, c);
}

int main(int argc, char **argv)
{
	static const struct vault_kind kind = {
		.name = "auc-vault", .open = open_vault, .serve = auc_vault_serve};

	return process_vault_main(argc, argv, &kind);
}
