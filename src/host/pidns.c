/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Numbers of tasks in other pid namespaces. Since 6.12 an ioctl on the namespace translates in both
 * directions. Before, NSpid of /proc/PID/status lists a task's numbers from our namespace down to
 * its own: one way that is an index, the other way a search through /proc.
 */
#include "ctlfs/pidns.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/ns.h"

#ifndef NSIO
#define NSIO 0xb7
#endif
#ifndef NS_GET_PARENT
#define NS_GET_PARENT _IO(NSIO, 0x2)
#endif
#ifndef NS_GET_PID_FROM_PIDNS
#define NS_GET_PID_FROM_PIDNS _IOR(NSIO, 0x6, int)
#define NS_GET_PID_IN_PIDNS _IOR(NSIO, 0x8, int)
#endif

/* Namespaces nest at most 32 deep below the first (MAX_PID_NS_LEVEL). */
#define LEVELS 33
#define STATUS_MAX (1u << 20) /* a Groups line alone may have 65536 numbers */
#define HINTS 64

/* A task's numbers: nr[0] in our namespace, nr[n - 1] in its own. */
struct numbers {
	int n;
	pid_t nr[LEVELS];
};

/* Set once the kernel has said that it lacks the ioctls. */
static atomic_bool no_ioctl;

static int gone(int r)
{
	return r == -ENOENT ? -ESRCH : r;
}

/* Our own namespace never changes, but a child that was forked into a new one has a new pid too. */
static int own_ino(uint64_t *ret_ino)
{
	static _Atomic uint64_t known; /* pid << 32 | inode number */
	uint64_t both = atomic_load(&known);
	uint64_t self = (uint64_t)getpid() << 32;
	uint64_t ino;
	int r;

	if ((both & ~(uint64_t)UINT32_MAX) == self) {
		*ret_ino = both & UINT32_MAX;
		return 0;
	}
	r = ns_id(AT_FDCWD, NS_SELF, "pid", &ino);
	if (r < 0)
		return r;
	if (ino <= UINT32_MAX)
		atomic_store(&known, self | ino);
	*ret_ino = ino;
	return 0;
}

static void parse_numbers(const char *p, struct numbers *ret_numbers)
{
	int n = 0;

	while (n < LEVELS) {
		char *end;
		long nr;

		p += strspn(p, " \t");
		nr = strtol(p, &end, 10);
		if (end == p)
			break;
		ret_numbers->nr[n++] = (pid_t)nr;
		p = end;
	}
	ret_numbers->n = n;
}

/* The numbers in the line that begins with key ("\nNSpid:") of the status of the task at path
 * ("/proc/1", "/proc/1/task/2"). */
static int read_line(const char *path, const char *key, struct numbers *ret_numbers)
{
	cleanup_buf struct buf text = { 0 };
	char status[PATH_MAX];
	const char *line;
	int r;

	snprintf(status, sizeof status, "%s/status", path);
	r = buf_readat(&text, AT_FDCWD, status, STATUS_MAX);
	if (r < 0)
		return gone(r);
	line = strstr(buf_text(&text), key);
	if (!line)
		return -ENOSYS;
	parse_numbers(line + strlen(key), ret_numbers);
	return ret_numbers->n > 0 ? 0 : -ESRCH;
}

static int read_numbers(const char *path, struct numbers *ret_numbers)
{
	return read_line(path, "\nNSpid:", ret_numbers);
}

static int pid_numbers(pid_t pid, struct numbers *ret_numbers)
{
	char path[64];

	snprintf(path, sizeof path, "/proc/%d", pid);
	return read_numbers(path, ret_numbers);
}

int pidns_id(pid_t pid, uint64_t *ret_ino)
{
	struct numbers numbers;
	int r;

	if (pid <= 0)
		return -ESRCH;
	r = ns_id(AT_FDCWD, pid, "pid", ret_ino);
	if (r != -EACCES && r != -EPERM)
		return r;
	/* The link is for those who may trace the task; the numbers are for everybody. */
	r = pid_numbers(pid, &numbers);
	if (r < 0)
		return r;
	return numbers.n == 1 ? own_ino(ret_ino) : -EACCES;
}

/* Is ns, levels generations up, the namespace ino? Takes ns over. */
static int ns_above_is(int ns, int levels, uint64_t ino)
{
	uint64_t found = 0;
	int r = 0;

	while (levels-- > 0) {
		int parent = ioctl(ns, NS_GET_PARENT);

		if (parent < 0)
			r = -errno;
		close(ns);
		if (r < 0)
			return r;
		ns = parent;
	}
	r = ns_of(ns, &found);
	close(ns);
	return r < 0 ? r : found == ino;
}

/* The task's number at level level if the namespace there is ino, else 0. Without ioctls. */
static int number_at(pid_t pid, const struct numbers *numbers, int level, uint64_t ino)
{
	int fd;
	int r;

	if (numbers->n <= level)
		return 0;
	fd = ns_open(AT_FDCWD, pid, "pid");
	if (fd < 0)
		return fd;
	r = ns_above_is(fd, numbers->n - 1 - level, ino);
	return r <= 0 ? r : numbers->nr[level];
}

static int show_by_status(pid_t reader, uint64_t ino, pid_t *pids, size_t n)
{
	struct numbers of_reader, numbers;
	int r = pid_numbers(reader, &of_reader);

	if (r < 0)
		return r;
	for (size_t i = 0; i < n; i++) {
		r = pid_numbers(pids[i], &numbers);
		if (r == 0)
			r = number_at(pids[i], &numbers, of_reader.n - 1, ino);
		if (r < 0 && r != -ESRCH)
			return r;
		pids[i] = r > 0 ? r : 0;
	}
	return 0;
}

static int show_by_ioctl(int ns, pid_t *pids, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		int r = ioctl(ns, NS_GET_PID_IN_PIDNS, pids[i]);

		if (r < 0 && errno != ESRCH)
			return -errno;
		pids[i] = r > 0 ? r : 0;
	}
	return 0;
}

/* Did the kernel refuse because it does not know the request? */
static bool lacks_ioctl(int r)
{
	if (r != -ENOTTY)
		return false;
	atomic_store(&no_ioctl, true);
	return true;
}

/* Opens pid's namespace unless it is our own (then *ret_fd is -1). */
static int ns_other(pid_t pid, int *ret_fd, uint64_t *ret_ino)
{
	uint64_t own, ino;
	int r = pidns_id(pid, &ino);
	int fd;

	if (r == 0)
		r = own_ino(&own);
	if (r < 0)
		return r;
	*ret_fd = -1;
	*ret_ino = ino;
	if (ino == own)
		return 0;
	fd = ns_open(AT_FDCWD, pid, "pid");
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

int pidns_show_all(pid_t reader, pid_t *pids, size_t n)
{
	cleanup_close int ns = -1;
	uint64_t ino;
	int r = ns_other(reader, &ns, &ino);

	if (r < 0 || ns < 0)
		return r;
	if (!atomic_load(&no_ioctl)) {
		r = show_by_ioctl(ns, pids, n);
		if (!lacks_ioctl(r))
			return r;
	}
	return show_by_status(reader, ino, pids, n);
}

int pidns_show(pid_t reader, pid_t pid, pid_t *ret_nr)
{
	int r = pidns_show_all(reader, &pid, 1);

	if (r < 0)
		return r;
	*ret_nr = pid;
	return 0;
}

/* What is looked for in /proc: number nr at level in namespace ino. */
struct wanted {
	pid_t nr;
	int level;
	uint64_t ino;
};

static bool is_wanted(const char *path, const struct wanted *wanted, pid_t *ret_pid)
{
	struct numbers numbers;

	if (read_numbers(path, &numbers) < 0 || numbers.n <= wanted->level)
		return false;
	if (numbers.nr[wanted->level] != wanted->nr)
		return false;
	if (number_at(numbers.nr[0], &numbers, wanted->level, wanted->ino) <= 0)
		return false;
	*ret_pid = numbers.nr[0];
	return true;
}

/* Looks at every task below dir: its numbered entries, or with threads their threads. */
static int search(const char *dir, bool threads, const struct wanted *wanted, pid_t *ret_pid)
{
	cleanup_closedir DIR *d = opendir(dir);
	const struct dirent *e;

	if (!d)
		return gone(-errno);
	while ((e = readdir(d))) {
		char path[PATH_MAX];

		if (e->d_name[0] < '1' || e->d_name[0] > '9')
			continue;
		snprintf(path, sizeof path, "%s/%s%s", dir, e->d_name, threads ? "/task" : "");
		if (threads ? search(path, false, wanted, ret_pid) == 0
			    : is_wanted(path, wanted, ret_pid))
			return 0;
	}
	return -ESRCH;
}

/* Whom a search found as number 1 of a namespace is looked at first the next time; since what is
 * found is checked like any other, a stale hint does no harm. */
static int find_by_status(const struct wanted *wanted, pid_t *ret_pid)
{
	static atomic_int hints[HINTS];
	atomic_int *hint = &hints[wanted->ino % HINTS];
	char path[64];
	int r;

	if (wanted->nr == 1) {
		snprintf(path, sizeof path, "/proc/%d", atomic_load(hint));
		if (is_wanted(path, wanted, ret_pid))
			return 0;
	}
	r = search("/proc", false, wanted, ret_pid);
	if (r == -ESRCH && wanted->nr != 1)
		r = search("/proc", true, wanted, ret_pid);
	if (r == 0 && wanted->nr == 1)
		atomic_store(hint, *ret_pid);
	return r;
}

/* Number nr of the namespace ns, which lies above levels above that of member. */
static int find_in(int ns, struct wanted wanted, pid_t member, int above, pid_t *ret_pid)
{
	struct numbers numbers;
	int r;

	if (!atomic_load(&no_ioctl)) {
		r = ioctl(ns, NS_GET_PID_FROM_PIDNS, wanted.nr);
		if (r > 0) {
			*ret_pid = r;
			return 0;
		}
		r = r < 0 ? -errno : -ESRCH;
		if (!lacks_ioctl(r))
			return r;
	}
	r = pid_numbers(member, &numbers);
	if (r < 0)
		return r;
	wanted.level = numbers.n - 1 - above;
	return find_by_status(&wanted, ret_pid);
}

static int find_own(pid_t nr, pid_t *ret_pid)
{
	struct stat st;
	char path[64];

	snprintf(path, sizeof path, "/proc/%d", nr);
	if (stat(path, &st) < 0)
		return gone(-errno);
	*ret_pid = nr;
	return 0;
}

int pidns_find(pid_t caller, pid_t nr, pid_t *ret_pid)
{
	cleanup_close int ns = -1;
	struct wanted wanted = { .nr = nr };
	int r;

	if (nr <= 0)
		return -ESRCH;
	r = ns_other(caller, &ns, &wanted.ino);
	if (r < 0)
		return r;
	if (ns < 0)
		return find_own(nr, ret_pid);
	return find_in(ns, wanted, caller, 0, ret_pid);
}

int pidns_init(pid_t pid, pid_t *ret_init)
{
	return pidns_find(pid, 1, ret_init);
}

int pidns_parent_init(pid_t pid, pid_t *ret_init)
{
	struct wanted wanted = { .nr = 1 };
	cleanup_close int ns = ns_open(AT_FDCWD, pid, "pid");
	cleanup_close int parent = -1;
	uint64_t own = 0;
	int r;

	if (ns < 0)
		return ns;
	parent = ioctl(ns, NS_GET_PARENT);
	if (parent < 0)
		return -errno;
	r = ns_of(parent, &wanted.ino);
	if (r == 0)
		r = own_ino(&own);
	if (r < 0)
		return r;
	return wanted.ino == own ? -ENOENT : find_in(parent, wanted, pid, 1, ret_init);
}

int host_process(pid_t tid, pid_t *ret_pid)
{
	struct numbers numbers = { 0 };
	char path[64];
	int r;

	snprintf(path, sizeof path, "/proc/%d", tid);
	r = read_line(path, "\nTgid:", &numbers);
	if (r == 0)
		*ret_pid = numbers.nr[0];
	return r;
}

int host_start_time(pid_t pid, uint64_t *ret_ticks)
{
	cleanup_buf struct buf text = { 0 };
	char path[64];
	const char *p;
	int r;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof path, "/proc/%d/stat", pid);
	r = buf_readat(&text, AT_FDCWD, path, 1u << 16);
	if (r < 0)
		return gone(r);
	/* The name may hold parentheses and spaces; field 3 follows the last one. */
	p = strrchr(buf_text(&text), ')');
	for (int field = 2; p && field < 22; field++)
		p = strchr(p + 1, ' ');
	if (!p || sscanf(p, " %" SCNu64, ret_ticks) != 1)
		return -EIO;
	return 0;
}
