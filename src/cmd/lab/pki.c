// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/pki.h"
#include "base/secret.h"
#include "cmd/lab/usim.h"
#include "crypt/openssl.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { VALID_SECONDS = 24 * 3600, SKEW_SECONDS = 3600, PATH_MAX_ = 512 };

struct certificate_row {
	const char *file, *common_name, *alternative_names;
};

static const struct certificate_row rows[] = {
	{"radio", "radio.merlon.test", "DNS:radio.merlon.test"},
	{"core", "core.merlon.test", "DNS:core.merlon.test"},
	{"radio-kme", "kme-radio", "DNS:radio.merlon.test,IP:127.0.0.1"},
	{"core-kme", "kme-core", "DNS:core.merlon.test,IP:127.0.0.1"},
	{"radio-ike", "radio.merlon.test", "DNS:radio.merlon.test"},
	{"core-ike", "core.merlon.test", "DNS:core.merlon.test"},
	{"sae-radio-1", "sae-radio-1", "DNS:sae-radio-1"},
	{"sae-core-1", "sae-core-1", "DNS:sae-core-1"},
};

struct authority {
	EVP_PKEY *key;
	X509 *certificate;
};

static bool extension_add(X509 *cert, X509 *issuer, int nid, const char *text)
{
	X509V3_CTX ctx;
	bool is_done;

	X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, text);
	is_done = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return is_done;
}

static bool serial_set(X509 *cert)
{
	uint8_t octets[16];
	BIGNUM *n = NULL;
	bool is_done = RAND_bytes(octets, sizeof octets) == 1;

	octets[0] = (octets[0] & 0x7f) | 0x40; /* positive, and always of the same length */
	n = is_done ? BN_bin2bn(octets, sizeof octets, NULL) : NULL;
	is_done = n != NULL && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(cert)) != NULL;
	BN_free(n);
	return is_done;
}

static bool subject_set(X509 *cert, const char *common_name)
{
	X509_NAME *name = X509_get_subject_name(cert);

	return X509_NAME_add_entry_by_txt(
		       name, "O", MBSTRING_ASC, (const uint8_t *)"Merlon lab", -1, -1, 0) == 1 &&
	       X509_NAME_add_entry_by_txt(
		       name, "CN", MBSTRING_ASC, (const uint8_t *)common_name, -1, -1, 0) == 1;
}

/* What all certificates have; extensions and signature follow. */
static X509 *certificate_new(EVP_PKEY *key, const char *common_name)
{
	X509 *cert = X509_new();

	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && serial_set(cert) &&
		subject_set(cert, common_name) &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -SKEW_SECONDS) != NULL &&
		X509_gmtime_adj(X509_getm_notAfter(cert), VALID_SECONDS) != NULL &&
		X509_set_pubkey(cert, key) == 1)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool authority_open(struct authority *a)
{
	a->key = EVP_EC_gen("P-384");
	a->certificate = a->key != NULL ? certificate_new(a->key, "Merlon lab CA") : NULL;
	X509 *cert = a->certificate;
	return cert != NULL && X509_set_issuer_name(cert, X509_get_subject_name(cert)) == 1 &&
	       extension_add(cert, cert, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	       extension_add(cert, cert, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       extension_add(cert, cert, NID_subject_key_identifier, "hash") &&
	       X509_sign(cert, a->key, EVP_sha384()) > 0;
}

static void authority_close(struct authority *a)
{
	X509_free(a->certificate);
	EVP_PKEY_free(a->key);
}

static X509 *certificate_issue(
	const struct authority *a, EVP_PKEY *key, const struct certificate_row *row)
{
	X509 *cert = certificate_new(key, row->common_name);

	if (cert != NULL &&
		X509_set_issuer_name(cert, X509_get_subject_name(a->certificate)) == 1 &&
		extension_add(cert, a->certificate, NID_basic_constraints, "critical,CA:FALSE") &&
		extension_add(cert, a->certificate, NID_key_usage, "critical,digitalSignature") &&
		extension_add(cert, a->certificate, NID_ext_key_usage, "serverAuth,clientAuth") &&
		extension_add(cert, a->certificate, NID_subject_alt_name, row->alternative_names) &&
		extension_add(cert, a->certificate, NID_subject_key_identifier, "hash") &&
		extension_add(cert, a->certificate, NID_authority_key_identifier, "keyid:always") &&
		X509_sign(cert, a->key, EVP_sha384()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

static FILE *file_open(const char *path, mode_t mode, uid_t uid, struct complaint *c)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);

	if (fd >= 0 && geteuid() == 0 && fchown(fd, uid, (gid_t)-1) != 0) {
		close(fd);
		(void)complain(c, ERR(IO), "%s: chown: %s", path, strerror(errno));
		return NULL;
	}
	FILE *f = fd >= 0 ? fdopen(fd, "wb") : NULL;
	if (f == NULL)
		(void)complain(c, ERR(IO), "%s: %s", path, strerror(errno));
	return f;
}

static struct err file_close(FILE *f, bool is_good, const char *path, struct complaint *c)
{
	if (fclose(f) != 0 || !is_good)
		return complain(c, ERR(IO), "%s: cannot be written", path);
	return OK;
}

static struct err certificate_write(
	const char *folder, const char *name, X509 *cert, struct complaint *c)
{
	char path[PATH_MAX_];

	snprintf(path, sizeof path, "%s/%s.crt", folder, name);
	FILE *f = file_open(path, 0644, 0, c);
	return f == NULL ? ERR(IO) : file_close(f, PEM_write_X509(f, cert) == 1, path, c);
}

static struct err key_write(
	const char *folder, const char *name, EVP_PKEY *key, uid_t uid, struct complaint *c)
{
	char path[PATH_MAX_];

	snprintf(path, sizeof path, "%s/%s.key", folder, name);
	FILE *f = file_open(path, 0600, uid, c);
	return f == NULL
		       ? ERR(IO)
		       : file_close(f, PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1,
				 path, c);
}

static struct err row_write(const struct authority *a, const char *folder,
	const struct certificate_row *row, uid_t uid, struct complaint *c)
{
	EVP_PKEY *key = EVP_EC_gen("P-384");
	X509 *cert = key != NULL ? certificate_issue(a, key, row) : NULL;
	struct err e = ERR(CRYPTO);

	if (cert != NULL)
		e = certificate_write(folder, row->file, cert, c);
	else
		e = complain(c, e, "no certificate for %s: libcrypto refused", row->common_name);
	if (!failed(e))
		e = key_write(folder, row->file, key, uid, c);
	X509_free(cert);
	EVP_PKEY_free(key);
	return e;
}

struct err pki_certificates_write(const char *folder, uid_t uid, struct complaint *c)
{
	struct authority a = {0};
	struct err e;

	e = authority_open(&a)
		    ? certificate_write(folder, "ca", a.certificate, c)
		    : complain(c, ERR(CRYPTO), "no certificate authority: libcrypto refused");
	for (size_t i = 0; !failed(e) && i < ARRAY_LEN(rows); i++)
		e = row_write(&a, folder, &rows[i], uid, c);
	authority_close(&a);
	return e;
}

struct err pki_secret_write_copy(const char *path, const uint8_t *octets, size_t count,
	enum pki_form form, uid_t uid, struct complaint *c)
{
	char *hex = malloc(2 * count + 2);
	FILE *f = file_open(path, 0600, uid, c);
	struct err e = ERR(IO);

	if (f != NULL && hex != NULL) {
		hex_from_span(hex, span_of(octets, count));
		hex[2 * count] = '\n';
		setvbuf(f, NULL, _IONBF, 0); /* no copy of the secret in stdio's buffer */
		const size_t size = form == PKI_HEX ? 2 * count + 1 : count;
		e = file_close(f,
			fwrite(form == PKI_HEX ? hex : (const char *)octets, 1, size, f) == size,
			path, c);
	}
	if (hex != NULL)
		secret_wipe(hex, 2 * count + 2);
	free(hex);
	return e;
}

struct err pki_secret_write(const char *path, uint8_t *copy, size_t octets, enum pki_form form,
	uid_t uid, struct complaint *c)
{
	if (octets > PKI_SECRET_MAX || RAND_bytes(copy, (int)octets) != 1)
		return complain(c, ERR(CRYPTO), "%s: no random octets", path);
	return pki_secret_write_copy(path, copy, octets, form, uid, c);
}

void pki_imsi(char digits[static PKI_DIGITS], size_t index)
{
	snprintf(digits, PKI_DIGITS, "%015llu",
		PKI_IMSI_FIRST + (unsigned long long)index % 1000000);
}

struct err pki_subscribers_write(const char *path, uid_t uid, struct complaint *c)
{
	FILE *f = file_open(path, 0600, uid, c);
	bool is_good = f != NULL && fputs("imsi,k,opc,algorithm,msisdn\n", f) >= 0;

	if (f == NULL)
		return ERR(IO);
	for (size_t i = 0; is_good && i < PKI_SUBSCRIBERS; i++) {
		char imsi[PKI_DIGITS], k[2 * USIM_BLOCK + 1], opc[2 * USIM_BLOCK + 1];
		struct usim usim;
		pki_imsi(imsi, i);
		usim_test_keys(&usim, imsi);
		hex_from_span(k, SPAN_ARRAY(usim.k));
		hex_from_span(opc, SPAN_ARRAY(usim.opc));
		is_good = fprintf(f, "%s,%s,%s,milenage,49%011zu\n", imsi, k, opc, i) > 0;
	}
	return file_close(f, is_good, path, c);
}
