// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/bench/rate.h"
#include "cmd/command.h"
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { RESULT_MAX = 256 << 10, SECONDS_DEFAULT = 5, SUBSCRIBERS_DEFAULT = 10000 };

typedef struct err bench_part_fn(
	const struct bench_options *o, struct json_writer *j, struct complaint *c);

static const struct {
	const char *bench, *part;
	bool needs_site; /* processes, network: root */
	bool by_name;    /* only where it is asked for */
	bench_part_fn *run;
} parts[] = {
	{"auc", "vault", false, false, bench_vault},
	{"auc", "serve", true, false, bench_serve},
	{"auc", "peer", true, false, bench_peer},
	{"qkd", "reconcile", false, false, bench_qkd_reconcile},
	{"qkd", "amplify", false, false, bench_qkd_amplify},
	{"qkd", "chain", false, false, bench_qkd_chain},
	{"qkd", "chain-long", false, true, bench_qkd_chain_long},
	{"qkd", "transforms", false, true, bench_qkd_transforms},
	{"qkd", "reconcile-paths", false, true, bench_qkd_reconcile_paths},
};

/* ---- the machine ---- */

static void write_cpu(struct json_writer *j)
{
	char line[256];
	FILE *f = fopen("/proc/cpuinfo", "re");

	while (f != NULL && fgets(line, sizeof line, f) != NULL) {
		char *colon = strncmp(line, "model name", 10) == 0 ? strchr(line, ':') : NULL;
		if (colon == NULL)
			continue;
		colon[strcspn(colon, "\n")] = '\0';
		json_text(j, "cpu", colon + 2);
		break;
	}
	if (f != NULL)
		fclose(f);
}

static void write_machine(struct json_writer *j)
{
	struct utsname u;
	double load[1] = {0};
	char date[32];
	const time_t now = time(NULL);
	struct tm tm;

	json_open(j, "machine", '{');
	write_cpu(j);
	json_i64(j, "cores", sysconf(_SC_NPROCESSORS_ONLN));
	if (uname(&u) == 0)
		json_text(j, "kernel", u.release);
	if (getloadavg(load, 1) == 1)
		json_f64(j, "load_before", load[0]);
	strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	json_text(j, "date", date);
	json_close(j, '}');
}

/* A network of our own with a loopback: ports are free, and nothing leaves the machine. */
static struct err enter_network(struct complaint *c)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};

	if (geteuid() != 0)
		return complain(c, ERR(AUTH), "serve and peer need root; --part vault does not");
	if (unshare(CLONE_NEWNET) != 0)
		return complain(c, ERR(IO), "a network namespace: %s", strerror(errno));
	const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	const bool is_up = fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0;
	if (fd >= 0)
		close(fd);
	return is_up ? OK : complain(c, ERR(IO), "loopback: %s", strerror(errno));
}

/* ---- options ---- */

static bool number(const struct invocation *in, const char *name, unsigned long least,
	unsigned long most, unsigned long *value)
{
	const char *text = option_value(in, name);
	char *end;

	if (text == NULL)
		return true;
	errno = 0;
	*value = strtoul(text, &end, 10);
	if (errno == 0 && *text >= '0' && *text <= '9' && *end == '\0' && *value >= least &&
		*value <= most)
		return true;
	fail(EXIT_USAGE, "bench: --%s: a number from %lu to %lu is expected: '%s'", name, least,
		most, text);
	return false;
}

static unsigned long cores_here(void)
{
	cpu_set_t allowed;
	const int count =
		sched_getaffinity(0, sizeof allowed, &allowed) == 0 ? CPU_COUNT(&allowed) : 1;

	return count > BENCH_CORES_MAX ? BENCH_CORES_MAX : (unsigned long)count;
}

static bool read_options(const struct invocation *in, struct bench_options *o)
{
	unsigned long seconds = SECONDS_DEFAULT, subscribers = SUBSCRIBERS_DEFAULT, window = 64,
		      connections = 1, vectors = 1, cores = 1;

	if (!number(in, "seconds", 1, 600, &seconds) ||
		!number(in, "subscribers", 100, 10000000, &subscribers) ||
		!number(in, "window", 1, 4096, &window) ||
		!number(in, "connections", 1, LOAD_CONNECTIONS_MAX, &connections) ||
		!number(in, "vectors", 1, 5, &vectors) ||
		!number(in, "cores", 1, cores_here(), &cores))
		return false;
	*o = (struct bench_options){.seconds = (unsigned)seconds,
		.subscribers = (uint32_t)subscribers,
		.window = (unsigned)window,
		.connections = (unsigned)connections,
		.vectors = (uint8_t)vectors,
		.cores = (unsigned)cores,
		.folder = option_value(in, "folder") != NULL ? option_value(in, "folder")
							     : "/var/tmp"};
	return true;
}

/* ---- the command ---- */

/* Ctrl-C ends the measurement, not the clearing up. */
static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
	(void)number;
	is_over = 1;
}

static void catch_signals(void)
{
	const struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

static bool is_wanted(size_t part, const char *bench, const char *only)
{
	return strcmp(parts[part].bench, bench) == 0 &&
	       (only == NULL ? !parts[part].by_name : strcmp(parts[part].part, only) == 0);
}

static struct err run_parts(const char *bench, const char *only, const struct bench_options *o,
	struct json_writer *j, struct complaint *c)
{
	bool has_network = false;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (is_over)
			return complain(c, ERR(STATE), "interrupted");
		if (!is_wanted(i, bench, only))
			continue;
		struct complaint why = {0};
		struct err e = OK;
		if (parts[i].needs_site && !has_network)
			e = enter_network(c);
		if (failed(e))
			return e;
		has_network |= parts[i].needs_site;
		fprintf(stderr, "bench %s: %s …\n", bench, parts[i].part);
		e = parts[i].run(o, j, &why);
		if (e.kind == ERR_ABSENT) { /* said, not left out in silence */
			json_text(j, parts[i].part, why.text);
			fprintf(stderr, "bench %s: SKIPPED: %s\n", parts[i].part, why.text);
		} else if (failed(e)) {
			return complain(c, e, "%s: %s", parts[i].part, why.text);
		}
	}
	return OK;
}

static int fail_absent(const char *bench, const char *only)
{
	char list[256] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts) && len < sizeof list; i++)
		len += (size_t)snprintf(list + len, sizeof list - len, "%s%s %s", i > 0 ? ", " : "",
			parts[i].bench, parts[i].part);
	return fail(EXIT_USAGE, "bench: there is no '%s%s%s'; there is: %s", bench,
		only != NULL ? " --part " : "", only != NULL ? only : "", list);
}

int bench_command(const struct invocation *in)
{
	static char text[RESULT_MAX];
	struct json_writer j = json_writer_of(SPAN_MUT_ARRAY(text));
	const char *part = option_value(in, "part");
	const char *only = part != NULL ? part : option_value(in, "stage");
	struct complaint c = {0};
	struct bench_options o;
	size_t wanted = 0;

	for (size_t i = 0; i < ARRAY_LEN(parts); i++)
		wanted += is_wanted(i, in->argv[0], only);
	if (wanted == 0)
		return fail_absent(in->argv[0], only);
	if (!read_options(in, &o))
		return EXIT_USAGE;
	catch_signals();
	o.is_over = &is_over;
	json_open(&j, NULL, '{');
	json_text(&j, "bench", in->argv[0]);
	write_machine(&j);
	const struct err e = run_parts(in->argv[0], only, &o, &j, &c);
	json_close(&j, '}');
	if (failed(e))
		return fail(e.kind == ERR_AUTH ? EXIT_PRIVILEGE : EXIT_FAILED, "bench: %s", c.text);
	if (j.is_full)
		return fail(EXIT_FAILED, "bench: the result is longer than %d octets", RESULT_MAX);
	if (wants_json(in))
		printf("%.*s\n", (int)json_done(&j).len, (const char *)json_done(&j).at);
	else
		bench_print(json_done(&j));
	return EXIT_OK;
}
