// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * merlon-audit: appends events to FOLDER/audit.jsonl and answers each when it is durable.
 *
 * What arrives within one turn of the loop is one group: one write and one sync, then all answers. While the disk
 * syncs the process does nothing else; the next group gathers in its sockets meanwhile. An error of the
 * disk ends the process: what was not answered did not count.
 *
 * Settings: folder (where audit.jsonl lies).
 */
#include "codec/audit_msg.h"
#include "host/audit_log.h"
#include "host/process.h"
#include <stdlib.h>

enum { NEIGHBOURS_MAX = 8, PENDING_MAX = 512, PEER_NAME_MAX = 48 };

static const struct alarm_kind tail_cut = {"audit_tail_cut", ALARM_WARNING,
	"The audit log ended in an unfinished record and was cut there. Normal after a power loss; "
	"without one, somebody changed the file."};

struct audit;

struct neighbour {
	struct audit *audit;
	struct channel *channel; /* NULL: free place */
	char name[PEER_NAME_MAX];
};

/* Added to the group, to be answered after the sync. */
struct pending {
	struct neighbour *neighbour; /* NULL: it has gone */
	uint64_t request_id;
	struct audit_appended answer;
};

struct settings_of_audit {
	char folder[SETTING_TEXT_MAX];
};

struct audit {
	struct process *process;
	struct settings_of_audit settings;
	struct disk disk;
	struct audit_log log;
	struct flush_item flush;
	struct neighbour neighbours[NEIGHBOURS_MAX];
	size_t pending_count;
	struct pending pending[PENDING_MAX];
	uint64_t appended, refused, groups;
};

static struct audit state;

static void answer_all(struct audit *a)
{
	for (size_t i = 0; i < a->pending_count; i++) {
		const struct pending *p = &a->pending[i];
		uint8_t body[64];
		struct writer w = writer_of(SPAN_MUT_ARRAY(body));
		if (p->neighbour == NULL)
			continue;
		audit_appended_encode(&w, &p->answer);
		channel_answer(p->neighbour->channel, p->request_id, AUDIT_APPEND, OK,
			writer_span_done(&w));
	}
	a->appended += a->pending_count;
	a->pending_count = 0;
}

static void group_settle(struct audit *a)
{
	if (a->pending_count == 0)
		return;
	if (failed(audit_log_sync(&a->log)))
		process_fail(a->process, "the audit log could not be made durable");
	a->groups++;
	answer_all(a);
}

static void on_flush(void *ctx)
{
	group_settle(ctx);
}

static struct err event_add(struct audit *a, struct span event, struct audit_appended *answer)
{
	const int64_t unix_ms = clock_now(&a->process->clock).unix_ms;
	struct err e = audit_log_add(&a->log, unix_ms, event, &answer->seq, answer->hash);

	if (e.kind != ERR_LIMIT || a->pending_count == 0)
		return e;
	group_settle(a); /* full: this one begins the next */
	return audit_log_add(&a->log, unix_ms, event, &answer->seq, answer->hash);
}

static void on_append(struct neighbour *n, struct channel *c, const struct ipc_frame *frame)
{
	struct audit *a = n->audit;
	struct wire_fault fault = {0};
	struct audit_append append;
	struct audit_appended answer;

	if (a->pending_count == PENDING_MAX)
		group_settle(a);
	struct err e = audit_append_decode(frame->body, &append, &fault);
	if (!failed(e))
		e = event_add(a, append.event, &answer);
	if (failed(e)) {
		a->refused++;
		channel_answer(c, frame->request_id, frame->type, e, span_of(NULL, 0));
		return;
	}
	a->pending[a->pending_count++] =
		(struct pending){.neighbour = n, .request_id = frame->request_id, .answer = answer};
	loop_flush_later(&a->process->loop, &a->flush);
}

static void on_frame(void *ctx, struct channel *c, const struct ipc_frame *frame)
{
	struct neighbour *n = ctx;

	if (frame->kind == IPC_REQUEST && frame->type == AUDIT_APPEND) {
		on_append(n, c, frame);
		return;
	}
	n->audit->refused++;
	if (frame->kind == IPC_REQUEST)
		channel_answer(c, frame->request_id, frame->type, ERR(INPUT), span_of(NULL, 0));
}

static void on_closed(void *ctx, struct channel *c, struct err why)
{
	struct neighbour *n = ctx;
	struct audit *a = n->audit;

	(void)c, (void)why;
	n->channel = NULL;
	for (size_t i = 0; i < a->pending_count; i++)
		if (a->pending[i].neighbour == n)
			a->pending[i].neighbour = NULL;
}

static const struct channel_events events = {.frame = on_frame, .closed = on_closed};

static struct neighbour *neighbour_free(struct audit *a)
{
	for (size_t i = 0; i < NEIGHBOURS_MAX; i++)
		if (a->neighbours[i].channel == NULL)
			return &a->neighbours[i];
	return NULL;
}

static void audit_channel(struct process *p, const char *peer, int fd)
{
	struct audit *a = p->state;
	struct neighbour *n = neighbour_free(a);
	struct log_record r;

	if (n != NULL) {
		*n = (struct neighbour){.audit = a};
		strncpy(n->name, peer, sizeof n->name - 1);
		if (!failed(channel_open_fd(&n->channel, &p->loop, fd, &events, n)))
			return;
		n->channel = NULL;
	}
	log_begin(&r, &p->log, LOG_ERROR, "audit", "neighbour_refused");
	log_text(&r, "peer", peer);
	log_end(&r);
}

/* -------- life -------- */

static const struct setting_row rows[] = {
	SETTING_ROW("folder", SETTING_TEXT, false, struct settings_of_audit, folder),
};

static struct err audit_start(struct process *p, struct complaint *c)
{
	struct audit *a = &state;

	*a = (struct audit){.process = p, .flush = {.flush = on_flush, .ctx = a}};
	p->state = a;
	const struct err e = settings_read(&p->settings, rows, ARRAY_LEN(rows), &a->settings, c);
	p->sandbox_folder = a->settings.folder;
	return e;
}

static void metrics_offer(struct audit *a)
{
	struct metrics *m = &a->process->metrics;

	metrics_add(m, (struct metric){.name = "merlon_audit_records",
			       .help = "Events appended and durable",
			       .value = &a->appended});
	metrics_add(m, (struct metric){.name = "merlon_audit_groups",
			       .help = "Syncs of the audit log",
			       .value = &a->groups});
	metrics_add(m, (struct metric){.name = "merlon_audit_refused",
			       .help = "Requests that were no event",
			       .value = &a->refused});
}

static void cut_report(struct audit *a)
{
	struct process *p = a->process;
	struct log_record r;

	log_begin(&r, &p->log, LOG_WARN, "audit", "torn_end_cut");
	log_u64(&r, "octets", a->log.cut_octets);
	log_u64(&r, "next_seq", a->log.chain.next_seq);
	log_end(&r);
	alarm_raise(&p->alarms, &tail_cut, AUDIT_FILE, clock_now(&p->clock),
		"%lu octets cut off before record %lu", (unsigned long)a->log.cut_octets,
		(unsigned long)a->log.chain.next_seq);
}

/* Inside the sandbox: what reads a file that somebody may have changed has no more rights than needed. */
static struct err audit_begin(struct process *p, struct complaint *c)
{
	struct audit *a = p->state;
	struct err e = disk_posix_open(&a->disk, a->settings.folder, c);

	if (failed(e))
		return e;
	e = audit_log_open(&a->log, &a->disk, c);
	if (failed(e))
		return e;
	if (a->log.cut_octets > 0)
		cut_report(a);
	metrics_offer(a);
	return OK;
}

static void audit_status(struct process *p, struct json_writer *json)
{
	const struct audit *a = p->state;

	json_u64(json, "records", a->log.chain.next_seq - 1);
	json_u64(json, "appended", a->appended);
	json_u64(json, "groups", a->groups);
	json_u64(json, "refused", a->refused);
	json_hex(json, "head", SPAN_ARRAY(a->log.chain.head));
}

static void audit_stop(struct process *p)
{
	struct audit *a = p->state;

	group_settle(a);
	for (size_t i = 0; i < NEIGHBOURS_MAX; i++)
		if (a->neighbours[i].channel != NULL)
			channel_close(a->neighbours[i].channel);
	process_stopped(p);
}

static const struct process_kind audit_kind = {
	.name = "audit",
	.sandbox = SANDBOX_AUDIT,
	.start = audit_start,
	.begin = audit_begin,
	.channel = audit_channel,
	.status = audit_status,
	.stop = audit_stop,
};

int main(int argc, char **argv)
{
	return process_main(argc, argv, &audit_kind);
}
