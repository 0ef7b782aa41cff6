/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Names, attributes and links: what lies where, and how long the kernel may believe it. */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlfs/pidns.h"
#include "session.h"

#define PID_PREFIX "pid-"

/* Attributes of a directory or file of our own: owned by root, as procfs' are. */
static void own_attr(uint64_t node, mode_t mode, struct stat *ret_attr)
{
	*ret_attr = (struct stat){
		.st_ino = node,
		.st_mode = mode,
		.st_nlink = S_ISDIR(mode) ? 2 : 1,
		.st_blksize = 4096,
	};
}

/* What is kept in dentries: a cgroup's directory as long as nobody else can remove it, interface
 * files not at all (a write to subtree_control makes and removes them), views as their kind. */
static double tree_timeout(const struct server *s, const struct stat *attr)
{
	return s->config.tree->exclusive && S_ISDIR(attr->st_mode) ? FOREVER : NEVER;
}

static int tree_attr(struct server *s, uint64_t node, const char *name, struct stat *ret_attr)
{
	struct tree *t = s->config.tree;

	return t->ops->stat(t, node_rest(node), name, ret_attr);
}

static int top_attr(const struct server *s, uint64_t node, struct stat *ret_attr)
{
	mode_t mode;

	if (node < TOP_CTL_FILE) {
		own_attr(node, S_IFDIR | 0555, ret_attr);
		return 0;
	}
	if (!ctl_name(s, node - TOP_CTL_FILE))
		return -ENOENT;
	mode = ctl_mode(node - TOP_CTL_FILE);
	own_attr(node, S_IFREG | mode, ret_attr);
	if (mode & S_IWUSR) {
		ret_attr->st_uid = geteuid();
		ret_attr->st_gid = getegid();
	}
	return 0;
}

/* The caller's own CPUs are checked when they are looked up: a number alone names no caller. */
static int view_attr(struct server *s, uint64_t node, struct stat *ret_attr)
{
	uint64_t container = node_container(node);
	struct view_entry entry;
	int r = view_stat(s->config.view, container == NODE_CALLER ? TREE_ROOT : container,
			  node_slot(node), &entry);

	if (r < 0)
		return r;
	if (entry.dir)
		own_attr(node, S_IFDIR | 0555, ret_attr);
	else
		own_attr(node, S_IFREG | (entry.writable ? 0666 : 0444), ret_attr);
	return 0;
}

int node_attr(struct server *s, uint64_t node, struct stat *ret_attr, double *ret_timeout)
{
	int r;

	switch (node_kind(node)) {
	case NODE_TREE:
		r = tree_attr(s, node, "", ret_attr);
		*ret_timeout = s->config.tree->exclusive ? FOREVER : NEVER;
		return r;
	case NODE_VIEW:
		*ret_timeout = node_container(node) == NODE_CALLER ? FOREVER : A_SECOND;
		return view_attr(s, node, ret_attr);
	case NODE_LINK:
	case NODE_PID:
		*ret_timeout = node_kind(node) == NODE_LINK ? A_SECOND : NEVER;
		own_attr(node, S_IFLNK | 0777, ret_attr);
		return 0;
	default:
		*ret_timeout = FOREVER;
		return top_attr(s, node, ret_attr);
	}
}

static int find_top(const char *name, uint64_t *ret_node)
{
	static const struct {
		const char *name;
		uint64_t node;
	} tops[] = { { "view", TOP_VIEW }, { "ctl", TOP_CTL } };

	for (size_t i = 0; i < sizeof tops / sizeof *tops; i++) {
		if (!strcmp(name, tops[i].name)) {
			*ret_node = tops[i].node;
			return 0;
		}
	}
	return -ENOENT;
}

static int find_ctl(const struct server *s, const char *name, uint64_t *ret_node)
{
	for (size_t row = 0; ctl_name(s, row); row++) {
		if (!strcmp(name, ctl_name(s, row))) {
			*ret_node = TOP_CTL_FILE + row;
			return 0;
		}
	}
	return -ENOENT;
}

/* A number below max as it would be printed. */
static int parse_name(const char *name, uint64_t max, uint64_t *ret_number)
{
	uint64_t number;
	char *end;

	if (*name < '1' || *name > '9')
		return -ENOENT;
	errno = 0;
	number = strtoull(name, &end, 10);
	if (errno || *end || number >= max)
		return -ENOENT;
	*ret_number = number;
	return 0;
}

/* MNT/view/pid-PID, where PID is what the caller calls a process. */
static int find_pid(fuse_req_t req, const char *name, uint64_t *ret_node)
{
	uint64_t number;
	pid_t pid;
	int r = parse_name(name + strlen(PID_PREFIX), INT_MAX, &number);

	if (r == 0)
		r = pidns_find(caller_of(req).pid, (pid_t)number, &pid);
	if (r == 0)
		*ret_node = node_make(NODE_PID, (uint64_t)pid);
	return r < 0 ? -ENOENT : 0;
}

/* MNT/view/ID: the number of a cgroup that is there, as `stat -c %i` prints it. */
static int find_container(struct server *s, const char *name, uint64_t *ret_node)
{
	struct stat st;
	uint64_t id;

	if (parse_name(name, NODE_CONTAINER_MAX, &id) < 0)
		return -ENOENT;
	if (s->config.tree->ops->stat(s->config.tree, id, NULL, &st) < 0 || !S_ISDIR(st.st_mode))
		return -ENOENT;
	*ret_node = node_view(id, VIEW_TOP);
	return 0;
}

/* An entry of a view's directory. Entries that exist for some containers only are not kept where
 * the container is the caller's. */
static int find_view(fuse_req_t req, uint64_t dir, const char *name, struct fuse_entry_param *e)
{
	struct server *s = server_of(req);
	uint64_t container = node_container(dir);
	uint64_t whose = container;
	struct view_entry entry;
	int r = 0;

	if (container != NODE_CALLER && node_slot(dir) == VIEW_TOP && !strcmp(name, "cgroup") &&
	    !s->config.views_only) {
		e->ino = node_make(NODE_LINK, container);
		e->entry_timeout = A_SECOND;
		return 0;
	}
	if (container == NODE_CALLER)
		r = view_container(s->config.view, caller_of(req).pid, &whose);
	if (r == 0)
		r = view_find(s->config.view, whose, node_slot(dir), name, &entry);
	if (r < 0)
		return r;
	e->ino = node_view(container, entry.slot);
	e->entry_timeout = FOREVER;
	if (entry.varies)
		e->entry_timeout = container == NODE_CALLER ? NEVER : A_SECOND;
	return 0;
}

static int find_in_root(fuse_req_t req, const char *name, struct fuse_entry_param *e)
{
	e->entry_timeout = FOREVER;
	if (!strcmp(name, "cgroup") && !server_of(req)->config.views_only) {
		e->ino = node_make(NODE_TREE, TREE_ROOT);
		return 0;
	}
	if (find_top(name, &e->ino) == 0)
		return 0;
	return find_view(req, node_view(NODE_CALLER, VIEW_TOP), name, e);
}

static int find_in_tree(struct server *s, uint64_t dir, const char *name,
			struct fuse_entry_param *e)
{
	int r = tree_attr(s, dir, name, &e->attr);

	if (r < 0)
		return r;
	e->ino = node_make(NODE_TREE, e->attr.st_ino);
	e->entry_timeout = tree_timeout(s, &e->attr);
	e->attr_timeout = s->config.tree->exclusive ? FOREVER : NEVER;
	return 0;
}

static int find(fuse_req_t req, uint64_t parent, const char *name, struct fuse_entry_param *e)
{
	struct server *s = server_of(req);
	int r;

	switch (node_kind(parent)) {
	case NODE_TREE:
		return find_in_tree(s, parent, name, e);
	case NODE_VIEW:
		r = find_view(req, parent, name, e);
		break;
	case NODE_TOP:
		e->entry_timeout = FOREVER;
		if (parent == TOP_ROOT) {
			r = find_in_root(req, name, e);
		} else if (parent == TOP_CTL) {
			r = find_ctl(s, name, &e->ino);
		} else if (parent == TOP_VIEW && !strncmp(name, PID_PREFIX, strlen(PID_PREFIX))) {
			e->entry_timeout = NEVER; /* the name means another process to others */
			r = find_pid(req, name, &e->ino);
		} else if (parent == TOP_VIEW) {
			e->entry_timeout = A_SECOND;
			r = find_container(s, name, &e->ino);
		} else {
			r = -ENOTDIR;
		}
		break;
	default:
		r = -ENOTDIR;
	}
	return r < 0 ? r : node_attr(s, e->ino, &e->attr, &e->attr_timeout);
}

void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	struct fuse_entry_param e = { 0 };
	int r;

	count(server_of(req), STAT_LOOKUPS);
	r = find(req, parent, name, &e);
	if (r < 0)
		reply_error(req, r == -ENODEV ? -ENOENT : r,
			    &(struct attempt){ "lookup", parent, name });
	else
		fuse_reply_entry(req, &e);
}

void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct stat attr;
	double timeout;
	int r = node_attr(server_of(req), node, &attr, &timeout);

	(void)fi;
	if (r < 0)
		reply_error(req, r, &(struct attempt){ "stat", node });
	else
		fuse_reply_attr(req, &attr, timeout);
}

/* A removed directory that nobody has open any more is told of soon after; others, whose numbers
 * hold without anything being kept for them, when the kernel needs memory. A forgetting of before
 * the removal that comes late only ends the remembering early. */
static void forget(struct server *s, fuse_ino_t node)
{
	struct tree *t = s->config.tree;

	if (node_kind(node) == NODE_TREE && t->ops->forget)
		t->ops->forget(t, node_rest(node));
}

void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t lookups)
{
	(void)lookups;
	forget(server_of(req), node);
	fuse_reply_none(req);
}

void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets)
{
	for (size_t i = 0; i < count; i++)
		forget(server_of(req), forgets[i].ino);
	fuse_reply_none(req);
}

/* view/ID/cgroup -> ../../cgroup/PATH */
static int link_to_tree(struct server *s, uint64_t container, struct buf *target)
{
	buf_adds(target, "../../cgroup");
	return tree_path(s->config.tree, container, target);
}

/* view/pid-PID -> ID */
static int link_to_view(struct server *s, pid_t pid, struct buf *target)
{
	uint64_t id;
	int r = view_container_of(s->config.view, pid, &id);

	if (r == 0)
		buf_addu(target, id);
	return r == -ESRCH ? -ENOENT : r;
}

void op_readlink(fuse_req_t req, fuse_ino_t node)
{
	cleanup_buf struct buf target = { 0 };
	struct server *s = server_of(req);
	int r;

	if (node_kind(node) == NODE_PID)
		r = link_to_view(s, (pid_t)node_rest(node), &target);
	else
		r = link_to_tree(s, node_rest(node), &target);
	if (r == 0)
		r = buf_error(&target);
	if (r < 0)
		reply_error(req, r, &(struct attempt){ "readlink", node });
	else
		fuse_reply_readlink(req, buf_text(&target));
}
