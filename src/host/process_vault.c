// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "process_setup.h"
#include "base/secret.h"
#include "host/kek_file.h"
#include <signal.h>
#include <unistd.h>

static struct process_setup setup;
static struct settings settings;
static bool is_memory_locked;

struct serving {
	const struct vault_kind *kind;
	void *state;
};

/* The neighbour asks for a sign of life (host/vault_watch.h); all else is the vault's own. */
static struct err serve(void *ctx, uint16_t type, struct span body, struct writer *answer)
{
	const struct serving *s = ctx;

	return type == PROC_STATUS ? OK : s->kind->serve(s->state, type, body, answer);
}

static struct err prepare(const struct vault_kind *kind, void **state, struct complaint *c)
{
	if (setup.channel_count != 1)
		return complain(
			c, ERR(STATE), "a vault has one channel, not %zu", setup.channel_count);
	struct err e = process_crypto_warm_up();
	if (failed(e))
		return complain(c, e, "libcrypto does not start");
	e = secret_forbid_dumps();
	if (failed(e))
		return complain(c, e, "cannot forbid core dumps");
	is_memory_locked = !failed(secret_lock_all());
	e = kind->open(state, &settings, c);
	if (failed(e))
		return complain(c, e, "cannot open the vault: %s", err_word(e));
	const struct sandbox_request request = {.level = SANDBOX_VAULT,
		.user = setup.message.user[0] == '\0' ? NULL : setup.message.user};
	e = sandbox_enter(&request, c);
	return failed(e) ? complain(c, e, "cannot enter the sandbox") : OK;
}

int process_vault_main(int argc, char **argv, const struct vault_kind *kind)
{
	struct complaint complaint = {0};
	struct log_record r;
	void *state = NULL;

	if (failed(process_setup_receive(&setup, &settings, argc, argv)))
		return PROCESS_EXIT_USAGE;
	struct log log = log_stderr(setup.message.process, (enum log_level)setup.message.log_least);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGINT, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	struct err e = prepare(kind, &state, &complaint);
	process_ready_send(e, complaint.text);
	log_begin(&r, &log, failed(e) ? LOG_ERROR : LOG_INFO, "host",
		failed(e) ? "start_refused" : "ready");
	if (failed(e))
		log_text(&r, "cause", complaint.text);
	log_end(&r);
	if (failed(e))
		_exit(PROCESS_EXIT_REFUSED);
	if (!is_memory_locked) {
		log_begin(&r, &log, LOG_WARN, "host", "memory_not_locked");
		log_text(&r, "cause", "RLIMIT_MEMLOCK cannot be raised: round keys may be swapped");
		log_end(&r);
	}
	if (key_file_open_to_all() != NULL) {
		log_begin(&r, &log, LOG_WARN, "host", "key_file_open_to_all");
		log_text(&r, "file", key_file_open_to_all());
		log_text(&r, "cause", "every user of the machine may read or change it: chmod 600");
		log_end(&r);
	}
	e = channel_serve(setup.channels[0].fd, serve, &(struct serving){kind, state});
	log_begin(&r, &log, failed(e) ? LOG_ERROR : LOG_INFO, "host", "channel_closed");
	log_text(&r, "err", err_word(e));
	log_end(&r);
	/* Not exit(): handlers of libraries could want more than the sandbox gives. Memory goes
	 * with the process. */
	_exit(failed(e) ? PROCESS_EXIT_FAILED : 0);
}
