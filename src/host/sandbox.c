// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "sandbox.h"
#include "base/secret.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <pwd.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer) ||                         \
	__has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

/* ---- The levels: what each may ask of the kernel, and of its folder ---- */

enum may {
	BASE = 1 << 0,     /* memory, time, randomness, open descriptors */
	LOOP = 1 << 1,     /* libuv with sockets that are open */
	ACCEPT = 1 << 2,   /* new streams from listeners that are open */
	CONNECT = 1 << 3,  /* streams to TCP and Unix addresses */
	FILES = 1 << 4,    /* files by name; beneath which folder is Landlock's business */
	THREADS = 1 << 5,  /* of this process alone: no fork */
	READING = 1 << 6,  /* open for reading: where the request names a read_folder */
	SANITIZER = 1 << 7 /* sanitizer builds: what their run time asks for at any moment */
};

#define FOLDER_RIGHTS                                                                              \
	(LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE |                            \
		LANDLOCK_ACCESS_FS_READ_DIR | LANDLOCK_ACCESS_FS_REMOVE_FILE |                     \
		LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_TRUNCATE)
#define READ_RIGHTS (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)

static const struct level {
	const char *name;
	unsigned groups;
	uint64_t folder_rights;
	bool may_read_folder;
} levels[SANDBOX_LEVELS] = {
	[SANDBOX_VAULT] = {"vault", BASE, 0, false},
	[SANDBOX_STORE] = {"store", BASE | LOOP | FILES | THREADS, FOLDER_RIGHTS, false},
	[SANDBOX_FRONT] = {"front", BASE | LOOP | ACCEPT, 0, true},
	[SANDBOX_LINK] = {"link", BASE | LOOP | ACCEPT | CONNECT, 0, true},
	[SANDBOX_IMPORT] = {"import", BASE | LOOP, 0, false},
	[SANDBOX_AUDIT] = {"audit", BASE | LOOP | FILES, FOLDER_RIGHTS, false},
	[SANDBOX_OPTICS] = {"optics", BASE | LOOP | ACCEPT, 0, false},
};

/*
 * A system call is allowed to the levels that have one of its groups, if its arguments fit: for
 * each condition (args[arg] & mask) == value. Several rows for one call: any of them. All other
 * calls kill.
 */
enum { CONDITIONS_MAX = 2 };
struct rule {
	int call;
	unsigned groups;
	struct condition {
		unsigned arg;
		uint32_t mask, value; /* mask 0: no condition */
	} conditions[CONDITIONS_MAX];
};
#define CALL(name, groups)                                                                         \
	{                                                                                          \
		SCMP_SYS(name), (groups),                                                          \
		{{0, 0, 0}}                                                                        \
	}
#define CALL_IF(name, groups, arg, mask, value)                                                    \
	{                                                                                          \
		SCMP_SYS(name), (groups),                                                          \
		{                                                                                  \
			{                                                                          \
				(arg), (mask), (value)                                             \
			}                                                                          \
		}                                                                                  \
	}
#define ALL_BITS 0xffffffffu

static const struct rule rules[] = {
	CALL(read, BASE),
	CALL(readv, BASE),
	CALL(write, BASE),
	CALL(writev, BASE),
	CALL(close, BASE),
	CALL(poll, BASE),
	CALL(ppoll, BASE),
	CALL(lseek, BASE),
	CALL(fstat, BASE),
	CALL_IF(newfstatat, BASE, 3, AT_EMPTY_PATH, AT_EMPTY_PATH),
	CALL(exit, BASE),
	CALL(exit_group, BASE),
	CALL(restart_syscall, BASE),
	CALL(futex, BASE),
	CALL(rt_sigreturn, BASE),
	CALL(rt_sigprocmask, BASE),
	CALL(rt_sigaction, BASE),
	CALL(getpid, BASE),
	CALL(gettid, BASE),
	CALL(getrandom, BASE),
	CALL(sched_yield, BASE),
	CALL(clock_gettime, BASE),
	CALL(gettimeofday, BASE),
	CALL(time, BASE),
	CALL(clock_nanosleep, BASE),
	CALL(nanosleep, BASE),
	/* Memory, never executable; the secrets' arenas. */
	CALL(brk, BASE),
	CALL(munmap, BASE),
	CALL(mremap, BASE),
	CALL(madvise, BASE),
	CALL(mlock, BASE),
	CALL_IF(mmap, BASE, 2, PROT_EXEC, 0),
	CALL_IF(mprotect, BASE, 2, PROT_EXEC, 0),
	CALL(memfd_secret, BASE),
	CALL(ftruncate, BASE),

	CALL(epoll_wait, LOOP),
	CALL(epoll_pwait, LOOP),
	CALL(epoll_pwait2, LOOP),
	CALL(epoll_ctl, LOOP),
	CALL(sendmsg, LOOP),
	CALL(recvmsg, LOOP),
	CALL(sendto, LOOP),
	CALL(recvfrom, LOOP),
	CALL(shutdown, LOOP),
	CALL(getsockopt, LOOP),
	CALL(setsockopt, LOOP),
	CALL(getsockname, LOOP),
	CALL(getpeername, LOOP),
	CALL(fcntl, LOOP),
	CALL(getuid, LOOP),
	CALL(geteuid, LOOP),
	CALL_IF(ioctl, LOOP, 1, ALL_BITS, FIONBIO),
	CALL_IF(ioctl, LOOP, 1, ALL_BITS, FIOCLEX),
	CALL_IF(ioctl, LOOP, 1, ALL_BITS, FIONREAD),

	CALL(accept4, ACCEPT),
	CALL(accept, ACCEPT),

	{SCMP_SYS(socket), CONNECT, {{0, ALL_BITS, AF_UNIX}, {1, 0xf, SOCK_STREAM}}},
	{SCMP_SYS(socket), CONNECT, {{0, ALL_BITS, AF_INET}, {1, 0xf, SOCK_STREAM}}},
	{SCMP_SYS(socket), CONNECT, {{0, ALL_BITS, AF_INET6}, {1, 0xf, SOCK_STREAM}}},
	CALL(connect, CONNECT),

	CALL_IF(openat, READING, 2, O_ACCMODE | O_CREAT | O_TRUNC | (O_TMPFILE & ~O_DIRECTORY),
		O_RDONLY),

	CALL(openat, FILES),
	CALL(openat2, FILES),
	CALL(newfstatat, FILES),
	CALL(statx, FILES),
	CALL(access, FILES),
	CALL(faccessat, FILES),
	CALL(faccessat2, FILES),
	CALL(readlink, FILES),
	CALL(getcwd, FILES),
	CALL(getdents64, FILES),
	CALL(fstatfs, FILES),
	CALL(pread64, FILES),
	CALL(pwrite64, FILES),
	CALL(preadv, FILES),
	CALL(pwritev, FILES),
	CALL(fsync, FILES),
	CALL(fdatasync, FILES),
	CALL(fallocate, FILES),
	CALL(unlink, FILES),
	CALL(unlinkat, FILES),
	CALL(rename, FILES),
	CALL(renameat, FILES),
	CALL(renameat2, FILES),
	CALL(fchmod, FILES),
	CALL(fchown, FILES),
	CALL(umask, FILES),
	CALL(flock, FILES),

	CALL_IF(clone, THREADS, 0, CLONE_THREAD, CLONE_THREAD),
	CALL(set_robust_list, THREADS),
	CALL(rseq, THREADS),
	CALL(sched_getaffinity, THREADS),
	CALL(sigaltstack, THREADS),
	CALL_IF(prctl, THREADS, 0, ALL_BITS, PR_SET_NAME),

	/* Not a way out either: names are Landlock's business, and no sockets, fork, exec or
	   ptrace. */
	CALL(openat, SANITIZER),
	CALL(readlink, SANITIZER),
	CALL(readlinkat, SANITIZER),
	CALL(ioctl, SANITIZER),
	CALL(newfstatat, SANITIZER),
	CALL(prctl, SANITIZER),
	CALL(prlimit64, SANITIZER),
	CALL(sigaltstack, SANITIZER),
	CALL(sched_getaffinity, SANITIZER),
	CALL(sysinfo, SANITIZER),
	CALL(getrusage, SANITIZER),
	CALL(getdents64, SANITIZER),
	CALL(fcntl, SANITIZER),
	CALL(mmap, SANITIZER),
	CALL(mprotect, SANITIZER),
	CALL(tgkill, SANITIZER),
};

/* Refused, not killed: what libraries try and can live without. */
static const struct refusal {
	int call;
	unsigned unless; /* levels with one of these groups have a rule above */
	int error;
} refusals[] = {
	{SCMP_SYS(unlink), FILES,
		EPERM}, /* a listener that closes removes its Unix socket: the supervisor does */
	{SCMP_SYS(unlinkat), FILES, EPERM},
	{SCMP_SYS(clone3), 0, ENOSYS}, /* its flags cannot be looked at: glibc then takes clone() */
};

const char *sandbox_level_name(enum sandbox_level level)
{
	return (unsigned)level < SANDBOX_LEVELS ? levels[level].name : "none";
}

/* ---- Who we are ---- */

static struct err capabilities_drop(struct complaint *c)
{
	struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
	const struct __user_cap_data_struct none[2] = {{0}};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &head, none) != 0)
		return complain(c, ERR(IO), "cannot drop capabilities: %s", strerror(errno));
	return OK;
}

/* As long as it is possible: afterwards not even an exec of a set-uid program could give any back.
 */
static void capabilities_bound(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static struct err user_become(const char *user, struct complaint *c)
{
	if (user == NULL)
		return OK;
	const struct passwd *who = getpwnam(user);
	if (who == NULL)
		return complain(c, ERR(ABSENT), "user %s does not exist", user);
	if (who->pw_uid == geteuid() && who->pw_uid == getuid())
		return OK;
	if (setgroups(0, NULL) != 0 || setresgid(who->pw_gid, who->pw_gid, who->pw_gid) != 0 ||
		setresuid(who->pw_uid, who->pw_uid, who->pw_uid) != 0)
		return complain(c, ERR(IO), "cannot become user %s: %s", user, strerror(errno));
	return OK;
}

static struct err privileges_drop(const struct sandbox_request *request, struct complaint *c)
{
	int death_signal = 0;

	/* The kernel forgets it when the user changes [prctl(2) PR_SET_PDEATHSIG]. */
	prctl(PR_GET_PDEATHSIG, &death_signal, 0, 0, 0);
	capabilities_bound();
	struct err e = user_become(request->user, c);
	if (!failed(e))
		e = capabilities_drop(c);
	if (!failed(e) && failed(secret_forbid_dumps()))
		e = complain(c, ERR(IO), "cannot forbid core dumps: %s", strerror(errno));
	if (!failed(e) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		e = complain(c, ERR(IO), "no_new_privs: %s", strerror(errno));
	if (!failed(e) && death_signal != 0)
		prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0);
	return e;
}

/* ---- Landlock ---- */

int sandbox_landlock_abi(void)
{
	/* Asked once: the call itself is not allowed inside. */
	static int abi = -1;

	if (abi < 0) {
		const long answer = syscall(
			SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
		abi = answer < 0 ? 0 : (int)answer;
	}
	return abi;
}

/* What a kernel of this ABI can take away; we take all of it, and give back by rules. */
static struct landlock_ruleset_attr landlock_attr(int abi, const struct level *level)
{
	struct landlock_ruleset_attr a = {
		.handled_access_fs = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1};

	if (abi >= 2)
		a.handled_access_fs |= LANDLOCK_ACCESS_FS_REFER;
	if (abi >= 3)
		a.handled_access_fs |= LANDLOCK_ACCESS_FS_TRUNCATE;
	if (abi >= 4)
		a.handled_access_net =
			LANDLOCK_ACCESS_NET_BIND_TCP |
			((level->groups & CONNECT) != 0 ? 0 : LANDLOCK_ACCESS_NET_CONNECT_TCP);
	if (abi >= 5)
		a.handled_access_fs |= LANDLOCK_ACCESS_FS_IOCTL_DEV;
	if (abi >= 6)
		a.scoped = LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET | LANDLOCK_SCOPE_SIGNAL;
	return a;
}

static struct err folder_allow(
	int ruleset, const char *folder, uint64_t rights, struct complaint *c)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = rights};

	beneath.parent_fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return complain(c, ERR(ABSENT), "folder %s: %s", folder, strerror(errno));
	const long status =
		syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0);
	const int error = errno;
	close(beneath.parent_fd);
	return status == 0
		       ? OK
		       : complain(c, ERR(IO), "Landlock rule for %s: %s", folder, strerror(error));
}

static struct err landlock_enter(
	const struct sandbox_request *request, const struct level *level, struct complaint *c)
{
	const int abi = sandbox_landlock_abi();
	struct landlock_ruleset_attr attr = landlock_attr(abi, level);
	struct err e = OK;

	if (abi == 0)
		return OK; /* the filter alone; whoever starts us says so: process.c logs the ABI */
	const int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);
	if (ruleset < 0)
		return complain(c, ERR(IO), "Landlock: %s", strerror(errno));
	if (request->folder != NULL && level->folder_rights != 0)
		e = folder_allow(
			ruleset, request->folder, level->folder_rights & attr.handled_access_fs, c);
	if (!failed(e) && request->read_folder != NULL && level->may_read_folder)
		e = folder_allow(ruleset, request->read_folder, READ_RIGHTS, c);
	if (!failed(e) && syscall(SYS_landlock_restrict_self, ruleset, 0) != 0)
		e = complain(c, ERR(IO), "Landlock: %s", strerror(errno));
	close(ruleset);
	return e;
}

/* ---- seccomp ---- */

static int rule_add(scmp_filter_ctx filter, const struct rule *rule)
{
	struct scmp_arg_cmp args[CONDITIONS_MAX];
	unsigned count = 0;

	for (size_t i = 0; i < CONDITIONS_MAX && rule->conditions[i].mask != 0; i++)
		args[count++] = (struct scmp_arg_cmp){.arg = rule->conditions[i].arg,
			.op = SCMP_CMP_MASKED_EQ,
			.datum_a = rule->conditions[i].mask,
			.datum_b = rule->conditions[i].value};
	return seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rule->call, count, args);
}

static int filter_fill(scmp_filter_ctx filter, unsigned groups)
{
	/* A raise of our own (abort) may kill us by its name, and nobody else. */
	const struct rule own_signal = CALL_IF(tgkill, BASE, 0, ALL_BITS, (uint32_t)getpid());
	int status = (groups & SANITIZER) != 0 ? 0 : rule_add(filter, &own_signal);

	for (size_t i = 0; i < ARRAY_LEN(rules) && status == 0; i++)
		if ((rules[i].groups & groups) != 0)
			status = rule_add(filter, &rules[i]);
	for (size_t i = 0; i < ARRAY_LEN(refusals) && status == 0; i++)
		if ((refusals[i].unless & groups) == 0)
			status = seccomp_rule_add(filter,
				SCMP_ACT_ERRNO((uint16_t)refusals[i].error), refusals[i].call, 0);
	return status;
}

static struct err filter_enter(unsigned groups, struct complaint *c)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);

	if (filter == NULL)
		return complain(c, ERR(LIMIT), "seccomp: out of memory");
	int status = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (status == 0)
		status = seccomp_attr_set(
			filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a list */
	if (status == 0)
		status = filter_fill(filter, groups);
	if (status == 0)
		status = seccomp_load(filter);
	seccomp_release(filter);
	return status == 0 ? OK : complain(c, ERR(IO), "seccomp filter: %s", strerror(-status));
}

enum { THREADS_GONE_MS = 200 };

/* Landlock and capabilities hold for the thread that enters and for those it starts later. */
static struct err threads_refuse(struct complaint *c)
{
	struct stat tasks;

	/* One that was just joined may be listed for a moment still. */
	for (int i = 0; i < THREADS_GONE_MS; i++) {
		if (stat("/proc/self/task", &tasks) != 0)
			return complain(c, ERR(IO), "/proc is not there");
		if (tasks.st_nlink == 3)
			return OK;
		usleep(1000);
	}
	return complain(c, ERR(BUG), "threads were started before the sandbox");
}

struct err sandbox_enter(const struct sandbox_request *request, struct complaint *c)
{
	const struct level *level = &levels[request->level];
	unsigned groups = level->groups | (IS_SANITIZED ? SANITIZER : 0);

	if (request->read_folder != NULL && level->may_read_folder)
		groups |= READING;
	struct err e = IS_SANITIZED ? OK : threads_refuse(c);
	if (!failed(e))
		e = privileges_drop(request, c);
	if (!failed(e))
		e = landlock_enter(request, level, c);
	if (!failed(e))
		e = filter_enter(groups, c);
	return e;
}
