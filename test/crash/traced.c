// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "traced.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ASIDE = 256, SYSCALL_STOP = SIGTRAP | 0x80 };

static void die(const char *what)
{
	perror(what);
	exit(1);
}

_Noreturn static void child_main(const struct traced *t)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpgid(0, 0);
	for (int i = 0; i < t->fd_count; i++)
		if (fcntl(t->fds[i], F_DUPFD, ASIDE + i) != ASIDE + i)
			_exit(71);
	for (int i = 0; i < t->fd_count; i++)
		dup2(ASIDE + i, 3 + i);
	close_range(3u + (unsigned)t->fd_count, ~0u, 0);
	if (!t->is_plain && (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0 || raise(SIGSTOP) != 0))
		_exit(71);
	execve(t->path, t->argv, t->environment);
	_exit(71);
}

/* Whether something leaves the process by it. */
static bool is_on_path(const struct __ptrace_syscall_info *entry)
{
	switch (entry->entry.nr) {
	case SYS_openat:
		return (entry->entry.args[2] & (O_CREAT | O_TRUNC)) != 0;
	case SYS_pwrite64:
	case SYS_write:
	case SYS_writev:
	case SYS_sendmsg:
	case SYS_fsync:
	case SYS_fdatasync:
	case SYS_ftruncate:
	case SYS_fallocate:
	case SYS_unlink:
	case SYS_unlinkat:
	case SYS_rename:
	case SYS_fchmod:
	case SYS_fchown:
		return true;
	default:
		return false;
	}
}

/* The call in which this thread is stopped; of an exit the one that its entry named. */
struct thread {
	pid_t tid;
	struct __ptrace_syscall_info entry;
};

static struct thread *thread_of(struct thread *threads, size_t count, pid_t tid)
{
	for (size_t i = 0; i < count; i++)
		if (threads[i].tid == tid || threads[i].tid == 0) {
			threads[i].tid = tid;
			return &threads[i];
		}
	fprintf(stderr, "more threads than expected\n");
	exit(1);
}

static void on_stop(struct traced *t, struct thread *thread)
{
	struct __ptrace_syscall_info info = {0};

	if (ptrace(PTRACE_GET_SYSCALL_INFO, thread->tid, sizeof info, &info) <= 0)
		return;
	if (info.op == PTRACE_SYSCALL_INFO_ENTRY)
		thread->entry = info;
	if (t->which == TRACED_PATH && !is_on_path(&thread->entry))
		return;
	if (++t->stops != t->kill_at)
		return;
	t->was_killed = true;
	t->call = (int)thread->entry.entry.nr;
	t->is_entry = info.op == PTRACE_SYSCALL_INFO_ENTRY;
	kill(t->pid, SIGKILL);
}

/* Which signal goes on into the thread. */
static int signal_of(int status)
{
	const int sig = WSTOPSIG(status);

	return sig == SYSCALL_STOP || sig == SIGTRAP || sig == SIGSTOP ? 0 : sig;
}

static void follow(struct traced *t)
{
	struct thread threads[64] = {0};
	int status;

	if (waitpid(t->pid, &status, __WALL) != t->pid || !WIFSTOPPED(status) ||
		ptrace(PTRACE_SETOPTIONS, t->pid, NULL,
			PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE) != 0 ||
		ptrace(PTRACE_SYSCALL, t->pid, NULL, NULL) != 0)
		die("ptrace");
	for (;;) {
		const pid_t tid = waitpid(-1, &status, __WALL | __WNOTHREAD);
		if (tid < 0 && errno == EINTR)
			continue;
		if (tid < 0)
			return;
		if (!WIFSTOPPED(status)) {
			t->exit_status = tid == t->pid ? status : t->exit_status;
			continue;
		}
		if (WSTOPSIG(status) == SYSCALL_STOP)
			on_stop(t, thread_of(threads, 64, tid));
		ptrace(PTRACE_SYSCALL, tid, NULL, signal_of(status));
	}
}

static void *run(void *ctx)
{
	struct traced *t = ctx;
	const pid_t pid = fork();

	if (pid == 0)
		child_main(t);
	if (pid < 0)
		die("fork");
	pthread_mutex_lock(&t->lock);
	t->pid = pid;
	pthread_cond_signal(&t->started);
	pthread_mutex_unlock(&t->lock);
	if (t->is_plain)
		waitpid(pid, &t->exit_status, 0);
	else
		follow(t);
	return NULL;
}

void traced_start(struct traced *t)
{
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->started, NULL);
	if (pthread_create(&t->thread, NULL, run, t) != 0)
		die("pthread_create");
	pthread_mutex_lock(&t->lock);
	while (t->pid == 0)
		pthread_cond_wait(&t->started, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

void traced_join(struct traced *t)
{
	pthread_join(t->thread, NULL);
	pthread_mutex_destroy(&t->lock);
	pthread_cond_destroy(&t->started);
}
