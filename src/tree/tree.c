/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every user of a tree needs and no backend should write twice: paths, whole-file reads. */
#include "ctlfs/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"

/* No hierarchy is deeper: a loop that is goes through a tree that changes under it. */
#define DEPTH_MAX 4096

const struct caller TREE_SELF = { 0 };

/* Held while somebody is told, so that who does not want to be told any more may go away. */
static pthread_mutex_t changed_lock = PTHREAD_MUTEX_INITIALIZER;

void tree_changed(struct tree *t, uint64_t node)
{
	guard_mutex(&changed_lock);
	if (t->changed)
		t->changed(t->changed_data, node);
}

void tree_on_change(struct tree *t, void (*changed)(void *data, uint64_t node), void *data)
{
	guard_mutex(&changed_lock);
	t->changed = changed;
	t->changed_data = data;
}

void tree_destroy(struct tree *t)
{
	if (t)
		t->ops->destroy(t);
}

int tree_read(struct tree *t, uint64_t dir, const char *name, struct buf *out)
{
	struct stat st;
	int r;

	if (t->ops->read)
		return t->ops->read(t, dir, name, out);
	r = t->ops->stat(t, dir, name, &st);
	return r < 0 ? r : tree_read_node(t, st.st_ino, out);
}

int tree_read_node(struct tree *t, uint64_t file_node, struct buf *out)
{
	struct tree_file *file;
	int r = t->ops->open(t, &TREE_SELF, file_node, O_RDONLY, &file);

	if (r < 0)
		return r;
	r = file->ops->read(file, &TREE_SELF, out);
	file->ops->close(file);
	return r;
}

int tree_write(struct tree *t, uint64_t dir, const char *name, const char *text)
{
	cleanup_free char *copy = strdup(text);
	struct tree_file *file;
	struct stat st;
	int r;

	if (!copy)
		return -ENOMEM;
	r = t->ops->stat(t, dir, name, &st);
	if (r < 0)
		return r;
	r = t->ops->open(t, &TREE_SELF, st.st_ino, O_WRONLY, &file);
	if (r < 0)
		return r;
	r = file->ops->write(file, &TREE_SELF, copy, strlen(copy));
	file->ops->close(file);
	return r < 0 ? r : 0;
}

int tree_parent(struct tree *t, uint64_t node, uint64_t *ret_parent)
{
	struct stat st;
	int r;

	if (t->ops->parent)
		return t->ops->parent(t, node, ret_parent);
	r = t->ops->stat(t, node, "..", &st);
	if (r < 0)
		return r;
	*ret_parent = st.st_ino;
	return 0;
}

int tree_walk(struct tree *t, const char *path, uint64_t *ret_node)
{
	cleanup_free char *copy = strdup(path);
	uint64_t node = TREE_ROOT;
	char *rest = copy;
	char *name;

	if (!copy)
		return -ENOMEM;
	while ((name = strsep(&rest, "/"))) {
		struct stat st;
		int r;

		if (!*name)
			continue;
		r = t->ops->stat(t, node, name, &st);
		if (r < 0)
			return r;
		node = st.st_ino;
	}
	*ret_node = node;
	return 0;
}

/* The name of node in dir: newly allocated. */
static int name_in(struct tree *t, uint64_t dir, uint64_t node, char **ret_name)
{
	cleanup_tree_list struct tree_list list = { 0 };
	int r = t->ops->list(t, dir, &list);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		if (list.entries[i].node != node)
			continue;
		*ret_name = steal_ptr(&list.entries[i].name);
		return 0;
	}
	return -ENODEV;
}

/* Fills path from its end: *pos is where the text that stands begins. */
static int prepend(char path[PATH_MAX], size_t *pos, const char *name)
{
	size_t len = strlen(name);

	if (len + 1 > *pos)
		return -ENAMETOOLONG;
	*pos -= len;
	memcpy(path + *pos, name, len);
	path[--*pos] = '/';
	return 0;
}

int tree_path(struct tree *t, uint64_t node, struct buf *out)
{
	char path[PATH_MAX];
	size_t pos = sizeof path - 1;

	path[pos] = '\0';
	for (int depth = 0; node != TREE_ROOT; depth++) {
		cleanup_free char *name = NULL;
		uint64_t parent;
		int r = depth < DEPTH_MAX ? tree_parent(t, node, &parent) : -ELOOP;

		if (r == 0)
			r = name_in(t, parent, node, &name);
		if (r == 0)
			r = prepend(path, &pos, name);
		if (r < 0)
			return r;
		node = parent;
	}
	buf_adds(out, path[pos] ? path + pos : "/");
	return buf_error(out);
}

bool tree_inside(struct tree *t, uint64_t node, uint64_t ancestor)
{
	for (int depth = 0; node != ancestor; depth++) {
		if (node == TREE_ROOT || depth == DEPTH_MAX || tree_parent(t, node, &node) < 0)
			return false;
	}
	return true;
}

int tree_list_add(struct tree_list *list, const char *name, uint64_t node, bool dir)
{
	char *copy;

	if (list->n == list->cap) {
		size_t cap = list->cap ? 2 * list->cap : 64;
		struct tree_entry *grown = reallocarray(list->entries, cap, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		list->entries = grown;
		list->cap = cap;
	}
	copy = strdup(name);
	if (!copy)
		return -ENOMEM;
	list->entries[list->n++] = (struct tree_entry){ .name = copy, .node = node, .dir = dir };
	return 0;
}

void tree_list_free(struct tree_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		free(list->entries[i].name);
	free(list->entries);
	*list = (struct tree_list){ 0 };
}
