// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * kms_site BUILD FEEDER FOLDER SITE PEER ROLE PEER_PORT API_PORT BLOCKS BLOCK_OCTETS: the key management of one site, as
 * `merlon run` would start it, with the feeder in place of a quantum link. In the foreground.
 */
#include "host/supervisor.h"
#include <stdio.h>
#include <stdlib.h>

enum {
	BUILD = 1,
	FEEDER,
	FOLDER,
	SITE,
	PEER,
	ROLE,
	PEER_PORT,
	API_PORT,
	BLOCKS,
	BLOCK_OCTETS,
	ARGUMENTS
};

static char **arguments;
static struct supervisor_plan *plan;

static void set(struct process_row *row, const char *name, const char *text)
{
	if (failed(settings_set(&row->settings, name, "%s", text)))
		abort();
}

static void set_in_folder(struct process_row *row, const char *name, const char *file)
{
	char path[512];

	snprintf(path, sizeof path, "%s/%s", arguments[FOLDER], file);
	set(row, name, path);
}

static struct process_row *row_add(const char *name, unsigned flags, const char *neighbour)
{
	struct process_row *row = &plan->rows[plan->count++];

	snprintf(row->name, sizeof row->name, "%s", name);
	snprintf(row->executable, sizeof row->executable, "%.200s/merlon-%s", arguments[BUILD],
		name);
	row->flags = flags;
	if (neighbour != NULL)
		snprintf(row->neighbours[row->neighbour_count++], PROC_NAME_MAX, "%s", neighbour);
	return row;
}

static void tls_set(struct process_row *row, const char *who)
{
	char file[64];

	snprintf(file, sizeof file, "../%s.crt", who);
	set_in_folder(row, "tls.certificate", file);
	snprintf(file, sizeof file, "../%s.key", who);
	set_in_folder(row, "tls.key", file);
	set_in_folder(row, "tls.ca", "../ca.crt");
}

static void sites_set(struct process_row *row)
{
	set(row, "site", arguments[SITE]);
	set(row, "peer.site", arguments[PEER]);
}

static void rows_add(void)
{
	struct process_row *row = row_add("audit", 0, NULL);
	char name[64];

	set_in_folder(row, "folder", "audit");
	row = row_add("kms-store", 0, "audit");
	set_in_folder(row, "database", "kms/kms.db");
	sites_set(row);
	snprintf(name, sizeof name, "kme-%s", arguments[SITE]);
	set(row, "kme_id", name);
	row = row_add("kms-vault", ROW_VAULT, "kms-store");
	set_in_folder(row, "kek_file", "kek");
	sites_set(row);
	row = row_add("kms-peer", 0, "kms-store");
	set(row, "role", arguments[ROLE]);
	set(row, "address", "127.0.0.1");
	set(row, "port", arguments[PEER_PORT]);
	snprintf(name, sizeof name, "%s.merlon.test", arguments[PEER]);
	set(row, "peer.name", name);
	tls_set(row, arguments[SITE]);
	row = row_add("kms-front", 0, "kms-store");
	set(row, "listen.address", "127.0.0.1");
	set(row, "listen.port", arguments[API_PORT]);
	snprintf(name, sizeof name, "%s-kme", arguments[SITE]);
	tls_set(row, name);
	set(row, "sae_identity", "cn");
	snprintf(name, sizeof name, "kme-%s", arguments[SITE]);
	set(row, "kme_id", name);
	row = row_add("qkd", 0, "kms-store");
	snprintf(row->executable, sizeof row->executable, "%s", arguments[FEEDER]);
	set(row, "blocks", arguments[BLOCKS]);
	set(row, "block_octets", arguments[BLOCK_OCTETS]);
	set(row, "seed", "42");
}

int main(int argc, char **argv)
{
	struct complaint c = {0};

	if (argc != ARGUMENTS)
		return 64;
	arguments = argv;
	plan = calloc(1, sizeof *plan);
	if (plan == NULL)
		return 1;
	snprintf(plan->site, sizeof plan->site, "%s", argv[SITE]);
	snprintf(plan->run_folder, sizeof plan->run_folder, "%.200s/run", argv[FOLDER]);
	plan->log_least = LOG_INFO;
	rows_add();
	const struct err e = supervisor_run(plan, &c);
	if (failed(e))
		fprintf(stderr, "kms_site: %s\n", c.text);
	free(plan);
	return failed(e);
}
