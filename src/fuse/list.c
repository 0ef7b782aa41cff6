/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Directory listings. opendir() gathers the entries once; the offset of an entry is its number, so
 * that seekdir() works, and offset 0 gathers anew (rewinddir()).
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "session.h"

struct listing {
	pthread_mutex_t lock;
	uint64_t dir;
	struct tree_list entries; /* with FUSE's node numbers, "." and ".." first */
	struct quota_claim files, pages; /* it counts as a file, its entries as pages */
	bool fresh; /* gathered by opendir and not read from yet */
};

static int add_containers(struct server *s, uint64_t dir, struct tree_list *list)
{
	cleanup_tree_list struct tree_list below = { 0 };
	char name[24];
	int r;

	snprintf(name, sizeof name, "%llu", (unsigned long long)dir);
	r = tree_list_add(list, name, node_view(dir, VIEW_TOP), true);
	if (r == 0)
		r = s->config.tree->ops->list(s->config.tree, dir, &below);
	/* A cgroup may go away while the list is made. */
	if (r == -ENODEV || r == -ENOENT)
		return 0;
	for (size_t i = 0; i < below.n && r == 0; i++) {
		if (below.entries[i].dir)
			r = add_containers(s, below.entries[i].node, list);
	}
	return r;
}

static int add_view(fuse_req_t req, uint64_t dir, struct tree_list *list)
{
	struct server *s = server_of(req);
	uint64_t container = node_container(dir);
	uint64_t whose = container;
	struct view_entry e;
	int r = 0;

	if (container == NODE_CALLER)
		r = view_container(s->config.view, caller_of(req).pid, &whose);
	else if (node_slot(dir) == VIEW_TOP && !s->config.views_only)
		r = tree_list_add(list, "cgroup", node_make(NODE_LINK, container), false);
	for (size_t n = 0; r == 0; n++) {
		r = view_list(s->config.view, whose, node_slot(dir), n, &e);
		if (r == -ENOENT)
			return 0;
		if (r == 0)
			r = tree_list_add(list, e.name, node_view(container, e.slot), e.dir);
	}
	return r;
}

static int add_tree(fuse_req_t req, uint64_t dir, struct tree_list *list)
{
	struct tree *t = server_of(req)->config.tree;
	cleanup_tree_list struct tree_list below = { 0 };
	int r = may_look(req, dir);

	if (r == 0)
		r = t->ops->list(t, node_rest(dir), &below);

	for (size_t i = 0; i < below.n && r == 0; i++) {
		const struct tree_entry *e = &below.entries[i];

		r = tree_list_add(list, e->name, node_make(NODE_TREE, e->node), e->dir);
	}
	return r;
}

static int add_top(fuse_req_t req, uint64_t dir, struct tree_list *list)
{
	struct server *s = server_of(req);
	int r = 0;

	if (dir == TOP_VIEW)
		return add_containers(s, TREE_ROOT, list);
	if (dir == TOP_CTL) {
		for (size_t row = 0; ctl_name(s, row) && r == 0; row++)
			r = tree_list_add(list, ctl_name(s, row), TOP_CTL_FILE + row, false);
		return r;
	}
	if (!s->config.views_only)
		r = tree_list_add(list, "cgroup", node_make(NODE_TREE, TREE_ROOT), true);
	if (r == 0)
		r = tree_list_add(list, "view", TOP_VIEW, true);
	if (r == 0)
		r = tree_list_add(list, "ctl", TOP_CTL, true);
	return r < 0 ? r : add_view(req, node_view(NODE_CALLER, VIEW_TOP), list);
}

static int gather(fuse_req_t req, uint64_t dir, struct tree_list *ret_list)
{
	cleanup_tree_list struct tree_list list = { 0 };
	int r = tree_list_add(&list, ".", dir, true);

	if (r == 0)
		r = tree_list_add(&list, "..", dir, true);
	if (r < 0)
		return r;
	switch (node_kind(dir)) {
	case NODE_TREE:
		r = add_tree(req, dir, &list);
		break;
	case NODE_VIEW:
		r = add_view(req, dir, &list);
		break;
	default:
		r = add_top(req, dir, &list);
	}
	if (r < 0)
		return r;
	tree_list_free(ret_list);
	*ret_list = list;
	list = (struct tree_list){ 0 };
	return 0;
}

#define ENTRIES_IN_PAGE 64

static int gather_bounded(fuse_req_t req, struct listing *l)
{
	int r = gather(req, l->dir, &l->entries);

	if (r == 0)
		r = bounds_resize(server_of(req), BOUND_PAGES, fuse_req_ctx(req)->pid,
				  l->entries.n / ENTRIES_IN_PAGE, &l->pages);
	if (r < 0)
		tree_list_free(&l->entries);
	return r;
}

static void listing_free(struct server *s, struct listing *l)
{
	bounds_drop(s, BOUND_FILES, &l->files);
	bounds_drop(s, BOUND_PAGES, &l->pages);
	tree_list_free(&l->entries);
	pthread_mutex_destroy(&l->lock);
	free(l);
}

void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	struct server *s = server_of(req);
	struct listing *l = calloc(1, sizeof *l);
	int r;

	if (!l) {
		fuse_reply_err(req, ENOMEM);
		return;
	}
	pthread_mutex_init(&l->lock, NULL);
	l->dir = node;
	l->fresh = true;
	r = bounds_take(s, BOUND_FILES, fuse_req_ctx(req)->pid, 1, &l->files);
	if (r == 0)
		r = gather_bounded(req, l);
	if (r < 0) {
		reply_error(req, r, &(struct attempt){ "list", node });
		listing_free(s, l);
		return;
	}
	fi->fh = (uint64_t)(uintptr_t)l;
	if (fuse_reply_open(req, fi) < 0)
		listing_free(s, l);
}

/* d_ino as stat() tells it: a tree's own number without the kind. */
static ino_t shown_number(uint64_t node)
{
	return node_kind(node) == NODE_TREE ? node_rest(node) : node;
}

static size_t fill(fuse_req_t req, const struct listing *l, size_t from, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = from; i < l->entries.n; i++) {
		const struct tree_entry *e = &l->entries.entries[i];
		struct stat st = { .st_ino = shown_number(e->node),
				   .st_mode = e->dir ? S_IFDIR : S_IFREG };
		size_t need;

		if (node_kind(e->node) == NODE_LINK)
			st.st_mode = S_IFLNK;
		need = fuse_add_direntry(req, out + used, size - used, e->name, &st, (off_t)i + 1);
		if (need > size - used)
			break;
		used += need;
	}
	return used;
}

/* Appends entries from number from to out: the bytes used, or -errno. */
static ssize_t read_entries(fuse_req_t req, struct listing *l, size_t from, char *out, size_t size)
{
	int r = 0;

	guard_mutex(&l->lock);
	if (from == 0 && !l->fresh)
		r = gather_bounded(req, l);
	l->fresh = false;
	return r < 0 ? r : (ssize_t)fill(req, l, from, out, size);
}

void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off, struct fuse_file_info *fi)
{
	struct listing *l = (struct listing *)(uintptr_t)fi->fh;
	cleanup_free char *out = malloc(size);
	ssize_t n = out ? read_entries(req, l, (size_t)off, out, size) : -ENOMEM;

	/* From the reply on the listing may be gone. */
	if (n < 0)
		reply_error(req, (int)n, &(struct attempt){ "list", node });
	else
		fuse_reply_buf(req, out, (size_t)n);
}

void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)node;
	listing_free(server_of(req), (struct listing *)(uintptr_t)fi->fh);
	fuse_reply_err(req, 0);
}
