// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "tls_identity.h"
#include <openssl/x509v3.h>
#include <stdio.h>
#include <strings.h>

/* False where the name cannot be copied exactly. */
static bool name_copy(char out[static IDENTITY_NAME_MAX], const ASN1_STRING *name)
{
	unsigned char *utf8 = NULL;
	const int len = ASN1_STRING_to_UTF8(&utf8, name);
	bool is_plain = len > 0 && len < IDENTITY_NAME_MAX;

	for (int i = 0; is_plain && i < len; i++)
		is_plain = utf8[i] > 0x20 ? utf8[i] != 0x7f : utf8[i] == 0x20;
	if (is_plain) {
		memcpy(out, utf8, (size_t)len);
		out[len] = '\0';
	}
	OPENSSL_free(utf8);
	return is_plain;
}

/* The only CN into `out`, "" where there is none. */
static bool common_name_copy(char out[static IDENTITY_NAME_MAX], X509 *certificate)
{
	const X509_NAME *subject = X509_get_subject_name(certificate);
	const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

	out[0] = '\0';
	if (at < 0)
		return true;
	if (X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0)
		return false;
	return name_copy(out, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

/* Calls for each alternative name of a kind until `take` says stop; false where a name is unfit. */
static bool each_alternative(
	X509 *certificate, int kind, bool (*take)(void *ctx, const char *name), void *ctx)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
	char text[IDENTITY_NAME_MAX];
	bool is_fit = true, goes_on = true;

	for (int i = 0; is_fit && goes_on && i < sk_GENERAL_NAME_num(names); i++) {
		int type;
		const ASN1_STRING *value =
			GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, i), &type);
		if (type != kind)
			continue;
		is_fit = name_copy(text, value);
		goes_on = is_fit && take(ctx, text);
	}
	GENERAL_NAMES_free(names);
	return is_fit;
}

static bool take_first(void *ctx, const char *name)
{
	snprintf(ctx, IDENTITY_NAME_MAX, "%s", name);
	return false;
}

struct err identity_from_certificate(
	struct peer_identity *id, X509 *certificate, struct complaint *c)
{
	if (common_name_copy(id->common_name, certificate) &&
		each_alternative(certificate, GEN_DNS, take_first, id->dns_name) &&
		each_alternative(certificate, GEN_URI, take_first, id->uri))
		return OK;
	return complain(c, ERR(AUTH), "peer certificate has a name that cannot be used");
}

struct search {
	const char *name;
	bool is_found;
};

static bool take_equal(void *ctx, const char *name)
{
	struct search *s = ctx;

	s->is_found = strcasecmp(s->name, name) == 0;
	return !s->is_found;
}

bool certificate_has_name(X509 *certificate, const char *name)
{
	struct search s = {.name = name};
	char common_name[IDENTITY_NAME_MAX];

	if (name[0] == '\0') /* what a certificate without a CN would match */
		return false;
	if (common_name_copy(common_name, certificate) && strcasecmp(common_name, name) == 0)
		return true;
	return each_alternative(certificate, GEN_DNS, take_equal, &s) && s.is_found;
}
