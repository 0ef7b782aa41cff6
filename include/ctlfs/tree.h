/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A cgroup v2 hierarchy: the contract between the backends (kernel, emulator) and everything that
 * uses one (FUSE, views, commands). A backend is a struct tree_ops; nobody asks which one it is.
 *
 * A node is a directory (a cgroup) or an interface file in it. Its number is stable, never reused
 * and below 2^40 for directories, 2^56 for files; TREE_ROOT is the hierarchy's top. What names a
 * node that is gone fails with -ENODEV (-ENOENT where a name is looked up in it).
 *
 * Every function returns 0 or -errno with the kernel's errno, leaves ret_ alone on failure, may be
 * called from any thread, and notes the reason of a refusal with refuse() (why.h). Modes are
 * checked by the front end (default_permissions); a backend checks what the kernel checks beyond.
 */
#ifndef CTLFS_TREE_H
#define CTLFS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "ctlfs/buf.h"

#define TREE_ROOT 1

struct tree;
struct tree_file;

/* On whose behalf: ids as the daemon sees them; pid is a thread id, 0 if invisible to the daemon.
 */
struct caller {
	pid_t pid;
	uid_t uid;
	gid_t gid;
	mode_t umask;
};

/* Entries of a directory, without "." and ".."; names owned by the list. */
struct tree_entry {
	char *name;
	uint64_t node;
	bool dir;
};

struct tree_list {
	struct tree_entry *entries;
	size_t n, cap;
};

/* What an extended attribute is to become. */
struct tree_xattr {
	const void *value; /* NULL: it is removed (-ENODATA) */
	size_t size;
	int flags; /* XATTR_CREATE (-EEXIST), XATTR_REPLACE (-ENODATA), or 0 */
};

/* Who may see and change which attribute is checked by the kernel before it asks the front end;
 * -EOPNOTSUPP for names that the file system does not have. */
struct tree_xattr_ops {
	int (*get)(struct tree *t, uint64_t node, const char *name, struct buf *out); /* -ENODATA */
	/* Names, each with its NUL. */
	int (*list)(struct tree *t, uint64_t node, struct buf *out);
	int (*set)(struct tree *t, const struct caller *who, uint64_t node, const char *name,
		   const struct tree_xattr *x);
};

struct tree_ops {
	/* Attributes of node, or of its entry name unless NULL; ".." is the parent (the root's is
	 * itself); "" is node itself also if it was removed and not forgotten. st_ino is the node's
	 * number. -ENOENT, -ENOTDIR, -ENODEV. */
	int (*stat)(struct tree *t, uint64_t node, const char *name, struct stat *ret_stat);
	/* Sets what valid names (TREE_SET_*) from *attr: chmod(2), chown(2), utimensat(2). */
	int (*setattr)(struct tree *t, const struct caller *who, uint64_t node,
		       const struct stat *attr, unsigned valid);
	int (*list)(struct tree *t, uint64_t dir, struct tree_list *ret_list);
	/* mode is what mkdir(2) was given; who->umask has not been applied yet. */
	int (*mkdir)(struct tree *t, const struct caller *who, uint64_t dir, const char *name,
		     mode_t mode);
	int (*rmdir)(struct tree *t, const struct caller *who, uint64_t dir, const char *name);
	/* flags: O_RDONLY, O_WRONLY or O_RDWR. The file acts with the opener's rights. */
	int (*open)(struct tree *t, const struct caller *who, uint64_t node, int flags,
		    struct tree_file **ret_file);
	/* The cgroup of process pid (as the daemon sees it). -ESRCH; -ENOENT if it lies outside. */
	int (*locate)(struct tree *t, pid_t pid, uint64_t *ret_dir);
	/* May who look into node: list it, read its xattrs? Asked by a front end before it does
	 * that for him. -EACCES, -EINTR. NULL: everybody may. */
	int (*look)(struct tree *t, const struct caller *who, uint64_t node);
	/* What tree_read() and, for directories, tree_parent() say, where they can be had for less
	 * than by stat and open: a parent also of a directory that is gone. NULL: by those. */
	int (*read)(struct tree *t, uint64_t dir, const char *name, struct buf *out);
	int (*parent)(struct tree *t, uint64_t dir, uint64_t *ret_parent);
	void (*destroy)(struct tree *t);
	/* Nobody uses directory node any more: see struct tree, forgets. NULL: need not be told. */
	void (*forget)(struct tree *t, uint64_t node);
	const struct tree_xattr_ops *xattr;
};

#define TREE_SET_MODE 1u
#define TREE_SET_UID 2u
#define TREE_SET_GID 4u
#define TREE_SET_ATIME 8u
#define TREE_SET_MTIME 16u

/* An open interface file. Calls on one file are serialised by its user. */
struct tree_file_ops {
	/* Appends the whole text of one moment. reader decides in whose pid namespace pids are. */
	int (*read)(struct tree_file *f, const struct caller *reader, struct buf *out);
	/* One command. text is NUL-terminated at len, may be changed, len >= 1; kernfs' bound of
	 * 4096 bytes (-E2BIG) is checked here by those that have it. */
	int (*write)(struct tree_file *f, const struct caller *writer, char *text, size_t len);
	/* What poll(2) finds (POLLIN ...), 0: what follows from changed and from reads. Files with
	 * answers of their own are asked again by who waits whenever changed was called. NULL: 0.
	 */
	unsigned (*poll)(struct tree_file *f);
	void (*close)(struct tree_file *f); /* frees f */
};

struct tree_file {
	const struct tree_file_ops *ops;
	struct tree *tree;
	uint64_t node;
};

struct tree {
	const struct tree_ops *ops;
	/* Directories change through these ops only (emulator), so that their entries and
	 * attributes may be cached without end. */
	bool exclusive;
	/* Set by a front end that calls forget() for each directory that rmdir() removed on behalf
	 * of somebody else than TREE_SELF, some time later: as kernfs remembers what is open,
	 * stat(""), setattr() and xattrs of it and of its files work until then, and it lists
	 * nothing. */
	bool forgets;
	/* Called, possibly from a thread of the backend and with its locks held, when the content
	 * of a notifying file (cgroup.events ...) changed, or a directory vanished: must not call
	 * back. Set by the front end before the tree is used; may be NULL. */
	void (*changed)(void *data, uint64_t node);
	void *changed_data;
};

/* Conveniences over the ops, in src/tree. */
extern const struct caller TREE_SELF; /* the daemon itself: pid 0, uid 0, gid 0 */

/* For backends: tells the front end, if there is one, that node changed. */
void tree_changed(struct tree *t, uint64_t node);
/* Sets who is told, NULL for nobody. The one before is not being told any more on return. */
void tree_on_change(struct tree *t, void (*changed)(void *data, uint64_t node), void *data);

void tree_destroy(struct tree *t); /* NULL is fine */
/* Appends the text of interface file name of dir. */
int tree_read(struct tree *t, uint64_t dir, const char *name, struct buf *out);
int tree_read_node(struct tree *t, uint64_t file, struct buf *out); /* by its number */
/* Writes text to interface file name of dir as the daemon itself. */
int tree_write(struct tree *t, uint64_t dir, const char *name, const char *text);
/* By path from the root, as the daemon itself; "/a/b", "a/b" and "/a/b/" are the same cgroup. */
int tree_mkdir(struct tree *t, const char *path, mode_t mode); /* the parent exists; mode 0755 */
int tree_rmdir(struct tree *t, const char *path);
int tree_get(struct tree *t, const char *path, struct buf *out); /* appends "/a/b/memory.max" */
int tree_set(struct tree *t, const char *path, const char *text);
int tree_parent(struct tree *t, uint64_t node, uint64_t *ret_parent); /* the root's is itself */
/* The directory at path ("/a/b", "a/b", "" and "/" are the root). */
int tree_walk(struct tree *t, const char *path, uint64_t *ret_node);
/* Appends the path of a node from the root: "/", "/a/b", "/a/b/memory.max". For messages, links. */
int tree_path(struct tree *t, uint64_t node, struct buf *out);
bool tree_inside(struct tree *t, uint64_t node, uint64_t ancestor); /* itself counts */

int tree_list_add(struct tree_list *list, const char *name, uint64_t node, bool dir);
void tree_list_free(struct tree_list *list);
#define cleanup_tree_list __attribute__((cleanup(tree_list_free)))

#endif
