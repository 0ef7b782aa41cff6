/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of the tree: attributes, new cgroups, removed cgroups. Nothing else can be changed. */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "session.h"

static void fill_now(int to_set, struct stat *attr)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (to_set & FUSE_SET_ATTR_ATIME_NOW)
		attr->st_atim = now;
	if (to_set & FUSE_SET_ATTR_MTIME_NOW)
		attr->st_mtim = now;
}

static unsigned tree_valid(int to_set)
{
	static const struct {
		int fuse;
		unsigned tree;
	} map[] = {
		{ FUSE_SET_ATTR_MODE, TREE_SET_MODE },
		{ FUSE_SET_ATTR_UID, TREE_SET_UID },
		{ FUSE_SET_ATTR_GID, TREE_SET_GID },
		{ FUSE_SET_ATTR_ATIME, TREE_SET_ATIME },
		{ FUSE_SET_ATTR_ATIME_NOW, TREE_SET_ATIME },
		{ FUSE_SET_ATTR_MTIME, TREE_SET_MTIME },
		{ FUSE_SET_ATTR_MTIME_NOW, TREE_SET_MTIME },
	};
	unsigned valid = 0;

	for (size_t i = 0; i < sizeof map / sizeof *map; i++) {
		if (to_set & map[i].fuse)
			valid |= map[i].tree;
	}
	return valid;
}

/* A size is accepted and stays 0, as in kernfs: `echo 1 > file` truncates first. */
void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct server *s = server_of(req);
	struct tree *t = s->config.tree;
	struct caller who = caller_of(req);
	unsigned valid = tree_valid(to_set);
	struct stat now;
	double timeout;
	int r = 0;

	(void)fi;
	fill_now(to_set, attr);
	if (valid)
		r = node_kind(node) == NODE_TREE ?
			t->ops->setattr(t, &who, node_rest(node), attr, valid) : -EPERM;
	if (r == 0)
		r = node_attr(s, node, &now, &timeout);
	if (r < 0)
		reply_refused(req, r, node, NULL);
	else
		fuse_reply_attr(req, &now, timeout);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct tree *t = server_of(req)->config.tree;
	struct caller who = caller_of(req);
	int r = -EPERM;

	if (node_kind(parent) == NODE_TREE)
		r = t->ops->mkdir(t, &who, node_rest(parent), name, mode);
	if (r < 0)
		reply_refused(req, r, parent, name);
	else
		op_lookup(req, parent, name);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct tree *t = server_of(req)->config.tree;
	struct caller who = caller_of(req);
	/* The tree's root is what would be a mount point. */
	int r = parent == TOP_ROOT && !strcmp(name, "cgroup") ? -EBUSY : -EPERM;

	if (node_kind(parent) == NODE_TREE)
		r = t->ops->rmdir(t, &who, node_rest(parent), name);
	if (r < 0)
		reply_refused(req, r, parent, name);
	else
		fuse_reply_err(req, 0);
}
