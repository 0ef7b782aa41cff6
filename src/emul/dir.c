/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Cgroups as directories: made, found, removed; how long they stay in memory. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cgroup.h"
#include "ctlfs/why.h"
#include "inject.h"

#define PER_DIR 256 /* numbers of nodes that belong to one directory */

struct cgroup *cgroup_child(const struct cgroup *cg, const char *name)
{
	struct cgroup *child;

	HASH_FIND_STR(cg->children, name, child);
	return child;
}

struct cgroup *cgroup_by_id(const struct emul *e, uint32_t id)
{
	struct cgroup *cg;

	HASH_FIND(hh_id, e->by_id, &id, sizeof id, cg);
	return cg;
}

static void split_node(uint64_t node, uint64_t *ret_id, unsigned *ret_slot)
{
	*ret_id = node < TREE_ROOT ? UINT64_MAX : (node - TREE_ROOT) / PER_DIR;
	*ret_slot = (unsigned)((node - TREE_ROOT) % PER_DIR);
}

static struct cgroup *find_gone(const struct emul *e, uint64_t id)
{
	uint32_t key = (uint32_t)id;
	struct cgroup *cg = NULL;

	if (id <= UINT32_MAX)
		HASH_FIND(hh_id, e->gone, &key, sizeof key, cg);
	return cg;
}

int cgroup_find_any(const struct emul *e, uint64_t node, struct cgroup **ret_cg, unsigned *ret_slot)
{
	uint64_t id;
	struct cgroup *cg;

	split_node(node, &id, ret_slot);
	cg = find_gone(e, id);
	if (!cg)
		return cgroup_find(e, node, ret_cg, ret_slot);
	*ret_cg = cg;
	return 0;
}

int cgroup_find(const struct emul *e, uint64_t node, struct cgroup **ret_cg, unsigned *ret_slot)
{
	struct cgroup *cg;
	uint64_t id;

	split_node(node, &id, ret_slot);
	cg = id > UINT32_MAX ? NULL : cgroup_by_id(e, (uint32_t)id);
	if (!cg)
		return refuse(ENODEV, "the cgroup has been removed");
	*ret_cg = cg;
	return 0;
}

void cgroup_get(struct cgroup *cg)
{
	cg->refs++;
}

static void cgroup_free(struct cgroup *cg)
{
	node_drop(cg, 0, SLOT_END);
	psi_free(cg);
	free(cg->name);
	free(cg);
}

void cgroup_put(struct cgroup *cg)
{
	while (cg && --cg->refs == 0) {
		struct cgroup *parent = cg->parent;

		cgroup_free(cg);
		cg = parent; /* drops the child's reference to it */
	}
}

void cgroup_pin(struct cgroup *cg)
{
	cgroup_get(cg);
	cg->pins++;
}

void cgroup_unpin(struct cgroup *cg)
{
	struct cgroup *parent = cg->parent;
	bool died = --cg->pins == 0 && cg->dead;

	if (died)
		control_dying(cg, -1);
	for (struct cgroup *up = died ? parent : NULL; up; up = up->parent)
		up->nr_dying--;
	if (died && parent) /* the root never dies */
		cgroup_unpin(parent);
	cgroup_put(cg);
}

static struct cgroup *cgroup_new(struct emul *e, struct cgroup *parent, const char *name)
{
	struct cgroup *cg = calloc(1, sizeof *cg);

	if (!cg)
		return NULL;
	cg->name = strdup(name);
	if (!cg->name) {
		free(cg);
		return NULL;
	}
	cg->emul = e;
	cg->parent = parent;
	cg->id = e->next_id;
	cg->depth = parent ? parent->depth + 1 : 0;
	cg->refs = 1;
	cg->max_depth = cg->max_descendants = LIMIT_MAX;
	cg->pressure = true;
	clock_gettime(CLOCK_REALTIME, &cg->made);
	return cg;
}

/* Into the tables: -ENOMEM with nothing changed. */
static int cgroup_link(struct cgroup *cg)
{
	struct emul *e = cg->emul;

	HASH_ADD(hh_id, e->by_id, id, sizeof cg->id, cg);
	if (!cg->hh_id.tbl)
		return -ENOMEM;
	if (!cg->parent)
		return 0;
	HASH_ADD_KEYPTR(hh, cg->parent->children, cg->name, strlen(cg->name), cg);
	if (!cg->hh.tbl) {
		HASH_DELETE(hh_id, e->by_id, cg);
		return -ENOMEM;
	}
	return 0;
}

static void cgroup_unlink(struct cgroup *cg)
{
	HASH_DELETE(hh_id, cg->emul->by_id, cg);
	if (cg->parent)
		HASH_DELETE(hh, cg->parent->children, cg);
}

/* Links cg and gives it its controllers. On failure cg is freed. */
static int cgroup_settle(struct cgroup *cg, const struct caller *who)
{
	int r = cgroup_link(cg);

	if (r == 0) {
		r = control_apply(cg, who);
		if (r < 0)
			cgroup_unlink(cg);
	}
	if (r < 0) {
		cgroup_free(cg);
		return r;
	}
	cg->emul->next_id++;
	return 0;
}

int cgroup_new_root(struct emul *e, struct cgroup **ret_root)
{
	const struct caller owner = { .uid = e->config.uid, .gid = e->config.gid };
	struct cgroup *cg = cgroup_new(e, NULL, "");
	int r;

	if (!cg)
		return -ENOMEM;
	cg->uid = e->config.uid;
	cg->gid = e->config.gid;
	/* The kernel's root does without w since its owner may do anything. Another user's root is
	 * to him what a delegated cgroup would be. */
	cg->mode = cg->uid ? 0755 : 0555;
	r = cgroup_settle(cg, &owner);
	if (r == 0)
		*ret_root = cg;
	return r;
}

/* cgroup_check_hierarchy_limits() */
static int check_limits(const struct cgroup *parent)
{
	int level = 1;

	for (const struct cgroup *cg = parent; cg; cg = cg->parent, level++) {
		if (cg->nr_descendants >= (unsigned)cg->max_descendants)
			return refuse(EAGAIN, "cgroup.max.descendants of \"%s\" is %d",
				      cg->parent ? cg->name : "/", cg->max_descendants);
		if (level > cg->max_depth)
			return refuse(EAGAIN, "cgroup.max.depth of \"%s\" is %d",
				      cg->parent ? cg->name : "/", cg->max_depth);
	}
	return 0;
}

static int check_name(const struct cgroup *parent, const char *name)
{
	struct row_ref row;

	if (!*name)
		return -ENOENT;
	if (!strcmp(name, ".") || !strcmp(name, "..") || cgroup_child(parent, name))
		return refuse(EEXIST, "the cgroup exists");
	if (rows_find_name(parent, name, &row))
		return refuse(EEXIST, "an interface file has this name");
	if (strchr(name, '\n'))
		return refuse(EINVAL, "a newline in a cgroup's name would break /proc/PID/cgroup");
	return 0;
}

int cgroup_mkdir(struct cgroup *parent, const struct caller *who, const char *name, mode_t mode)
{
	struct emul *e = parent->emul;
	struct cgroup *cg;
	int r = check_name(parent, name);

	if (r == 0)
		r = check_limits(parent);
	if (r < 0)
		return r;
	if (e->next_id == UINT32_MAX)
		return refuse(ENOSPC, "all numbers of cgroups have been used");
	cg = cgroup_new(e, parent, name);
	if (!cg)
		return -ENOMEM;
	cg->uid = who->uid;
	cg->gid = who->gid;
	cg->mode = mode & 01777 & ~who->umask; /* as vfs_mkdir(): no set-id bits */
	cg->e_freeze = cg->frozen = parent->e_freeze;
	cg->frozen_since = emul_now(e);
	r = cgroup_settle(cg, who);
	if (r < 0)
		return r;
	cgroup_get(parent);
	for (struct cgroup *up = parent; up; up = up->parent)
		up->nr_descendants++;
	return 0;
}

/* For who has it open: until the front end forgets it. */
static void remember(struct cgroup *cg)
{
	struct emul *e = cg->emul;

	HASH_ADD(hh_id, e->gone, id, sizeof cg->id, cg);
	if (cg->hh_id.tbl)
		cgroup_get(cg);
}

void cgroup_forget(struct emul *e, uint64_t node)
{
	struct cgroup *cg;
	uint64_t id;
	unsigned slot;

	split_node(node, &id, &slot);
	cg = find_gone(e, id);
	if (!cg || slot)
		return;
	HASH_DELETE(hh_id, e->gone, cg);
	cgroup_put(cg);
}

int cgroup_rmdir(struct cgroup *cg, const struct caller *who)
{
	if (cg->nr_tasks)
		return refuse(EBUSY, "%u tasks are in the cgroup or below it", cg->nr_tasks);
	if (cg->children)
		return refuse(EBUSY, "the cgroup has %u children", HASH_COUNT(cg->children));
	inject_forget(cg);
	if (cg->pins) /* dying until nothing that died in it is left */
		control_dying(cg, 1);
	control_exit(cg);
	psi_remove(cg);
	cgroup_unlink(cg);
	for (struct cgroup *up = cg->parent; up; up = up->parent) {
		up->nr_descendants--;
		up->nr_dying += cg->pins > 0;
	}
	if (cg->pins)
		cgroup_pin(cg->parent);
	if (cg->threaded)
		cg->parent->nr_threaded_children--;
	cg->dead = true;
	tree_changed(&cg->emul->tree, cgroup_node(cg));
	if (cg->emul->tree.forgets && who != &TREE_SELF)
		remember(cg);
	cgroup_put(cg);
	return 0;
}

struct cgroup *cgroup_next(struct cgroup *cg, const struct cgroup *top)
{
	if (cg->children)
		return cg->children;
	while (cg != top && !cg->hh.next)
		cg = cg->parent;
	return cg == top ? NULL : cg->hh.next;
}

int cgroup_walk(struct cgroup *cg, int (*visit)(struct cgroup *cg, void *data), void *data)
{
	for (struct cgroup *at = cg; at; at = cgroup_next(at, cg)) {
		int r = visit(at, data);

		if (r)
			return r;
	}
	return 0;
}

bool cgroup_inside(const struct cgroup *cg, const struct cgroup *ancestor)
{
	while (cg->depth > ancestor->depth)
		cg = cg->parent;
	return cg == ancestor;
}

struct cgroup *cgroup_common(struct cgroup *a, struct cgroup *b)
{
	while (a != b) {
		if (a->depth >= b->depth)
			a = a->parent;
		else
			b = b->parent;
	}
	return a;
}

void cgroup_free_all(struct emul *e)
{
	struct cgroup *cg, *next;

	HASH_ITER(hh_id, e->gone, cg, next) {
		HASH_DELETE(hh_id, e->gone, cg);
		cgroup_put(cg);
	}
	HASH_ITER(hh_id, e->by_id, cg, next)
		control_exit(cg); /* counts in ancestors: before any is freed */
	HASH_ITER(hh_id, e->by_id, cg, next) {
		HASH_CLEAR(hh, cg->children);
		HASH_DELETE(hh_id, e->by_id, cg);
		cgroup_free(cg);
	}
}
