// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "tls_profile.h"
#include <openssl/err.h>
#include <stdlib.h>

/* Best first. Where hybrid is not required it is still preferred. */
#define GROUPS_HYBRID "X25519MLKEM768"
#define GROUPS_ANY "X25519MLKEM768:X25519:P-256"
/* 256-bit keys alone: Grover's search halves what a key is worth. */
#define CIPHER_SUITES "TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"

static struct err refuse_file(struct complaint *c, const char *what, const char *file)
{
	const unsigned long last = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(last);

	if (ERR_GET_LIB(last) == ERR_LIB_SYS || reason == NULL)
		reason = "it cannot be read";
	complain(c, ERR(INPUT), "%s file %s: %s", what, file, reason);
	ERR_clear_error();
	return ERR(INPUT);
}

static struct err refuse_key(struct complaint *c, const struct tls_settings *s)
{
	const int reason = ERR_GET_REASON(ERR_peek_last_error());

	/* OpenSSL compares it with the certificate that is loaded already. */
	if (reason != X509_R_KEY_VALUES_MISMATCH && reason != X509_R_KEY_TYPE_MISMATCH)
		return refuse_file(c, "key", s->key_file);
	ERR_clear_error();
	return complain(c, ERR(INPUT), "key file %s does not belong to certificate file %s",
		s->key_file, s->certificate_file);
}

/* All that is ever read from files is read here: a process may be in its sandbox afterwards. */
static struct err load_files(SSL_CTX *ctx, const struct tls_settings *s, struct complaint *c)
{
	ERR_clear_error();
	if (SSL_CTX_use_certificate_chain_file(ctx, s->certificate_file) != 1)
		return refuse_file(c, "certificate", s->certificate_file);
	if (SSL_CTX_use_PrivateKey_file(ctx, s->key_file, SSL_FILETYPE_PEM) != 1)
		return refuse_key(c, s);
	if (SSL_CTX_load_verify_file(ctx, s->ca_file) != 1)
		return refuse_file(c, "CA", s->ca_file);
	/* Clients choose their certificate by the names of CAs that the server sends. */
	SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(s->ca_file));
	return OK;
}

/* "h2,http/1.1" -> \2h2\10http/1.1 [RFC 7301 §3.1] */
static struct err alpn_encode(struct tls_profile *p, const char *names, struct complaint *c)
{
	for (const char *at = names; at != NULL && *at != '\0';) {
		const size_t len = strcspn(at, ",");
		if (len == 0 || p->alpn_len + 1 + len > sizeof p->alpn)
			return complain(c, ERR(INPUT), "ALPN names cannot be used: %s", names);
		p->alpn[p->alpn_len] = (uint8_t)len;
		memcpy(p->alpn + p->alpn_len + 1, at, len);
		p->alpn_len += 1 + len;
		at += len + (at[len] == ',');
	}
	return OK;
}

/* Our order counts. Nothing in common: the handshake fails [RFC 7301 §3.2]. */
static int alpn_choose(SSL *ssl, const unsigned char **out, unsigned char *out_len,
	const unsigned char *offered, unsigned offered_len, void *arg)
{
	const struct tls_profile *p = arg;
	unsigned char *choice;

	(void)ssl;
	if (SSL_select_next_proto(&choice, out_len, p->alpn, (unsigned)p->alpn_len, offered,
		    offered_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = choice;
	return SSL_TLSEXT_ERR_OK;
}

/* A key file under a passphrase is refused: libcrypto would ask for it at a terminal, and wait. */
static int no_passphrase(char *out, int size, int is_for_writing, void *ctx)
{
	(void)out, (void)size, (void)is_for_writing, (void)ctx;
	return -1;
}

static bool set_rules(struct tls_profile *p)
{
	SSL_CTX *ctx = p->ctx;

	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
	SSL_CTX_set_verify_depth(ctx, 4);
	SSL_CTX_set_security_level(ctx, 2); /* whatever the build of libssl says */
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	if (p->alpn_len > 0)
		SSL_CTX_set_alpn_select_cb(ctx, alpn_choose, p);
	/* set_alpn_protos alone says 0 for success. */
	return SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_max_proto_version(ctx, TLS1_3_VERSION) == 1 &&
	       SSL_CTX_set_num_tickets(ctx, 0) == 1 &&
	       SSL_CTX_set_ciphersuites(ctx, CIPHER_SUITES) == 1 &&
	       SSL_CTX_set1_groups_list(ctx, p->require_hybrid ? GROUPS_HYBRID : GROUPS_ANY) == 1 &&
	       (p->alpn_len == 0 ||
		       SSL_CTX_set_alpn_protos(ctx, p->alpn, (unsigned)p->alpn_len) == 0);
}

struct err tls_profile_open(
	struct tls_profile **out, const struct tls_settings *settings, struct complaint *c)
{
	struct tls_profile *p = calloc(1, sizeof *p);
	struct err e;

	if (p == NULL)
		return ERR(LIMIT);
	p->users = 1;
	p->require_hybrid = settings->require_hybrid;
	p->ctx = SSL_CTX_new(TLS_method());
	e = p->ctx == NULL ? complain(c, ERR(CRYPTO), "OpenSSL cannot be used") : OK;
	if (!failed(e))
		e = alpn_encode(p, settings->alpn, c);
	if (!failed(e) && !set_rules(p))
		e = complain(c, ERR(CRYPTO), "OpenSSL refuses TLS 1.3 with the group %s",
			p->require_hybrid ? GROUPS_HYBRID : GROUPS_ANY);
	if (!failed(e))
		e = load_files(p->ctx, settings, c);
	if (failed(e)) {
		tls_profile_close(p);
		return e;
	}
	*out = p;
	return OK;
}

void tls_profile_keep(struct tls_profile *p)
{
	p->users++;
}

void tls_profile_close(struct tls_profile *p)
{
	if (p == NULL || --p->users > 0)
		return;
	SSL_CTX_free(p->ctx);
	free(p);
}
