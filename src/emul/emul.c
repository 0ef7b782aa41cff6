/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The emulator as a tree: the ops of tree.h, each one holding the lock over what it does. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "cgroup.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "fault.h"
#include "inject.h"
#include "synthetic.h"

/* What members_apply() must find unchanged to use a scan that was made without the lock. */
struct epoch {
	uint64_t births, moves, scans;
};

static bool same_epoch(const struct emul *e, const struct epoch *ep)
{
	return e->moves == ep->moves && e->scans == ep->scans;
}

/* With the lock, which is let go while processes are looked at. */
static int refresh_unlocked(struct emul *e)
{
	struct found found __attribute__((cleanup(found_free))) = { 0 };
	struct tasks *t = e->config.tasks;
	struct epoch ep = { .moves = e->moves, .scans = e->scans };
	int r = e->alone ? 0 : t->ops->births(t, &ep.births);

	if (r < 0)
		return r;
	if (!e->alone && members_stale(e, ep.births)) {
		pthread_mutex_unlock(&e->lock);
		r = members_scan(e, &found);
		pthread_mutex_lock(&e->lock);
		e->moment++;
		if (r < 0)
			return r;
		if (!same_epoch(e, &ep) || !members_apply(e, &found, ep.births, false))
			return members_refresh(e, false);
	}
	e->fresh = e->moment;
	return 0;
}

int emul_enter(struct emul *e, bool members)
{
	struct tasks *t = e->config.tasks;
	int r = 0;

	if (members && !e->alone)
		t->ops->settle(t);
	pthread_mutex_lock(&e->lock);
	e->moment++;
	stops_look(e);
	if (!members)
		return 0;
	e->sample++;
	r = refresh_unlocked(e);
	if (r < 0) {
		emul_leave(e);
		return refuse(-r, "processes cannot be looked at");
	}
	if (e->placed)
		threads_prune(e);
	dead_prune(e);
	return 0;
}

int emul_enter_usage(struct emul *e)
{
	uint64_t now = emul_now(e);
	int r;

	pthread_mutex_lock(&e->lock);
	if (e->moves == e->sampled_moves && now - e->sampled_ns < e->config.sample_ns) {
		e->fresh = ++e->moment;
		return 0;
	}
	pthread_mutex_unlock(&e->lock);
	r = emul_enter(e, true);
	if (r < 0)
		return r;
	e->sampled_ns = now;
	e->sampled_moves = e->moves;
	return 0;
}

void emul_leave(struct emul *e)
{
	pthread_mutex_unlock(&e->lock);
}

/* --- lookup --- */

static int find_entry(struct cgroup *cg, const char *name, struct stat *ret_stat)
{
	struct cgroup *child = NULL;
	struct row_ref row;

	if (!strcmp(name, "."))
		child = cg;
	else if (!strcmp(name, ".."))
		child = cg->parent ? cg->parent : cg;
	else
		child = cgroup_child(cg, name);
	if (child) {
		attr_stat(child, 0, NULL, ret_stat);
		return 0;
	}
	if (!rows_find_name(cg, name, &row) || row_hidden(cg, &row))
		return -ENOENT;
	attr_stat(cg, row.slot, &row, ret_stat);
	return 0;
}

/* A node for its attributes: row is of no meaning for directories. Those of a removed cgroup can
 * be had as long as somebody has them open. */
static int find_node(struct emul *e, uint64_t node, struct cgroup **ret_cg, struct row_ref *ret_row)
{
	unsigned slot;
	int r = cgroup_find_any(e, node, ret_cg, &slot);

	if (r < 0)
		return r;
	*ret_row = (struct row_ref){ 0 };
	if (!slot)
		return 0;
	if ((*ret_cg)->dead)
		return rows_find_former(*ret_cg, slot, ret_row) ? 0 : -ENODEV;
	return rows_find_slot(*ret_cg, slot, ret_row) && !row_hidden(*ret_cg, ret_row) ? 0 :
											  -ENODEV;
}

static int stat_locked(struct emul *e, uint64_t node, const char *name, struct stat *ret_stat)
{
	struct cgroup *cg;
	struct row_ref row;
	int r = find_node(e, node, &cg, &row);

	if (r < 0)
		return name && *name ? -ENOENT : r;
	if (cg->dead && (!name || *name))
		return name ? -ENOENT : -ENODEV;
	if (!name || !*name) {
		attr_stat(cg, row.slot, row.slot ? &row : NULL, ret_stat);
		return 0;
	}
	if (row.slot && strcmp(name, ".."))
		return -ENOTDIR;
	if (row.slot) {
		attr_stat(cg, 0, NULL, ret_stat); /* a file's parent */
		return 0;
	}
	return find_entry(cg, name, ret_stat);
}

static int op_stat(struct tree *t, uint64_t node, const char *name, struct stat *ret_stat)
{
	struct emul *e = emul_of(t);
	struct stat st;
	int r;

	emul_enter(e, false);
	r = stat_locked(e, node, name, &st);
	emul_leave(e);
	if (r == 0)
		*ret_stat = st;
	return r;
}

static int set_locked(struct emul *e, uint64_t node, const struct stat *attr, unsigned valid)
{
	struct cgroup *cg;
	struct row_ref row;
	int r = find_node(e, node, &cg, &row);

	if (r < 0)
		return r;
	r = fault_check(e, FAULT_SETATTR, cg, row.slot ? row.row->name : NULL);
	if (r < 0)
		return r;
	return attr_set(cg, row.slot, row.slot ? &row : NULL, attr, valid);
}

static int op_setattr(struct tree *t, const struct caller *who, uint64_t node,
		      const struct stat *attr, unsigned valid)
{
	struct emul *e = emul_of(t);
	int r;

	(void)who;
	emul_enter(e, false);
	r = set_locked(e, node, attr, valid);
	emul_leave(e);
	return r;
}

static void op_forget(struct tree *t, uint64_t node)
{
	struct emul *e = emul_of(t);

	emul_enter(e, false);
	cgroup_forget(e, node);
	emul_leave(e);
}

/* --- extended attributes --- */

static int op_get_xattr(struct tree *t, uint64_t node, const char *name, struct buf *out)
{
	struct emul *e = emul_of(t);
	struct cgroup *cg;
	struct row_ref row;
	int r;

	guard_mutex(&e->lock);
	r = find_node(e, node, &cg, &row);
	return r < 0 ? r : xattr_get(cg, row.slot, name, out);
}

static int op_list_xattrs(struct tree *t, uint64_t node, struct buf *out)
{
	struct emul *e = emul_of(t);
	struct cgroup *cg;
	struct row_ref row;
	int r;

	guard_mutex(&e->lock);
	r = find_node(e, node, &cg, &row);
	return r < 0 ? r : xattr_list(cg, row.slot, out);
}

static int op_set_xattr(struct tree *t, const struct caller *who, uint64_t node, const char *name,
			const struct tree_xattr *x)
{
	struct emul *e = emul_of(t);
	struct cgroup *cg;
	struct row_ref row;
	int r;

	(void)who;
	guard_mutex(&e->lock);
	r = find_node(e, node, &cg, &row);
	return r < 0 ? r : xattr_set(cg, row.slot, name, x);
}

static const struct tree_xattr_ops xattr_ops = {
	.get = op_get_xattr,
	.list = op_list_xattrs,
	.set = op_set_xattr,
};

/* --- directories --- */

static int find_dir(struct emul *e, uint64_t node, struct cgroup **ret_cg)
{
	unsigned slot;
	struct cgroup *cg;
	int r = cgroup_find(e, node, &cg, &slot);

	if (r < 0)
		return r;
	if (slot)
		return -ENOTDIR;
	*ret_cg = cg;
	return 0;
}

static int list_locked(struct emul *e, uint64_t dir, struct tree_list *list)
{
	struct row_ref row;
	struct cgroup *cg = NULL;
	int r = find_node(e, dir, &cg, &row);

	if (r < 0)
		return r;
	if (row.slot)
		return -ENOTDIR;
	if (cg->dead)
		return 0;
	r = fault_check(e, FAULT_LIST, cg, NULL);
	while (r == 0 && rows_next(cg, &row)) {
		if (row_exists(cg, &row) && !row_hidden(cg, &row))
			r = tree_list_add(list, row.row->name, cgroup_node(cg) + row.slot, false);
	}
	for (struct cgroup *child = r == 0 ? cg->children : NULL; child && r == 0;
	     child = child->hh.next)
		r = tree_list_add(list, child->name, cgroup_node(child), true);
	return r;
}

static int op_list(struct tree *t, uint64_t dir, struct tree_list *ret_list)
{
	cleanup_tree_list struct tree_list list = { 0 };
	struct emul *e = emul_of(t);
	int r;

	emul_enter(e, false);
	r = list_locked(e, dir, &list);
	emul_leave(e);
	if (r < 0)
		return r;
	*ret_list = list;
	list = (struct tree_list){ 0 };
	return 0;
}

static int op_mkdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name,
		    mode_t mode)
{
	struct emul *e = emul_of(t);
	struct cgroup *parent = NULL;
	int r;

	emul_enter(e, false);
	r = find_dir(e, dir, &parent);
	if (r == -ENODEV)
		r = refuse(ENOENT, "the parent has been removed");
	if (r == 0)
		r = fault_check(e, FAULT_MKDIR, parent, name);
	if (r == 0)
		r = cgroup_mkdir(parent, who, name, mode);
	emul_leave(e);
	return r;
}

static int rmdir_locked(struct emul *e, const struct caller *who, uint64_t dir, const char *name)
{
	struct cgroup *parent, *cg;
	struct row_ref row;
	int r = find_dir(e, dir, &parent);

	if (r < 0)
		return r == -ENODEV ? -ENOENT : r;
	cg = cgroup_child(parent, name);
	if (!cg && rows_find_name(parent, name, &row) && !row_hidden(parent, &row))
		return refuse(ENOTDIR, "an interface file cannot be removed");
	if (!cg)
		return -ENOENT;
	r = fault_check(e, FAULT_RMDIR, cg, NULL);
	if (r < 0)
		return r;
	if (!cg->nr_tasks) { /* a process may have been born in there while the scan ran */
		r = members_refresh(e, true);
		if (r < 0)
			return r;
	}
	return cgroup_rmdir(cg, who);
}

static int op_rmdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name)
{
	struct emul *e = emul_of(t);
	int r = emul_enter(e, true);

	if (r < 0)
		return r;
	r = rmdir_locked(e, who, dir, name);
	emul_leave(e);
	return r;
}

static int op_open(struct tree *t, const struct caller *who, uint64_t node, int flags,
		   struct tree_file **ret_file)
{
	struct emul *e = emul_of(t);
	int r;

	emul_enter(e, false);
	r = file_open(e, who, node, flags, ret_file);
	emul_leave(e);
	return r;
}

/* --- processes --- */

static struct cgroup *locate_locked(struct emul *e, pid_t pid, uint64_t tag)
{
	struct placed *p;

	HASH_FIND(hh, e->placed, &pid, sizeof pid, p);
	if (p)
		return p->cg;
	return task_tag_instance(tag) == e->instance ? cgroup_by_id(e, task_tag_number(tag)) : NULL;
}

struct cgroup *emul_locate(struct emul *e, pid_t tid)
{
	struct tasks *t = e->config.tasks;
	uint64_t tag;

	return tid && t->ops->get_tag(t, tid, &tag) == 0 ? locate_locked(e, tid, tag) : NULL;
}

static int op_locate(struct tree *t, pid_t pid, uint64_t *ret_dir)
{
	struct emul *e = emul_of(t);
	struct cgroup *cg;
	uint64_t tag;
	int r = e->config.tasks->ops->get_tag(e->config.tasks, pid, &tag);

	if (r < 0)
		return r;
	emul_enter(e, false);
	cg = locate_locked(e, pid, tag);
	if (cg)
		*ret_dir = cgroup_node(cg);
	emul_leave(e);
	return cg ? 0 : -ENOENT;
}

int emul_may_fork(struct tree *t, pid_t tid, unsigned pending)
{
	struct emul *e = emul_of(t);
	struct cgroup *cg;
	uint64_t tag;
	int r;

	if (e->config.observe || e->config.tasks->ops->get_tag(e->config.tasks, tid, &tag) < 0)
		return 0;
	emul_enter(e, false);
	cg = locate_locked(e, tid, tag);
	r = cg ? pids_may_fork(cg, pending, false) : 0;
	emul_leave(e);
	if (r != -EAGAIN)
		return r;
	r = emul_enter(e, true); /* it must be counted, who has exited first */
	if (r < 0)
		return r;
	cg = locate_locked(e, tid, tag);
	r = cg ? pids_may_fork(cg, pending, true) : 0;
	emul_leave(e);
	return r;
}

int emul_spare(struct tree *t, pid_t pid)
{
	struct emul *e = emul_of(t);
	struct member *m;
	int r = emul_enter(e, false);

	if (r < 0)
		return r;
	m = member_numbered(e, pid);
	if (m)
		m->spared = true;
	emul_leave(e);
	return m ? 0 : -ESRCH;
}

/* --- life --- */

static void op_destroy(struct tree *t)
{
	struct emul *e = emul_of(t);

	ticker_stop(e);
	e->config.tasks->ops->on_exit(e->config.tasks, NULL, NULL);
	members_free(e);
	dead_free(e);
	namespaces_free(e);
	cgroup_free_all(e);
	notices_free(e);
	fault_clear(e);
	inject_free(e->inject);
	timers_free(e);
	machine_free(&e->machine);
	free(e->rows);
	tasks_free(e->config.tasks);
	pthread_mutex_destroy(&e->lock);
	free(e);
}

static const struct tree_ops emul_ops = {
	.stat = op_stat,
	.setattr = op_setattr,
	.list = op_list,
	.mkdir = op_mkdir,
	.rmdir = op_rmdir,
	.open = op_open,
	.locate = op_locate,
	.destroy = op_destroy,
	.forget = op_forget,
	.xattr = &xattr_ops,
};

/* Two emulators on one machine must not take each other's members for theirs. */
static uint16_t new_instance(void)
{
	uint16_t instance = 0;

	while (instance == 0 || instance == UINT16_MAX) {
		if (getrandom(&instance, sizeof instance, 0) != sizeof instance)
			instance = (uint16_t)getpid();
	}
	return instance;
}

/* Numbers without a CPU below the last are taken for CPUs that are offline. */
static void find_cpus(struct emul *e)
{
	struct tasks *t = e->config.tasks;

	t->ops->cpu_list(t, &e->cpus);
	for (int cpu = cpulist_next(&e->cpus, -1); cpu >= 0; cpu = cpulist_next(&e->cpus, cpu))
		e->n_cpus = (unsigned)cpu + 1;
	e->cpu_words = (e->n_cpus + 63) / 64;
}

int emul_new(const struct emul_config *config, struct tree **ret_tree)
{
	cleanup_free struct emul *e = calloc(1, sizeof *e);
	struct tasks *t;
	uint64_t births;
	int r;

	if (!e)
		return -ENOMEM;
	e->tree.ops = &emul_ops;
	e->tree.exclusive = true;
	e->config = *config;
	e->instance = new_instance();
	/* Texts are the caller's, and only machine_new()'s to read. */
	e->config.devices = e->config.misc = e->config.rdma = e->config.dmem = NULL;
	e->config.controllers = NULL;
	r = inject_new(e, config->tasks, &e->inject, &e->config.tasks);
	if (r < 0)
		return r;
	t = e->config.tasks;
	find_cpus(e);
	r = t->ops->births(t, &births);
	if (r == 0)
		r = machine_new(config, &e->machine);
	if (r == 0)
		r = rows_index(e);
	if (r == 0)
		r = cgroup_new_root(e, &e->root);
	if (r < 0) {
		inject_free(e->inject);
		tasks_free(t);
		machine_free(&e->machine);
		free(e->rows);
		return r;
	}
	pthread_mutex_init(&e->lock, NULL);
	t->ops->on_exit(t, members_on_exit, e);
	r = config->clock ? ticker_start(e) : 0;
	if (r < 0) {
		op_destroy(&steal_ptr(&e)->tree);
		return r;
	}
	*ret_tree = &steal_ptr(&e)->tree;
	return 0;
}

uint64_t emul_run_due(struct tree *t)
{
	struct emul *e = emul_of(t);
	uint64_t next, look;

	guard_mutex(&e->lock);
	stops_look(e);
	next = timers_run(e);
	look = emul_now(e) + STOPS_NSEC;
	return e->n_due && look < next ? look : next;
}
