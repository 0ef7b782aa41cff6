/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Moves a task. Its number is translated from the writer's pid namespace, since the kernel would
 * take it to be one of the daemon's, and the task has to be in the container of who moves it.
 *
 * The kernel takes a number and nothing else, and a number may become another task's between our
 * question where the task is and the kernel's own search. So the task is held by its directory in
 * /proc: if it is still there after the write, it had the number all the time. If it is not, who
 * has the number now is looked at, and put back if it has come from outside the container.
 */
#include "move.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/kernel.h"
#include "ctlfs/log.h"
#include "ctlfs/parse.h"
#include "ctlfs/pidns.h"
#include "ctlfs/why.h"
#include "deputy.h"
#include "guard.h"
#include "internal.h"
#include "task.h"

#define PID_NEVER "2147483647" /* above PID_MAX_LIMIT: the kernel finds nobody */
#define PID_INVALID "-" /* the kernel refuses to parse it */

static bool is_thread(const struct move *m)
{
	return !strcmp(m->name, "cgroup.threads");
}

/* The task that the writer means by nr; 0 if there is none. */
static int find_task(const struct caller *writer, int nr, pid_t *ret_pid)
{
	pid_t self = writer == &TREE_SELF ? getpid() : writer->pid;
	int r = 0;

	*ret_pid = 0;
	if (self <= 0)
		return refuse(ESRCH, "the writing process is in a pid namespace that is not seen "
				     "from here");
	if (nr == 0)
		*ret_pid = self;
	else if (writer == &TREE_SELF)
		*ret_pid = nr;
	else
		r = pidns_find(self, nr, ret_pid);
	if (r < 0 && r != -ESRCH)
		return refuse(-r, "the pid namespace of process %d cannot be looked at", self);
	return 0;
}

/* Of a process the first thread: the kernel goes by where that is, and moves all. */
static int hold_task(const struct move *m, pid_t pid, struct task *ret_task)
{
	int r = is_thread(m) ? 0 : host_process(pid, &pid);

	return r < 0 ? r : task_open(pid, ret_task);
}

static int may_move(struct kernel *k, const struct move *m, const struct task *task)
{
	int r = guard_move(k, m->parties[0], task);

	return r < 0 ? r : guard_move(k, m->parties[1], task);
}

/*
 * What to write instead of text. Text that is no pid is not passed on as it is: whatever the kernel
 * might read as "0" would move the daemon itself. Where the answer is an error the kernel gives it,
 * since others may come first; the task is not open then.
 */
static int translate(struct kernel *k, const struct move *m, char *text, struct task *task,
		     char out[16])
{
	pid_t pid;
	int nr;
	int r;

	if (parse_int(parse_strip(text), 0, &nr) < 0 || nr < 0) {
		strcpy(out, PID_INVALID);
		return 0;
	}
	strcpy(out, PID_NEVER);
	r = find_task(m->writer, nr, &pid);
	if (r < 0 || !pid)
		return r;
	r = hold_task(m, pid, task);
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	r = may_move(k, m, task);
	if (r == 0 && task_lives(task))
		snprintf(out, 16, "%d", task->pid);
	return r;
}

/* Does what is in that cgroup (text as in /proc/PID/cgroup) belong to all who had to be let? */
static bool is_theirs(struct kernel *k, const struct move *m, const char *text)
{
	uint64_t dir;
	int r = kernel_hierarchy_locate(&k->tree, text, &dir);

	for (size_t i = 0; i < ARRAY_SIZE(m->parties); i++) {
		const struct party *p = m->parties[i];

		if (!p->host && (r < 0 || node_inside(k, dir, p->container) <= 0))
			return false;
	}
	return true;
}

static int put_back(struct kernel *k, const struct move *m, struct write_job *job, const char *home)
{
	int r = locate_open(k, home, m->name);

	if (r < 0)
		return r;
	job->fd = r;
	r = write_job_do(job);
	close(job->fd);
	return r;
}

/* The task was gone when the write was done: does its number belong to somebody who was moved
 * instead? */
static int settle(struct kernel *k, const struct move *m, struct write_job *job, pid_t pid)
{
	cleanup_task struct task stray = { .proc = -1 };
	cleanup_buf struct buf home = { 0 };
	uint64_t dir = 0;
	int r = task_open(pid, &stray);

	if (r == 0)
		r = task_cgroup(k, &stray, &dir);
	if (r < 0 || dir != m->dir)
		return 0;
	r = task_origin(&stray, is_thread(m), &home);
	if (r == 0 && is_theirs(k, m, buf_text(&home)))
		return 0;
	if (r == 0)
		r = put_back(k, m, job, buf_text(&home));
	if (r < 0 && task_lives(&stray)) {
		log_error("process %d was moved by a number that had been another's, and cannot be "
			  "put back: %s", pid, strerrordesc_np(-r));
		return refuse(ESRCH, "the process ended while it was being moved; another that had "
				     "got its number was moved and cannot be put back");
	}
	return refuse(ESRCH, "the process ended while it was being moved; another that had got its "
			     "number was put back");
}

int move_task(struct kernel *k, struct move *m, char *text, size_t len)
{
	cleanup_task struct task task = { .proc = -1 };
	char number[16];
	struct write_job job = { .fd = m->fd, .text = number };
	int r;

	if (len > WRITE_MAX)
		return refuse(E2BIG, "more than %d bytes in one write", WRITE_MAX);
	r = translate(k, m, text, &task, number);
	if (r < 0)
		return r;
	job.len = strlen(number);
	r = deputy_run(k->privileged, m->writer, write_job_do, &job);
	m->asked = job.asked && r < 0;
	return r < 0 || task.proc < 0 || task_lives(&task) ? r : settle(k, m, &job, task.pid);
}
