// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "loop.h"
#include "base/secret.h"
#include <assert.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

/* ---- Flush list: first asked, first served; an item may ask again while it is served. ---- */

static void on_prepare(uv_prepare_t *prepare)
{
	struct loop *l = prepare->data;

	while (l->to_flush != NULL) {
		struct flush_item *item = l->to_flush;
		l->to_flush = item->next;
		if (l->to_flush == NULL)
			l->to_flush_tail = &l->to_flush;
		item->is_queued = false;
		item->flush(item->ctx);
	}
	uv_unref((uv_handle_t *)&l->prepare);
}

void loop_flush_later(struct loop *l, struct flush_item *item)
{
	if (item->is_queued)
		return;
	item->is_queued = true;
	item->next = NULL;
	*l->to_flush_tail = item;
	l->to_flush_tail = &item->next;
	/* What waits to be flushed is a reason for the loop to take another turn. */
	uv_ref((uv_handle_t *)&l->prepare);
}

void loop_flush_cancel(struct loop *l, struct flush_item *item)
{
	if (!item->is_queued)
		return;
	for (struct flush_item **at = &l->to_flush; *at != NULL; at = &(*at)->next) {
		if (*at != item)
			continue;
		*at = item->next;
		if (item->next == NULL)
			l->to_flush_tail = at;
		item->is_queued = false;
		return;
	}
}

/*
 * ---- Timers: a pairing heap (Fredman et al., 1986), so that a timer needs no memory but its
 * owner's and no uv_close(). `link` is the pointer that points at the node. ----
 */

static struct loop_timer *heap_meld(struct loop_timer *a, struct loop_timer *b)
{
	if (a == NULL || b == NULL)
		return a == NULL ? b : a;
	if (b->due_ms < a->due_ms) {
		struct loop_timer *swap = a;
		a = b;
		b = swap;
	}
	b->next = a->child;
	if (b->next != NULL)
		b->next->link = &b->next;
	a->child = b;
	b->link = &a->child;
	return a;
}

/* Melds a list of siblings in pairs, then the pairs: this is what makes removal cheap on average.
 */
static struct loop_timer *heap_pair(struct loop_timer *list)
{
	struct loop_timer *pairs = NULL, *heap = NULL;

	while (list != NULL) {
		struct loop_timer *a = list, *b = list->next;
		list = b == NULL ? NULL : b->next;
		a->next = NULL;
		if (b != NULL)
			b->next = NULL;
		a = heap_meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs != NULL) {
		struct loop_timer *rest = pairs->next;
		pairs->next = NULL;
		heap = heap_meld(heap, pairs);
		pairs = rest;
	}
	return heap;
}

static void heap_root_set(struct loop *l, struct loop_timer *root)
{
	l->timers = root;
	if (root != NULL) {
		root->next = NULL;
		root->link = &l->timers;
	}
}

static void heap_remove(struct loop *l, struct loop_timer *t)
{
	struct loop_timer *children = heap_pair(t->child);

	t->child = NULL;
	*t->link = t->next;
	if (t->next != NULL)
		t->next->link = t->link;
	t->next = NULL;
	heap_root_set(l, heap_meld(l->timers, children));
}

static uint64_t now_ms(void)
{
	return uv_hrtime() / 1000000;
}

static void on_alarm(uv_timer_t *alarm);

static void alarm_set(struct loop *l)
{
	if (l->timers == NULL) {
		uv_timer_stop(&l->alarm);
		return;
	}
	/* uv_timer_start() counts from the start of this turn of the loop. */
	const uint64_t base = uv_now(&l->uv), due = l->timers->due_ms;
	uv_timer_start(&l->alarm, on_alarm, due > base ? due - base : 0, 0);
}

static void timer_start(struct loop_timer *t, uint64_t delay_ms, uint64_t period_ms)
{
	struct loop *l = t->loop;

	loop_timer_stop(t);
	t->due_ms = now_ms() + delay_ms;
	t->period_ms = period_ms;
	t->is_running = true;
	heap_root_set(l, heap_meld(l->timers, t));
	if (l->timers == t)
		alarm_set(l);
}

static void on_alarm(uv_timer_t *alarm)
{
	struct loop *l = alarm->data;
	const uint64_t now = now_ms();

	/* A timer that starts anew is due after `now`, so this ends; zero delay waits a turn. */
	while (l->timers != NULL && l->timers->due_ms <= now) {
		struct loop_timer *t = l->timers;
		heap_remove(l, t);
		t->is_running = false;
		if (t->period_ms > 0)
			timer_start(t, t->period_ms, t->period_ms);
		t->fire(t->ctx);
	}
	alarm_set(l);
}

void loop_timer_open(struct loop *l, struct loop_timer *t, void (*fire)(void *ctx), void *ctx)
{
	*t = (struct loop_timer){.loop = l, .fire = fire, .ctx = ctx};
}

void loop_timer_once(struct loop_timer *t, uint64_t delay_ms)
{
	timer_start(t, delay_ms + 1, 0);
}

void loop_timer_every(struct loop_timer *t, uint64_t period_ms)
{
	assert(period_ms > 0);
	timer_start(t, period_ms, period_ms);
}

void loop_timer_stop(struct loop_timer *t)
{
	if (!t->is_running)
		return;
	heap_remove(t->loop, t);
	t->is_running = false;
	if (t->loop->timers == NULL)
		alarm_set(t->loop);
}

/* ---- The loop itself ---- */

/*
 * libuv hands changes of its epoll set to an io_uring, if the kernel lets it have one, whatever
 * UV_USE_IO_URING says (that is for other rings). No sandbox can allow that: a ring opens files and
 * connects sockets unseen by system call filters. So the loop is born on a thread for which the
 * kernel has no io_uring; filter and no_new_privs are a thread's own and go with it.
 */
static bool io_uring_forbid(void)
{
	static struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {.len = ARRAY_LEN(code), .filter = code};

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
	       syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0;
}

static void *be_born(void *uv)
{
	return io_uring_forbid() && uv_loop_init(uv) == 0 ? uv : NULL;
}

static bool uv_open(uv_loop_t *uv)
{
	pthread_t birth;
	void *born = NULL;

	return pthread_create(&birth, NULL, be_born, uv) == 0 && pthread_join(birth, &born) == 0 &&
	       born != NULL;
}

/* libuv opens a spare descriptor (/dev/null) with its first stream; in a sandbox that would be
 * death. */
static void spare_open(struct loop *l)
{
	uv_pipe_t first;

	if (uv_pipe_init(&l->uv, &first, 0) == 0) {
		uv_close((uv_handle_t *)&first, NULL);
		uv_run(&l->uv, UV_RUN_NOWAIT);
	}
}

struct err loop_open(struct loop *l)
{
	*l = (struct loop){.to_flush_tail = &l->to_flush};
	tzset();
	signal(SIGPIPE, SIG_IGN);
	l->scratch = calloc(1, LOOP_SCRATCH);
	if (l->scratch == NULL)
		return ERR(LIMIT);
	if (!uv_open(&l->uv)) {
		free(l->scratch);
		return ERR(IO);
	}
	spare_open(l);
	uv_timer_init(&l->uv, &l->alarm);
	l->alarm.data = l;
	uv_prepare_init(&l->uv, &l->prepare);
	l->prepare.data = l;
	uv_prepare_start(&l->prepare, on_prepare);
	uv_unref((uv_handle_t *)&l->prepare);
	return OK;
}

void loop_run(struct loop *l)
{
	uv_run(&l->uv, UV_RUN_DEFAULT);
}

void loop_stop(struct loop *l)
{
	uv_stop(&l->uv);
}

void loop_close(struct loop *l)
{
	if (l->scratch == NULL)
		return;
	uv_close((uv_handle_t *)&l->prepare, NULL);
	uv_close((uv_handle_t *)&l->alarm, NULL);
	uv_run(&l->uv, UV_RUN_NOWAIT);
	uv_run(&l->uv, UV_RUN_NOWAIT);
	/* Busy means that an owner left a handle open; then its memory must stay, and the process
	 * ends soon. */
	(void)uv_loop_close(&l->uv);
	secret_wipe(l->scratch, LOOP_SCRATCH);
	free(l->scratch);
	l->scratch = NULL;
}
