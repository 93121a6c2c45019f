// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The authentication centre's keys in CONFIG: what a schema cannot say of them. */
#include "site.h"
#include "crypt/block_mode.h"
#include "crypt/milenage.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct auc_sense {
	const struct site *site;
	const char *path;
	bool check_files;
	struct complaint *c;
};

static struct err check_file(const struct auc_sense *s, const char *key, const char *file)
{
	if (file == NULL || !s->check_files || access(file, R_OK) == 0)
		return OK;
	return complain(s->c, ERR(INPUT), "%s: %s: %s: %s", s->path, key, file, strerror(errno));
}

static struct err check_token(
	const struct auc_sense *s, const char *section, const struct site_token *t)
{
	char key[64];

	if (t == NULL)
		return OK;
	snprintf(key, sizeof key, "%s.module", section);
	struct err e = check_file(s, key, t->module);
	snprintf(key, sizeof key, "%s.pin_file", section);
	if (!failed(e))
		e = check_file(s, key, t->pin_file);
	for (size_t i = 0; i < t->environment_count && !failed(e); i++)
		if (strchr(t->environment[i], '=') == NULL || t->environment[i][0] == '=')
			e = complain(s->c, ERR(INPUT),
				"%s: %s.environment: NAME=VALUE is expected: '%s'", s->path,
				section, t->environment[i]);
	return e;
}

/* One root: nobody shall believe that a token protects what a file still opens. */
static struct err check_root(const struct auc_sense *s)
{
	const struct site_auc *auc = s->site->auc;
	const bool has_own = auc != NULL && (auc->passphrase_file != NULL || auc->token != NULL);

	if (auc != NULL && auc->passphrase_file != NULL && auc->token != NULL)
		return complain(s->c, ERR(INPUT),
			"%s: auc: either 'passphrase_file' or 'token', not both", s->path);
	if (s->site->kek_file == NULL && s->site->kms != NULL)
		return complain(s->c, ERR(INPUT),
			"%s: kek_file: is needed: 'kms' seals its keys under it", s->path);
	if (s->site->kek_file == NULL && auc != NULL && !has_own)
		return complain(s->c, ERR(INPUT),
			"%s: kek_file: is needed, or auc.passphrase_file, or auc.token", s->path);
	if (s->site->kek_file != NULL && s->site->kms == NULL && has_own)
		return complain(s->c, ERR(INPUT),
			"%s: kek_file: 'auc' has another root; a former kek_file is named by "
			"auc.kek_file_before",
			s->path);
	return OK;
}

static struct err check_hex(const struct auc_sense *s, const char *what, const char *name,
	const char *text, size_t digits)
{
	if (text == NULL ||
		(strlen(text) == digits && strspn(text, "0123456789abcdefABCDEF") == digits))
		return OK;
	return complain(s->c, ERR(INPUT),
		"%s: auc.transport_keys: %s: %s: %zu hex digits are expected", s->path, name, what,
		digits);
}

static struct err check_transport(const struct auc_sense *s, const struct site_transport_key *t)
{
	const struct block_mode *mode = block_mode_find(t->algorithm);

	if (mode == NULL)
		return complain(s->c, ERR(INPUT),
			"%s: auc.transport_keys: %s: algorithm: %s is expected: '%s'", s->path,
			t->name, block_mode_words, t->algorithm);
	if (strcmp(t->fields[0], "k") != 0 ||
		(t->fields_count == 2 && strcmp(t->fields[1], "opc") != 0))
		return complain(s->c, ERR(INPUT),
			"%s: auc.transport_keys: %s: fields: [k] or [k, opc] is expected", s->path,
			t->name);
	struct err e = check_hex(s, "iv", t->name, t->iv, 2 * mode->block);
	if (!failed(e))
		e = check_hex(s, "kcv", t->name, t->kcv, (size_t)2 * BLOCK_MODE_KCV);
	return failed(e) ? e : check_file(s, "auc.transport_keys.key_file", t->key_file);
}

static struct err check_transports(const struct auc_sense *s)
{
	const struct site_auc *auc = s->site->auc;
	struct err e = OK;

	for (size_t i = 0; i < auc->transport_keys_count && !failed(e); i++) {
		e = check_transport(s, &auc->transport_keys[i]);
		for (size_t k = 0; k < i && !failed(e); k++)
			if (strcmp(auc->transport_keys[i].name, auc->transport_keys[k].name) == 0)
				e = complain(s->c, ERR(INPUT),
					"%s: auc.transport_keys: stands twice: '%s'", s->path,
					auc->transport_keys[i].name);
	}
	return e;
}

static struct err check_profile(const struct auc_sense *s, const struct site_profile *p)
{
	struct milenage_constants m = {0};

	if (p->number < 1 || p->number > SITE_PROFILES_MAX)
		return complain(s->c, ERR(INPUT),
			"%s: auc.profiles.number: a number from 1 to %d is expected: '%u'", s->path,
			SITE_PROFILES_MAX, p->number);
	if (p->r_count != SITE_PROFILE_OUTS || p->c_count != SITE_PROFILE_OUTS)
		return complain(s->c, ERR(INPUT),
			"%s: auc.profiles: %u: five of r and five of c are expected", s->path,
			p->number);
	for (size_t i = 0; i < SITE_PROFILE_OUTS; i++) {
		m.r[i] = p->r[i];
		if (!hex_to_span(SPAN_MUT_ARRAY(m.c[i]), p->c[i]))
			return complain(s->c, ERR(INPUT),
				"%s: auc.profiles: %u: c: 32 hex digits are expected", s->path,
				p->number);
	}
	return failed(milenage_constants_check(&m))
		       ? complain(s->c, ERR(INPUT),
				 "%s: auc.profiles: %u: r under 128, and no two pairs of r and c "
				 "alike, are expected [TS 35.206 §5.3]",
				 s->path, p->number)
		       : OK;
}

static struct err check_profiles(const struct auc_sense *s)
{
	const struct site_auc *auc = s->site->auc;
	struct err e = OK;

	for (size_t i = 0; i < auc->profiles_count && !failed(e); i++) {
		e = check_profile(s, &auc->profiles[i]);
		for (size_t k = 0; k < i && !failed(e); k++)
			if (auc->profiles[i].number == auc->profiles[k].number)
				e = complain(s->c, ERR(INPUT),
					"%s: auc.profiles: stands twice: '%u'", s->path,
					auc->profiles[i].number);
	}
	return e;
}

struct err site_auc_check(
	const struct site *site, const char *path, bool check_files, struct complaint *c)
{
	const struct auc_sense s = {site, path, check_files, c};
	const struct site_auc *auc = site->auc;

	struct err e = check_root(&s);
	if (failed(e) || auc == NULL)
		return e;
	e = check_token(&s, "auc.token", auc->token);
	if (!failed(e))
		e = check_token(&s, "auc.token_before", auc->token_before);
	if (!failed(e))
		e = check_file(&s, "auc.passphrase_file", auc->passphrase_file);
	if (!failed(e))
		e = check_file(&s, "auc.passphrase_file_before", auc->passphrase_file_before);
	if (!failed(e))
		e = check_file(&s, "auc.kek_file_before", auc->kek_file_before);
	if (!failed(e))
		e = check_transports(&s);
	return failed(e) ? e : check_profiles(&s);
}
