/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel says no with a number; here is what it meant, as far as file and number tell. */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "internal.h"

#define SUBTREE_CONTROL "cgroup.subtree_control"
#define BYTES "bytes with an optional suffix K, M, G, T, P or E, or \"max\""
#define ZERO_ONE "0 or 1"

/* The first row whose pattern and errno match; errno 0 is any that is about the value. */
struct reason {
	const char *file; /* fnmatch() */
	int errnum;
	const char *text;
};

static const struct reason refusals[] = {
	{SUBTREE_CONTROL, ENOENT,
	 "a controller is not in the cgroup's cgroup.controllers: the parent does not grant it"},
	{SUBTREE_CONTROL, EOPNOTSUPP,
	 "a threaded cgroup, or one with threaded children, has threaded controllers only"},
	{"cgroup.procs", EBUSY,
	 "the cgroup has controllers in cgroup.subtree_control (no internal processes rule)"},
	{"cgroup.threads", EBUSY,
	 "the cgroup has controllers in cgroup.subtree_control (no internal processes rule)"},
	{"cgroup.threads", EOPNOTSUPP, "a thread stays within its process' threaded subtree"},
	{"cgroup.procs", EOPNOTSUPP, "the cgroup's cgroup.type does not take processes"},
	{"cgroup.[pt]*s", EACCES,
	 "whoever opened the file may not write cgroup.procs of the common ancestor"},
	{"cgroup.[pt]*s", ENOENT,
	 "source and target are not both in the cgroup namespace of whoever opened the file"},
	{"cgroup.[pt]*s", ESRCH, "no process has this number in the writer's pid namespace"},
	{"cgroup.[pt]*s", EINVAL, "not a pid, or a kernel thread"},
	{"cgroup.type", EOPNOTSUPP,
	 "the cgroup is populated, has domain controllers, or its parent cannot be a thread root"},
	{"cgroup.kill", EOPNOTSUPP, "not in a threaded cgroup"},
	{"*.pressure", EBUSY, "this open file has a trigger already"},
	{"memory.reclaim", EAGAIN, "less could be reclaimed than was asked for"},
	{"cpuset.*", ENOSPC, "the cgroup has processes and would have no CPU or node left"},
	{"*", E2BIG, "more than 4096 bytes in one write"},
	{"io.*", ENODEV, "no such device, or the cgroup has been removed"},
	{"*", ENODEV, "the cgroup has been removed"},
	{"*", EPERM,
	 "at the top of a cgroup namespace only files that may be delegated are written"},
};

static const char *const read_only[] = {
	"cgroup.controllers", "cgroup.events", "cgroup.stat*", "*.stat", "*.stat.local",
	"*.numa_stat", "*.current", "*.events", "*.events.local", "*.effective", "pids.peak",
};

/* What a file accepts: for EINVAL and ERANGE. */
static const struct reason values[] = {
	{SUBTREE_CONTROL, 0, "controllers as +NAME or -NAME, separated by spaces"},
	{"cgroup.type", 0, "\"threaded\""},
	{"cgroup.kill", 0, "1"},
	{"cgroup.freeze", 0, ZERO_ONE},
	{"cgroup.pressure", 0, ZERO_ONE},
	{"cgroup.max.*", 0, "a number from 0, or \"max\""},
	{"cpu.weight", 0, "1 to 10000, unless cpu.idle is 1"},
	{"cpu.weight.nice", 0, "-20 to 19, unless cpu.idle is 1"},
	{"cpu.idle", 0, ZERO_ONE},
	{"cpu.max", 0,
	 "QUOTA or \"max\", and optionally PERIOD, in microseconds: both at least 1000, the period "
	 "at most 1000000, the quota not below cpu.max.burst"},
	{"cpu.max.burst", 0, "microseconds up to the quota of cpu.max"},
	{"cpuset.cpus.partition", 0, "\"member\", \"root\" or \"isolated\""},
	{"cpuset.*", 0, "a list such as 0-2,5 of what the machine has"},
	{"memory.oom.group", 0, ZERO_ONE},
	{"memory.zswap.writeback", 0, ZERO_ONE},
	{"*.pressure", 0,
	 "\"some\" or \"full\", then a threshold and a window in microseconds, the window at most "
	 "10000000 and for users without CAP_SYS_RESOURCE a multiple of 2000000"},
	{"memory.*", 0, BYTES},
	{"hugetlb.*", 0, BYTES},
	{"pids.max", 0, "a number below the machine's largest, or \"max\""},
	{"io.max", 0, "MAJ:MIN and then rbps=, wbps=, riops= or wiops= with a number or \"max\""},
	{"io.weight", 0, "[default|MAJ:MIN] and a weight of 1 to 10000"},
};

static const char *lookup(const struct reason *rows, size_t n, const char *name, int errnum)
{
	for (size_t i = 0; i < n; i++) {
		if (rows[i].errnum == errnum && fnmatch(rows[i].file, name, 0) == 0)
			return rows[i].text;
	}
	return NULL;
}

static bool is_read_only(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(read_only); i++) {
		if (fnmatch(read_only[i], name, 0) == 0)
			return true;
	}
	return false;
}

/* How many processes directory dir has, how many child cgroups. */
struct census {
	unsigned processes, children;
};

static struct census take_census(struct kernel *k, uint64_t dir, const char *name)
{
	cleanup_tree_list struct tree_list list = { 0 };
	cleanup_kept struct kept *kept = NULL;
	cleanup_buf struct buf procs = { 0 };
	struct census census = { 0 };
	cleanup_close int fd = -1;

	if (kept_dir(k, dir, &kept) < 0)
		return census;
	fd = at_open(kept->fd, name, O_PATH | O_DIRECTORY);
	if (fd < 0)
		return census;
	if (buf_readat(&procs, fd, "cgroup.procs", 64u << 20) == 0) {
		for (const char *p = buf_text(&procs); *p; p++)
			census.processes += *p == '\n';
	}
	if (at_list(k, fd, &list) == 0) {
		for (size_t i = 0; i < list.n; i++)
			census.children += list.entries[i].dir;
	}
	return census;
}

static int reason_control_busy(struct kernel *k, uint64_t dir, const char *text)
{
	unsigned processes = take_census(k, dir, ".").processes;

	if (processes > 0 && strchr(text, '+'))
		return refuse(EBUSY, "the cgroup has %u processes (no internal processes rule)",
			      processes);
	return refuse(EBUSY, "a child cgroup has a controller enabled that would be taken away");
}

int reason_write(struct kernel *k, uint64_t dir, const char *name, const char *text, int errnum)
{
	const char *why;

	if (errnum == EBUSY && !strcmp(name, SUBTREE_CONTROL))
		return reason_control_busy(k, dir, text);
	why = lookup(refusals, ARRAY_SIZE(refusals), name, errnum);
	if (why)
		return refuse(errnum, "%s", why);
	if (errnum != EINVAL && errnum != ERANGE)
		return -errnum;
	if (is_read_only(name))
		return refuse(errnum, "the file cannot be written");
	why = lookup(values, ARRAY_SIZE(values), name, 0);
	return why ? refuse(errnum, "it takes %s", why) : -errnum;
}

int reason_read(const char *name, int errnum)
{
	if (errnum == ENODEV)
		return refuse(errnum, "the cgroup or the file has been removed");
	if (errnum == EOPNOTSUPP)
		return refuse(errnum, "%s of a threaded cgroup is read at the top of its subtree",
			      name);
	if (errnum == EINVAL)
		return refuse(errnum, "%s cannot be read", name);
	return -errnum;
}

int reason_mkdir(int errnum)
{
	if (errnum == EAGAIN)
		return refuse(errnum,
			      "cgroup.max.depth or cgroup.max.descendants of this cgroup or "
			      "one above is reached");
	if (errnum == EINVAL)
		return refuse(errnum, "a cgroup's name has no newline");
	if (errnum == EACCES)
		return refuse(errnum, "the caller may not write in this directory");
	return -errnum;
}

int reason_rmdir(struct kernel *k, uint64_t dir, const char *name, int errnum)
{
	struct census census;

	if (errnum == EACCES)
		return refuse(errnum, "the caller may not write in this directory");
	if (errnum != EBUSY)
		return -errnum;
	census = take_census(k, dir, name);
	if (census.children > 0)
		return refuse(errnum, "the cgroup has %u child cgroups", census.children);
	return refuse(errnum, "the cgroup has %u processes", census.processes);
}
