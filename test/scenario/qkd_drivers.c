// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * The ways by which a device's records come in, with real processes (simulated light): a session is recorded and replayed, and replayed
 * once more with Bob's clicks as the time stamps of a card; a receiver is free-running; a device is reached by TCP.
 *
 *     qkd_drivers BUILD_ROOT
 */
#include "codec/qkd_timestamps.h"
#include "support/qkd_ends.h"
#include <arpa/inet.h>
#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/un.h>

static char alice_socket[64], bob_socket[64];

static void optics_start(const char *option, const char *record_alice, const char *record_bob)
{
	const char *argv[] = {"merlon-optics", "--alice", alice_socket, "--bob", bob_socket,
		"--rate", "3e6", "--record-alice", record_alice, "--record-bob", record_bob, option,
		NULL};

	snprintf(alice_socket, sizeof alice_socket, "%s/alice.sock", folder);
	snprintf(bob_socket, sizeof bob_socket, "%s/bob.sock", folder);
	optics = spawn("merlon-optics", argv, (const int[3]){-1, -1, -1}, "optics");
}

/* What the end wrote is what the device said, octet for octet, as far as it was read. */
static void must_begin_alike(const char *of_end, const char *of_device)
{
	static uint8_t a[1 << 16], b[1 << 16];
	FILE *end = fopen(of_end, "rb"), *device = fopen(of_device, "rb");
	struct stat s;
	size_t total = 0;

	MUST(end != NULL && device != NULL, "no recording %s", of_end);
	MUST(fstat(fileno(end), &s) == 0 && (s.st_mode & 0777) == 0600, "others may read it");
	for (size_t n; (n = fread(a, 1, sizeof a, end)) > 0; total += n)
		MUST(fread(b, 1, n, device) == n && memcmp(a, b, n) == 0,
			"%s is not what the device said", of_end);
	MUST(total > 1000000 || strstr(of_end, "bob") != NULL, "hardly anything was recorded");
	printf("%s: %zu octets, as the device said them\n", of_end, total);
	fclose(end);
	fclose(device);
}

/* Bob's recording as a time-tag card would have written it: 125 ps, one event a click, the clock's own beginning first. */
static void stamp(const char *recording, const char *stamps, char session[static 33])
{
	static uint8_t bytes[DRIVER_RECORD_MAX + 8];
	FILE *in = fopen(recording, "rb"), *out = fopen(stamps, "wb");
	uint8_t event[TIMESTAMP_OCTETS];
	struct writer w = writer_of(SPAN_MUT_ARRAY(event));

	MUST(in != NULL && out != NULL, "stamps");
	timestamp_encode(&w, 0, 0);
	fwrite(event, sizeof event, 1, out);
	for (size_t size; fread(bytes, 4, 1, in) == 1;) {
		struct driver_record r;
		struct wire_fault fault = {0};
		MUST(!failed(driver_record_size(span_of(bytes, 4), &size)) && size > 4 &&
				fread(bytes + 4, size - 4, 1, in) == 1 &&
				!failed(driver_decode(span_of(bytes, size), &r, &fault)),
			"a record");
		for (size_t i = 0; r.type == DRIVER_HELLO && i < 16; i++)
			snprintf(session + 2 * i, 3, "%02x", r.hello.session[i]);
		for (uint32_t i = 0; r.type == DRIVER_EVENTS && i < r.event_count; i++) {
			const struct driver_event e = driver_event_at(&r, i);
			const double ps = ((double)e.slot + 0.5) * 1e12 / 3e6;
			w = writer_of(SPAN_MUT_ARRAY(event));
			timestamp_encode(&w, (uint64_t)ps, e.mask);
			fwrite(event, sizeof event, 1, out);
		}
	}
	fclose(in);
	fclose(out);
}

static void replay_stamps(const char *alice, const char *bob)
{
	static char stamps[96], session[33];
	const char *alice_replay[] = {"driver.kind", "file", "driver.socket", alice,
		"driver.replay_allowed", "true", NULL};
	const char *bob_stamps[] = {"driver.kind", "s15", "driver.socket", stamps,
		"driver.replay_allowed", "true", "driver.session", session,
		"driver.slots_per_second", "3000000", NULL};

	snprintf(stamps, sizeof stamps, "%s/bob.stamps", folder);
	stamp(bob, stamps, session);
	ends[ALICE].extra = alice_replay;
	ends[BOB].extra = bob_stamps;
	ends_start();
	wait_blocks(2, 60);
	ends_stop();
	printf("time stamps of 125 ps: %zu blocks, equal at both ends\n", blocks());
}

static void record_and_replay(void)
{
	static char files[4][96];
	const char *settings[2][7] = {
		{"driver.record", files[ALICE], "driver.record_allowed", "true", NULL},
		{"driver.record", files[BOB], "driver.record_allowed", "true", NULL}};
	const char *replay[2][7] = {{"driver.kind", "file", "driver.socket", files[ALICE],
					    "driver.replay_allowed", "true", NULL},
		{"driver.kind", "file", "driver.socket", files[BOB], "driver.replay_allowed",
			"true", NULL}};

	for (size_t i = 0; i < 2; i++) {
		snprintf(files[i], sizeof files[i], "%s/%s.recording", folder, ends[i].role);
		snprintf(files[i + 2], sizeof files[0], "%s/%s.device", folder, ends[i].role);
		ends[i].extra = settings[i];
	}
	optics_start(NULL, files[2], files[3]);
	ends_start();
	wait_blocks(5, 60);
	ends_stop();
	optics_end();
	for (size_t i = 0; i < 2; i++) {
		must_begin_alike(files[i], files[i + 2]);
		ends[i].extra = replay[i];
	}
	ends_start();
	wait_blocks(2, 60);
	ends_stop();
	printf("replayed: %zu blocks, equal at both ends\n", blocks());
	replay_stamps(files[ALICE], files[BOB]);
}

/* Of records as a device says them; the last one is whole. */
static size_t recorded_octets(const char *path)
{
	static uint8_t bytes[1 << 20];
	FILE *f = fopen(path, "rb");
	const size_t len = f == NULL ? 0 : fread(bytes, 1, sizeof bytes, f);
	size_t at = 0, size = 0;

	MUST(f != NULL && fclose(f) == 0, "no recording %s", path);
	for (; at < len; at += size)
		MUST(!failed(driver_record_size(span_of(bytes + at, len - at), &size)) && size > 0,
			"no record at octet %zu of %zu", at, len);
	MUST(at == len, "the recording ends within a record");
	return len;
}

static void a_full_disk_ends_a_recording_and_not_the_link(void)
{
	enum { DISK_OCTETS = 400 << 10 };
	static char disk[64], path[96];
	const char *record[] = {"driver.record", path, "driver.record_allowed", "true", NULL};

	snprintf(disk, sizeof disk, "%s/small", folder);
	snprintf(path, sizeof path, "%s/alice.recording", disk);
	/* EINVAL: a root folder that is no mount is not shared either. */
	MUST(unshare(CLONE_NEWNS) == 0 &&
			(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 || errno == EINVAL),
		"mounts of our own: %s", strerror(errno));
	MUST(mkdir(disk, 0700) == 0 &&
			mount("small", disk, "tmpfs", MS_NODEV | MS_NOSUID, "size=400k") == 0,
		"a small disk: %s", strerror(errno));
	ends[ALICE].extra = record;
	ends[BOB].extra = NULL;
	optics_start(NULL, "/dev/null", "/dev/null");
	ends_start();
	wait_blocks(4, 60);
	ends_stop();
	optics_end();
	const size_t octets = recorded_octets(path);
	MUST(octets > DISK_OCTETS / 2 && octets <= DISK_OCTETS, "%zu octets", octets);
	MUST(umount(disk) == 0 && rmdir(disk) == 0, "umount: %s", strerror(errno));
	printf("a full disk: %zu octets of whole records, %zu blocks\n", octets, blocks());
}

/* What would put raw key into a file, or make key of one, is refused unless a second setting allows it. */
static void must_be_refused(const char *refusal, const char *const *settings)
{
	struct end *e = &ends[BOB];

	e->extra = settings;
	e->refusal = refusal;
	e->is_refused = false;
	end_start(e);
	while (!e->is_refused)
		pipe_read(e, &e->control, on_control);
	end_kill(e);
	e->pid = 0;
	e->refusal = NULL;
	printf("refused: %s\n", refusal);
}

static void refusals(void)
{
	static char path[96];
	const char *record[] = {"driver.record", path, NULL};
	const char *open_file[] = {"driver.record", path, "driver.record_allowed", "true", NULL};
	const char *replay[] = {"driver.kind", "file", "driver.socket", path, NULL};
	const char *clear[] = {"driver.kind", "tcp", "driver.socket", "192.0.2.1:7000", NULL};

	snprintf(path, sizeof path, "%s/refused", folder);
	must_be_refused("driver.record_allowed", record);
	MUST(access(path, F_OK) != 0, "a file was made all the same");
	must_be_refused("driver.replay_allowed", replay);
	must_be_refused("driver.name", clear);
	const int fd = open(path, O_CREAT | O_WRONLY, 0600);
	MUST(fd >= 0 && fchmod(fd, 0644) == 0 && close(fd) == 0, "file");
	must_be_refused("0600", open_file);
}

static int unix_connect(const char *path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	memcpy(at.sun_path, path, strlen(path));
	return fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof at) == 0 ? fd : -1;
}

/* A child that hands the device's socket on by TCP, once. */
static pid_t bridge(uint16_t *port)
{
	static uint8_t bytes[1 << 16];
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;
	const int listener = socket(AF_INET, SOCK_STREAM, 0);

	MUST(listener >= 0 && bind(listener, (struct sockaddr *)&at, sizeof at) == 0 &&
			listen(listener, 1) == 0 &&
			getsockname(listener, (struct sockaddr *)&at, &len) == 0,
		"bridge");
	*port = ntohs(at.sin_port);
	const pid_t pid = fork();
	if (pid != 0) {
		close(listener);
		return pid;
	}
	const int to = accept(listener, NULL, NULL), from = unix_connect(alice_socket);
	for (ssize_t n; to >= 0 && from >= 0 && (n = read(from, bytes, sizeof bytes)) > 0;)
		for (ssize_t at_byte = 0, m; at_byte < n; at_byte += m)
			if ((m = write(to, bytes + at_byte, (size_t)(n - at_byte))) <= 0)
				_exit(1);
	_exit(0);
}

static void free_running_and_tcp(void)
{
	static char address[32];
	const char *tcp[] = {"driver.kind", "tcp", "driver.socket", address, NULL};
	uint16_t port;

	optics_start("--free-running", "/dev/null", "/dev/null");
	while (access(bob_socket, F_OK) != 0 || access(alice_socket, F_OK) != 0)
		usleep(10000);
	const pid_t child = bridge(&port);
	snprintf(address, sizeof address, "127.0.0.1:%u", port);
	ends[ALICE].extra = tcp;
	ends[BOB].extra = NULL;
	ends_start();
	wait_blocks(2, 60);
	ends_stop();
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	optics_end();
	printf("free-running, and by TCP: %zu blocks, equal at both ends\n", blocks());
}

int main(int argc, char **argv)
{
	MUST(argc == 2, "usage: qkd_drivers BUILD_ROOT");
	ends_prepare(argv[1]);
	refusals();
	record_and_replay();
	a_full_disk_ends_a_recording_and_not_the_link();
	free_running_and_tcp();
	return 0;
}
