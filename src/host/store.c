// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The queue, the thread and the completions; SQL is the driver's. Batches go round once: from the
 * caller into `waiting`, as one group to the driver, into `finished`, and back to the caller.
 */
#include "host/store_driver.h"
#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

struct batches {
	struct store_batch *first, **end;
};

struct store {
	const struct store_driver *driver;
	void *db;
	struct loop *loop; /* NULL: all happens in the caller's thread */
	uv_async_t wake;
	pthread_t thread;
	bool has_thread;
	/* `lock` guards all below. */
	pthread_mutex_t lock;
	pthread_cond_t work, progress;
	struct batches waiting, finished;
	size_t in_flight; /* submitted and not handed back */
	bool is_stopping, is_dead;
	struct complaint why;
	struct store_counts counts;
};

static void batches_clear(struct batches *list)
{
	*list = (struct batches){.end = &list->first};
}

static void batches_append(struct batches *list, struct store_batch *b)
{
	b->next = NULL;
	*list->end = b;
	list->end = &b->next;
}

static struct store_batch *batches_take(struct batches *list)
{
	struct store_batch *first = list->first;

	batches_clear(list);
	return first;
}

/* -------- the side that works: the store's thread, or the caller's where there is none -------- */

static void group_commit(struct store *s, struct store_batch *first, bool is_dead)
{
	struct err e = ERR(IO);

	if (!is_dead)
		e = s->driver->commit(s->db, first, &s->why);
	pthread_mutex_lock(&s->lock);
	s->is_dead = failed(e);
	for (struct store_batch *b = first; b != NULL;) {
		struct store_batch *next = b->next;
		if (failed(e))
			b->outcome = e;
		s->counts.batches++;
		b->is_finished = true;
		if (!b->is_awaited)
			batches_append(&s->finished, b);
		b = next;
	}
	s->counts.commits += !failed(e);
	pthread_cond_broadcast(&s->progress);
	pthread_mutex_unlock(&s->lock);
}

static void tidy(struct store *s)
{
	bool did = false;

	if (s->is_dead) /* written by this side alone */
		return;
	const struct err e = s->driver->tidy(s->db, &did, &s->why);
	pthread_mutex_lock(&s->lock);
	s->is_dead = failed(e);
	s->counts.checkpoints += did && !failed(e);
	pthread_mutex_unlock(&s->lock);
}

static void *work(void *ctx)
{
	struct store *s = ctx;

	for (;;) {
		pthread_mutex_lock(&s->lock);
		while (s->waiting.first == NULL && !s->is_stopping)
			pthread_cond_wait(&s->work, &s->lock);
		struct store_batch *group = batches_take(&s->waiting);
		const bool is_dead = s->is_dead;
		pthread_mutex_unlock(&s->lock);
		if (group == NULL)
			return NULL;
		group_commit(s, group, is_dead);
		uv_async_send(&s->wake);
		tidy(s);
	}
}

/* Signals are the loop's: the store's thread takes none. */
static struct err thread_start(struct store *s)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	s->has_thread = pthread_create(&s->thread, NULL, work, s) == 0;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return s->has_thread ? OK : ERR(LIMIT);
}

/* -------- the side that asks -------- */

static void deliver(struct store *s)
{
	pthread_mutex_lock(&s->lock);
	struct store_batch *first = batches_take(&s->finished);
	for (const struct store_batch *b = first; b != NULL; b = b->next)
		s->in_flight--;
	if (s->in_flight == 0 && s->loop != NULL)
		uv_unref((uv_handle_t *)&s->wake); /* an idle store does not keep a loop running */
	pthread_mutex_unlock(&s->lock);
	while (first != NULL) {
		struct store_batch *next = first->next;
		if (first->done != NULL)
			first->done(first->ctx, first->outcome,
				failed(first->outcome) ? NULL : &first->result);
		store_batch_discard(first);
		first = next;
	}
}

static void on_wake(uv_async_t *wake)
{
	deliver(wake->data);
}

static struct err refusal(struct store *s, const struct store_batch *b)
{
	if (b == NULL)
		return ERR(LIMIT);
	if (failed(b->refused))
		return b->refused;
	if (s->is_dead)
		return ERR(IO);
	if (s->is_stopping)
		return ERR(STATE);
	if (s->in_flight < STORE_QUEUED_BATCHES_MAX)
		return OK;
	s->counts.refused_full++;
	return ERR(LIMIT);
}

/* Takes the batch on, or discards it and says why. */
static struct err enqueue(struct store *s, struct store_batch *b, store_done_fn *done, void *ctx)
{
	pthread_mutex_lock(&s->lock);
	const struct err e = refusal(s, b);
	if (!failed(e)) {
		b->done = done;
		b->ctx = ctx;
		batches_append(&s->waiting, b);
		s->in_flight++;
		if (s->in_flight > s->counts.queued_peak)
			s->counts.queued_peak = s->in_flight;
		if (s->loop != NULL && !b->is_awaited)
			uv_ref((uv_handle_t *)&s->wake);
		pthread_cond_signal(&s->work);
	}
	pthread_mutex_unlock(&s->lock);
	if (failed(e))
		store_batch_discard(b);
	return e;
}

struct err store_submit(struct store *s, struct store_batch *b, store_done_fn *done, void *ctx)
{
	if (s->loop != NULL && !s->has_thread) {
		const struct err e = thread_start(s);
		if (failed(e)) {
			store_batch_discard(b);
			return e;
		}
	}
	return enqueue(s, b, done, ctx);
}

bool store_step(struct store *s)
{
	assert(!s->has_thread);
	struct store_batch *group = batches_take(&s->waiting);
	if (group == NULL)
		return false;
	group_commit(s, group, s->is_dead);
	tidy(s);
	deliver(s);
	return true;
}

struct err store_run(struct store *s, struct store_batch *b, store_done_fn *done, void *ctx)
{
	if (b != NULL)
		b->is_awaited = true;
	struct err e = enqueue(s, b, done, ctx);
	if (failed(e))
		return e;
	if (!s->has_thread)
		store_step(s);
	pthread_mutex_lock(&s->lock);
	while (!b->is_finished)
		pthread_cond_wait(&s->progress, &s->lock);
	s->in_flight--;
	pthread_mutex_unlock(&s->lock);
	e = b->outcome;
	if (done != NULL)
		done(ctx, e, failed(e) ? NULL : &b->result);
	store_batch_discard(b);
	return e;
}

/* -------- life -------- */

static void store_free(struct store *s)
{
	pthread_cond_destroy(&s->work);
	pthread_cond_destroy(&s->progress);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static void on_wake_closed(uv_handle_t *wake)
{
	store_free(wake->data);
}

struct err store_open(struct store **out, struct loop *l, const struct store_settings *settings,
	struct complaint *c)
{
	struct store *s = calloc(1, sizeof *s);

	*out = NULL;
	if (s == NULL)
		return complain(c, ERR(LIMIT), "no memory for the store of %s", settings->path);
	s->driver = &store_sqlite;
	s->loop = l;
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->work, NULL);
	pthread_cond_init(&s->progress, NULL);
	batches_clear(&s->waiting);
	batches_clear(&s->finished);
	struct err e = s->driver->open(&s->db, settings, c);
	if (!failed(e) && l != NULL && uv_async_init(&l->uv, &s->wake, on_wake) != 0) {
		s->driver->close(s->db, false);
		e = complain(c, ERR(LIMIT), "no wake-up for the store of %s", settings->path);
	}
	if (failed(e)) {
		store_free(s);
		return e;
	}
	if (l != NULL) {
		s->wake.data = s;
		uv_unref((uv_handle_t *)&s->wake);
	}
	*out = s;
	return OK;
}

void store_close(struct store *s)
{
	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->is_stopping = true;
	pthread_cond_signal(&s->work);
	pthread_mutex_unlock(&s->lock);
	if (s->has_thread)
		pthread_join(s->thread, NULL);
	else
		store_step(s);
	deliver(s);
	s->driver->close(s->db, s->is_dead);
	if (s->loop != NULL)
		uv_close((uv_handle_t *)&s->wake, on_wake_closed);
	else
		store_free(s);
}

struct store_counts store_counts(const struct store *s)
{
	struct store *guard = (struct store *)(uintptr_t)s; /* reading takes the lock too */

	pthread_mutex_lock(&guard->lock);
	const struct store_counts counts = s->counts;
	pthread_mutex_unlock(&guard->lock);
	return counts;
}

uint64_t store_commits(const struct store *s)
{
	return store_counts(s).commits;
}

const char *store_why(const struct store *s)
{
	return s->why.text;
}
