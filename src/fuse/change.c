/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Changes of the tree: attributes, new cgroups, removed cgroups. Nothing else can be changed. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "ctlfs/why.h"
#include "session.h"

#define OUTSIDE "only the tree, below cgroup/, can be changed"

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

/* What is to be set, as a command: its name and, as of chmod(1) and chown(1), its argument. */
static void describe(unsigned valid, const struct stat *attr, char text[48], struct attempt *a)
{
	char uid[16] = "", gid[16] = "";

	a->op = "utimes";
	if (valid & TREE_SET_MODE) {
		a->op = "chmod";
		snprintf(text, 48, "%04o", attr->st_mode & 07777);
	}
	if (valid & TREE_SET_UID)
		snprintf(uid, sizeof uid, "%u", attr->st_uid);
	if (valid & TREE_SET_GID)
		snprintf(gid, sizeof gid, "%u", attr->st_gid);
	if (*uid || *gid) {
		a->op = "chown";
		snprintf(text, 48, "%s:%s", uid, gid);
	}
	if (valid & (TREE_SET_MODE | TREE_SET_UID | TREE_SET_GID)) {
		a->text = text;
		a->len = strlen(text);
	}
}

/* A size is accepted and stays 0, as in kernfs: `echo 1 > file` truncates first. */
void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set,
		struct fuse_file_info *fi)
{
	struct server *s = server_of(req);
	struct tree *t = s->config.tree;
	struct caller who = caller_of(req);
	unsigned valid = tree_valid(to_set);
	struct attempt a = { .node = node };
	char text[48];
	struct stat now;
	double timeout;
	int r = 0;

	(void)fi;
	describe(valid, attr, text, &a);
	fill_now(to_set, attr);
	if (valid && node_kind(node) != NODE_TREE)
		r = refuse(EPERM, OUTSIDE);
	else if (valid)
		r = t->ops->setattr(t, &who, node_rest(node), attr, valid);
	if (r == 0 && valid & (TREE_SET_MODE | TREE_SET_UID | TREE_SET_GID))
		note_done(req, &a);
	if (r == 0)
		r = node_attr(s, node, &now, &timeout);
	if (r < 0)
		reply_refused(req, r, &a);
	else
		fuse_reply_attr(req, &now, timeout);
}

static void serve_mkdir(struct call *c, int r)
{
	struct tree *t = server_of(c->req)->config.tree;
	struct attempt a = { "mkdir", c->node, c->data };
	struct caller who = caller_of(c->req);

	if (r == 0) {
		r = t->ops->mkdir(t, &who, node_rest(c->node), c->data, c->mode);
		turn_over(c);
	}
	if (r < 0) {
		reply_refused(c->req, r, &a);
		return;
	}
	note_done(c->req, &a);
	op_lookup(c->req, c->node, c->data);
}

void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode)
{
	struct call c = { serve_mkdir, req, NULL, parent, name, strlen(name) + 1, .mode = mode };

	if (node_kind(parent) == NODE_TREE)
		turns_call(&c);
	else
		reply_refused(req, refuse(EPERM, OUTSIDE),
			      &(struct attempt){ "mkdir", parent, name });
}

static void serve_rmdir(struct call *c, int r)
{
	struct tree *t = server_of(c->req)->config.tree;
	struct attempt a = { "rmdir", c->node, c->data };
	struct caller who = caller_of(c->req);

	if (r == 0) {
		r = t->ops->rmdir(t, &who, node_rest(c->node), c->data);
		turn_over(c);
	}
	if (r < 0) {
		reply_refused(c->req, r, &a);
		return;
	}
	note_done(c->req, &a);
	fuse_reply_err(c->req, 0);
}

void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct call c = { serve_rmdir, req, NULL, parent, name, strlen(name) + 1 };
	int r;

	if (node_kind(parent) == NODE_TREE) {
		turns_call(&c);
		return;
	}
	r = parent == TOP_ROOT && !strcmp(name, "cgroup") ?
		    refuse(EBUSY, "the tree's root is as a mount point") :
		    refuse(EPERM, OUTSIDE);
	reply_refused(req, r, &(struct attempt){ "rmdir", parent, name });
}
