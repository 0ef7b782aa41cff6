/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Tasks by their directory in /proc. An open one stays that task's: once it has been reaped there
 * is nothing in it, also when another task has the number. A pidfd would say the same, but not of
 * threads before Linux 6.9, and not where the task is.
 */
#include "task.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/kernel.h"
#include "internal.h"

#define TEXT_MAX (1u << 20)

int task_open(pid_t pid, struct task *ret_task)
{
	char path[64];
	int fd;

	if (pid <= 0)
		return -ESRCH;
	snprintf(path, sizeof path, "/proc/%d", pid);
	fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	*ret_task = (struct task){ pid, fd };
	return 0;
}

void task_close(struct task *t)
{
	if (t->proc >= 0)
		close(t->proc);
}

bool task_lives(const struct task *t)
{
	return faccessat(t->proc, "status", F_OK, 0) == 0;
}

static int read_file(const struct task *t, const char *name, struct buf *out)
{
	int r = buf_readat(out, t->proc, name, TEXT_MAX);

	return r == -ENOENT ? -ESRCH : r;
}

int task_cgroup(struct kernel *k, const struct task *t, uint64_t *ret_dir)
{
	cleanup_buf struct buf text = { 0 };
	int r = read_file(t, "cgroup", &text);

	return r < 0 ? r : kernel_hierarchy_locate(&k->tree, buf_text(&text), ret_dir);
}

/* A number in its status. */
static int read_number(const struct task *t, const char *key, pid_t *ret_number)
{
	cleanup_buf struct buf text = { 0 };
	const char *line;
	int r = read_file(t, "status", &text);

	if (r < 0)
		return r;
	line = strstr(buf_text(&text), key);
	if (!line)
		return -ENOSYS;
	*ret_number = atoi(line + strlen(key));
	return 0;
}

/* Who it was made by: of a thread its process, unless that was moved with it. */
static int read_maker(const struct task *t, bool thread, pid_t *ret_pid)
{
	int r = thread ? read_number(t, "\nTgid:", ret_pid) : 0;

	return r < 0 || (thread && *ret_pid != t->pid) ? r : read_number(t, "\nPPid:", ret_pid);
}

int task_origin(const struct task *t, bool thread, struct buf *ret_text)
{
	pid_t pid, now;
	int r = read_maker(t, thread, &pid);

	while (r == 0) {
		cleanup_task struct task from = { .proc = -1 };
		int found = task_open(pid, &from);

		buf_reset(ret_text);
		if (found == 0)
			found = read_file(&from, "cgroup", ret_text);
		/* As long as that is the maker its number is its own. */
		r = read_maker(t, thread, &now);
		if (r == 0 && now == pid)
			return found;
		pid = now;
	}
	return r;
}
