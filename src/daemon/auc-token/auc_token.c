// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-auc-token derive|make LIBRARY TOKEN KEY
 *
 * Speaks with a PKCS#11 token [PKCS #11 v2.40] for a vault, which has a sandbox where no token's
 * library can live (host/token.h says how it is asked).
 *
 *   derive   HMAC-SHA-256 under the token's secret key, over a label: the root under which the vault
 *            wraps its keys. The token's key never leaves it; whoever has the root needs the token no
 *            more until the next start, and whoever has the database has nothing without the token.
 *   make     makes that key: sensitive, not extractable, for signing alone.
 *
 * All of it is symmetric: a root that were wrapped by RSA or agreed by ECDH could be had later by
 * whoever keeps the wrapped form and gets a quantum computer.
 */
#include "base/secret.h"
#include "host/token.h"
#include <dlfcn.h>
#include <p11-kit/pkcs11.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { EXIT_REFUSED = 1, EXIT_THERE_ALREADY = 2, SLOTS_MAX = 64, KEY_OCTETS = 32 };

static const uint8_t label[] = "merlon/auc/root/1";

struct token {
	const char *module, *token, *key;
	struct secret pin, root;
	size_t pin_len;
	CK_FUNCTION_LIST *p11;
	CK_SESSION_HANDLE session;
};

/* The sentence, and out: nothing that is worth a return lives longer than the process. */
_Noreturn PRINTF_LIKE(2, 3) static void refuse(int status, const char *format, ...)
{
	char text[TOKEN_SENTENCE_MAX];
	va_list args;

	va_start(args, format);
	const int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len > 0) {
		const size_t size = (size_t)len < sizeof text ? (size_t)len : sizeof text - 1;
		const ssize_t n = write(TOKEN_ANSWER_FD, text, size);
		(void)n;
	}
	_exit(status);
}

static const struct {
	CK_RV code;
	const char *what;
} causes[] = {
	{CKR_PIN_INCORRECT, "the PIN is wrong"},
	{CKR_PIN_LEN_RANGE, "the PIN is wrong: its length cannot be"},
	{CKR_PIN_INVALID, "the PIN is wrong: it has characters that cannot be"},
	{CKR_PIN_LOCKED, "the PIN is locked after too many wrong ones"},
	{CKR_PIN_EXPIRED, "the PIN has expired"},
	{CKR_USER_PIN_NOT_INITIALIZED, "the token has no user PIN yet"},
	{CKR_MECHANISM_INVALID, "the token does not offer this mechanism"},
	{CKR_KEY_FUNCTION_NOT_PERMITTED, "the key may not be used for signing"},
	{CKR_KEY_TYPE_INCONSISTENT, "the key is not one for HMAC"},
	{CKR_TOKEN_WRITE_PROTECTED, "the token is write-protected"},
	{CKR_DEVICE_ERROR, "the device failed"},
	{CKR_DEVICE_REMOVED, "the device has gone"},
};

static void must(const struct token *t, CK_RV code, const char *doing)
{
	if (code == CKR_OK)
		return;
	for (size_t i = 0; i < ARRAY_LEN(causes); i++)
		if (causes[i].code == code)
			refuse(EXIT_REFUSED, "token %s: %s: %s", t->token, doing, causes[i].what);
	refuse(EXIT_REFUSED, "token %s: %s: PKCS#11 error 0x%lx", t->token, doing,
		(unsigned long)code);
}

static void library_open(struct token *t)
{
	CK_C_GetFunctionList list;
	void *const library = dlopen(t->module, RTLD_NOW | RTLD_LOCAL);

	if (library == NULL)
		refuse(EXIT_REFUSED, "token library: %s", dlerror());
	void *const symbol = dlsym(library, "C_GetFunctionList");
	if (symbol == NULL)
		refuse(EXIT_REFUSED, "token library: %s is no PKCS#11 library", t->module);
	memcpy(&list, &symbol, sizeof list);
	must(t, list(&t->p11), "opening the library");
	must(t, t->p11->C_Initialize(NULL), "starting the library");
}

/* PKCS#11 pads labels with blanks. */
static bool is_label(const CK_UTF8CHAR *padded, size_t size, const char *text)
{
	const size_t len = strlen(text);

	if (len > size || memcmp(padded, text, len) != 0)
		return false;
	for (size_t i = len; i < size; i++)
		if (padded[i] != ' ')
			return false;
	return true;
}

static CK_SLOT_ID slot_find(const struct token *t)
{
	CK_SLOT_ID slots[SLOTS_MAX], found = 0;
	CK_ULONG count = SLOTS_MAX, matches = 0;
	CK_TOKEN_INFO info;

	must(t, t->p11->C_GetSlotList(CK_TRUE, slots, &count), "looking for tokens");
	for (CK_ULONG i = 0; i < count; i++)
		if (t->p11->C_GetTokenInfo(slots[i], &info) == CKR_OK &&
			is_label(info.label, sizeof info.label, t->token)) {
			found = slots[i];
			matches++;
		}
	if (matches == 0)
		refuse(EXIT_REFUSED, "token %s: %s knows no token of that label (of %lu)", t->token,
			t->module, (unsigned long)count);
	if (matches > 1)
		refuse(EXIT_REFUSED, "token %s: %lu tokens have that label", t->token,
			(unsigned long)matches);
	return found;
}

static void session_open(struct token *t, bool is_for_writing)
{
	const CK_FLAGS flags = CKF_SERIAL_SESSION | (is_for_writing ? CKF_RW_SESSION : 0);

	must(t, t->p11->C_OpenSession(slot_find(t), flags, NULL, NULL, &t->session),
		"opening a session");
	const CK_RV code = t->p11->C_Login(t->session, CKU_USER, t->pin.bytes, t->pin_len);
	secret_close(&t->pin);
	must(t, code, "logging in");
}

/* How many secret keys have our label; one of them. */
static CK_ULONG key_find(const struct token *t, CK_OBJECT_HANDLE *key)
{
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_ATTRIBUTE wanted[] = {{CKA_CLASS, &class, sizeof class},
		{CKA_LABEL, (void *)(uintptr_t)t->key, strlen(t->key)}};
	CK_OBJECT_HANDLE found[2];
	CK_ULONG count = 0;

	must(t, t->p11->C_FindObjectsInit(t->session, wanted, ARRAY_LEN(wanted)),
		"looking for the key");
	must(t, t->p11->C_FindObjects(t->session, found, ARRAY_LEN(found), &count),
		"looking for the key");
	must(t, t->p11->C_FindObjectsFinal(t->session), "looking for the key");
	*key = count > 0 ? found[0] : 0;
	return count;
}

/* A key that can leave the token protects no better than a file; one that is not private gives its HMAC
 * without a PIN; a short one can be found by trying. */
static void key_check(const struct token *t, CK_OBJECT_HANDLE key)
{
	CK_BBOOL is_extractable = CK_TRUE, is_sensitive = CK_FALSE, is_private = CK_FALSE;
	CK_ULONG octets = 0;
	CK_ATTRIBUTE is[] = {{CKA_EXTRACTABLE, &is_extractable, sizeof is_extractable},
		{CKA_SENSITIVE, &is_sensitive, sizeof is_sensitive},
		{CKA_PRIVATE, &is_private, sizeof is_private}};
	CK_ATTRIBUTE size[] = {{CKA_VALUE_LEN, &octets, sizeof octets}};

	must(t, t->p11->C_GetAttributeValue(t->session, key, is, ARRAY_LEN(is)),
		"looking at the key");
	if (is_extractable != CK_FALSE || is_sensitive != CK_TRUE)
		refuse(EXIT_REFUSED, "token %s: key %s can be taken out of the token", t->token,
			t->key);
	if (is_private != CK_TRUE)
		refuse(EXIT_REFUSED, "token %s: key %s may be used without the PIN", t->token,
			t->key);
	/* Not all tokens tell it of all types of keys. */
	if (t->p11->C_GetAttributeValue(t->session, key, size, ARRAY_LEN(size)) == CKR_OK &&
		octets < KEY_OCTETS)
		refuse(EXIT_REFUSED, "token %s: key %s has %lu octets, %d are wanted", t->token,
			t->key, (unsigned long)octets, KEY_OCTETS);
}

static void derive(struct token *t)
{
	CK_MECHANISM mechanism = {CKM_SHA256_HMAC, NULL, 0};
	CK_OBJECT_HANDLE key;
	CK_ULONG len = KEY_OCTETS;

	session_open(t, false);
	const CK_ULONG count = key_find(t, &key);
	if (count != 1)
		refuse(EXIT_REFUSED, "token %s: %s key is called %s", t->token,
			count == 0 ? "no secret" : "more than one secret", t->key);
	key_check(t, key);
	must(t, t->p11->C_SignInit(t->session, &mechanism, key), "HMAC-SHA-256");
	must(t,
		t->p11->C_Sign(t->session, (CK_BYTE *)(uintptr_t)label, sizeof label - 1,
			t->root.bytes, &len),
		"HMAC-SHA-256");
	if (len != KEY_OCTETS || write(TOKEN_ANSWER_FD, t->root.bytes, KEY_OCTETS) != KEY_OCTETS)
		refuse(EXIT_REFUSED, "token %s: HMAC-SHA-256 gave %lu octets", t->token,
			(unsigned long)len);
}

static void make(struct token *t)
{
	CK_MECHANISM mechanism = {CKM_GENERIC_SECRET_KEY_GEN, NULL, 0};
	CK_OBJECT_CLASS class = CKO_SECRET_KEY;
	CK_KEY_TYPE type = CKK_GENERIC_SECRET;
	CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
	CK_ULONG octets = KEY_OCTETS;
	CK_ATTRIBUTE as[] = {{CKA_CLASS, &class, sizeof class}, {CKA_KEY_TYPE, &type, sizeof type},
		{CKA_TOKEN, &yes, sizeof yes}, {CKA_PRIVATE, &yes, sizeof yes},
		{CKA_SENSITIVE, &yes, sizeof yes}, {CKA_EXTRACTABLE, &no, sizeof no},
		{CKA_SIGN, &yes, sizeof yes}, {CKA_VERIFY, &no, sizeof no},
		{CKA_ENCRYPT, &no, sizeof no}, {CKA_DECRYPT, &no, sizeof no},
		{CKA_WRAP, &no, sizeof no}, {CKA_UNWRAP, &no, sizeof no},
		{CKA_DERIVE, &no, sizeof no}, {CKA_VALUE_LEN, &octets, sizeof octets},
		{CKA_LABEL, (void *)(uintptr_t)t->key, strlen(t->key)}};
	CK_OBJECT_HANDLE key;

	session_open(t, true);
	if (key_find(t, &key) != 0)
		refuse(EXIT_THERE_ALREADY, "token %s: a secret key %s is there already", t->token,
			t->key);
	must(t, t->p11->C_GenerateKey(t->session, &mechanism, as, ARRAY_LEN(as), &key),
		"making the key");
	key_check(t, key);
}

static void pin_take(struct token *t)
{
	ssize_t n;

	if (failed(secret_open(&t->pin, TOKEN_PIN_MAX)) ||
		failed(secret_open(&t->root, KEY_OCTETS)))
		refuse(EXIT_REFUSED, "token %s: no memory for secrets", t->token);
	while (t->pin_len < t->pin.len &&
		(n = read(STDIN_FILENO, t->pin.bytes + t->pin_len, t->pin.len - t->pin_len)) > 0)
		t->pin_len += (size_t)n;
}

int main(int argc, char **argv)
{
	struct token t = {0};
	const bool is_making = argc == 5 && strcmp(argv[1], "make") == 0;

	if (argc != 5 || (!is_making && strcmp(argv[1], "derive") != 0)) {
		fprintf(stderr, "%s is started by a vault, or by `merlon auc token-key`\n",
			argv[0]);
		return 64;
	}
	if (failed(secret_forbid_dumps()))
		return EXIT_REFUSED;
	t.module = argv[2];
	t.token = argv[3];
	t.key = argv[4];
	pin_take(&t);
	library_open(&t);
	if (is_making)
		make(&t);
	else
		derive(&t);
	t.p11->C_Logout(t.session);
	t.p11->C_CloseSession(t.session);
	t.p11->C_Finalize(NULL);
	secret_close(&t.root);
	return 0;
}
