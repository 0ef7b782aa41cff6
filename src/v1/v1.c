/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The v1 backend as a tree: names, attributes, files, and where a process is. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "internal.h"

#define DIR_MASK ((UINT64_C(1) << DIR_BITS) - 1)
#define READ_ONLY "cgroup v1 is only read"
#define LOCATE_TRIES 8

struct v1_file {
	struct tree_file file; /* first */
	const struct v1_row *row;
};

/* The row of a file's number, NULL for a directory's. */
static const struct v1_row *row_of(uint64_t number)
{
	uint64_t row = number >> DIR_BITS;

	return row && row <= v1_rows_count ? &v1_rows[row - 1] : NULL;
}

static uint64_t file_number(const struct v1_row *row, uint64_t dir)
{
	return (uint64_t)(row - v1_rows + 1) << DIR_BITS | dir;
}

static const struct v1_row *row_named(const char *name)
{
	for (size_t i = 0; i < v1_rows_count; i++) {
		if (!strcmp(v1_rows[i].name, name))
			return &v1_rows[i];
	}
	return NULL;
}

/* --- attributes --- */

/* Adds one directory of node to what is known of the others: the first one's owner and mode, and as
 * many links as the one with the most. */
static int add_dir(const struct v1_slot *slot, uint64_t dir, struct stat *st)
{
	struct stat here;
	int r = slot->tree->ops->stat(slot->tree, dir, NULL, &here);

	if (r < 0)
		return r == -ENOENT ? -ENODEV : r;
	if (!st->st_nlink)
		*st = here;
	else if (here.st_nlink > st->st_nlink)
		st->st_nlink = here.st_nlink;
	return 0;
}

/* A mixed cgroup lives as long as all its directories; another in the first that has its path. The
 * others tell only of links. */
static int stat_dir(struct v1 *v, const struct v1_node *node, bool links, struct stat *ret_stat)
{
	struct stat st = { 0 };

	for (int slot = 0; slot < V1_ROLES; slot++) {
		bool first = !st.st_nlink;
		int r;

		if (node->mixed ? node->dirs[slot] == TREE_ROOT : !node_is_in(v, node, slot))
			continue;
		if (!first && !links && !node->mixed)
			break;
		r = add_dir(&v->slots[slot], node->dirs[slot], &st);
		if (r < 0 && (node->mixed || first))
			return r;
	}
	if (node->mixed)
		st.st_nlink = 2;
	st.st_ino = node->number;
	st.st_mode = S_IFDIR | (st.st_mode & 0555);
	*ret_stat = st;
	return 0;
}

static int stat_file(struct v1 *v, struct v1_node *node, const struct v1_row *row,
		     struct stat *ret_stat)
{
	int r = row_check(v, node, row);

	if (r < 0)
		return r;
	*ret_stat = (struct stat){
		.st_ino = file_number(row, node->number),
		.st_mode = S_IFREG | 0444,
		.st_nlink = 1,
		.st_blksize = 4096,
	};
	return 0;
}

/* The number of the child called name, from the first hierarchy that has one. */
static int find_child(struct v1 *v, const struct v1_node *node, const char *name,
		      uint64_t *ret_number)
{
	for (int slot = 0; !node->mixed && slot < V1_ROLES; slot++) {
		struct tree *t = v->slots[slot].tree;
		struct stat st;
		int r;

		if (!node_is_in(v, node, slot))
			continue;
		r = t->ops->stat(t, node->dirs[slot], name, &st);
		if (r == 0 && S_ISDIR(st.st_mode)) {
			*ret_number = number_in((unsigned)slot, st.st_ino);
			return 0;
		}
		if (r < 0 && r != -ENOENT && r != -ENODEV)
			return r;
	}
	return -ENOENT;
}

static int stat_entry(struct v1 *v, struct v1_node *node, const char *name,
		      struct stat *ret_stat)
{
	const struct v1_row *row = row_named(name);
	struct v1_node child;
	uint64_t number;
	int r;

	if (row)
		return stat_file(v, node, row, ret_stat);
	r = strchr(name, '/') ? -ENOENT : find_child(v, node, name, &number);
	if (r == 0)
		r = node_get(v, number, &child);
	if (r == 0)
		r = stat_dir(v, &child, true, ret_stat);
	return r == -ENODEV ? -ENOENT : r;
}

static int stat_parent(struct v1 *v, const struct v1_node *node, struct stat *ret_stat)
{
	struct v1_node parent = { 0 };
	uint64_t number;
	int r = node_parent(v, node, &number);

	if (r == 0)
		r = node_get(v, number, &parent);
	return r < 0 ? r : stat_dir(v, &parent, false, ret_stat);
}

static int op_stat(struct tree *t, uint64_t number, const char *name, struct stat *ret_stat)
{
	const struct v1_row *row = row_of(number);
	struct v1 *v = v1_of(t);
	bool self = !name || !*name || !strcmp(name, ".");
	struct v1_node node;
	int r;

	if (number >> DIR_BITS && !row)
		return -ENODEV;
	r = node_get(v, number & DIR_MASK, &node);
	if (r < 0)
		return r;
	if (self)
		return row ? stat_file(v, &node, row, ret_stat) :
			     stat_dir(v, &node, true, ret_stat);
	if (!strcmp(name, ".."))
		return row ? stat_dir(v, &node, true, ret_stat) : stat_parent(v, &node, ret_stat);
	return row ? -ENOTDIR : stat_entry(v, &node, name, ret_stat);
}

/* --- lists --- */

/* By name, and of those with the same name the one of the first hierarchy first. */
static int by_name(const void *a, const void *b)
{
	const struct tree_entry *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : (x->node > y->node) - (x->node < y->node);
}

static void unify(struct tree_list *list)
{
	size_t n = 0;

	if (list->n)
		qsort(list->entries, list->n, sizeof *list->entries, by_name);
	for (size_t i = 0; i < list->n; i++) {
		if (n && !strcmp(list->entries[n - 1].name, list->entries[i].name))
			free(list->entries[i].name);
		else
			list->entries[n++] = list->entries[i];
	}
	list->n = n;
}

static int add_children(struct v1 *v, const struct v1_node *node, struct tree_list *list)
{
	int r = 0;

	for (int slot = 0; r == 0 && slot < V1_ROLES; slot++) {
		cleanup_tree_list struct tree_list here = { 0 };
		struct tree *t = v->slots[slot].tree;

		if (!node_is_in(v, node, slot))
			continue;
		r = t->ops->list(t, node->dirs[slot], &here);
		for (size_t i = 0; r == 0 && i < here.n; i++) {
			const struct tree_entry *e = &here.entries[i];

			if (e->dir)
				r = tree_list_add(list, e->name,
						  number_in((unsigned)slot, e->node), true);
		}
		/* Gone in one hierarchy, perhaps not in the others. */
		if (r == -ENODEV || r == -ENOENT)
			r = 0;
	}
	unify(list);
	return r;
}

static int op_list(struct tree *t, uint64_t number, struct tree_list *ret_list)
{
	cleanup_tree_list struct tree_list list = { 0 };
	struct v1 *v = v1_of(t);
	struct v1_node node;
	struct stat st;
	int r = number >> DIR_BITS ? -ENOTDIR : node_get(v, number, &node);

	if (r == 0)
		r = stat_dir(v, &node, false, &st);
	if (r == 0 && !node.mixed)
		r = add_children(v, &node, &list);
	for (size_t i = 0; r == 0 && i < v1_rows_count; i++) {
		if (row_check(v, &node, &v1_rows[i]) == 0)
			r = tree_list_add(&list, v1_rows[i].name,
					  file_number(&v1_rows[i], number), false);
	}
	if (r < 0)
		return r;
	*ret_list = list;
	list = (struct tree_list){ 0 };
	return 0;
}

/* --- files --- */

static int file_read(struct tree_file *file, const struct caller *reader, struct buf *out)
{
	const struct v1_file *f = (const struct v1_file *)file;
	struct v1 *v = v1_of(file->tree);
	struct v1_node node;
	int r = node_get(v, file->node & DIR_MASK, &node);

	(void)reader;
	return r < 0 ? r : row_show(v, &node, f->row, out);
}

static int file_write(struct tree_file *file, const struct caller *writer, char *text, size_t len)
{
	(void)file, (void)writer, (void)text, (void)len;
	return refuse(EROFS, READ_ONLY);
}

static void file_close(struct tree_file *file)
{
	free(file);
}

static int op_open(struct tree *t, const struct caller *who, uint64_t number, int flags,
		   struct tree_file **ret_file)
{
	static const struct tree_file_ops ops = {
		.read = file_read, .write = file_write, .close = file_close,
	};
	const struct v1_row *row = row_of(number);
	struct v1_file *f;

	(void)who;
	if (!row)
		return number >> DIR_BITS ? -ENODEV : -EISDIR;
	if ((flags & O_ACCMODE) != O_RDONLY)
		return refuse(EROFS, READ_ONLY);
	f = malloc(sizeof *f);
	if (!f)
		return -ENOMEM;
	*f = (struct v1_file){ { &ops, t, number }, row };
	*ret_file = &f->file;
	return 0;
}

/* --- processes --- */

/* Where it is in each hierarchy. Who lies outside one lies outside; but of a whole one nobody does:
 * then what was read of the process is not true any more (-EAGAIN). */
static int locate_once(struct v1 *v, pid_t pid, uint64_t *ret_dir)
{
	const struct v1_source *source = &v->source;
	cleanup_buf struct buf places = { 0 };
	uint64_t dirs[V1_ROLES];
	int r = source->read_places ? source->read_places(pid, &places) : 0;

	for (int slot = 0; r == 0 && slot < V1_ROLES; slot++) {
		struct tree *in = v->slots[slot].tree;

		dirs[slot] = TREE_ROOT;
		if (in && source->locate)
			r = source->locate(in, buf_text(&places), &dirs[slot]);
		else if (in)
			r = in->ops->locate(in, pid, &dirs[slot]);
		if (r == -ENOENT && v->slots[slot].whole)
			return -EAGAIN;
	}
	if (r == 0)
		r = node_of(v, dirs, ret_dir);
	return r == -ENODEV ? -EAGAIN : r;
}

/* A process that is never found where it was said to be is one that is gone. */
static int op_locate(struct tree *t, pid_t pid, uint64_t *ret_dir)
{
	int r = -EAGAIN;

	for (int tries = 0; r == -EAGAIN && tries < LOCATE_TRIES; tries++)
		r = locate_once(v1_of(t), pid, ret_dir);
	return r == -EAGAIN ? -ESRCH : r;
}

/* --- what cannot be done --- */

static int op_setattr(struct tree *t, const struct caller *who, uint64_t node,
		      const struct stat *attr, unsigned valid)
{
	(void)t, (void)who, (void)node, (void)attr, (void)valid;
	return refuse(EROFS, READ_ONLY);
}

static int op_mkdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name,
		    mode_t mode)
{
	(void)t, (void)who, (void)dir, (void)name, (void)mode;
	return refuse(EROFS, READ_ONLY);
}

static int op_rmdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name)
{
	(void)t, (void)who, (void)dir, (void)name;
	return refuse(EROFS, READ_ONLY);
}

/* --- life --- */

static void op_destroy(struct tree *t)
{
	struct v1 *v = v1_of(t);

	for (int slot = 0; slot < V1_ROLES; slot++)
		tree_destroy(v->slots[slot].tree);
	v1_nodes_free(v);
	free(v);
}

static const struct tree_ops v1_ops = {
	.stat = op_stat, .setattr = op_setattr, .list = op_list, .mkdir = op_mkdir,
	.rmdir = op_rmdir, .open = op_open, .locate = op_locate, .destroy = op_destroy,
};

/* The root of a hierarchy of v1 has files that nobody else has; that of v2 lacks its type. */
static int find_whole(struct v1_slot *slot)
{
	struct stat st;
	int r = slot->tree->ops->stat(slot->tree, TREE_ROOT,
				      slot->v2 ? "cgroup.type" : "cgroup.sane_behavior", &st);

	if (r < 0 && r != -ENOENT)
		return r;
	slot->whole = (r == 0) != slot->v2;
	return 0;
}

static int take(struct v1 *v, const struct v1_hierarchy *h)
{
	int slot = __builtin_ctz(h->roles);
	int r;

	v->slots[slot] = (struct v1_slot){ .tree = h->tree, .v2 = h->v2 };
	for (int role = slot; role < V1_ROLES; role++) {
		if (!(h->roles & 1u << role))
			continue;
		v->home[role] = slot;
		v->alone[role] = h->roles == 1u << role;
	}
	r = find_whole(&v->slots[slot]);
	v->machine = v->machine && v->slots[slot].whole;
	return r;
}

int v1_new_over(const struct v1_source *source, struct tree **ret_tree)
{
	const struct v1_hierarchy *hierarchies = source->hierarchies;
	struct v1 *v = calloc(1, sizeof *v);
	int r;

	if (!v) {
		for (size_t i = 0; i < source->n; i++)
			tree_destroy(hierarchies[i].tree);
		return -ENOMEM;
	}
	v->tree.ops = &v1_ops;
	v->source = *source;
	v->machine = true;
	for (int role = 0; role < V1_ROLES; role++)
		v->home[role] = NOWHERE;
	r = v1_nodes_init(v);
	/* All are taken over, come what may. */
	for (size_t i = 0; i < source->n; i++) {
		int failed = take(v, &hierarchies[i]);

		r = r < 0 ? r : failed;
	}
	if (r < 0) {
		op_destroy(&v->tree);
		return r;
	}
	*ret_tree = &v->tree;
	return 0;
}
