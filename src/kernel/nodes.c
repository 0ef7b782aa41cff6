/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * From a node's number to the node. A directory is opened by its number where that is allowed
 * (open_by_handle_at wants CAP_DAC_READ_SEARCH); else, and for files always, where the node lies
 * is remembered when its name is looked up. The memory is bounded: what has been forgotten is
 * searched for in the tree.
 *
 * What is remembered lies below the root and stays true, since nodes never move.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"

#define NODES_MAX 65536
#define DEPTH_MAX 4096 /* going up */
#define SCAN_DEPTH_MAX 256 /* going down: one fd a level */
#define FILEID_KERNFS 0xfe

struct node {
	struct lru_item item; /* the key is the number */
	uint64_t dir;
	bool is_dir;
	char name[];
};

static void drop_node(void *data, struct lru_item *item)
{
	(void)data;
	free(item);
}

int nodes_init(struct kernel *k)
{
	k->nodes.drop = drop_node;
	pthread_mutex_init(&k->nodes_lock, NULL);
	return lru_init(&k->nodes, NODES_MAX / k->share);
}

void nodes_free(struct kernel *k)
{
	lru_free(&k->nodes);
	pthread_mutex_destroy(&k->nodes_lock);
}

void place_free(struct place *place)
{
	free(place->name);
}

/* Running out of memory only means to search later. */
void node_remember(struct kernel *k, const struct tree_entry *entry, uint64_t dir)
{
	size_t size = strlen(entry->name) + 1;
	struct node *node;
	guard_mutex(&k->nodes_lock);

	if (entry->node == TREE_ROOT || lru_find(&k->nodes, entry->node))
		return;
	node = malloc(sizeof *node + size);
	if (!node)
		return;
	node->item.key = entry->node;
	node->dir = dir;
	node->is_dir = entry->dir;
	memcpy(node->name, entry->name, size);
	lru_add(&k->nodes, &node->item);
}

/* -ENODEV if nothing is remembered. */
static int recall(struct kernel *k, uint64_t number, struct place *ret_place)
{
	const struct node *node;
	char *name;
	guard_mutex(&k->nodes_lock);

	node = (struct node *)lru_find(&k->nodes, number);
	if (!node)
		return -ENODEV;
	name = strdup(node->name);
	if (!name)
		return -ENOMEM;
	*ret_place = (struct place){ .dir = node->dir, .name = name, .is_dir = node->is_dir };
	return 0;
}

static int open_handle(const struct kernel *k, uint64_t ino)
{
	union {
		struct file_handle head;
		char room[sizeof(struct file_handle) + sizeof ino];
	} handle = { .head = { .handle_bytes = sizeof ino, .handle_type = FILEID_KERNFS } };
	int fd;

	memcpy(handle.head.f_handle, &ino, sizeof ino);
	fd = open_by_handle_at(k->root, &handle.head, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return errno == ESTALE ? -ENODEV : -errno;
	return fd;
}

void nodes_probe(struct kernel *k)
{
	cleanup_close int fd = open_handle(k, k->root_ino);

	k->handles = fd >= 0;
}

/* The name of directory node in its parent, as procfs shows it: to be checked. */
static int name_of(const struct kernel *k, int fd, int parent, uint64_t node, char **ret_name)
{
	char path[PATH_MAX], link[64];
	struct stat st;
	const char *name;
	ssize_t len;

	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	len = readlink(link, path, sizeof path - 1);
	if (len < 0)
		return -errno;
	path[len] = '\0';
	name = strrchr(path, '/');
	if (!name || at_stat(k, parent, name + 1, &st) < 0 || st.st_ino != node)
		return -ENODEV;
	*ret_name = strdup(name + 1);
	return *ret_name ? 0 : -ENOMEM;
}

/* Does directory fd lie below the root? Goes up until it meets the root or leaves the mount. */
static bool inside(const struct kernel *k, int fd)
{
	cleanup_close int at = -1;
	uint64_t last = 0;
	struct stat st;

	for (int depth = 0; depth < DEPTH_MAX; depth++) {
		int up;

		if (at_stat(k, at < 0 ? fd : at, "", &st) < 0 || st.st_ino == last)
			return false;
		if (st.st_ino == TREE_ROOT)
			return true;
		last = st.st_ino;
		up = openat(at < 0 ? fd : at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (up < 0)
			return false;
		if (at >= 0)
			close(at);
		at = up;
	}
	return false;
}

/* Admits directory node, found by its number, if it is one of ours. */
static int admit(struct kernel *k, uint64_t node, int fd)
{
	struct tree_entry entry = { .node = node, .dir = true };
	cleanup_free char *name = NULL;
	cleanup_close int parent = -1;
	struct stat st;

	if (!inside(k, fd))
		return -ENODEV;
	parent = openat(fd, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (parent < 0)
		return -ENODEV;
	if (at_stat(k, parent, "", &st) < 0 || name_of(k, fd, parent, node, &name) < 0)
		return -ENODEV;
	entry.name = name;
	node_remember(k, &entry, st.st_ino);
	return 0;
}

/* Looks for node below directory dir, open as fd; all that is met is remembered. */
static int scan(struct kernel *k, uint64_t dir, int fd, uint64_t node, int depth)
{
	cleanup_tree_list struct tree_list list = { 0 };
	int r = at_list(k, fd, &list);

	if (r < 0)
		return r;
	for (size_t i = 0; i < list.n; i++) {
		node_remember(k, &list.entries[i], dir);
		if (list.entries[i].node == node)
			return 0;
	}
	for (size_t i = 0; depth < SCAN_DEPTH_MAX && i < list.n; i++) {
		const struct tree_entry *e = &list.entries[i];
		cleanup_close int sub = e->dir ? at_open(fd, e->name, O_PATH | O_DIRECTORY) : -1;

		if (sub >= 0 && scan(k, e->node, sub, node, depth + 1) == 0)
			return 0;
	}
	return -ENODEV;
}

/* By number: 0 if it was found and is remembered now, 1 if only a search can tell, or -errno. */
static int find_by_handle(struct kernel *k, uint64_t node)
{
	cleanup_close int fd = -1;
	struct stat st;
	int r;

	if (!k->handles)
		return 1;
	fd = open_handle(k, node);
	if (fd < 0)
		return fd;
	r = at_stat(k, fd, "", &st);
	if (r < 0)
		return -ENODEV;
	/* A file's directory cannot be had from the file. */
	return S_ISDIR(st.st_mode) ? admit(k, node, fd) : 1;
}

int node_place(struct kernel *k, uint64_t node, struct place *ret_place)
{
	int r = recall(k, node, ret_place);

	if (r != -ENODEV)
		return r;
	r = find_by_handle(k, node);
	if (r > 0)
		r = scan(k, TREE_ROOT, k->root, node, 0);
	return r < 0 ? r : recall(k, node, ret_place);
}

/* Writes the path of a directory from the root into path's end. */
static int path_of(struct kernel *k, uint64_t node, char path[PATH_MAX], const char **ret_path)
{
	size_t pos = PATH_MAX - 1;

	path[pos] = '\0';
	while (node != TREE_ROOT) {
		cleanup_place struct place place = { 0 };
		int r = node_place(k, node, &place);
		size_t len;

		if (r < 0)
			return r;
		len = strlen(place.name);
		if (len + 1 > pos)
			return -ENAMETOOLONG;
		pos -= len;
		memcpy(path + pos, place.name, len);
		path[--pos] = '/';
		node = place.dir;
	}
	*ret_path = path[pos] ? path + pos + 1 : ".";
	return 0;
}

int node_full_path(struct kernel *k, uint64_t node, struct buf *out)
{
	char path[PATH_MAX];
	const char *from_root;
	int r = path_of(k, node, path, &from_root);

	if (r < 0)
		return r;
	if (k->base)
		buf_adds(out, k->base);
	if (node != TREE_ROOT)
		buf_addf(out, "/%s", from_root);
	else if (!k->base || !*k->base)
		buf_adds(out, "/");
	return buf_error(out);
}

/* Costs no system call as long as the way is remembered. */
int node_inside(struct kernel *k, uint64_t node, uint64_t ancestor)
{
	for (int depth = 0; node != ancestor; depth++) {
		cleanup_place struct place place = { 0 };
		int r;

		if (node == TREE_ROOT)
			return 0;
		r = depth < DEPTH_MAX ? node_place(k, node, &place) : -ELOOP;
		if (r < 0)
			return r;
		node = place.dir;
	}
	return 1;
}

/* Opens fd's node unless it is another than it was. */
static int checked(const struct kernel *k, int fd, uint64_t node)
{
	struct stat st;
	int r = fd < 0 ? fd : at_stat(k, fd, "", &st);

	if (r == 0 && st.st_ino == node)
		return fd;
	if (fd >= 0)
		close(fd);
	return r == 0 || r == -ENOENT ? -ENODEV : r;
}

static int dir_by_path(struct kernel *k, uint64_t node)
{
	char path[PATH_MAX];
	const char *from_root;
	struct stat st;
	int r = path_of(k, node, path, &from_root);
	int fd;

	if (r < 0)
		return r;
	fd = checked(k, at_open(k->root, from_root, O_PATH | O_DIRECTORY), node);
	/* A removed directory that is still open can be reached by ".", so ask for an entry. */
	if (fd >= 0 && at_stat(k, fd, "cgroup.procs", &st) < 0) {
		close(fd);
		return -ENODEV;
	}
	return fd;
}

int node_dir(struct kernel *k, uint64_t node)
{
	int fd;
	int r;

	if (node != TREE_ROOT) {
		cleanup_place struct place place = { 0 };

		r = node_place(k, node, &place);
		if (r < 0)
			return r;
		if (!place.is_dir)
			return -ENOTDIR;
	}
	if (!k->handles)
		return dir_by_path(k, node);
	fd = open_handle(k, node == TREE_ROOT ? k->root_ino : node);
	return fd;
}

int node_any(struct kernel *k, uint64_t node)
{
	cleanup_place struct place place = { 0 };
	cleanup_close int dir = -1;
	int r;

	if (node == TREE_ROOT)
		return node_dir(k, node);
	r = node_place(k, node, &place);
	if (r < 0)
		return r;
	if (place.is_dir)
		return node_dir(k, node);
	dir = node_dir(k, place.dir);
	if (dir < 0)
		return dir;
	return checked(k, at_open(dir, place.name, O_PATH), node);
}

int node_held(struct kernel *k, uint64_t node)
{
	cleanup_kept struct kept *kept = NULL;
	int fd = node_any(k, node);

	if (fd != -ENODEV || !k->tree.forgets)
		return fd;
	kept = kept_find(k, node);
	if (!kept)
		return opened_fd(k, node);
	fd = fcntl(kept->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}
