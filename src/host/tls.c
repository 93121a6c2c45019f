// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "tls.h"
#include "tls_identity.h"
#include "tls_profile.h"
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

struct tls_session {
	SSL *ssl;
	BIO *from_wire, *to_wire; /* the SSL owns them */
	struct tls_profile *profile;
	bool has_expected_name, is_ended;
	char expected_name[IDENTITY_NAME_MAX];
};

struct err tls_session_open(
	struct tls_session **out, struct tls_profile *p, bool is_server, const char *expect_name)
{
	/* Cut short it would be another name, and an empty one every certificate without a CN has.
	 */
	if (expect_name != NULL &&
		(expect_name[0] == '\0' || strlen(expect_name) >= IDENTITY_NAME_MAX))
		return ERR(INPUT);
	struct tls_session *t = calloc(1, sizeof *t);
	if (t == NULL)
		return ERR(LIMIT);
	if (expect_name != NULL) {
		t->has_expected_name = true;
		snprintf(t->expected_name, sizeof t->expected_name, "%s", expect_name);
	}
	t->ssl = SSL_new(p->ctx);
	t->from_wire = BIO_new(BIO_s_mem());
	t->to_wire = BIO_new(BIO_s_mem());
	if (t->ssl == NULL || t->from_wire == NULL || t->to_wire == NULL) {
		BIO_free(t->from_wire);
		BIO_free(t->to_wire);
		SSL_free(t->ssl);
		free(t);
		return ERR(LIMIT);
	}
	tls_profile_keep(p);
	t->profile = p;
	/* An empty queue means "later", not the end. */
	BIO_set_mem_eof_return(t->from_wire, -1);
	SSL_set_bio(t->ssl, t->from_wire, t->to_wire);
	if (is_server) {
		SSL_set_accept_state(t->ssl);
	} else {
		SSL_set_connect_state(t->ssl);
		if (expect_name != NULL)
			SSL_set_tlsext_host_name(t->ssl, t->expected_name);
	}
	*out = t;
	return OK;
}

void tls_session_close(struct tls_session *t)
{
	if (t == NULL)
		return;
	SSL_free(t->ssl);
	tls_profile_close(t->profile);
	free(t);
}

/* ---- Sentences ---- */

static const struct {
	long code;
	const char *sentence;
} certificate_sentences[] = {
	{X509_V_ERR_CERT_HAS_EXPIRED, "peer certificate has expired"},
	{X509_V_ERR_CERT_NOT_YET_VALID, "peer certificate is not valid yet"},
	{X509_V_ERR_CERT_REVOKED, "peer certificate is revoked"},
	{X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "peer certificate is of a foreign CA"},
	{X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE, "peer certificate is of a foreign CA"},
	{X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN, "peer certificate is of a foreign CA"},
	{X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT, "peer certificate is of a foreign CA"},
	{X509_V_ERR_CERT_SIGNATURE_FAILURE, "peer certificate is of a foreign CA"},
};

static struct err refuse_certificate(struct complaint *c, long code)
{
	for (size_t i = 0; i < ARRAY_LEN(certificate_sentences); i++)
		if (certificate_sentences[i].code == code)
			return complain(c, ERR(AUTH), "%s", certificate_sentences[i].sentence);
	return complain(c, ERR(AUTH), "peer certificate: %s", X509_verify_cert_error_string(code));
}

/* Why OpenSSL gave up: our view of the peer's certificate, the peer's alert, or something else. */
static struct err refusal(const struct tls_session *t, struct complaint *c)
{
	const int reason = ERR_GET_REASON(ERR_peek_error());
	const char *text = ERR_reason_error_string(ERR_peek_error());

	ERR_clear_error();
	if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED)
		return refuse_certificate(c, SSL_get_verify_result(t->ssl));
	if (reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE)
		return complain(c, ERR(AUTH), "peer showed no certificate");
	if (reason == SSL_R_NO_SUITABLE_KEY_SHARE || reason == SSL_R_NO_SHARED_GROUPS)
		return complain(c, ERR(AUTH), "peer offers no key exchange that we accept%s",
			t->profile->require_hybrid ? ": X25519MLKEM768 is required" : "");
	if (reason == SSL_R_UNSUPPORTED_PROTOCOL || reason == SSL_R_WRONG_VERSION_NUMBER)
		return complain(c, ERR(AUTH), "peer does not speak TLS 1.3");
	if (reason > SSL_AD_REASON_OFFSET)
		return complain(c, ERR(AUTH), "peer refused us: %s",
			SSL_alert_desc_string_long(reason - SSL_AD_REASON_OFFSET));
	return complain(c, ERR(AUTH), "TLS: %s", text != NULL ? text : "broken");
}

/* ---- Handshake ---- */

static void take_alpn(struct peer_identity *peer, const SSL *ssl)
{
	const unsigned char *alpn = NULL;
	unsigned len = 0;

	SSL_get0_alpn_selected(ssl, &alpn, &len);
	if (len < sizeof peer->alpn)
		snprintf(peer->alpn, sizeof peer->alpn, "%.*s", (int)len, (const char *)alpn);
}

/*
 * What OpenSSL was told to enforce is looked at again: one wrong line in a configuration of OpenSSL
 * must not open a site.
 */
static struct err authenticate(
	struct tls_session *t, struct peer_identity *peer, struct complaint *c)
{
	X509 *certificate = SSL_get0_peer_certificate(t->ssl);
	const char *group = SSL_get0_group_name(t->ssl);

	if (certificate == NULL || SSL_get_verify_result(t->ssl) != X509_V_OK)
		return complain(c, ERR(AUTH), "peer is not authenticated");
	if (SSL_version(t->ssl) != TLS1_3_VERSION || SSL_session_reused(t->ssl))
		return complain(c, ERR(AUTH), "peer does not speak TLS 1.3 afresh");
	snprintf(peer->tls_group, sizeof peer->tls_group, "%s", group != NULL ? group : "");
	if (t->profile->require_hybrid && strcmp(peer->tls_group, "X25519MLKEM768") != 0)
		return complain(c, ERR(AUTH), "key exchange was %s: X25519MLKEM768 is required",
			peer->tls_group);
	const struct err e = identity_from_certificate(peer, certificate, c);
	if (failed(e))
		return e;
	if (t->has_expected_name && !certificate_has_name(certificate, t->expected_name))
		return complain(c, ERR(AUTH), "peer certificate is for %s, not for %s",
			peer->common_name[0] != '\0' ? peer->common_name : peer->dns_name,
			t->expected_name);
	take_alpn(peer, t->ssl);
	peer->is_authenticated = true;
	return OK;
}

struct err tls_handshake(
	struct tls_session *t, bool *is_done, struct peer_identity *peer, struct complaint *c)
{
	ERR_clear_error();
	const int status = SSL_do_handshake(t->ssl);

	*is_done = status == 1;
	if (status == 1)
		return authenticate(t, peer, c);
	if (SSL_get_error(t->ssl, status) == SSL_ERROR_WANT_READ)
		return OK;
	return refusal(t, c);
}

/* ---- Octets ---- */

struct err tls_put(struct tls_session *t, struct span wire)
{
	size_t done = 0;

	if (wire.len > 0 &&
		(BIO_write_ex(t->from_wire, wire.at, wire.len, &done) != 1 || done < wire.len))
		return ERR(LIMIT);
	return OK;
}

struct err tls_read(
	struct tls_session *t, struct span_mut out, size_t *len, bool *is_end, struct complaint *c)
{
	*len = 0;
	*is_end = false;
	ERR_clear_error();
	if (SSL_read_ex(t->ssl, out.at, out.len, len) == 1)
		return OK;
	*len = 0;
	switch (SSL_get_error(t->ssl, 0)) {
	case SSL_ERROR_WANT_READ:
		return OK;
	case SSL_ERROR_ZERO_RETURN:
		*is_end = true;
		return OK;
	default:
		return refusal(t, c);
	}
}

struct err tls_write(struct tls_session *t, struct span clear)
{
	size_t done = 0;

	ERR_clear_error();
	/* A queue in memory takes all at once. */
	if (SSL_write_ex(t->ssl, clear.at, clear.len, &done) != 1 || done != clear.len) {
		ERR_clear_error();
		return ERR(CRYPTO);
	}
	return OK;
}

void tls_end(struct tls_session *t)
{
	if (t->is_ended || !SSL_is_init_finished(t->ssl))
		return;
	t->is_ended = true;
	ERR_clear_error();
	(void)SSL_shutdown(t->ssl);
	ERR_clear_error();
}

struct err tls_take(struct tls_session *t, struct octets *out)
{
	char *at = NULL;
	const long len = BIO_get_mem_data(t->to_wire, &at);

	if (len <= 0)
		return OK;
	const struct err e = octets_put(out, span_of(at, (size_t)len));
	(void)BIO_reset(t->to_wire);
	return e;
}

size_t tls_waiting(const struct tls_session *t)
{
	return BIO_ctrl_pending(t->to_wire);
}
