// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The canary test of the whole lab. Planted: K and OPc of some subscribers, both key-encryption
 * keys, the bootstrap secret, a QKD block and a PPK (watch.h), a hybrid key (as an ETSI 014 client
 * got it).
 *
 * Searched: core dumps of every process of both sites, vaults included, but not charon, which is
 * not ours and must hold the PPK; logs; databases with their write-ahead logs; all other files of
 * the sites; the captures. Not searched: the files by which an operator hands in secrets. A core
 * here is what gdb's gcore makes of a living process: it leaves out what is marked as not to be
 * dumped, as the kernel does.
 */
#include "cmd/lab/inner.h"
#include "cmd/lab/net.h"
#include "cmd/lab/pki.h"
#include "cmd/lab/usim.h"
#include "cmd/lab/watch.h"
#include "crypt/openssl.h"
#include <dirent.h>
#include <errno.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TRACE_MAX = 64 << 20, CORE_DEADLINE_MS = 20000 };

static struct err subscribers_plant(struct lab *lab)
{
	struct err e = OK;

	for (size_t i = 0; !failed(e) && i < LAB_CANARY_SUBSCRIBERS; i++) {
		char imsi[PKI_DIGITS];
		struct usim usim;
		pki_imsi(imsi, i);
		usim_test_keys(&usim, imsi);
		e = canary_plant(lab->canary, "K", SPAN_ARRAY(usim.k));
		if (!failed(e))
			e = canary_plant(lab->canary, "OPc", SPAN_ARRAY(usim.opc));
	}
	return e;
}

/* As a careless log line would: K of the first subscriber, in base64, not at its beginning. */
static struct err leak(struct complaint *c)
{
	char imsi[PKI_DIGITS], text[64];
	uint8_t line[1 + USIM_BLOCK] = {'k'};
	struct usim usim;

	pki_imsi(imsi, 0);
	usim_test_keys(&usim, imsi);
	memcpy(line + 1, usim.k, USIM_BLOCK);
	EVP_EncodeBlock((uint8_t *)text, line, sizeof line);
	FILE *f = fopen(LAB_FOLDER "/logs/leak.log", "wbe");
	if (f == NULL || fprintf(f, "{\"subscriber\":\"%s\"}\n", text) < 0 || fclose(f) != 0)
		return complain(c, ERR(IO), "the leak cannot be written");
	return OK;
}

struct err step_plant(struct lab *lab, bool *done, struct complaint *c)
{
	struct err e = subscribers_plant(lab);

	*done = true;
	for (size_t i = 0; !failed(e) && i < LAB_SITES; i++)
		e = canary_plant(lab->canary, "key-encryption key", SPAN_ARRAY(lab->sites[i].kek));
	if (!failed(e))
		e = canary_plant(lab->canary, "bootstrap secret", SPAN_ARRAY(lab->bootstrap));
	if (failed(e))
		return complain(c, e, "the canaries cannot be planted: %s", err_word(e));
	return lab->is_leaking ? leak(c) : OK;
}

struct watched {
	const char *process, *name, *record;
	watch_find_fn *find;
};
static const struct watched block = {
	"qkd", "QKD block", LAB_FOLDER "/watch/block", watch_find_qkd_block};
static const struct watched ppk = {"gateway", "PPK", LAB_FOLDER "/watch/ppk", watch_find_ppk};

static struct err watch_start(
	struct lab *lab, struct child *child, const struct watched *w, struct complaint *c)
{
	struct complaint why = {0};
	char pid[16];
	yyjson_doc *status = lab_status(lab, &lab->sites[SITE_RADIO], &why);

	snprintf(pid, sizeof pid, "%d", (int)lab_pid(status, w->process));
	yyjson_doc_free(status);
	if (strcmp(pid, "0") == 0)
		return complain(c, OK, "process %s is not there: %s", w->process, why.text);
	const char *const argv[] = {"strace", "-q", "-o", w->record, "-xx", "-s", "400000", "-e",
		"trace=write,writev,sendto,sendmsg", "-p", pid, NULL};
	return child_start(child, "strace", NULL, NULL, LAB_FOLDER "/logs/strace.log", argv, c);
}

/* Whether the value is in the record by now; then it is planted, and watching ends. */
static struct err watch_look(
	struct lab *lab, struct child *child, const struct watched *w, bool *has)
{
	static struct watch_value value;
	FILE *file = fopen(w->record, "rbe");
	struct stat st = {0};
	struct err e = OK;

	if (file == NULL || fstat(fileno(file), &st) != 0 || st.st_size == 0 ||
		st.st_size > TRACE_MAX) {
		if (file != NULL)
			fclose(file);
		return OK;
	}
	uint8_t *text = malloc((size_t)st.st_size), *octets = malloc((size_t)st.st_size / 4 + 1);
	if (text != NULL && octets != NULL) {
		const size_t len = fread(text, 1, (size_t)st.st_size, file);
		const size_t count = watch_octets(
			span_mut_of(octets, (size_t)st.st_size / 4 + 1), span_of(text, len));
		*has = w->find(span_of(octets, count), &value);
	}
	fclose(file);
	free(text);
	free(octets);
	if (*has) {
		child_stop(child, 1000);
		unlink(w->record);
		e = canary_plant(lab->canary, w->name, span_of(value.octets, value.len));
	}
	return e;
}

/* The QKD block first; the PPK is watched for from here on, and looked for at the step of the
 * cores. */
struct err step_watch(struct lab *lab, bool *done, struct complaint *c)
{
	struct err e = OK;

	if (lab->watch_ppk.pid == 0 && !lab->has_ppk)
		e = watch_start(lab, &lab->watch_ppk, &ppk, c);
	if (!failed(e) && lab->watch_block.pid == 0 && !lab->has_block)
		e = watch_start(lab, &lab->watch_block, &block, c);
	else if (!failed(e) && !lab->has_block)
		e = watch_look(lab, &lab->watch_block, &block, &lab->has_block);
	*done = lab->has_block;
	if (!failed(e))
		(void)complain(c, OK, "no QKD block was seen on its way to the key store");
	return e;
}

/* merlon-auc-store, merlon-qkd, merlon (the supervisors) …; not the lab itself. */
static bool is_searched(const char *pid, char *name, size_t size)
{
	char link[CHILD_PATH_MAX + 16], program[CHILD_PATH_MAX];

	snprintf(link, sizeof link, "/proc/%s/exe", pid);
	const ssize_t len = readlink(link, program, sizeof program - 1);
	if (len <= 0 || strcmp(pid, "1") == 0)
		return false;
	program[len] = '\0';
	const char *slash = strrchr(program, '/');
	snprintf(name, size, "%s", slash != NULL ? slash + 1 : program);
	return strncmp(name, "merlon", 6) == 0;
}

static struct err core_search(
	struct lab *lab, const char *pid, const char *name, struct complaint *c)
{
	char prefix[2 * CHILD_PATH_MAX], path[3 * CHILD_PATH_MAX], out[2048];
	const char *const argv[] = {"gcore", "-o", prefix, pid, NULL};

	snprintf(prefix, sizeof prefix, LAB_FOLDER "/cores/%s", name);
	struct err e = child_run(NULL, NULL, argv, out, sizeof out, CORE_DEADLINE_MS, c);
	snprintf(path, sizeof path, "%s.%s", prefix, pid);
	if (!failed(e))
		e = canary_search_file(lab->canary, path, &lab->verdict.canary, c);
	unlink(path);
	return e;
}

static struct err cores_search(struct lab *lab, struct complaint *c)
{
	DIR *folder = opendir("/proc");
	struct err e = OK;
	size_t count = 0;

	if (folder == NULL)
		return complain(c, ERR(IO), "/proc: %s", strerror(errno));
	for (const struct dirent *d; !failed(e) && (d = readdir(folder)) != NULL;) {
		char name[CHILD_PATH_MAX];
		if (d->d_name[0] < '0' || d->d_name[0] > '9' ||
			!is_searched(d->d_name, name, sizeof name) ||
			atoi(d->d_name) == (int)lab->tap)
			continue;
		e = core_search(lab, d->d_name, name, c);
		count++;
	}
	closedir(folder);
	if (!failed(e) && count == 0)
		e = complain(c, ERR(STATE), "there is no process to look into");
	return e;
}

static struct err files_search(struct lab *lab, struct complaint *c)
{
	/* By these an operator hands in secrets. */
	static const char *const except[] = {
		"kek", "bootstrap", "subscribers.csv", "pki", "watch", "cores", NULL};
	struct err e =
		canary_search_folder(lab->canary, LAB_FOLDER, except, &lab->verdict.canary, c);

	for (size_t i = 0; !failed(e) && i < LAB_SITES; i++) {
		char path[CHILD_PATH_MAX];
		snprintf(path, sizeof path, "/run/merlon/%s", lab->sites[i].name);
		if (access(path, F_OK) == 0)
			e = canary_search_folder(lab->canary, path, NULL, &lab->verdict.canary, c);
	}
	return e;
}

/* While everything lives: processes, and databases with their write-ahead logs. */
struct err step_cores(struct lab *lab, bool *done, struct complaint *c)
{
	struct err e = OK;

	if (!lab->has_ppk)
		e = watch_look(lab, &lab->watch_ppk, &ppk, &lab->has_ppk);
	if (failed(e))
		return complain(c, e, "the PPK cannot be planted");
	if (!lab->has_ppk)
		return complain(c, OK, "no PPK was seen on its way to charon");
	*done = true;
	e = cores_search(lab, c);
	return failed(e) ? e : files_search(lab, c);
}

/* When all is still: logs and captures to their end. */
struct err step_search(struct lab *lab, bool *done, struct complaint *c)
{
	struct canary_result *r = &lab->verdict.canary;
	const struct err e = files_search(lab, c);

	*done = true;
	lab->verdict.planted = canary_planted(lab->canary);
	if (failed(e))
		return e;
	if (r->hits > 0)
		return complain(c, ERR(STATE), "%llu leaks; the first: %s, %s, in %s at octet %zu",
			(unsigned long long)r->hits, r->findings[0].value,
			canary_encoding_word(r->findings[0].encoding), r->findings[0].where,
			r->findings[0].offset);
	return OK;
}
