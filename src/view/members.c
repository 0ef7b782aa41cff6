/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Walks the cgroups of a container and looks at each process once. Processes and cgroups come and
 * go during the walk: those that are gone when it is their turn do not count.
 */
#include "members.h"

#include <errno.h>
#include <stdlib.h>

#include "ctlfs/cleanup.h"

struct walk {
	const struct source *src;
	bool threads;
	struct tally tally;
	uint64_t newest; /* start of tally.newest */
	uint64_t *dirs; /* to be looked at, from next on */
	size_t next, n, cap;
};

static int push(struct walk *w, uint64_t dir)
{
	if (w->n == MEMBERS_CGROUPS)
		return 0;
	if (w->n == w->cap) {
		size_t cap = w->cap ? 2 * w->cap : 16;
		uint64_t *grown = reallocarray(w->dirs, cap, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		w->dirs = grown;
		w->cap = cap;
	}
	w->dirs[w->n++] = dir;
	return 0;
}

static int count_process(struct walk *w, pid_t pid)
{
	struct tally *t = &w->tally;
	struct host_task task;
	int r = w->src->host->ops->task(w->src->host, pid, w->threads, &task);

	if (r < 0)
		return r == -ESRCH ? 0 : r;
	t->processes++;
	t->threads += task.threads;
	t->running += task.running;
	t->blocked += task.blocked;
	if (!t->oldest || task.start < t->start || (task.start == t->start && pid < t->oldest)) {
		t->start = task.start;
		t->oldest = pid;
	}
	if (!t->newest || task.start > w->newest || (task.start == w->newest && pid > t->newest)) {
		w->newest = task.start;
		t->newest = pid;
	}
	return 0;
}

/* A threaded cgroup has no cgroup.procs that could be read: its processes are listed above it. */
static int count_in(struct walk *w, uint64_t dir)
{
	cleanup_buf struct buf text = { 0 };
	const char *p;
	int r = tree_read(w->src->tree, dir, "cgroup.procs", &text);

	if (r < 0)
		return r == -EOPNOTSUPP ? 0 : r;
	p = buf_text(&text);
	while (*p && w->tally.processes < MEMBERS_MAX) {
		char *end;
		long pid = strtol(p, &end, 10);

		if (end == p)
			return -EIO;
		/* 0: a process that we cannot see. */
		r = pid > 0 ? count_process(w, (pid_t)pid) : 0;
		if (r < 0)
			return r;
		p = end + (*end == '\n');
	}
	return 0;
}

/* A directory with two links has no directories below it. */
static int push_children(struct walk *w, uint64_t dir)
{
	cleanup_tree_list struct tree_list list = { 0 };
	struct tree *t = w->src->tree;
	struct stat st;
	int r = t->ops->stat(t, dir, NULL, &st);

	if (r < 0 || st.st_nlink == 2)
		return r;
	r = t->ops->list(t, dir, &list);
	for (size_t i = 0; r == 0 && i < list.n; i++) {
		if (list.entries[i].dir)
			r = push(w, list.entries[i].node);
	}
	return r;
}

int members_count(const struct source *src, uint64_t container, bool threads,
		  struct tally *ret_tally)
{
	struct walk w = { .src = src, .threads = threads, .tally.start = START_UNKNOWN };
	int r = push(&w, container);

	while (r == 0 && w.next < w.n) {
		uint64_t dir = w.dirs[w.next++];

		r = count_in(&w, dir);
		if (r == 0)
			r = push_children(&w, dir);
		if (dir != container && (r == -ENOENT || r == -ENODEV))
			r = 0;
	}
	free(w.dirs);
	if (r < 0)
		return r;
	*ret_tally = w.tally;
	return 0;
}
