// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/* The story of the lab, in its order, and the steps that bring it up. */
#include "cmd/lab/inner.h"
#include "base/secret.h"
#include "cmd/lab/net.h"
#include "cmd/lab/pki.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { STOP_GRACE_MS = 8000, IMPORT_DEADLINE_MS = 20000, TEMPLATE_MAX = 32768 };

static struct err not_yet(struct complaint *c, const char *what)
{
	(void)complain(c, OK, "%s", what);
	return OK;
}

static struct err step_net(struct lab *lab, bool *done, struct complaint *c)
{
	(void)lab;
	*done = true;
	return net_build(c);
}

/* The recorder is a fork of ours: it reports drops when it is told to stop. */
_Noreturn static void recorder(int ready, int stop, int report)
{
	static const struct tap_interface interfaces[] = {
		{NET_TAP_RADIO, LAB_FOLDER "/tap/" NET_TAP_RADIO ".pcap"},
		{NET_TAP_CORE, LAB_FOLDER "/tap/" NET_TAP_CORE ".pcap"}};
	struct complaint c = {0};
	uint64_t dropped = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	struct err e = child_enter_space(NET_BACKHAUL, &c);
	if (!failed(e))
		e = tap_record(interfaces, ARRAY_LEN(interfaces), ready, stop, &dropped, &c);
	if (failed(e))
		fprintf(stderr, "merlon lab: %s\n", c.text);
	else if (write(report, &dropped, sizeof dropped) != sizeof dropped)
		_exit(1);
	_exit(failed(e));
}

static struct err tap_start(struct lab *lab, struct complaint *c)
{
	int ready[2], stop[2], report[2];
	char byte;

	if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(stop, O_CLOEXEC) != 0 ||
		pipe2(report, O_CLOEXEC) != 0)
		return complain(c, ERR(IO), "pipe: %s", strerror(errno));
	fflush(NULL);
	lab->tap = fork();
	if (lab->tap == 0) {
		close(stop[1]);
		close(report[0]);
		recorder(ready[1], stop[0], report[1]);
	}
	close(ready[1]);
	close(stop[0]);
	close(report[1]);
	lab->tap_stop = stop[1];
	lab->tap_report = report[0];
	const bool is_ready = lab->tap > 0 && read(ready[0], &byte, 1) == 1;
	close(ready[0]);
	return is_ready ? OK : complain(c, ERR(IO), "the tap did not start");
}

static struct err step_tap(struct lab *lab, bool *done, struct complaint *c)
{
	const struct err e = tap_start(lab, c);

	*done = true;
	return failed(e) ? e : net_links_up(c);
}

static struct err folder_make(const char *path, uid_t uid, mode_t mode, struct complaint *c)
{
	if (mkdir(path, mode) != 0 || chown(path, uid, (gid_t)-1) != 0 || chmod(path, mode) != 0)
		return complain(c, ERR(IO), "%s: %s", path, strerror(errno));
	return OK;
}

/* "@LAB@" in a template becomes the lab's folder. */
static struct err template_write(const struct lab *lab, const char *name, struct complaint *c)
{
	static char text[TEMPLATE_MAX];
	char from[2 * CHILD_PATH_MAX], to[CHILD_PATH_MAX];

	snprintf(from, sizeof from, "%s/%s", lab->templates, name);
	snprintf(to, sizeof to, LAB_FOLDER "/%s", name);
	FILE *in = fopen(from, "rbe"), *out = fopen(to, "wbe");
	const size_t len = in != NULL ? fread(text, 1, sizeof text - 1, in) : 0;
	const int why = errno;
	text[len] = '\0';
	const char *rest = text;
	for (const char *mark; out != NULL && (mark = strstr(rest, "@LAB@")) != NULL;
		rest = mark + 5)
		fprintf(out, "%.*s" LAB_FOLDER, (int)(mark - rest), rest);
	bool is_good = out != NULL && len > 0 && fputs(rest, out) >= 0;
	if (in != NULL)
		fclose(in);
	if (out != NULL && fclose(out) != 0)
		is_good = false;
	return is_good ? OK : complain(c, ERR(IO), "%s: %s", from, strerror(why));
}

static struct err site_files_write(
	struct lab *lab, struct lab_site *site, uid_t uid, struct complaint *c)
{
	char path[CHILD_PATH_MAX];
	struct err e;

	snprintf(path, sizeof path, LAB_FOLDER "/%s", site->name);
	e = folder_make(path, 0, 0755, c);
	snprintf(path, sizeof path, LAB_FOLDER "/%s/state", site->name);
	if (!failed(e))
		e = folder_make(path, uid, 0700, c);
	snprintf(path, sizeof path, LAB_FOLDER "/%s/kek", site->name);
	if (!failed(e))
		e = pki_secret_write(path, site->kek, sizeof site->kek, PKI_RAW, uid, c);
	snprintf(path, sizeof path, LAB_FOLDER "/%s/bootstrap", site->name);
	if (!failed(e))
		e = pki_secret_write_copy(
			path, lab->bootstrap, sizeof lab->bootstrap, PKI_RAW, uid, c);
	snprintf(path, sizeof path, "%s.yaml", site->name);
	return failed(e) ? e : template_write(lab, path, c);
}

static struct err step_pki(struct lab *lab, bool *done, struct complaint *c)
{
	const struct passwd *nobody = getpwnam("nobody");
	const uid_t uid = nobody != NULL ? nobody->pw_uid : 65534;
	struct err e = folder_make(LAB_FOLDER "/pki", 0, 0755, c);

	*done = true;
	if (!failed(e))
		e = pki_certificates_write(LAB_FOLDER "/pki", uid, c);
	if (!failed(e))
		e = pki_secret_write(LAB_FOLDER "/bootstrap", lab->bootstrap, sizeof lab->bootstrap,
			PKI_RAW, 0, c);
	for (size_t i = 0; !failed(e) && i < LAB_SITES; i++)
		e = site_files_write(lab, &lab->sites[i], uid, c);
	if (!failed(e))
		e = pki_subscribers_write(LAB_FOLDER "/subscribers.csv", 0, c);
	return failed(e) ? e : template_write(lab, "osmo-sgsn.cfg", c);
}

/* The simulated quantum channel, outside of both sites. */
static struct err step_optics(struct lab *lab, bool *done, struct complaint *c)
{
	const char *const argv[] = {lab_program(lab, "merlon-optics"), "--alice",
		LAB_FOLDER "/optics/alice.sock", "--bob", LAB_FOLDER "/optics/bob.sock",
		"--socket-mode", "666", lab->is_attack ? "--intercept" : NULL, "1.0", NULL};
	struct err e = OK;

	if (lab->optics.pid == 0) {
		e = folder_make(LAB_FOLDER "/optics", 0, 0755, c);
		if (!failed(e))
			e = child_start(&lab->optics, "optics", NULL, NULL,
				LAB_FOLDER "/logs/optics.log", argv, c);
	}
	*done = access(LAB_FOLDER "/optics/alice.sock", F_OK) == 0 &&
		access(LAB_FOLDER "/optics/bob.sock", F_OK) == 0;
	return failed(e) ? e : not_yet(c, "its two sockets are not there");
}

static bool site_is_ready(yyjson_doc *status, struct complaint *c)
{
	yyjson_val *processes = yyjson_obj_get(yyjson_doc_get_root(status), "processes");
	yyjson_arr_iter iter = yyjson_arr_iter_with(processes);

	for (yyjson_val *p = yyjson_arr_iter_next(&iter); p != NULL;
		p = yyjson_arr_iter_next(&iter)) {
		const char *state = yyjson_get_str(yyjson_obj_get(p, "state"));
		const char *name = yyjson_get_str(yyjson_obj_get(p, "name"));
		if (state == NULL || (strcmp(state, "ready") != 0 && strcmp(state, "idle") != 0)) {
			(void)complain(c, OK, "process %s is %s", name != NULL ? name : "?",
				state != NULL ? state : "?");
			return false;
		}
	}
	return yyjson_arr_size(processes) > 0;
}

static struct err site_start(
	struct lab *lab, struct lab_site *site, bool *done, struct complaint *c)
{
	char config[CHILD_PATH_MAX], log[CHILD_PATH_MAX];
	struct complaint why = {0};
	struct err e = OK;

	snprintf(config, sizeof config, LAB_FOLDER "/%s.yaml", site->name);
	snprintf(log, sizeof log, LAB_FOLDER "/logs/%s.log", site->name);
	if (site->process.pid == 0) {
		const char *const argv[] = {lab_program(lab, "merlon"), "run", config, NULL};
		return child_start(&site->process, site->name, site->space, NULL, log, argv, c);
	}
	yyjson_doc *status = lab_status(lab, site, &why);
	if (status == NULL)
		e = not_yet(c, why.text);
	else
		*done = site_is_ready(status, c);
	yyjson_doc_free(status);
	return e;
}

static struct err step_core(struct lab *lab, bool *done, struct complaint *c)
{
	return site_start(lab, &lab->sites[SITE_CORE], done, c);
}

static struct err step_radio(struct lab *lab, bool *done, struct complaint *c)
{
	return site_start(lab, &lab->sites[SITE_RADIO], done, c);
}

static struct err step_import(struct lab *lab, bool *done, struct complaint *c)
{
	const char *const argv[] = {lab_program(lab, "merlon"), "subscriber", "import", "--site",
		"core", LAB_FOLDER "/subscribers.csv", NULL};
	char out[1024];

	*done = true;
	return child_run(NULL, NULL, argv, out, sizeof out, IMPORT_DEADLINE_MS, c);
}

/* Blocks count when both ends have them. */
bool lab_qkd_read(struct lab *lab)
{
	struct lab_verdict *v = &lab->verdict;
	uint64_t bits[LAB_SITES] = {0};

	for (size_t i = 0; i < LAB_SITES; i++) {
		struct complaint why = {0};
		yyjson_doc *status = lab_status(lab, &lab->sites[i], &why);
		bits[i] = yyjson_get_uint(lab_member(status, "qkd", "/secret_bits"));
		v->blocks = yyjson_get_uint(lab_member(status, "qkd", "/blocks_final"));
		v->qber = yyjson_get_num(lab_member(status, "qkd", "/qber"));
		v->bits_per_second = yyjson_get_num(lab_member(status, "qkd", "/bits_per_second"));
		v->leaked_bits = yyjson_get_uint(lab_member(status, "qkd", "/ledger/parities")) +
				 yyjson_get_uint(lab_member(status, "qkd", "/ledger/answers")) +
				 yyjson_get_uint(lab_member(status, "qkd", "/ledger/tag_bits"));
		yyjson_doc_free(status);
	}
	v->secret_bits = bits[0] < bits[1] ? bits[0] : bits[1];
	return v->secret_bits > 0;
}

static struct err step_qkd(struct lab *lab, bool *done, struct complaint *c)
{
	*done = lab_qkd_read(lab);
	return not_yet(c, "no block is final at both ends");
}

bool lab_tunnel_is_up(struct lab *lab, struct complaint *c)
{
	struct lab_verdict *v = &lab->verdict;

	v->is_established = v->has_ppk = true;
	for (size_t i = 0; i < LAB_SITES; i++) {
		struct complaint why = {0};
		yyjson_doc *status = lab_status(lab, &lab->sites[i], &why);
		v->is_established &=
			yyjson_is_true(lab_member(status, "gateway", "/tunnel/established"));
		v->has_ppk &= yyjson_is_true(lab_member(status, "gateway", "/tunnel/ppk"));
		yyjson_doc_free(status);
	}
	(void)complain(c, OK,
		v->is_established ? "the tunnel is up, but without a PPK"
				  : "the tunnel is not up at both sites");
	return v->is_established && v->has_ppk;
}

static struct err step_tunnel(struct lab *lab, bool *done, struct complaint *c)
{
	*done = lab_tunnel_is_up(lab, c);
	return OK;
}

/* "GSUP link to 10.10.2.1:4222 UP", and no DOWN since. */
static bool last_link_state_is_up(const char *log)
{
	const char *last = NULL;

	for (const char *at = log; (at = strstr(at, "GSUP link to ")) != NULL; at++)
		last = at;
	return last != NULL && strncmp(last + strcspn(last, "\n") - 3, " UP", 3) == 0;
}

static struct err step_sgsn(struct lab *lab, bool *done, struct complaint *c)
{
	const char *const argv[] = {"osmo-sgsn", "-c", LAB_FOLDER "/osmo-sgsn.cfg", NULL};
	char log[8192];
	struct err e = OK;

	if (lab->sgsn.pid == 0)
		e = child_start(&lab->sgsn, "osmo-sgsn", NET_RADIO, LAB_FOLDER,
			LAB_FOLDER "/logs/osmo-sgsn.log", argv, c);
	child_log_tail(LAB_FOLDER "/logs/osmo-sgsn.log", log, sizeof log);
	*done = last_link_state_is_up(log);
	return failed(e) ? e : not_yet(c, "it has no GSUP connection to the core site");
}

/* All goes down but the tap, in the order in which it stands on each other. */
void lab_stop(struct lab *lab)
{
	struct flow_counts counts;

	flow_stop(&lab->flow, &counts);
	child_stop(&lab->watch_block, 500);
	child_stop(&lab->watch_ppk, 500);
	child_stop(&lab->sgsn, 2000);
	for (size_t i = 0; i < LAB_SITES; i++)
		if (lab->sites[i].process.pid != 0)
			kill(lab->sites[i].process.pid, SIGTERM);
	for (size_t i = 0; i < LAB_SITES; i++)
		child_stop(&lab->sites[i].process, STOP_GRACE_MS);
	child_stop(&lab->optics, 2000);
}

static struct err step_down(struct lab *lab, bool *done, struct complaint *c)
{
	(void)c;
	lab_stop(lab);
	*done = true;
	return OK;
}

static struct err step_judge(struct lab *lab, bool *done, struct complaint *c)
{
	static const uint16_t ports[] = {7010, 7020, 7030};
	static const char *const files[] = {
		LAB_FOLDER "/tap/" NET_TAP_RADIO ".pcap", LAB_FOLDER "/tap/" NET_TAP_CORE ".pcap"};
	struct lab_verdict *v = &lab->verdict;
	struct err e = OK;
	int status = 0;

	*done = true;
	close(lab->tap_stop);
	if (read(lab->tap_report, &v->tap_dropped, sizeof v->tap_dropped) != sizeof v->tap_dropped)
		e = complain(c, ERR(IO), "the tap did not say how many frames it lost");
	close(lab->tap_report);
	waitpid(lab->tap, &status, 0);
	lab->tap = 0;
	for (size_t i = 0; !failed(e) && i < ARRAY_LEN(files); i++)
		e = tap_judge_file(files[i], ports, ARRAY_LEN(ports), &v->tap, c);
	if (failed(e))
		return e;
	if (v->tap_dropped > 0)
		return complain(c, ERR(STATE), "the tap lost %llu frames: no verdict",
			(unsigned long long)v->tap_dropped);
	if (v->tap.packets[TAP_TLS] == 0 ||
		(!lab->is_attack && (v->tap.packets[TAP_ESP] == 0 || v->tap.packets[TAP_IKE] == 0)))
		return complain(c, ERR(STATE),
			"the tap saw no ESP, no IKE or no TLS: it was not in the way");
	if (v->tap.packets[TAP_CLEARTEXT] > 0)
		return complain(c, ERR(STATE),
			"%llu frames in clear on the backhaul; the first: %s",
			(unsigned long long)v->tap.packets[TAP_CLEARTEXT], v->tap.descriptions[0]);
	return OK;
}

static const struct step main_job[] = {
	{"net", "three networks: radio, backhaul, core", 10000, step_net},
	{"tap", "a tap on both sides of the backhaul", 5000, step_tap},
	{"pki", "certificates, keys, subscribers", 10000, step_pki},
	{"optics", "SIMULATED quantum channel", 10000, step_optics},
	{"core", "site core", 20000, step_core},
	{"radio", "site radio", 20000, step_radio},
	{"plant", "canaries are planted", 5000, step_plant},
	{"watch", "a QKD block passes to the key store", 40000, step_watch},
	{"import", "subscribers into the authentication centre", 20000, step_import},
	{"qkd", "a key from the quantum link at both ends", 60000, step_qkd},
	{"keys", "ETSI 014: the same key at both sites, once", 30000, step_keys},
	{"tunnel", "IPsec with a PPK across the backhaul", 40000, step_tunnel},
	{"sgsn", "a real SGSN reaches the authentication centre", 20000, step_sgsn},
	{"attach", "a mobile attaches", 20000, step_attach},
	{"vectors", "authentication vectors are right", 20000, step_vectors},
	{"rotations", "three fresh PPKs, make before break", 60000, step_rotations},
	{"trace", "each PPK leads back to its quantum block", 10000, step_trace},
	{"kill", "charon is killed under a marked flow, and comes back", 60000, step_kill},
	{"cores", "no canary in any process", 60000, step_cores},
	{"down", "both sites stop", 25000, step_down},
	{"judge", "the tap saw nothing in clear", 20000, step_judge},
	{"search", "no canary in logs, databases, captures", 30000, step_search},
};
const struct story lab_main_job = {main_job, ARRAY_LEN(main_job)};

/* Somebody measures every pulse and sends it on: the link has to notice, and nothing may come of
 * it. */
static const struct step attack[] = {
	{"net", "three networks: radio, backhaul, core", 10000, step_net},
	{"tap", "a tap on both sides of the backhaul", 5000, step_tap},
	{"pki", "certificates, keys, subscribers", 10000, step_pki},
	{"optics", "SIMULATED quantum channel, with an eavesdropper", 10000, step_optics},
	{"core", "site core", 20000, step_core},
	{"radio", "site radio", 20000, step_radio},
	{"noticed", "the eavesdropper is noticed", 60000, step_noticed},
	{"nothing", "no key is made, given or used", 20000, step_nothing},
	{"down", "both sites stop", 25000, step_down},
	{"judge", "the tap saw nothing in clear", 20000, step_judge},
};
const struct story lab_attack = {attack, ARRAY_LEN(attack)};
