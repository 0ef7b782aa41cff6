/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Finds the container of a process. Cgroups are asked for each time, since processes move; who is
 * the init of a pid namespace is remembered. A namespace lives no longer than its init, so that an
 * init that is still the same process (pid and start time) proves that the inode number still names
 * the same namespace.
 */
#include "ctlfs/container.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/host.h"
#include "ctlfs/tree.h"

#define INITS 256 /* namespaces remembered: the newest of those that share a place */
#define INIT_SCOPE "init.scope" /* where systemd puts itself, inside its container's cgroup */

struct init {
	uint64_t ns; /* inode number; 0: empty */
	uint64_t start;
	pid_t pid;
};

struct containers {
	struct tree *tree;
	struct host *host;
	pthread_mutex_t lock; /* guards table; held for no I/O */
	struct init table[INITS];
};

int containers_new(struct tree *t, struct host *h, struct containers **ret_containers)
{
	struct containers *c = calloc(1, sizeof *c);

	if (!c)
		return -ENOMEM;
	c->tree = t;
	c->host = h;
	pthread_mutex_init(&c->lock, NULL);
	*ret_containers = c;
	return 0;
}

void containers_free(struct containers *c)
{
	if (!c)
		return;
	pthread_mutex_destroy(&c->lock);
	free(c);
}

static struct init recall(struct containers *c, uint64_t ns)
{
	guard_mutex(&c->lock);
	return c->table[ns % INITS];
}

static void remember(struct containers *c, const struct init *init)
{
	guard_mutex(&c->lock);
	c->table[init->ns % INITS] = *init;
}

/* The init of the namespace ns, in which pid is. */
static int find_init(struct containers *c, pid_t pid, uint64_t ns, pid_t *ret_init)
{
	struct host *h = c->host;
	struct init init = recall(c, ns);
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
	remember(c, &init);
	*ret_init = init.pid;
	return 0;
}

/* The cgroup of the init of pid's namespace. -ENOENT: nothing that this tree knows. */
static int locate_init(struct containers *c, pid_t pid, uint64_t *ret_dir)
{
	struct tree *t = c->tree;
	struct host *h = c->host;
	uint64_t ns;
	pid_t init;
	int r = h->ops->pidns_id(h, pid, &ns);

	if (r == 0)
		r = find_init(c, pid, ns, &init);
	if (r == 0)
		r = t->ops->locate(t, init, ret_dir);
	return r == -EACCES || r == -EPERM ? -ENOENT : r;
}

int container_at(struct tree *t, uint64_t dir, uint64_t *ret_dir)
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

int containers_find(struct containers *c, pid_t pid, uint64_t *ret_container)
{
	struct tree *t = c->tree;
	uint64_t own, container;
	int r = t->ops->locate(t, pid, &own);

	if (r < 0)
		return r;
	r = locate_init(c, pid, &container);
	if (r == 0)
		r = container_at(t, container, &container);
	if (r == -ENOENT || (r == 0 && !tree_inside(t, own, container)))
		r = container_at(t, own, &container);
	if (r < 0)
		return r;
	*ret_container = container;
	return 0;
}
