// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "command.h"
#include "lab/lab.h"

static const struct option_row output[] = {
	{"output", 'o', "table|json", "how to print (default: table)"},
};
static const struct option_row site_and_output[] = {
	{"output", 'o', "table|json", "how to print (default: table)"},
	{"site", 's', "NAME", "one site of this machine (default: every site in /run/merlon)"},
};

static const struct option_row bench_options[] = {
	{"output", 'o', "table|json", "how to print (default: table)"},
	{"part", 'p', "PART", "one part alone: vault, serve, peer"},
	{"seconds", 't', "N", "length of each measurement (default: 5)"},
	{"subscribers", 'n', "N", "how many there are (default: 10000)"},
	{"window", 'w', "N", "requests in flight on a connection (default: 64)"},
	{"connections", 'c', "N", "connections (default: 1)"},
	{"vectors", 'v', "N", "vectors asked for at once (default: 1)"},
	{"folder", 'f', "FOLDER", "on the disk that is measured (default: /var/tmp)"},
};

#define OPTIONS(rows) .options = (rows), .option_count = ARRAY_LEN(rows)

const struct command commands[] = {
	{.name = "run",
		.syntax = "CONFIG",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = run_command,
		.help = "run a site in the foreground",
		.text = "Starts every process of the site that CONFIG describes, watches and "
			"restarts them, and stops them on "
			"SIGTERM. SIGHUP reads CONFIG again: a change is taken whole or not at "
			"all. Logs are JSON lines "
			"on standard error."},
	{.name = "check",
		.syntax = "CONFIG",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = check_command,
		.help = "check a site's configuration, and change nothing",
		.text = "Reads CONFIG as `run` would, with every file that it names, and prints "
			"the processes that would run.",
		OPTIONS(output)},
	{.name = "status",
		.syntax = "",
		.run = status_command,
		.help = "what the sites of this machine are doing",
		OPTIONS(site_and_output)},
	{.name = "metrics",
		.syntax = "",
		.run = metrics_command,
		.help = "counters and gauges as OpenMetrics text",
		OPTIONS(site_and_output)},
	{.name = "reload",
		.syntax = "",
		.run = reload_command,
		.help = "read the configuration again: all of it takes effect, or nothing",
		OPTIONS(site_and_output)},
	{.name = "stop",
		.syntax = "",
		.run = stop_command,
		.help = "stop a site gracefully",
		OPTIONS(site_and_output)},
	{.name = "keys list",
		.syntax = "",
		.run = keys_list_command,
		.help = "key blocks and how many keys are left (never key material)",
		OPTIONS(site_and_output)},
	{.name = "keys trace",
		.syntax = "KEY_ID",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = keys_trace_command,
		.help = "where a key came from: quantum link, block, ML-KEM exchange; and who got "
			"it",
		OPTIONS(site_and_output)},
	{.name = "subscriber import",
		.syntax = "FILE.csv",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = subscriber_import_command,
		.help = "import subscribers from a CSV file, all or none",
		.text = "The file's first line names its columns: imsi, k, and op or opc; "
			"algorithm (milenage), amf, sqn and msisdn "
			"are optional. Every row is checked before the first is stored. Keys go "
			"from the file to the vault "
			"and are sealed there; no other process sees them.",
		OPTIONS(site_and_output)},
	{.name = "tunnel rotate",
		.syntax = "",
		.run = tunnel_rotate_command,
		.help = "give the tunnel a fresh quantum-safe key now; asked at the site that is "
			"the initiator",
		.text = "Starts a rotation before its time and waits for it. The old tunnel stays "
			"until the new one stands. Where the "
			"rotation fails, so does the command, and the old tunnel goes on.",
		OPTIONS(site_and_output)},
	{.name = "audit verify",
		.syntax = "FOLDER",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = audit_verify_command,
		.help = "check the chain of the audit log in FOLDER, record by record",
		OPTIONS(output)},
	{.name = "bench",
		.syntax = "NAME",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = bench_command,
		.help = "how fast a part is on this machine: auc",
		.text = "auc: the vault's work on one core; a whole site under load, with its "
			"import, start, peak, latency at half of it and overload at five times; "
			"and osmo-hlr under the same load where it is installed. A site and "
			"osmo-hlr run in a network namespace of their own and need root. Nothing "
			"is left behind.",
		OPTIONS(bench_options)},
	{.name = "lab",
		.syntax = "[--once]",
		.run_raw = lab_command,
		.help = "two sites protected end to end on this machine (simulated optics)",
		.text = "Brings up two sites and an untrusted backhaul in network namespaces, and "
			"shows their status; --once proves the "
			"main job, prints one JSON object and leaves nothing behind. Needs root."},
	{.name = "doctor",
		.syntax = "",
		.run = doctor_command,
		.help = "what this machine offers, and what is missing",
		OPTIONS(output)},
	{.name = "help",
		.syntax = "[COMMAND]",
		.arguments_max = 3,
		.run = help_command,
		.help = "this list, or one command in full"},
	{.name = "man",
		.syntax = "",
		.run = man_command,
		.help = "the manual page, in roff: merlon man | man -l -"},
	{.name = "completion",
		.syntax = "",
		.run = completion_command,
		.help = "shell completion: eval \"$(merlon completion)\""},
	{.name = "version",
		.syntax = "",
		.run = version_command,
		.help = "versions of Merlon and of what it stands on",
		OPTIONS(output)},
};
const size_t command_count = ARRAY_LEN(commands);
