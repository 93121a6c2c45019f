// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * `merlon run` and `merlon check`: the same reading of the configuration, with and without its effects.
 *
 * Order of effects: folders, charon's configuration, then the fence, and only behind the fence the first process. Where the fence
 * cannot be put up, nothing runs.
 */
#include "cmd/command.h"
#include "cmd/lab/child.h"
#include "cmd/plan.h"
#include "gateway/conf.h"
#include "gateway/fence.h"
#include "host/metrics.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PROGRAM_MS_MAX = 10000 };

/* A folder of the site's user alone; parents as they are. */
static struct err make_folder(
	const char *path, mode_t mode, const struct passwd *user, struct complaint *c)
{
	if (mkdir(path, mode) != 0 && errno != EEXIST)
		return complain(c, ERR(IO), "%s: %s", path, strerror(errno));
	if (chmod(path, mode) != 0 ||
		(user != NULL && chown(path, user->pw_uid, user->pw_gid) != 0))
		return complain(c, ERR(IO), "%s: %s", path, strerror(errno));
	return OK;
}

static struct err make_folders(const struct site *site, struct complaint *c)
{
	static const char *const parts[] = {"", "/auc", "/kms", "/audit"};
	const struct passwd *user = getpwnam(site->user);
	char path[1100];

	if (user == NULL)
		return complain(
			c, ERR(INPUT), "user: no such user on this machine: '%s'", site->user);
	if (mkdir("/run/merlon", 0755) != 0 && errno != EEXIST)
		return complain(c, ERR(IO), "/run/merlon: %s", strerror(errno));
	struct err e = make_folder(site->run_folder, 0750, NULL, c);
	/* The site's processes reach charon's socket in it. */
	if (!failed(e) && chown(site->run_folder, (uid_t)-1, user->pw_gid) != 0)
		e = complain(c, ERR(IO), "%s: %s", site->run_folder, strerror(errno));
	for (size_t i = 0; i < ARRAY_LEN(parts) && !failed(e); i++) {
		snprintf(path, sizeof path, "%s%s", site->state_folder, parts[i]);
		e = make_folder(path, 0700, user, c);
	}
	return e;
}

static struct err write_text(
	const char *folder, const char *name, struct span text, struct complaint *c)
{
	char path[300];

	snprintf(path, sizeof path, "%.200s/%s", folder, name);
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	const bool is_written = fd >= 0 && write(fd, text.at, text.len) == (ssize_t)text.len;
	if (fd >= 0)
		close(fd);
	return is_written ? OK : complain(c, ERR(IO), "%s: %s", path, strerror(errno));
}

/* The group that may speak to charon's socket: the site's user's own. */
static struct err write_charon_conf(const struct site *site, struct complaint *c)
{
	static uint8_t text[8192];
	char vici[300], log[300];
	const struct passwd *user = getpwnam(site->user);
	size_t len;

	snprintf(vici, sizeof vici, "%.200s/charon.vici", site->run_folder);
	snprintf(log, sizeof log, "%.200s/charon.log", site->run_folder);
	const struct group *group = user != NULL ? getgrgid(user->pw_gid) : NULL;
	const struct gateway_conf conf = {.esp = CHARON_ESP_USERSPACE,
		.vici_socket = vici,
		.group = group != NULL ? group->gr_name : NULL,
		.log_file = log};
	const struct err e = gateway_conf_render(&conf, SPAN_MUT_ARRAY(text), &len, c);
	return failed(e) ? e
			 : write_text(site->run_folder, "strongswan.conf", span_of(text, len), c);
}

static struct err put_up(const struct site *site, const char *file, struct span text,
	const char *const argv[], struct complaint *c)
{
	char said[512];
	const struct err e = write_text(site->run_folder, file, text, c);

	return failed(e) ? e : child_run(NULL, NULL, argv, said, sizeof said, PROGRAM_MS_MAX, c);
}

static struct err put_up_fence(const struct site *site, struct complaint *c)
{
	static uint8_t text[GATEWAY_TEXT_MAX];
	char nft[300], routes[300];
	const struct gateway_fence f = plan_fence(site);
	size_t len;

	snprintf(nft, sizeof nft, "%.200s/fence.nft", site->run_folder);
	snprintf(routes, sizeof routes, "%.200s/fence.routes", site->run_folder);
	struct err e = gateway_fence_render(&f, SPAN_MUT_ARRAY(text), &len, c);
	if (!failed(e))
		e = put_up(site, "fence.nft", span_of(text, len),
			(const char *const[]){"/usr/sbin/nft", "-f", nft, NULL}, c);
	if (!failed(e))
		e = gateway_fence_routes_render(&f, SPAN_MUT_ARRAY(text), &len, c);
	if (!failed(e))
		e = put_up(site, "fence.routes", span_of(text, len),
			(const char *const[]){"/usr/sbin/ip", "-batch", routes, NULL}, c);
	return e;
}

static struct err prepare(const struct site *site, struct complaint *c)
{
	struct err e = make_folders(site, c);

	if (failed(e) || site->gateway == NULL)
		return e;
	if (site->gateway->charon != NULL)
		e = write_charon_conf(site, c);
	return failed(e) ? e : put_up_fence(site, c);
}

/* The site as it runs, and the file that a reload reads again. */
struct running {
	const char *path;
	const struct site *site;
};

/* Without effect: `check` says too what is wrong with the fence. */
static struct err render_fence(
	const struct site *site, struct span_mut out, size_t *len, struct complaint *c)
{
	const struct gateway_fence f = plan_fence(site);

	return gateway_fence_render(&f, out, len, c);
}

/* The fence stands as it was put up. Not all that it is made of is a setting of a process, which would refuse by itself. */
static struct err check_fence_same(
	const struct site *was, const struct site *site, struct complaint *c)
{
	static uint8_t old[GATEWAY_TEXT_MAX], new[GATEWAY_TEXT_MAX];
	size_t old_len, new_len;

	if (was->gateway == NULL || site->gateway == NULL)
		return OK;
	if (strcmp(was->gateway->interface, site->gateway->interface) != 0)
		return complain(c, ERR(STATE), "a change of gateway.interface needs a restart");
	struct err e = render_fence(was, SPAN_MUT_ARRAY(old), &old_len, c);
	if (!failed(e))
		e = render_fence(site, SPAN_MUT_ARRAY(new), &new_len, c);
	if (!failed(e) && !span_equal(span_of(old, old_len), span_of(new, new_len)))
		e = complain(c, ERR(STATE),
			"gateway: a change of what the fence is made of needs a restart");
	return e;
}

static struct err replan(void *ctx, struct supervisor_plan *next, struct complaint *c)
{
	const struct running *running = ctx;
	struct site *site;
	struct err e = site_load(running->path, true, &site, c);

	if (failed(e))
		return e;
	e = check_fence_same(running->site, site, c);
	if (!failed(e))
		e = plan_from_site(site, next, c);
	site_free(site);
	return e;
}

static struct err read_plan(
	const char *path, struct site **site, struct supervisor_plan **plan, struct complaint *c)
{
	struct err e = site_load(path, true, site, c);

	*plan = NULL;
	if (failed(e))
		return e;
	*plan = calloc(1, sizeof **plan);
	e = *plan == NULL ? complain(c, ERR(LIMIT), "out of memory")
			  : plan_from_site(*site, *plan, c);
	if (failed(e)) {
		free(*plan);
		site_free(*site);
	}
	return e;
}

int run_command(const struct invocation *in)
{
	struct complaint c = {0};
	struct supervisor_plan *plan;
	struct site *site;

	/* Before the configuration: without root its files cannot be read, and that would be all
	 * one is told. */
	if (geteuid() != 0)
		return fail(EXIT_PRIVILEGE, "run: needs root, to open ports, put up the fence and "
					    "change to the site's user");
	struct err e = read_plan(in->argv[0], &site, &plan, &c);
	if (failed(e))
		return fail(EXIT_CONFIG, "%s", c.text);
	struct running running = {.path = in->argv[0], .site = site};
	e = prepare(site, &c);
	if (!failed(e)) {
		plan->ctx = &running;
		plan->replan = replan;
		e = supervisor_run(plan, &c);
	}
	free(plan);
	site_free(site);
	return failed(e) ? fail(exit_code_of(e), "%s", c.text) : EXIT_OK;
}

static void note_write(void *ctx, const char *note)
{
	json_text(ctx, NULL, note);
}

static void note_print(void *ctx, const char *note)
{
	(void)ctx;
	printf("note: %s\n", note);
}

int check_command(const struct invocation *in)
{
	static char buffer[65536];
	static uint8_t fence[GATEWAY_TEXT_MAX];
	struct json_writer json = json_writer_of(SPAN_MUT_ARRAY(buffer));
	size_t fence_len;
	struct complaint c = {0};
	struct supervisor_plan *plan;
	struct site *site;

	if (failed(read_plan(in->argv[0], &site, &plan, &c)))
		return fail(EXIT_CONFIG, "%s", c.text);
	if (site->gateway != NULL &&
		failed(render_fence(site, SPAN_MUT_ARRAY(fence), &fence_len, &c)))
		return fail(EXIT_CONFIG, "%s: %s", in->argv[0], c.text);
	json_open(&json, NULL, '{');
	json_text(&json, "site", plan->site);
	json_open(&json, "processes", '[');
	for (size_t i = 0; i < plan->count; i++)
		json_text(&json, NULL, plan->rows[i].name);
	json_close(&json, ']');
	json_open(&json, "notes", '[');
	site_notes(site, note_write, &json);
	json_close(&json, ']');
	json_close(&json, '}');
	if (wants_json(in)) {
		printf("%.*s\n", (int)json.len, json.at);
	} else {
		printf("%s: site %s is fine; it would run:\n", in->argv[0], plan->site);
		for (size_t i = 0; i < plan->count; i++)
			printf("  %-18s %s\n", plan->rows[i].name,
				plan->rows[i].executable[0] ? plan->rows[i].executable
							    : "(external)");
		site_notes(site, note_print, NULL);
	}
	free(plan);
	site_free(site);
	return EXIT_OK;
}
