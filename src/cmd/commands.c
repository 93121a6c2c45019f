// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "command.h"
#include "auc_compute.h"
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
	{"part", 'p', "PART",
		"one part alone: vault, serve, peer; reconcile, amplify, chain, chain-long, "
		"transforms, reconcile-paths"},
	{"stage", 0, "PART", "the same as --part"},
	{"seconds", 't', "N", "length of each measurement (default: 5)"},
	{"cores", 0, "N", "qkd: so many processes, each on a core of its own (default: 1)"},
	{"subscribers", 'n', "N", "how many there are (default: 10000)"},
	{"window", 'w', "N", "requests in flight on a connection (default: 64)"},
	{"connections", 'c', "N", "connections (default: 1)"},
	{"vectors", 'v', "N", "vectors asked for at once (default: 1)"},
	{"folder", 'f', "FOLDER", "on the disk that is measured (default: /var/tmp)"},
};
static const struct option_row qkd_blocks_options[] = {
	{"output", 'o', "table|json", "how to print (default: table); json: an object a line"},
	{"site", 's', "NAME", "one site of this machine (default: every site in /run/merlon)"},
	{"link", 'l', "NAME", "one link alone"},
	{"last", 'n', "N", "so many of the newest blocks (default: 20, at most 256)"},
};
#define OPTICS                                                                                     \
	{"set", 0, "lab|lim-2014|rusca-2018|gys-2004", "optics to start from (default: lab)"},     \
		{"protocol", 0, "two-decoy|one-decoy", "(default: the set's)"},                    \
		{"rate", 0, "HZ", "pulses a second"},                                              \
		{"efficiency", 0, "PART", "of the detectors"},                                     \
		{"dark-count", 0, "PART", "a gate and detector"},                                  \
		{"misalignment", 0, "PART", "of the photons come to the wrong detector"},          \
		{"error-correction", 0, "auto|cascade|ldpc", "as in CONFIG (default: auto)"},      \
		{"correction-f", 0, "F",                                                           \
			"parities over the least that could do (default: the mode's)"},            \
		{"eps-sec-exponent", 0, "N", "secrecy: ten to minus this (default: 10)"},          \
		{"eps-cor-exponent", 0, "N", "correctness (default: 15)"},                         \
		{"one-way", 0, NULL,                                                               \
			"count as published rates do: Alice's parities alone, the set's f"}
static const struct option_row qkd_plan_options[] = {
	{"output", 'o', "text|json", "how to print (default: text)"},
	{"loss-db", 0, "DB", "of the fibre and all before the detectors"},
	{"distance-km", 0, "KM", "instead of the loss"},
	{"attenuation", 0, "DB/KM", "with --distance-km (default: the set's)"},
	{"block", 'b', "BITS", "sifted key bits of a block (default: 1000000)"},
	{"abort-exponent", 0, "N",
		"final_bits_fixed is reached by all blocks but ten to minus this (default: 6)"},
	OPTICS,
};
static const struct option_row qkd_plot_options[] = {
	{"blocks", 'b', "FILE", "draw these blocks over time instead (- is standard input)"},
	{"loss-max", 0, "DB", "how far (default: 40)"},
	OPTICS,
};
#define OUTPUT_AND_SITE                                                                            \
	{"output", 'o', "table|json", "how to print (default: table)"},                            \
		{"site", 's', "NAME", "the site, where several run on this machine"}
static const struct option_row import_options[] = {
	OUTPUT_AND_SITE,
	{"format", 0, "csv|jsonl", "the file's form (default: its suffix, or its first octet)"},
	{"dry-run", 0, NULL, "check everything, also in the vault, and store nothing"},
	{"errors", 0, "N", "how many mistakes are listed (default: 10, at most 1000)"},
	{"transport", 0, "NAME",
		"the vendor's key under which the keys of this file are encrypted"},
	{"from", 0, "osmo-hlr|open5gs", "FILE is another system's: see `subscriber convert`"},
	{"skip", 0, NULL, "with --from: leave out what cannot be taken"},
};
static const struct option_row add_options[] = {
	OUTPUT_AND_SITE,
	{"imsi", 0, "IMSI", "who"},
	{"msisdn", 0, "MSISDN", "his number"},
	{"key-file", 0, "FILE", "where his keys stand"},
	{"transport", 0, "NAME", "the vendor's key under which they are encrypted"},
};
static const struct option_row one_options[] = {OUTPUT_AND_SITE};
static const struct option_row remove_options[] = {
	OUTPUT_AND_SITE,
	{"yes", 0, NULL, "it is meant"},
};
static const struct option_row reset_options[] = {
	OUTPUT_AND_SITE,
	{"sqn", 0, "SQN",
		"go on above this one, 48 bits, decimal or 0x and hex (default: begin at 1)"},
	{"yes", 0, NULL, "it is meant"},
};
static const struct option_row list_options[] = {
	OUTPUT_AND_SITE,
	{"after", 0, "IMSI", "begin behind this one"},
	{"limit", 0, "N", "at most so many (default: 100)"},
};
static const struct option_row export_options[] = {
	{"site", 's', "NAME", "the site, where several run on this machine"},
	{"format", 0, "csv|jsonl", "the form (default: csv)"},
};
static const struct option_row convert_options[] = {
	{"skip", 0, NULL, "leave out what cannot be taken"},
	{"force", 0, NULL, "write keys to a terminal as well"},
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
	{.name = "auc keys",
		.syntax = "",
		.run = auc_keys_command,
		.help = "which key-encryption keys there are, and how many subscribers each still "
			"seals",
		OPTIONS(site_and_output)},
	{.name = "auc rotate-kek",
		.syntax = "",
		.run = auc_rotate_kek_command,
		.help = "make a new key-encryption key, and seal all subscribers' keys under it",
		.text = "The answer comes when the new key is durable and in use. Subscribers are "
			"sealed under it in the background, while vectors are given; `merlon auc "
			"keys` tells how many are left. The old key goes when none is.",
		OPTIONS(site_and_output)},
	{.name = "subscriber import",
		.syntax = "FILE",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = subscriber_import_command,
		.help = "import subscribers from a file (- is standard input), all or none",
		.text = "FILE is CSV, whose first line names its columns, or JSON lines: one "
			"object a line. Fields of both: imsi, k, and op or opc (milenage, "
			"gsm-milenage), top or topc (tuak); algorithm (milenage), amf (8000), sqn "
			"(the last one used elsewhere), msisdn, profile, res_bits, iterations. "
			"Mistakes are listed with file, line and column. Keys go from the file to "
			"a vault of the import's own and are sealed there; no other process sees "
			"them, and none touches a disk in clear.",
		OPTIONS(import_options)},
	{.name = "subscriber add",
		.syntax = "--imsi IMSI --key-file FILE",
		.run = subscriber_add_command,
		.help = "add one subscriber, or give one new keys",
		.text = "FILE (- is standard input) holds his keys: one JSON object, or a CSV "
			"header and one row, with the fields of `subscriber import`, without imsi "
			"and msisdn where the options say them. Keys are never on a command line: "
			"every process of a machine can read those.",
		OPTIONS(add_options)},
	{.name = "subscriber show",
		.syntax = "IMSI",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = subscriber_show_command,
		.help = "what is known of one subscriber (never a key)",
		OPTIONS(one_options)},
	{.name = "subscriber list",
		.syntax = "",
		.run = subscriber_list_command,
		.help = "subscribers in the order of their IMSIs",
		OPTIONS(list_options)},
	{.name = "subscriber disable",
		.syntax = "IMSI",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = subscriber_disable_command,
		.help = "give no vectors of this subscriber, until he is enabled",
		.text = "What nodes hold already is used up. An import does not enable him.",
		OPTIONS(one_options)},
	{.name = "subscriber enable",
		.syntax = "IMSI",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = subscriber_enable_command,
		.help = "give vectors of this subscriber again",
		OPTIONS(one_options)},
	{.name = "subscriber remove",
		.syntax = "IMSI --yes",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = subscriber_remove_command,
		.help = "delete a subscriber's keys and MSISDN",
		.text = "The IMSI and its sequence numbers stay, so that they go on where they "
			"were should he be imported again.",
		OPTIONS(remove_options)},
	{.name = "subscriber reset-sqn",
		.syntax = "IMSI --yes",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = subscriber_reset_sqn_command,
		.help = "begin a subscriber's sequence numbers anew",
		.text = "For a card that is another, or was used elsewhere: numbers that were "
			"given may come again. A card that only fell behind needs nothing: it "
			"resynchronises by itself.",
		OPTIONS(reset_options)},
	{.name = "subscriber export",
		.syntax = "",
		.run = subscriber_export_command,
		.help = "all subscribers without their keys, on standard output",
		.text = "Rows are read page after page while the site works: who comes or goes "
			"meanwhile is among them or not.",
		OPTIONS(export_options)},
	{.name = "subscriber convert",
		.syntax = "osmo-hlr|open5gs FILE",
		.arguments_min = 2,
		.arguments_max = 2,
		.run = subscriber_convert_command,
		.help = "another system's subscribers as JSON lines, on standard output",
		.text = "osmo-hlr: its SQLite database. open5gs: what `mongoexport -c subscribers` "
			"writes. Both are read and never changed. What cannot be taken (COMP128v1, "
			"no key) is told with its reason and makes the exit code 3. What is "
			"written are keys in clear. `subscriber import --from` does both steps at "
			"once, without a file.",
		OPTIONS(convert_options)},
	{.name = "auc compute",
		.syntax = "[-]",
		.arguments_max = 1,
		.run = auc_compute_command,
		.help = "work an authentication algorithm or a key derivation from given values",
		.text = "For test SIMs and integration, never for stored subscribers: every "
			"process "
			"of a machine can read a command line. Values come as options, or, without "
			"any, as JSON lines on standard input with members of the same names: "
			"algorithm, k, op or opc (tuak: top or topc), rand, sqn, amf and so on. "
			"Each is answered by one JSON object; with snid, snn, supi also by KASME, "
			"XRES*, HXRES*, KAUSF, KSEAF, KAMF. A bad line is answered by its error, "
			"the next goes on, and the exit code is 3. --list names all algorithms and "
			"derivations with what they need and give.",
		.options = auc_compute_options,
		.option_count = AUC_COMPUTE_OPTIONS},
	{.name = "auc token-key",
		.syntax = "CONFIG",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = auc_token_key_command,
		.help = "make the authentication centre's root key in its PKCS#11 token",
		.text = "Makes the secret key that `auc.token` of CONFIG names: sensitive, not "
			"extractable, for HMAC alone. Refuses where there is one: what is sealed "
			"under it would be lost. Once, before the site is started first.",
		OPTIONS(output)},
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
		.help = "how fast a part is on this machine: auc, qkd",
		.text = "auc: the vault's work on one core; a whole site under load, with its "
			"import, start, peak, latency at half of it and overload at five times; "
			"and osmo-hlr under the same load where it is installed. A site and "
			"osmo-hlr run in a network namespace of their own and need root. qkd: "
			"error "
			"correction, privacy amplification and the whole chain of a quantum link, "
			"in megabits a second of processor time, on one core or on several at "
			"once; needs no root. Nothing is left behind.",
		OPTIONS(bench_options)},
	{.name = "qkd blocks",
		.syntax = "",
		.run = qkd_blocks_command,
		.help = "the newest blocks of the quantum link, each with its leak ledger",
		.text = "One line a block, the newest last: what was sifted, revealed and "
			"corrected, "
			"the error rate, every bit that left an end (parities of Alice, answers "
			"of "
			"Bob, the tag of the verification), the public seed, and the key that is "
			"left; f is the parities over the least that could do. Final blocks come "
			"from "
			"the key store, aborted ones from the link's process, which keeps the "
			"newest 256 until it ends.",
		OPTIONS(qkd_blocks_options)},
	{.name = "qkd plan",
		.syntax = "--loss-db DB|--distance-km KM",
		.run = qkd_plan_command,
		.help = "the rate that a link would give, and the parameters for it",
		.text = "Finds intensities, probabilities and basis bias that give most key over "
			"the given loss with blocks of the given size, and prints them as they "
			"stand in CONFIG. What error correction tells is counted as the mode does "
			"it that the link would take for such blocks, with AVX2 at Bob's end. "
			"With them: how many blocks of an honest link are "
			"aborted by chance, at most, and the final_bits_fixed that all but a "
			"stated part of them reach, even if Cascade corrects them. No promise: it "
			"is what a model of the optics "
			"says.",
		OPTIONS(qkd_plan_options)},
	{.name = "qkd plot",
		.syntax = "> FILE.svg",
		.run = qkd_plot_command,
		.help = "a picture (SVG): the planned rate over the loss, or blocks over time",
		.text = "The rate for blocks of 1e4 to 1e8 bits; each point is planned anew, as by "
			"`qkd plan`. With --blocks, what `merlon qkd blocks -o json` printed: "
			"the error rate and the secret bits a second over time, one colour a "
			"site and link, aborted and void blocks marked with their reason. At most "
			"10000 blocks of at most 8 links, each end counted.",
		OPTIONS(qkd_plot_options)},
	{.name = "qkd randomness-check",
		.syntax = "FILE|-",
		.arguments_min = 1,
		.arguments_max = 1,
		.run = qkd_randomness_check_command,
		.help = "whether bits look random (NIST SP 800-22): a sanity check, not a proof",
		.text = "Nine tests on each million bits, or on all there are, at least 128 "
			"octets: how often ones come, in all and in blocks, their runs, the "
			"walk of their sums, and how often each pattern comes. Fails where good "
			"bits would once in ten thousand times. Bits that an eavesdropper knows "
			"pass as well as secret ones: it finds what is broken, and shows "
			"no secrecy.",
		OPTIONS(output)},
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
