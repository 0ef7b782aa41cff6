/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A directory of plain files as a tree that can only be read. It is not trusted: everything is
 * opened beneath its top, through no symbolic link, and is a directory or a regular file.
 */
#include "plain.h"

#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/export.h"
#include "ctlfs/why.h"

#define CGROUP2_MAGIC 0x63677270
#define FUSE_MAGIC 0x65735546

/* What has been seen, found by parent and name. */
struct node {
	UT_hash_handle hh; /* plain->by_key */
	uint64_t number;
	unsigned depth;
	struct key {
		uint64_t parent;
		char name[NAME_MAX + 1];
	} key; /* only as long as the name is */
};

struct plain {
	struct tree tree;
	int fd;
	bool has_attrs;
	struct attr_list attrs; /* a snapshot's */
	pthread_mutex_t lock; /* of what follows */
	struct node **nodes; /* by number: nodes[0] is nobody, then the top */
	uint64_t n, cap;
	struct node *by_key;
};

struct plain_file {
	struct tree_file file;
	int fd;
};

static struct plain *plain_of(struct tree *t)
{
	return (struct plain *)t; /* its first member */
}

int plain_refuse(int r, const char *path)
{
	char reason[200];
	const char *noted = why_take();

	strncpy(reason, *noted ? noted : strerror(-r), sizeof reason - 1);
	reason[sizeof reason - 1] = '\0';
	return refuse(-r, "%s: %s", path, reason);
}

/* --- nodes --- */

static size_t key_size(const char *name)
{
	return offsetof(struct key, name) + strlen(name) + 1;
}

static int nodes_grow(struct plain *p)
{
	uint64_t cap = p->cap ? 2 * p->cap : 64;
	struct node **grown;

	if (p->n < p->cap)
		return 0;
	grown = reallocarray(p->nodes, cap, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	p->nodes = grown;
	p->cap = cap;
	return 0;
}

static int node_new(struct plain *p, const struct key *key, size_t size, uint64_t *ret_node)
{
	unsigned depth = p->n > TREE_ROOT ? p->nodes[key->parent]->depth + 1 : 0;
	struct node *node;

	if (depth > PLAIN_DEPTH_MAX || p->n > PLAIN_NODES_MAX)
		return refuse(EOVERFLOW, "the directory is too deep, or holds too much");
	if (nodes_grow(p) < 0)
		return -ENOMEM;
	node = calloc(1, offsetof(struct node, key) + size);
	if (!node)
		return -ENOMEM;
	node->number = p->n;
	node->depth = depth;
	memcpy(&node->key, key, size);
	HASH_ADD_KEYPTR(hh, p->by_key, &node->key, size, node);
	if (!node->hh.tbl) {
		free(node);
		return -ENOMEM;
	}
	p->nodes[p->n] = node;
	*ret_node = p->n++;
	return 0;
}

/* Its number, given to it if it is new. */
static int node_of(struct plain *p, uint64_t dir, const char *name, uint64_t *ret_node)
{
	struct key key = { .parent = dir };
	struct node *node;

	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(key.name, name);
	guard_mutex(&p->lock);
	HASH_FIND(hh, p->by_key, &key, key_size(name), node);
	if (!node)
		return node_new(p, &key, key_size(name), ret_node);
	*ret_node = node->number;
	return 0;
}

static void path_locked(const struct plain *p, uint64_t node, struct buf *out)
{
	uint64_t chain[PLAIN_DEPTH_MAX + 1];
	unsigned n = 0;

	for (; node != TREE_ROOT; node = p->nodes[node]->key.parent)
		chain[n++] = node;
	if (!n)
		buf_adds(out, ".");
	while (n--) {
		buf_adds(out, p->nodes[chain[n]]->key.name);
		buf_adds(out, n ? "/" : "");
	}
}

/* Appends the path of node, or of its entry name. */
static int path_of(struct plain *p, uint64_t node, const char *name, struct buf *out)
{
	guard_mutex(&p->lock);
	if (node < TREE_ROOT || node >= p->n)
		return -ENODEV;
	if (!name || node != TREE_ROOT)
		path_locked(p, node, out);
	if (name)
		buf_addf(out, "%s%s", node == TREE_ROOT ? "" : "/", name);
	return buf_error(out);
}

/* --- files --- */

static int open_beneath(const struct plain *p, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd;

	if (flags & O_PATH)
		how.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW);
	do
		fd = syscall(SYS_openat2, p->fd, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN);
	return fd < 0 ? -errno : (int)fd;
}

static int stat_beneath(const struct plain *p, const char *path, struct stat *ret_stat)
{
	cleanup_close int fd = open_beneath(p, path, O_PATH);
	const struct attr_line *attr;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return plain_refuse(refuse(ELOOP, "neither a directory nor a file"), path);
	attr = attr_list_find(&p->attrs, path);
	if (attr) {
		st.st_mode = (st.st_mode & S_IFMT) | attr->mode;
		st.st_uid = attr->uid;
		st.st_gid = attr->gid;
	}
	*ret_stat = st;
	return 0;
}

static int op_stat(struct tree *t, uint64_t node, const char *name, struct stat *ret_stat)
{
	cleanup_buf struct buf path = { 0 };
	struct plain *p = plain_of(t);
	struct stat st;
	int r;

	if (name && !strcmp(name, "..")) {
		guard_mutex(&p->lock);
		if (node < TREE_ROOT || node >= p->n)
			return -ENOENT;
		node = p->nodes[node]->key.parent;
		name = NULL;
	}
	if (name && (!*name || strchr(name, '/')))
		return -ENOENT;
	r = path_of(p, node, name && strcmp(name, ".") ? name : NULL, &path);
	if (r == 0)
		r = stat_beneath(p, buf_text(&path), &st);
	if (r == 0 && name && strcmp(name, "."))
		r = node_of(p, node, name, &node);
	if (r < 0)
		return r;
	st.st_ino = node;
	*ret_stat = st;
	return 0;
}

/* An entry: nothing but directories and files may be there. */
static int list_entry(struct plain *p, uint64_t dir, const struct dirent *e, struct tree_list *list)
{
	uint64_t node;
	int r;

	if (e->d_type != DT_DIR && e->d_type != DT_REG && e->d_type != DT_UNKNOWN) {
		cleanup_buf struct buf path = { 0 };

		path_of(p, dir, e->d_name, &path);
		return refuse(ELOOP, "%s: neither a directory nor a file", buf_text(&path));
	}
	r = node_of(p, dir, e->d_name, &node);
	return r < 0 ? r : tree_list_add(list, e->d_name, node, e->d_type == DT_DIR);
}

static int list_fd(struct plain *p, uint64_t dir, int fd, struct tree_list *list)
{
	cleanup_closedir DIR *d = fdopendir(fd);
	const struct dirent *e;
	int r = 0;

	if (!d) {
		r = -errno;
		close(fd);
		return r;
	}
	while (r == 0 && (errno = 0, e = readdir(d))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (dir == TREE_ROOT && !strcmp(e->d_name, PLAIN_LIST)))
			continue;
		r = list_entry(p, dir, e, list);
	}
	return r < 0 ? r : -errno;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct tree_entry *)a)->name, ((const struct tree_entry *)b)->name);
}

static int op_list(struct tree *t, uint64_t dir, struct tree_list *ret_list)
{
	cleanup_tree_list struct tree_list list = { 0 };
	cleanup_buf struct buf path = { 0 };
	struct plain *p = plain_of(t);
	int fd, r = path_of(p, dir, NULL, &path);

	if (r < 0)
		return r;
	fd = open_beneath(p, buf_text(&path), O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	r = list_fd(p, dir, fd, &list);
	if (r < 0)
		return r;
	if (list.n)
		qsort(list.entries, list.n, sizeof *list.entries, by_name);
	*ret_list = list;
	list = (struct tree_list){ 0 };
	return 0;
}

static int file_read(struct tree_file *file, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return buf_pread(out, ((struct plain_file *)file)->fd, PLAIN_FILE_MAX);
}

static int file_write(struct tree_file *file, const struct caller *writer, char *text, size_t len)
{
	(void)file, (void)writer, (void)text, (void)len;
	return refuse(EROFS, "a directory of plain files is only read");
}

static void file_close(struct tree_file *file)
{
	close(((struct plain_file *)file)->fd);
	free(file);
}

static int op_open(struct tree *t, const struct caller *who, uint64_t node, int flags,
		   struct tree_file **ret_file)
{
	static const struct tree_file_ops ops = {
		.read = file_read, .write = file_write, .close = file_close,
	};
	cleanup_buf struct buf path = { 0 };
	cleanup_close int fd = -1;
	struct plain_file *f;
	struct stat st;
	int r = path_of(plain_of(t), node, NULL, &path);

	(void)who;
	if (r == 0 && flags != O_RDONLY)
		r = refuse(EROFS, "a directory of plain files is only read");
	if (r < 0)
		return r;
	r = stat_beneath(plain_of(t), buf_text(&path), &st);
	if (r == 0 && S_ISDIR(st.st_mode))
		r = -EISDIR;
	if (r < 0)
		return r;
	fd = open_beneath(plain_of(t), buf_text(&path), O_RDONLY);
	if (fd < 0)
		return fd;
	f = calloc(1, sizeof *f);
	if (!f)
		return -ENOMEM;
	*f = (struct plain_file){ { &ops, t, node }, steal_fd(&fd) };
	*ret_file = &f->file;
	return 0;
}

/* --- what cannot be done --- */

static int op_setattr(struct tree *t, const struct caller *who, uint64_t node,
		      const struct stat *attr, unsigned valid)
{
	(void)t, (void)who, (void)node, (void)attr, (void)valid;
	return -EROFS;
}

static int op_mkdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name,
		    mode_t mode)
{
	(void)t, (void)who, (void)dir, (void)name, (void)mode;
	return -EROFS;
}

static int op_rmdir(struct tree *t, const struct caller *who, uint64_t dir, const char *name)
{
	(void)t, (void)who, (void)dir, (void)name;
	return -EROFS;
}

static int op_locate(struct tree *t, pid_t pid, uint64_t *ret_dir)
{
	(void)t, (void)pid, (void)ret_dir;
	return -ENOENT;
}

/* --- life --- */

static void op_destroy(struct tree *t)
{
	struct plain *p = plain_of(t);

	HASH_CLEAR(hh, p->by_key);
	for (uint64_t i = 0; i < p->n; i++)
		free(p->nodes[i]);
	free(p->nodes);
	attr_list_free(&p->attrs);
	pthread_mutex_destroy(&p->lock);
	if (p->fd >= 0)
		close(p->fd);
	free(p);
}

static const struct tree_ops plain_ops = {
	.stat = op_stat, .setattr = op_setattr, .list = op_list, .mkdir = op_mkdir,
	.rmdir = op_rmdir, .open = op_open, .locate = op_locate, .destroy = op_destroy,
};

bool plain_has_attrs(struct tree *t)
{
	return t->ops != &plain_ops || plain_of(t)->has_attrs;
}

/* The list of a snapshot; on cgroupfs and FUSE the files' own owners and modes are meant. */
static int read_attrs(struct plain *p)
{
	cleanup_close int fd = open_beneath(p, PLAIN_LIST, O_RDONLY);
	cleanup_buf struct buf text = { 0 };
	struct statfs fs;
	struct stat st;
	int r;

	if (fd == -ENOENT) {
		p->has_attrs = fstatfs(p->fd, &fs) == 0 &&
			       (fs.f_type == CGROUP2_MAGIC || fs.f_type == FUSE_MAGIC);
		return 0;
	}
	r = fd < 0 ? fd : 0;
	if (r == 0 && fstat(fd, &st) < 0)
		r = -errno;
	if (r == 0 && !S_ISREG(st.st_mode))
		r = refuse(ELOOP, "not a file");
	if (r == 0)
		r = buf_pread(&text, fd, PLAIN_LIST_MAX);
	if (r == 0 && strlen(buf_text(&text)) != text.len)
		r = refuse(EINVAL, "a NUL in it");
	if (r == 0 && !text.len)
		r = refuse(EINVAL, "it is empty");
	if (r == 0)
		r = attr_list_parse(steal_ptr(&text.data), &p->attrs);
	p->has_attrs = r == 0;
	return r < 0 ? plain_refuse(r, PLAIN_LIST) : 0;
}

int plain_new(const char *dir, struct tree **ret_tree)
{
	struct plain *p = calloc(1, sizeof *p);
	uint64_t node;
	int r;

	if (!p)
		return -ENOMEM;
	p->tree.ops = &plain_ops;
	pthread_mutex_init(&p->lock, NULL);
	p->fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	r = p->fd < 0 ? plain_refuse(-errno, dir) : 0;
	if (r == 0)
		r = node_of(p, 0, "", &node); /* nobody */
	if (r == 0)
		r = node_of(p, TREE_ROOT, "", &node);
	if (r == 0) {
		r = read_attrs(p);
		if (r < 0)
			plain_refuse(r, dir);
	}
	if (r < 0) {
		op_destroy(&p->tree);
		return r;
	}
	*ret_tree = &p->tree;
	return 0;
}
