/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The running kernel as a source of facts: its files kept open and read with one pread() each. */
#include "ctlfs/host.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/pidns.h"
#include "taskstat.h"

#define TEXT_MAX (16u << 20) /* /proc/cpuinfo of 8192 CPUs */
#define ONE_READ 16384 /* a shorter answer of a file with one record is all of it */
#define THREADS_MAX 4096
#define NSEC 1000000000ULL

#define VULNERABILITY(name) \
	[HOST_VULNERABILITY_##name] = { "/sys/devices/system/cpu/vulnerabilities/" #name },
#define CACHE_OF(n, name) \
	[HOST_CACHE + (n) * HOST_CACHE_FILES_COUNT + HOST_CACHE_##name] = { \
		"/sys/devices/system/cpu/cpu0/cache/index" #n "/" #name },
#define CACHE_FILE(name) CACHE_OF(0, name) CACHE_OF(1, name) CACHE_OF(2, name) CACHE_OF(3, name)

static const struct {
	const char *path;
	bool records; /* comes in several pieces, whatever the size of the read */
} files[HOST_FILES] = {
	[HOST_MEMINFO] = { "/proc/meminfo" },
	[HOST_STAT] = { "/proc/stat" },
	[HOST_CPUINFO] = { "/proc/cpuinfo", .records = true },
	[HOST_UPTIME] = { "/proc/uptime" },
	[HOST_LOADAVG] = { "/proc/loadavg" },
	[HOST_SWAPS] = { "/proc/swaps", .records = true },
	[HOST_DISKSTATS] = { "/proc/diskstats", .records = true },
	[HOST_PARTITIONS] = { "/proc/partitions", .records = true },
	[HOST_VMSTAT] = { "/proc/vmstat", .records = true },
	[HOST_ZONEINFO] = { "/proc/zoneinfo", .records = true },
	[HOST_BUDDYINFO] = { "/proc/buddyinfo", .records = true },
	[HOST_SCHEDSTAT] = { "/proc/schedstat", .records = true },
	[HOST_INTERRUPTS] = { "/proc/interrupts", .records = true },
	[HOST_SOFTIRQS] = { "/proc/softirqs" },
	[HOST_CPU_ONLINE] = { "/sys/devices/system/cpu/online" },
	[HOST_CPU_POSSIBLE] = { "/sys/devices/system/cpu/possible" },
	[HOST_CPU_PRESENT] = { "/sys/devices/system/cpu/present" },
	[HOST_CPU_KERNEL_MAX] = { "/sys/devices/system/cpu/kernel_max" },
	[HOST_CPU_MODALIAS] = { "/sys/devices/system/cpu/modalias" },
	[HOST_NODE_ONLINE] = { "/sys/devices/system/node/online" },
	HOST_VULNERABILITIES(VULNERABILITY)
	HOST_CACHE_FILES(CACHE_FILE)
};

struct facts {
	struct host host; /* first: a struct host is one of these */
	int proc; /* /proc itself */
	int fds[HOST_FILES]; /* -1: not there */
	uint64_t tick; /* nanoseconds of a clock tick */
};

static struct facts *facts_of(struct host *h)
{
	return (struct facts *)h;
}

/* A new open of the same file: the reads of one text must not mix with another thread's. The link
 * leads to the file itself, so that a mount over its path does not matter. */
static int read_apart(int fd, struct buf *out)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	return buf_readat(out, AT_FDCWD, path, TEXT_MAX);
}

static int facts_text(struct host *h, enum host_file file, struct buf *out)
{
	int fd = facts_of(h)->fds[file];
	char text[ONE_READ];
	ssize_t n;

	if (fd < 0)
		return -ENOENT;
	if (files[file].records)
		return read_apart(fd, out);
	do {
		n = pread(fd, text, sizeof text, 0);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == (ssize_t)sizeof text)
		return read_apart(fd, out);
	buf_add(out, text, (size_t)n);
	return buf_error(out);
}

static bool facts_has(struct host *h, enum host_file file)
{
	return facts_of(h)->fds[file] >= 0;
}

static uint64_t clock_ns(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return (uint64_t)now.tv_sec * NSEC + (uint64_t)now.tv_nsec;
}

static void facts_now(struct host *h, struct host_clock *ret_clock)
{
	(void)h;
	*ret_clock = (struct host_clock){
		.boot = clock_ns(CLOCK_BOOTTIME),
		.real = clock_ns(CLOCK_REALTIME),
	};
}

static void count_state(char state, struct host_task *task)
{
	task->running += state == 'R';
	task->blocked += state == 'D';
}

/* The states of all threads. Those that end meanwhile are not missed. */
static int count_threads(const struct facts *f, pid_t pid, struct host_task *task)
{
	cleanup_closedir DIR *dir = NULL;
	const struct dirent *e;
	char path[64];
	int fd;

	snprintf(path, sizeof path, "%d/task", (int)pid);
	fd = openat(f->proc, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		return -ENOMEM;
	}
	for (int n = 0; n < THREADS_MAX && (e = readdir(dir));) {
		struct taskstat st;
		int r;

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		r = taskstat_read(dirfd(dir), (pid_t)strtol(e->d_name, NULL, 10), &st);
		if (r == -ESRCH)
			continue;
		if (r < 0)
			return r;
		count_state(st.state, task);
		n++;
	}
	return 0;
}

static int facts_task(struct host *h, pid_t pid, bool threads, struct host_task *ret_task)
{
	const struct facts *f = facts_of(h);
	struct host_task task = { 0 };
	struct taskstat st;
	int r = taskstat_read(f->proc, pid, &st);

	if (r < 0)
		return r;
	task.start = st.start * f->tick;
	task.threads = (unsigned)st.threads;
	if (threads && st.threads > 1) {
		r = count_threads(f, pid, &task);
		if (r < 0)
			return r;
	} else if (threads) {
		count_state(st.state, &task);
	}
	*ret_task = task;
	return 0;
}

static int facts_pidns_id(struct host *h, pid_t pid, uint64_t *ret_ino)
{
	(void)h;
	return pidns_id(pid, ret_ino);
}

static int facts_pidns_init(struct host *h, pid_t pid, pid_t *ret_init)
{
	(void)h;
	return pidns_init(pid, ret_init);
}

static int facts_pidns_show(struct host *h, pid_t reader, pid_t pid, pid_t *ret_nr)
{
	(void)h;
	return pidns_show(reader, pid, ret_nr);
}

static void facts_destroy(struct host *h)
{
	struct facts *f = facts_of(h);

	for (int i = 0; i < HOST_FILES; i++)
		cleanup_close_p(&f->fds[i]);
	cleanup_close_p(&f->proc);
	free(f);
}

static const struct host_ops facts_ops = {
	.text = facts_text,
	.has = facts_has,
	.now = facts_now,
	.task = facts_task,
	.pidns_id = facts_pidns_id,
	.pidns_init = facts_pidns_init,
	.pidns_show = facts_pidns_show,
	.destroy = facts_destroy,
};

/* A file may be missing (no sysfs, a kernel without swap); running out of something is an error. */
static int open_files(struct facts *f)
{
	f->proc = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->proc < 0)
		return -errno;
	for (int i = 0; i < HOST_FILES; i++) {
		if (!files[i].path)
			continue;
		f->fds[i] = open(files[i].path, O_RDONLY | O_CLOEXEC);
		if (f->fds[i] < 0 && errno != ENOENT && errno != EACCES)
			return -errno;
	}
	return 0;
}

int host_new(struct host **ret_host)
{
	struct facts *f = calloc(1, sizeof *f);
	int r;

	if (!f)
		return -ENOMEM;
	f->host.ops = &facts_ops;
	f->proc = -1;
	for (int i = 0; i < HOST_FILES; i++)
		f->fds[i] = -1;
	f->tick = NSEC / (uint64_t)sysconf(_SC_CLK_TCK);
	r = open_files(f);
	if (r < 0) {
		facts_destroy(&f->host);
		return r;
	}
	*ret_host = &f->host;
	return 0;
}

/* "cpu3 ..." lines: the CPUs that are online. */
static int online_from_stat(struct host *h, struct cpulist *ret_cpus)
{
	cleanup_buf struct buf text = { 0 };
	struct cpulist cpus = { 0 };
	const char *line;
	int r = h->ops->text(h, HOST_STAT, &text);

	if (r < 0)
		return r;
	for (line = buf_text(&text); line; line = strchr(line, '\n')) {
		unsigned cpu;

		line += *line == '\n';
		if (sscanf(line, "cpu%u ", &cpu) == 1 && cpu < CPUS_MAX)
			cpulist_set(&cpus, cpu);
	}
	if (!cpulist_count(&cpus))
		return -EIO;
	*ret_cpus = cpus;
	return 0;
}

int host_online(struct host *h, struct cpulist *ret_cpus)
{
	cleanup_buf struct buf text = { 0 };
	int r = h->ops->text(h, HOST_CPU_ONLINE, &text);

	if (r == -ENOENT)
		return online_from_stat(h, ret_cpus);
	return r < 0 ? r : cpulist_parse(buf_text(&text), ret_cpus);
}
