/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parsers of /proc/PID/{stat,status,limits}. */
#include "taskstat.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/keyed.h"

#define FILE_MAX (256 << 10) /* status lists groups: up to 65536 of them */

static int read_file(int dirfd, pid_t pid, const char *name, struct buf *text)
{
	char path[64];
	int r;

	snprintf(path, sizeof path, "%d/%s", (int)pid, name);
	r = buf_readat(text, dirfd, path, FILE_MAX);
	if (r == -ENOENT || (r == 0 && text->len == 0))
		return -ESRCH;
	return r;
}

/* The name in parentheses may hold anything, so that fields are counted from the last one. */
int taskstat_read(int dirfd, pid_t pid, struct taskstat *ret_stat)
{
	cleanup_buf struct buf text = { 0 };
	struct taskstat st = { 0 };
	const char *rest;
	int n, r = read_file(dirfd, pid, "stat", &text);

	if (r < 0)
		return r;
	rest = strrchr(text.data, ')');
	if (!rest)
		return -EIO;
	n = sscanf(rest + 1,
		   " %c %d %d %d %d %*d %" SCNu64 " %" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64
		   " %" SCNu64 " %" SCNu64 " %" SCNu64 " %*d %" SCNd64 " %" SCNu64 " %*d %" SCNu64,
		   &st.state, &st.parent, &st.group, &st.session, &st.tty, &st.flags, &st.minflt,
		   &st.majflt, &st.utime, &st.stime, &st.cutime, &st.cstime, &st.nice,
		   &st.threads, &st.start);
	if (n != 15)
		return -EIO;
	*ret_stat = st;
	return 0;
}

/* The signal that stops a process waits, too, until the process takes it. One that waits while it
 * is stopped is another one: the kernel prints the state first. The number is in hexadecimal, which
 * keyed_read() does not know. */
static uint64_t pending_while_stopped(const char *text)
{
	static const char title[] = "\nShdPnd:";
	const char *line = strstr(text, "\nState:\tT") ? strstr(text, title) : NULL;

	return line ? strtoull(line + sizeof title - 1, NULL, 16) : 0;
}

int taskstat_owner(int dirfd, pid_t tid, struct taskowner *ret_owner)
{
	cleanup_buf struct buf text = { 0 };
	uint64_t pid, uid;
	const struct keyed keys[] = { { "Tgid:", &pid }, { "Uid:", &uid } };
	int r = read_file(dirfd, tid, "status", &text);

	if (r < 0)
		return r;
	if (keyed_read(text.data, keys, ARRAY_SIZE(keys)) != ARRAY_SIZE(keys))
		return -EIO;
	*ret_owner = (struct taskowner){ (pid_t)pid, (uid_t)uid, pending_while_stopped(text.data) };
	return 0;
}

int taskstat_groups(int dirfd, pid_t tid, gid_t **ret_groups, size_t *ret_n)
{
	static const char title[] = "\nGroups:";
	cleanup_buf struct buf text = { 0 };
	cleanup_free gid_t *groups = NULL;
	size_t n = 0, cap = 0;
	const char *at;
	char *end;
	int r = read_file(dirfd, tid, "status", &text);

	if (r < 0)
		return r;
	at = strstr(text.data, title);
	if (!at)
		return -EIO;
	for (at += sizeof title - 1;; at = end) {
		gid_t gid;

		at += strspn(at, " \t"); /* strtoul() would go on in the next line */
		if (*at < '0' || *at > '9')
			break;
		gid = (gid_t)strtoul(at, &end, 10);
		if (n == cap) {
			gid_t *grown;

			cap = cap ? 2 * cap : 16;
			grown = reallocarray(groups, cap, sizeof *grown);
			if (!grown)
				return -ENOMEM;
			groups = grown;
		}
		groups[n++] = gid;
	}
	*ret_groups = steal_ptr(&groups);
	*ret_n = n;
	return 0;
}

int taskstat_memory(int dirfd, pid_t pid, struct taskmem *ret_mem)
{
	cleanup_buf struct buf text = { 0 };
	struct taskmem mem = { 0 };
	const struct keyed keys[] = {
		{"RssAnon:", &mem.anon},     {"RssFile:", &mem.file}, {"RssShmem:", &mem.shmem},
		{"VmPTE:", &mem.pagetables}, {"VmSwap:", &mem.swap},
	};
	int r = read_file(dirfd, pid, "status", &text);

	if (r < 0)
		return r;
	keyed_read(text.data, keys, ARRAY_SIZE(keys));
	*ret_mem = mem;
	return 0;
}

int taskstat_io(int dirfd, pid_t pid, uint64_t *ret_rbytes, uint64_t *ret_wbytes)
{
	cleanup_buf struct buf text = { 0 };
	uint64_t rbytes, wbytes;
	const struct keyed keys[] = { { "read_bytes:", &rbytes }, { "write_bytes:", &wbytes } };
	int r = read_file(dirfd, pid, "io", &text);

	if (r < 0)
		return r;
	if (keyed_read(text.data, keys, ARRAY_SIZE(keys)) != ARRAY_SIZE(keys))
		return -EIO;
	*ret_rbytes = rbytes;
	*ret_wbytes = wbytes;
	return 0;
}

int taskstat_oom_adj(int dirfd, pid_t pid, int *ret_adj)
{
	cleanup_buf struct buf text = { 0 };
	int r = read_file(dirfd, pid, "oom_score_adj", &text);

	if (r < 0)
		return r;
	*ret_adj = atoi(text.data);
	return 0;
}

int taskstat_rttime(int dirfd, pid_t pid, uint64_t *ret_usec)
{
	static const char title[] = "Max realtime timeout";
	cleanup_buf struct buf text = { 0 };
	const char *line;
	char *end;
	uint64_t value;
	int r = read_file(dirfd, pid, "limits", &text);

	if (r < 0)
		return r;
	line = strstr(text.data, title);
	if (!line)
		return -EIO;
	value = strtoull(line + sizeof title - 1, &end, 10);
	*ret_usec = end == line + sizeof title - 1 ? RLIM_INFINITY : value; /* "unlimited" */
	return 0;
}
