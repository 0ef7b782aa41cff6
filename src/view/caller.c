/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which container a process sees: the cgroup of the init of its pid namespace. Where the process
 * lives outside that cgroup (pods that share a pid namespace), and where the init is in none of the
 * tree's cgroups or may not be looked at, it is the process' own cgroup.
 *
 * Cgroups are asked for each time, since processes move; who is the init of a pid namespace is
 * remembered. A namespace lives no longer than its init, so that an init that is still the same
 * process (pid and start time) proves that the inode number still names the same namespace.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "ctlfs/cleanup.h"
#include "internal.h"

#define INITS 256 /* namespaces remembered: the newest of those that share a place */
#define INIT_SCOPE "init.scope" /* where systemd puts itself, inside its container's cgroup */

struct init {
	uint64_t ns; /* inode number; 0: empty */
	uint64_t start;
	pid_t pid;
};

struct inits {
	pthread_mutex_t lock; /* guards table; held for no I/O */
	struct init table[INITS];
};

int inits_new(struct inits **ret_inits)
{
	struct inits *i = calloc(1, sizeof *i);

	if (!i)
		return -ENOMEM;
	pthread_mutex_init(&i->lock, NULL);
	*ret_inits = i;
	return 0;
}

void inits_free(struct inits *i)
{
	if (!i)
		return;
	pthread_mutex_destroy(&i->lock);
	free(i);
}

static struct init recall(struct inits *i, uint64_t ns)
{
	guard_mutex(&i->lock);
	return i->table[ns % INITS];
}

static void remember(struct inits *i, const struct init *init)
{
	guard_mutex(&i->lock);
	i->table[init->ns % INITS] = *init;
}

/* The init of the namespace ns, in which pid is. */
static int find_init(struct view *v, pid_t pid, uint64_t ns, pid_t *ret_init)
{
	struct host *h = v->source.host;
	struct init init = recall(v->inits, ns);
	struct host_task task;
	int r;

	if (init.ns == ns && h->ops->task(h, init.pid, false, &task) == 0 &&
	    task.start == init.start) {
		*ret_init = init.pid;
		return 0;
	}
	r = h->ops->pidns_init(h, pid, &init.pid);
	if (r == 0)
		r = h->ops->task(h, init.pid, false, &task);
	if (r < 0)
		return r;
	init.ns = ns;
	init.start = task.start;
	remember(v->inits, &init);
	*ret_init = init.pid;
	return 0;
}

/* The cgroup of the init of pid's namespace. -ENOENT: nothing that this tree knows. */
static int locate_init(struct view *v, pid_t pid, uint64_t *ret_dir)
{
	struct tree *t = v->source.tree;
	struct host *h = v->source.host;
	uint64_t ns;
	pid_t init;
	int r = h->ops->pidns_id(h, pid, &ns);

	if (r == 0)
		r = find_init(v, pid, ns, &init);
	if (r == 0)
		r = t->ops->locate(t, init, ret_dir);
	return r == -EACCES || r == -EPERM ? -ENOENT : r;
}

/* A cgroup named init.scope stands for its parent. */
static int leave_init_scope(struct tree *t, uint64_t dir, uint64_t *ret_dir)
{
	struct stat st;
	uint64_t parent;
	int r = 0;

	*ret_dir = dir;
	if (dir != TREE_ROOT)
		r = tree_parent(t, dir, &parent);
	if (dir == TREE_ROOT || r < 0)
		return r;
	r = t->ops->stat(t, parent, INIT_SCOPE, &st);
	if (r == 0 && st.st_ino == dir)
		*ret_dir = parent;
	return r == -ENOENT ? 0 : r;
}

int view_container(struct view *v, pid_t pid, uint64_t *ret_container)
{
	struct tree *t = v->source.tree;
	uint64_t own, container;
	int r;

	if (!pid) {
		*ret_container = TREE_ROOT;
		return 0;
	}
	r = t->ops->locate(t, pid, &own);
	if (r == -ENOENT) {
		*ret_container = TREE_ROOT;
		return 0;
	}
	if (r == 0)
		r = locate_init(v, pid, &container);
	if (r == 0)
		r = leave_init_scope(t, container, &container);
	if (r == -ENOENT || (r == 0 && !tree_inside(t, own, container)))
		r = leave_init_scope(t, own, &container);
	if (r < 0)
		return r;
	*ret_container = container;
	return 0;
}

int view_container_of(struct view *v, pid_t pid, uint64_t *ret_container)
{
	struct tree *t = v->source.tree;
	uint64_t own, container;
	int r = t->ops->locate(t, pid, &own);

	if (r == 0)
		r = view_container(v, pid, &container);
	if (r == 0 && container == TREE_ROOT && v->source.machine_root)
		r = leave_init_scope(t, own, &container);
	if (r == 0)
		*ret_container = container;
	return r;
}
