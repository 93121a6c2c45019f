// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/lab.h"
#include "cmd/lab/inner.h"
#include "cmd/command.h"
#include "cmd/lab/net.h"
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { RESULT_MAX = 32768, LOG_TAIL = 1500 };

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
	(void)number;
	is_interrupted = 1;
}

/* ---- The page: what is done, what is on ---- */

enum step_state { STEP_AHEAD, STEP_ON, STEP_DONE, STEP_FAILED };

static bool has_page(const struct lab *lab)
{
	return !lab->is_once && isatty(STDOUT_FILENO);
}

static void page_site(const struct lab *lab, const struct lab_site *site)
{
	struct complaint why = {0};
	yyjson_doc *status = lab_status(lab, site, &why);

	if (status == NULL) {
		printf("  %-6s %s\n", site->name, why.text);
		return;
	}
	printf("  %-6s qkd: QBER %.2f %%, %llu secret bits   tunnel: %s, %llu rotations   alarms: "
	       "%zu\n",
		site->name, 100 * yyjson_get_num(lab_member(status, "qkd", "/qber")),
		(unsigned long long)yyjson_get_uint(lab_member(status, "qkd", "/secret_bits")),
		yyjson_is_true(lab_member(status, "gateway", "/tunnel/established")) ? "up"
										     : "down",
		(unsigned long long)yyjson_get_uint(
			lab_member(status, "gateway", "/tunnel/ppk_rotations")),
		yyjson_arr_size(yyjson_obj_get(yyjson_doc_get_root(status), "alarms")));
	yyjson_doc_free(status);
}

static void page_draw(const struct lab *lab, size_t on, const char *waiting)
{
	static const char *const marks[] = {"  ", "> ", "ok", "!!"};

	if (!has_page(lab))
		return;
	printf("\033[H\033[JMerlon lab: two sites, an untrusted backhaul. All optics are "
	       "SIMULATED.\n\n");
	for (size_t i = 0; i < lab->story->count; i++) {
		const enum step_state state = i < on                             ? STEP_DONE
					      : i > on                           ? STEP_AHEAD
					      : lab->verdict.failed_step != NULL ? STEP_FAILED
										 : STEP_ON;
		printf("  %s %-10s %s\n", marks[state], lab->story->steps[i].name,
			lab->story->steps[i].says);
	}
	printf("\n  %s\n", waiting);
	fflush(stdout);
}

static void progress(const struct lab *lab, const struct step *step, const char *how, uint64_t ms)
{
	if (!has_page(lab))
		fprintf(stderr, "lab: %-10s %-4s %6.1f s  %s\n", step->name, how, (double)ms / 1000,
			step->says);
}

/* ---- Steps ---- */

/* Programs that run until we stop them: one that ended by itself is the cause of whatever else
 * fails. */
static struct child *first_dead(struct lab *lab)
{
	struct child *const watched[] = {&lab->optics, &lab->sites[SITE_CORE].process,
		&lab->sites[SITE_RADIO].process, &lab->sgsn};

	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		const bool was_running = watched[i]->pid != 0;
		if (was_running && !child_is_alive(watched[i]))
			return watched[i];
	}
	return NULL;
}

static struct err dead_complain(const struct child *dead, struct complaint *c)
{
	char tail[LOG_TAIL];

	child_log_tail(dead->log, tail, sizeof tail);
	const char *last = strrchr(tail, '\n');
	return complain(c, ERR(STATE), "%s ended by itself: %s", dead->name,
		last != NULL ? last + 1 : tail);
}

static struct err step_run(struct lab *lab, size_t at)
{
	const struct step *step = &lab->story->steps[at];
	const uint64_t began = lab_now_ms();
	struct complaint waiting = {0};
	bool done = false;
	struct err e = OK;

	while (!failed(e) && !done) {
		struct complaint c = {0};
		page_draw(lab, at, waiting.text);
		e = step->work(lab, &done, &c);
		struct child *dead = failed(e) || done ? NULL : first_dead(lab);
		if (failed(e))
			lab->verdict.why = c;
		else if (dead != NULL)
			e = dead_complain(dead, &lab->verdict.why);
		else if (is_interrupted)
			e = complain(&lab->verdict.why, ERR(STATE), "interrupted");
		else if (!done && lab_now_ms() - began > step->deadline_ms)
			e = complain(&lab->verdict.why, ERR(TIMEOUT), "not within %u s: %s",
				step->deadline_ms / 1000, c.text);
		else if (!done)
			lab_sleep_ms(LAB_TICK_MS);
		waiting = c;
	}
	if (failed(e))
		lab->verdict.failed_step = step->name;
	progress(lab, step, failed(e) ? "FAIL" : "ok", lab_now_ms() - began);
	return e;
}

/* Live: stays as it is until Ctrl-C, between the proofs and the end. */
static void steady_state(struct lab *lab, size_t at)
{
	while (has_page(lab) && !is_interrupted && first_dead(lab) == NULL) {
		page_draw(lab, at,
			"Steady. ./merlon status from another terminal; Ctrl-C ends it and judges "
			"the tap.");
		for (size_t i = 0; i < LAB_SITES; i++)
			page_site(lab, &lab->sites[i]);
		fflush(stdout);
		for (int i = 0; i < 10 && !is_interrupted; i++)
			lab_sleep_ms(200);
	}
	is_interrupted = 0;
}

static void logs_show(const struct lab *lab)
{
	static const char *const names[] = {"core", "radio", "optics", "osmo-sgsn", "commands"};
	char path[CHILD_PATH_MAX], tail[LOG_TAIL];

	fprintf(stderr, "merlon lab: step %s: %s\n", lab->verdict.failed_step,
		lab->verdict.why.text);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof path, LAB_FOLDER "/logs/%s.log", names[i]);
		child_log_tail(path, tail, sizeof tail);
		if (tail[0] != '\0')
			fprintf(stderr, "---- end of %s.log\n%s\n", names[i], tail);
	}
}

/* Logs and captures alone: nothing that is a secret leaves the world. */
static void keep(const struct lab *lab)
{
	const char *const argv[] = {"sh", "-c",
		"mkdir -p \"$1\" && cp -r " LAB_FOLDER "/logs " LAB_FOLDER "/tap " LAB_FOLDER
		"/core.yaml " LAB_FOLDER "/radio.yaml \"$1\"",
		"sh", lab->keep, NULL};
	char out[256];
	struct complaint c = {0};

	if (lab->keep != NULL && failed(child_run(NULL, NULL, argv, out, sizeof out, 30000, &c)))
		fprintf(stderr, "merlon lab: --keep %s: %s\n", lab->keep, c.text);
}

static void run_folders_remove(void)
{
	const char *const argv[] = {"rm", "-rf", "/run/merlon/core", "/run/merlon/radio", NULL};
	char out[64];
	struct complaint c = {0};

	if (failed(child_run(NULL, NULL, argv, out, sizeof out, 5000, &c)))
		fprintf(stderr, "merlon lab: %s\n", c.text);
}

static struct err folders_make(struct complaint *c)
{
	static const char *const names[] = {"logs", "tap", "watch", "cores"};
	char path[CHILD_PATH_MAX];

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		snprintf(path, sizeof path, LAB_FOLDER "/%s", names[i]);
		if (mkdir(path, 0755) != 0)
			return complain(c, ERR(IO), "%s: %s", path, strerror(errno));
	}
	return OK;
}

/* On the page in words; else one JSON object. */
static int verdict_tell(struct lab *lab)
{
	static char text[RESULT_MAX];
	const struct lab_verdict *v = &lab->verdict;

	lab->verdict.seconds = (double)(lab_now_ms() - lab->began_ms) / 1000;
	lab->verdict.is_ok = v->failed_step == NULL;
	if (has_page(lab) && v->is_ok)
		printf("\nAll holds: %llu frames on the tap, none in clear; %llu leaks in %llu "
		       "files.\n",
			(unsigned long long)(v->tap.packets[TAP_ESP] + v->tap.packets[TAP_IKE] +
					     v->tap.packets[TAP_TLS]),
			(unsigned long long)v->canary.hits, (unsigned long long)v->canary.files);
	else if (has_page(lab))
		printf("\nStep %s failed: %s\n", v->failed_step, v->why.text);
	else if (lab_result_json(lab, text, sizeof text) == 0)
		fprintf(stderr, "merlon lab: the result does not fit\n");
	else
		printf("%s\n", text);
	return v->is_ok ? EXIT_OK : EXIT_FAILED;
}

/* The first process of the lab's world. */
static int inside(void *ctx)
{
	struct lab *lab = ctx;
	struct complaint c = {0};
	struct err e = folders_make(&c);

	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	signal(SIGPIPE, SIG_IGN);
	run_folders_remove();
	if (!failed(e))
		e = canary_open(&lab->canary);
	if (failed(e))
		return fail(EXIT_FAILED, "%s", c.text);
	for (size_t i = 0; i < lab->story->count && !failed(e); i++) {
		if (strcmp(lab->story->steps[i].name, "cores") == 0)
			steady_state(lab, i);
		e = step_run(lab, i);
	}
	if (failed(e))
		logs_show(lab);
	else
		page_draw(lab, lab->story->count, "");
	lab_stop(lab);
	keep(lab);
	run_folders_remove();
	canary_close(lab->canary);
	return verdict_tell(lab);
}

/* ---- The command ---- */

static const char usage[] =
	"usage: merlon lab [--once] [--attack] [--keep FOLDER]\n"
	"Two sites protected end to end on this machine, in network namespaces of their own. Needs "
	"root.\n"
	"  --once         prove it, print one JSON object, take everything down; exit code 0 only "
	"if all holds\n"
	"  --keep FOLDER  copy logs and captures there at the end\n"
	"  --attack       the other story: an eavesdropper on the quantum link (intercept-resend) "
	"is noticed, no key is\n"
	"                 made, and there is no tunnel\n"
	"  --leak         write a planted key into a log: the lab must find it and fail\n";

static bool folders_find(struct lab *lab)
{
	char exe[CHILD_PATH_MAX], beside[CHILD_PATH_MAX];
	const ssize_t len = readlink("/proc/self/exe", exe, sizeof exe - 1);
	const char *const places[] = {getenv("MERLON_LAB"), beside, "/usr/share/merlon/lab"};

	if (len <= 0)
		return false;
	exe[len] = '\0';
	snprintf(lab->programs, sizeof lab->programs, "%s", dirname(exe));
	if (snprintf(beside, sizeof beside, "%s/../lab", lab->programs) >= (int)sizeof beside)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		char path[2 * CHILD_PATH_MAX];
		if (places[i] == NULL)
			continue;
		snprintf(path, sizeof path, "%s/core.yaml", places[i]);
		snprintf(lab->templates, sizeof lab->templates, "%s", places[i]);
		if (access(path, R_OK) == 0)
			return true;
	}
	return false;
}

static int options_read(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {{"once", no_argument, NULL, 'o'},
		{"keep", required_argument, NULL, 'k'}, {"help", no_argument, NULL, 'h'},
		{"attack", no_argument, NULL, 'a'}, {"leak", no_argument, NULL, 'l'}, {0}};

	optind = 0;
	for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
		switch (o) {
		case 'o':
			lab->is_once = true;
			break;
		case 'k':
			lab->keep = optarg;
			break;
		case 'a':
			lab->is_attack = true;
			lab->story = &lab_attack;
			break;
		case 'l':
			lab->is_leaking = true;
			break;
		case 'h':
			fputs(usage, stdout);
			return EXIT_OK;
		default:
			fputs(usage, stderr);
			return EXIT_USAGE;
		}
	if (optind == argc)
		return -1;
	fputs(usage, stderr);
	return EXIT_USAGE;
}

/* One lab a machine: the sites' sockets have fixed places. */
static struct err lock_take(struct complaint *c)
{
	if (mkdir("/run/merlon", 0755) != 0 && errno != EEXIST)
		return complain(c, ERR(IO), "/run/merlon: %s", strerror(errno));
	const int fd = open("/run/merlon/lab.lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return complain(c, ERR(IO), "/run/merlon/lab.lock: %s", strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) != 0)
		return complain(c, ERR(STATE), "another lab runs on this machine");
	return OK; /* held until this process ends */
}

int lab_command(int argc, char **argv)
{
	static struct lab lab;
	struct complaint c = {0};
	int code;

	lab = (struct lab){.story = &lab_main_job,
		.sites = {{.name = "radio", .space = NET_RADIO, .client = "sae-radio-1"},
			{.name = "core", .space = NET_CORE, .client = "sae-core-1"}},
		.began_ms = lab_now_ms()};
	code = options_read(&lab, argc, argv);
	if (code >= 0)
		return code;
	if (geteuid() != 0)
		return fail(EXIT_PRIVILEGE,
			"the lab makes network namespaces and needs root: run it with sudo");
	if (!folders_find(&lab))
		return fail(EXIT_FAILED,
			"no folder with core.yaml and radio.yaml; MERLON_LAB may name it");
	struct err e = lock_take(&c);
	if (!failed(e))
		e = net_world_run(LAB_FOLDER, inside, &lab, &code, &c);
	rmdir(LAB_FOLDER);
	return failed(e) ? fail(exit_code_of(e), "%s", c.text) : code;
}
