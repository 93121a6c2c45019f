// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* What this machine offers: one row a question, each with what it is for. */
#include "command.h"
#include "base/secret.h"
#include "crypt/openssl.h"
#include "host/metrics.h"
#include "host/sandbox.h"
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum verdict { FINE, WEAKER, MISSING };

struct finding {
	enum verdict verdict;
	char detail[128];
};

struct question {
	const char *name, *purpose;
	void (*ask)(const char *argument, struct finding *f);
	const char *argument;
};

static void answer(struct finding *f, enum verdict verdict, const char *detail)
{
	f->verdict = verdict;
	snprintf(f->detail, sizeof f->detail, "%s", detail);
}

static void ask_openssl(const char *argument, struct finding *f)
{
	(void)argument;
	answer(f, OPENSSL_version_major() * 100 + OPENSSL_version_minor() >= 305 ? FINE : MISSING,
		OpenSSL_version(OPENSSL_VERSION));
}

static void ask_algorithm(const char *algorithm, struct finding *f)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, algorithm, NULL);

	answer(f, ctx != NULL ? FINE : MISSING, ctx != NULL ? "in libcrypto" : "not in libcrypto");
	EVP_PKEY_CTX_free(ctx);
}

static void ask_secrets(const char *argument, struct finding *f)
{
	(void)argument;
	switch (secret_protection()) {
	case SECRET_MEMFD:
		answer(f, FINE, "memfd_secret: outside the kernel's own map");
		return;
	case SECRET_MLOCK:
		answer(f, WEAKER, "mlock: locked, but the kernel maps it");
		return;
	case SECRET_UNPROTECTED:
		answer(f, MISSING, "memory can be neither hidden nor locked (RLIMIT_MEMLOCK?)");
	}
}

static void ask_landlock(const char *argument, struct finding *f)
{
	const int abi = sandbox_landlock_abi();

	(void)argument;
	snprintf(f->detail, sizeof f->detail, "ABI %d", abi);
	f->verdict = abi >= 4 ? FINE : abi > 0 ? WEAKER : MISSING;
}

static void ask_seccomp(const char *argument, struct finding *f)
{
	const bool is_there = prctl(PR_GET_SECCOMP) >= 0;

	(void)argument;
	answer(f, is_there ? FINE : MISSING, is_there ? "available" : "not in this kernel");
}

static void ask_memlock(const char *argument, struct finding *f)
{
	const struct rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
	struct rlimit limit = {0};

	(void)argument;
	getrlimit(RLIMIT_MEMLOCK, &limit);
	/* As secret_lock_all() does it; root alone says nothing (CAP_SYS_RESOURCE). */
	f->verdict = setrlimit(RLIMIT_MEMLOCK, &all) == 0 ? FINE : WEAKER;
	if (f->verdict == FINE)
		answer(f, FINE, "none, or it can be lifted: all of a vault is locked");
	else
		snprintf(f->detail, sizeof f->detail,
			"%llu KiB, and we may not lift it: secrets alone are locked, a vault's "
			"round keys may be swapped",
			(unsigned long long)limit.rlim_max / 1024);
}

static void ask_file(const char *path, struct finding *f)
{
	answer(f, access(path, F_OK) == 0 ? FINE : MISSING, path);
}

static void ask_root(const char *argument, struct finding *f)
{
	(void)argument;
	answer(f, geteuid() == 0 ? FINE : MISSING,
		geteuid() == 0
			? "yes"
			: "no: `run` and `lab` need it to open ports and drop to the site's user");
}

static const struct question questions[] = {
	{"root", "run, lab", ask_root, NULL},
	{"openssl", "all cryptography", ask_openssl, NULL},
	{"ml-kem-768", "hybrid keys [FIPS 203]", ask_algorithm, "ML-KEM-768"},
	{"x25519mlkem768", "TLS between sites", ask_algorithm, "X25519MLKEM768"},
	{"secret memory", "vaults", ask_secrets, NULL},
	{"memory lock limit", "vaults", ask_memlock, NULL},
	{"seccomp", "sandbox", ask_seccomp, NULL},
	{"landlock", "sandbox", ask_landlock, NULL},
	{"tun device", "userspace ESP", ask_file, "/dev/net/tun"},
	{"charon", "IKEv2", ask_file, "/usr/sbin/charon-systemd"},
	{"kernel-libipsec", "userspace ESP", ask_file,
		"/usr/lib/ipsec/plugins/libstrongswan-kernel-libipsec.so"},
	{"nft", "fence on the backhaul", ask_file, "/usr/sbin/nft"},
	{"ip", "routes, lab", ask_file, "/usr/sbin/ip"},
	{"osmo-sgsn", "lab", ask_file, "/usr/bin/osmo-sgsn"},
	{"curl", "lab", ask_file, "/usr/bin/curl"},
};

static const char *const verdict_words[] = {"ok", "weaker", "missing"};

int doctor_command(const struct invocation *in)
{
	char buffer[8192];
	struct json_writer json = json_writer_of(SPAN_MUT_ARRAY(buffer));
	unsigned missing = 0;

	json_open(&json, NULL, '[');
	for (size_t i = 0; i < ARRAY_LEN(questions); i++) {
		struct finding f = {0};
		questions[i].ask(questions[i].argument, &f);
		missing += f.verdict == MISSING;
		json_open(&json, NULL, '{');
		json_text(&json, "name", questions[i].name);
		json_text(&json, "verdict", verdict_words[f.verdict]);
		json_text(&json, "detail", f.detail);
		json_text(&json, "for", questions[i].purpose);
		json_close(&json, '}');
		if (!wants_json(in))
			printf("%-8s %-18s %s (%s)\n", verdict_words[f.verdict], questions[i].name,
				f.detail, questions[i].purpose);
	}
	json_close(&json, ']');
	if (wants_json(in))
		printf("%.*s\n", (int)json.len, json.at);
	return missing == 0 ? EXIT_OK : EXIT_FAILED;
}
