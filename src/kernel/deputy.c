/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A thread that takes on a caller's rights, does one thing and ends. Credentials belong to threads
 * in the kernel, so raw system calls are used: those of the C library would change every thread.
 *
 * Only the file system ids change, not the real ones: file permissions go by them, and a user could
 * send signals to a thread that ran under his real id and so kill the daemon. Capabilities decide
 * the rest, and those go too, the permitted ones included, since the kernel asks for them when a
 * process moves between cpusets. The order matters: each step needs what the later ones give up.
 */
#include "deputy.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/ns.h"
#include "ctlfs/thread.h"
#include "ctlfs/why.h"

#define STATUS_MAX (1u << 20) /* a Groups line may have 65536 numbers */
#define STACK_SIZE (256u << 10)
#define OVERFLOW_GID 65534 /* a group that has no name here */

struct deputy {
	int (*fn)(void *arg);
	void *arg;
	int result;
	mode_t umask;
	bool switch_ids;
	uid_t uid;
	gid_t gid;
	gid_t *groups;
	size_t n_groups;
	uint64_t caps;
	int cgroup_ns; /* -1: our own will do */
};

static int caps_get(uint64_t *ret_effective)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) < 0)
		return -errno;
	*ret_effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	return 0;
}

static int caps_set(uint64_t caps)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)caps, .permitted = (uint32_t)caps },
		{ .effective = (uint32_t)(caps >> 32), .permitted = (uint32_t)(caps >> 32) },
	};

	return syscall(SYS_capset, &head, data) < 0 ? -errno : 0;
}

bool deputy_privileged(void)
{
	uint64_t needed = 1ULL << CAP_SETUID | 1ULL << CAP_SETGID;
	uint64_t caps = 0;

	return caps_get(&caps) == 0 && (caps & needed) == needed;
}

/* 1 if pid shares other's namespace of that kind (0: ours), 0 if not, or -errno. */
static int ns_same(pid_t pid, pid_t other, const char *kind)
{
	uint64_t ours = 0, theirs = 0;
	int r = ns_id(AT_FDCWD, other ? other : NS_SELF, kind, &ours);

	if (r == 0)
		r = ns_id(AT_FDCWD, pid, kind, &theirs);
	return r < 0 ? r : ours == theirs;
}

static int parse_groups(const char *p, struct deputy *d)
{
	size_t cap = 0;

	for (;;) {
		char *end;
		unsigned long gid = strtoul(p, &end, 10);

		if (end == p)
			return 0;
		p = end + strspn(end, " \t");
		if (gid == OVERFLOW_GID)
			continue;
		if (d->n_groups == cap) {
			gid_t *grown = reallocarray(d->groups, cap + 64, sizeof *grown);

			if (!grown)
				return -ENOMEM;
			d->groups = grown;
			cap += 64;
		}
		d->groups[d->n_groups++] = (gid_t)gid;
	}
}

static const char *status_line(const struct buf *status, const char *key)
{
	const char *line = strstr(buf_text(status), key);

	return line ? line + strlen(key) + strspn(line + strlen(key), " \t") : NULL;
}

/* Capabilities of a user namespace that is not ours are none here, whatever status says. */
static uint64_t caps_of(const struct caller *who, const char *text)
{
	uint64_t ours = 0;

	if (who->uid != 0 || ns_same(who->pid, 0, "user") != 1 || caps_get(&ours) < 0)
		return 0;
	return strtoull(text, NULL, 16) & ours;
}

static int read_status(const struct caller *who, struct deputy *d)
{
	cleanup_buf struct buf status = { 0 };
	const char *groups, *caps;
	char path[64];
	int r;

	snprintf(path, sizeof path, "/proc/%d/status", who->pid);
	r = buf_readat(&status, AT_FDCWD, path, STATUS_MAX);
	if (r < 0)
		return r;
	groups = status_line(&status, "\nGroups:");
	caps = status_line(&status, "\nCapEff:");
	if (!groups || !caps)
		return -EACCES;
	d->caps = caps_of(who, caps);
	return parse_groups(groups, d);
}

static int open_cgroup_ns(pid_t pid, struct deputy *d)
{
	int same = ns_same(pid, 0, "cgroup");

	if (same != 0)
		return same < 0 ? same : 0;
	d->cgroup_ns = ns_open(AT_FDCWD, pid, "cgroup");
	return d->cgroup_ns < 0 ? d->cgroup_ns : 0;
}

/* Finds out who's rights while he waits for the answer. */
static int learn(bool privileged, const struct caller *who, struct deputy *d)
{
	int r = 0;

	if (who->pid <= 0)
		return refuse(EACCES, "the calling process is in a pid namespace that is not seen "
				      "from here, so its rights are not known");
	if (privileged) {
		d->switch_ids = true;
		d->uid = who->uid;
		d->gid = who->gid;
		r = read_status(who, d);
	} else if (who->uid != geteuid()) {
		return refuse(EACCES, "ctlfs runs as user %u and cannot act for user %u", geteuid(),
			      who->uid);
	}
	if (r == 0)
		r = open_cgroup_ns(who->pid, d);
	if (r == -ENOENT || r == -ESRCH)
		return refuse(EINTR, "the calling process %d is gone", who->pid);
	if (r < 0 && r != -ENOMEM)
		return refuse(EACCES, "the rights of process %d cannot be read: %s", who->pid,
			      strerrordesc_np(-r));
	return r;
}

static int set_ids(const struct deputy *d)
{
	if (syscall(SYS_setgroups, d->n_groups, d->groups) < 0)
		return -errno;
	/* These two say what was before, never whether they worked: ask again. */
	setfsgid(d->gid);
	if ((gid_t)setfsgid((gid_t)-1) != d->gid)
		return -EPERM;
	setfsuid(d->uid);
	if ((uid_t)setfsuid((uid_t)-1) != d->uid)
		return -EPERM;
	return caps_set(d->caps);
}

static int become(const struct deputy *d)
{
	/* The umask is shared with the other threads otherwise. */
	if (syscall(SYS_unshare, CLONE_FS) < 0)
		return -errno;
	umask(d->umask);
	if (d->cgroup_ns >= 0 && setns(d->cgroup_ns, CLONE_NEWCGROUP) < 0)
		return -errno;
	return d->switch_ids ? set_ids(d) : 0;
}

/* Returns NULL if fn was called, so that the two kinds of failure can be told apart. */
static void *run(void *data)
{
	struct deputy *d = data;
	int r = become(d);

	if (r < 0) {
		d->result = r;
		return d;
	}
	d->result = d->fn(d->arg);
	return NULL;
}

static int start(struct deputy *d, pthread_t *ret_thread)
{
	pthread_attr_t attr;
	int r = pthread_attr_init(&attr);

	if (r)
		return -r;
	pthread_attr_setstacksize(&attr, STACK_SIZE);
	r = thread_start(&attr, run, d, ret_thread);
	pthread_attr_destroy(&attr);
	return r;
}

/* Has the thread do it, and end. -errno where it could not become the deputy: *ret_failed. */
static int perform(struct deputy *d, bool *ret_failed)
{
	void *failed = NULL;
	pthread_t thread;
	int r = start(d, &thread);

	if (r < 0)
		return r;
	pthread_join(thread, &failed);
	*ret_failed = failed;
	return d->result;
}

static void deputy_end(struct deputy *d)
{
	if (d->cgroup_ns >= 0)
		close(d->cgroup_ns);
	free(d->groups);
}

int deputy_run(bool privileged, const struct caller *who, int (*fn)(void *arg), void *arg)
{
	struct deputy d = { .fn = fn, .arg = arg, .umask = who->umask, .cgroup_ns = -1 };
	bool failed = false;
	int r = 0;

	if (who != &TREE_SELF)
		r = learn(privileged, who, &d);
	if (r == 0)
		r = perform(&d, &failed);
	if (failed)
		r = refuse(EACCES, "the rights of process %d cannot be taken on: %s", who->pid,
			   strerrordesc_np(-r));
	deputy_end(&d);
	return r;
}

int deputy_same_cgroup_ns(pid_t pid, pid_t other)
{
	return ns_same(pid, other, "cgroup");
}

int deputy_in_cgroup_ns(pid_t pid, int (*fn)(void *arg), void *arg)
{
	struct deputy d = { .fn = fn, .arg = arg, .cgroup_ns = -1 };
	bool failed = false;
	int r = open_cgroup_ns(pid, &d);

	if (r == 0)
		r = perform(&d, &failed);
	deputy_end(&d);
	return r == -ENOENT ? -ESRCH : r;
}
