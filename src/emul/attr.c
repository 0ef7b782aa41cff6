/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attributes of directories and files: what follows from rows and owners, and what users set. */
#include <errno.h>
#include <string.h>

#include "cgroup.h"

/* All attributes of a node that somebody changed; the others are computed. */
struct node_attr {
	struct node_attr *next;
	unsigned slot;
	mode_t mode;
	uid_t uid;
	gid_t gid;
	struct timespec atim, mtim, ctim;
};

static struct node_attr *attr_find(const struct cgroup *cg, unsigned slot)
{
	struct node_attr *a = cg->attrs;

	while (a && a->slot != slot)
		a = a->next;
	return a;
}

/* Files are made one after the other, after the directory. */
static struct timespec moment_of(const struct cgroup *cg, unsigned slot)
{
	struct timespec t = cg->made;

	t.tv_nsec += slot;
	if (t.tv_nsec >= 1000000000) {
		t.tv_nsec -= 1000000000;
		t.tv_sec++;
	}
	return t;
}

/* A controller's files belong to who enabled it, the others to who made the cgroup. */
static void attr_default(const struct cgroup *cg, const struct row_ref *row, struct node_attr *a)
{
	unsigned slot = row ? row->slot : 0;
	const struct css *css = row && row->ctrl != CTRL_NONE ? cg->css[row->ctrl] : NULL;

	a->mode = row ? row->row->mode : cg->mode;
	a->uid = css ? css->uid : cg->uid;
	a->gid = css ? css->gid : cg->gid;
	a->atim = a->mtim = a->ctim = moment_of(cg, slot);
}

void attr_stat(const struct cgroup *cg, unsigned slot, const struct row_ref *row,
	       struct stat *ret_stat)
{
	const struct node_attr *set = attr_find(cg, slot);
	struct node_attr a;

	if (set)
		a = *set;
	else
		attr_default(cg, row, &a);
	*ret_stat = (struct stat){
		.st_ino = cgroup_node(cg) + slot,
		.st_mode = a.mode | (row ? S_IFREG : S_IFDIR),
		.st_nlink = row ? 1 : 2 + HASH_COUNT(cg->children),
		.st_uid = a.uid,
		.st_gid = a.gid,
		.st_blksize = 4096,
		.st_atim = a.atim,
		.st_mtim = a.mtim,
		.st_ctim = a.ctim,
	};
}

int attr_set(struct cgroup *cg, unsigned slot, const struct row_ref *row, const struct stat *attr,
	     unsigned valid)
{
	struct node_attr *a = attr_find(cg, slot);

	if (!a) {
		a = calloc(1, sizeof *a);
		if (!a)
			return -ENOMEM;
		attr_default(cg, row, a);
		a->slot = slot;
		a->next = cg->attrs;
		cg->attrs = a;
	}
	if (valid & TREE_SET_MODE)
		a->mode = attr->st_mode & 07777;
	if (valid & TREE_SET_UID)
		a->uid = attr->st_uid;
	if (valid & TREE_SET_GID)
		a->gid = attr->st_gid;
	if (valid & TREE_SET_ATIME)
		a->atim = attr->st_atim;
	if (valid & TREE_SET_MTIME)
		a->mtim = attr->st_mtim;
	clock_gettime(CLOCK_REALTIME, &a->ctim);
	return 0;
}

static void attr_drop(struct cgroup *cg, unsigned first, unsigned end)
{
	struct node_attr **link = &cg->attrs;

	while (*link) {
		struct node_attr *a = *link;

		if (a->slot < first || a->slot >= end) {
			link = &a->next;
			continue;
		}
		*link = a->next;
		free(a);
	}
}

void node_drop(struct cgroup *cg, unsigned first, unsigned end)
{
	attr_drop(cg, first, end);
	xattr_drop(cg, first, end);
}
