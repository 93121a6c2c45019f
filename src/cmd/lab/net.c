// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "cmd/lab/net.h"
#include "cmd/lab/child.h"
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { IP_DEADLINE_MS = 5000, IP_ARGS_MAX = 16, IP_LINE_MAX = 160 };

static struct err mount_one(const char *type, const char *at, unsigned long flags,
	const char *options, struct complaint *c)
{
	if (mount(type, at, type, flags, options) != 0)
		return complain(c, ERR(IO), "cannot mount %s on %s: %s", type, at, strerror(errno));
	return OK;
}

/* Folders on the way are made, too. */
static struct err folder_make(const char *path, struct complaint *c)
{
	char part[256];

	for (const char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
		const size_t len = slash != NULL ? (size_t)(slash - path) : strlen(path);
		snprintf(part, sizeof part, "%.*s", (int)len, path);
		if (mkdir(part, 0755) != 0 && errno != EEXIST)
			return complain(c, ERR(IO), "%s: %s", part, strerror(errno));
		if (slash == NULL)
			return OK;
	}
}

/* /proc and /sys of the new process and network namespaces; places for `ip netns` and for the lab.
 */
static struct err mounts_build(const char *folder, struct complaint *c)
{
	struct err e = OK;

	if (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 && errno != EINVAL)
		return complain(c, ERR(IO), "mounts cannot be made private: %s", strerror(errno));
	e = mount_one("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL, c);
	if (!failed(e))
		e = folder_make("/run/netns", c);
	if (!failed(e))
		e = mount_one("tmpfs", "/run/netns", 0, "mode=755", c);
	if (!failed(e))
		e = folder_make(folder, c);
	if (!failed(e))
		e = mount_one("tmpfs", folder, MS_NOSUID | MS_NODEV, "mode=755", c);
	return e;
}

/* The first process of the world. */
_Noreturn static void world_begin(
	const char *folder, int (*inside)(void *ctx), void *ctx, pid_t parent)
{
	struct complaint c = {0};

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != 0 && getppid() != parent)
		_exit(1); /* the parent died before the line above; across namespaces it shows as 0
			   */
	if (failed(mounts_build(folder, &c))) {
		fprintf(stderr, "merlon lab: %s\n", c.text);
		_exit(1);
	}
	const int code = inside(ctx);
	fflush(NULL);
	_exit(code);
}

struct err net_world_run(const char *folder, int (*inside)(void *ctx), void *ctx, int *exit_code,
	struct complaint *c)
{
	int status = 0;

	*exit_code = 1;
	if (geteuid() != 0)
		return complain(c, ERR(AUTH),
			"the lab makes network namespaces and needs root: run it with sudo");
	const pid_t parent = getpid();
	if (unshare(CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET) != 0)
		return complain(c, errno == EPERM ? ERR(AUTH) : ERR(IO),
			"no namespaces for the lab (%s): CAP_SYS_ADMIN is needed", strerror(errno));
	fflush(NULL);
	const pid_t first = fork();
	if (first == 0)
		world_begin(folder, inside, ctx, parent);
	if (first < 0)
		return complain(c, ERR(IO), "fork: %s", strerror(errno));
	/* Ctrl-C reaches both; the world takes itself down and tells how it went. */
	signal(SIGINT, SIG_IGN);
	while (waitpid(first, &status, 0) < 0 && errno == EINTR)
		;
	umount2(folder, MNT_DETACH); /* so that the caller can remove the empty folder */
	*exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
	return OK;
}

/* Networks */

struct command {
	const char *space; /* NULL: the world's own */
	const char *line;  /* words without spaces in them */
};

static const struct command commands[] = {
	{NULL, "ip netns add " NET_RADIO},
	{NULL, "ip netns add " NET_BACKHAUL},
	{NULL, "ip netns add " NET_CORE},
	/* No IPv6: its multicast listener reports are neither ND nor ours. */
	{NET_RADIO,
		"sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"},
	{NET_BACKHAUL,
		"sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"},
	{NET_CORE,
		"sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1"},
	{NULL, "ip link add bh0 netns " NET_RADIO " type veth peer name " NET_TAP_RADIO
	       " netns " NET_BACKHAUL},
	{NULL, "ip link add bh0 netns " NET_CORE " type veth peer name " NET_TAP_CORE
	       " netns " NET_BACKHAUL},
	{NET_RADIO, "ip link set lo up"},
	{NET_BACKHAUL, "ip link set lo up"},
	{NET_CORE, "ip link set lo up"},
	{NET_RADIO, "ip address add 10.90.1.2/24 dev bh0"},
	{NET_BACKHAUL, "ip address add 10.90.1.1/24 dev " NET_TAP_RADIO},
	{NET_BACKHAUL, "ip address add 10.90.2.1/24 dev " NET_TAP_CORE},
	{NET_CORE, "ip address add 10.90.2.2/24 dev bh0"},
	{NET_RADIO, "ip address add 10.10.1.1/32 dev lo"},
	{NET_CORE, "ip address add 10.10.2.1/32 dev lo"},
	{NET_BACKHAUL, "sysctl -qw net.ipv4.ip_forward=1"},
	{NET_BACKHAUL, "ip link set " NET_TAP_RADIO " up"},
	{NET_BACKHAUL, "ip link set " NET_TAP_CORE " up"},
};

/* The sites come up last: the tap listens by then. */
static const struct command links_up[] = {
	{NET_RADIO, "ip link set bh0 up"},
	{NET_CORE, "ip link set bh0 up"},
	{NET_RADIO, "ip route add 10.90.2.0/24 via 10.90.1.1"},
	{NET_CORE, "ip route add 10.90.1.0/24 via 10.90.2.1"},
};

static struct err command_run(const struct command *command, struct complaint *c)
{
	char line[IP_LINE_MAX], out[512], *rest = NULL;
	const char *argv[IP_ARGS_MAX + 1];
	size_t count = 0;
	struct complaint why = {0};

	snprintf(line, sizeof line, "%s", command->line);
	for (char *word = strtok_r(line, " ", &rest); word != NULL && count < IP_ARGS_MAX;
		word = strtok_r(NULL, " ", &rest))
		argv[count++] = word;
	argv[count] = NULL;
	const struct err e =
		child_run(command->space, NULL, argv, out, sizeof out, IP_DEADLINE_MS, &why);
	if (failed(e))
		return complain(c, e, "'%s'%s%s: %s", command->line, command->space ? " in " : "",
			command->space ? command->space : "", why.text);
	return OK;
}

struct err net_build(struct complaint *c)
{
	struct err e = OK;

	for (size_t i = 0; !failed(e) && i < ARRAY_LEN(commands); i++)
		e = command_run(&commands[i], c);
	return e;
}

struct err net_links_up(struct complaint *c)
{
	struct err e = OK;

	for (size_t i = 0; !failed(e) && i < ARRAY_LEN(links_up); i++)
		e = command_run(&links_up[i], c);
	return e;
}
