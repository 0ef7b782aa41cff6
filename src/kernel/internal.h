/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The kernel backend from inside. A node's number is the inode number that cgroupfs itself gives;
 * only the root's is TREE_ROOT. The number names the cgroup or file for good: cgroupfs neither
 * reuses nor moves nodes.
 *
 * Locks: each of nodes, kept, named, opened, watch and polling has one of its own; none is held
 * while another is taken.
 */
#ifndef CTLFS_KERNEL_INTERNAL_H
#define CTLFS_KERNEL_INTERNAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "ctlfs/buf.h"
#include "ctlfs/tree.h"
#include "ctlfs/lru.h"

#define OPENED_BUCKETS 256

struct containers;
struct host;
struct policy;
struct watch;
struct polling;
struct opened;

struct kernel {
	struct tree tree; /* first */
	int root; /* fd of the top directory, O_PATH if it may not be read */
	uint64_t root_ino;
	dev_t dev;
	uint64_t mount; /* the mount that root is on, 0 if the kernel does not say */
	bool handles; /* nodes can be found by number (open_by_handle_at) */
	bool privileged; /* deputy_privileged() */
	char *controller; /* of a hierarchy of cgroup v1 (kernel.h); NULL: cgroup v2 */
	unsigned share; /* of what may be kept, this tree takes one in so many */
	char *base; /* the root's path in /proc/PID/cgroup, "" for "/"; NULL if it is not known */
	pthread_mutex_t nodes_lock;
	struct lru nodes; /* struct node: where nodes are that were seen */
	pthread_mutex_t kept_lock;
	struct lru kept; /* struct kept: open files */
	pthread_mutex_t named_lock;
	struct lru named; /* struct named: which of these is called how */
	pthread_mutex_t opened_lock;
	struct opened *opened[OPENED_BUCKETS];
	struct watch *watch;
	struct polling *polling;
	/* guard.c: set once */
	struct policy *policy; /* owned */
	struct host *host;
	struct containers *containers;
	uint64_t pid_ns; /* our own */
	struct buf delegatable; /* names, each between newlines */
};

static inline struct kernel *kernel_of(struct tree *t)
{
	return (struct kernel *)t;
}

/* The root is known by its own inode number too, as the id of its cgroup. */
static inline uint64_t node_number(const struct kernel *k, uint64_t node)
{
	return node == k->root_ino ? TREE_ROOT : node;
}

/* at.c: the few system calls on names, which lead nowhere but into our own mount. */

/* Attributes of name in dirfd, or of dirfd itself if name is "". st_ino is the node's number.
 * -ENOENT also for a name with a slash, for what lies on another mount, and for the hierarchy's own
 * root if it is not the tree's: its number is TREE_ROOT too. */
int at_stat(const struct kernel *k, int dirfd, const char *name, struct stat *ret_stat);
/* Opens path below dirfd. Returns the fd or -errno. */
int at_open(int dirfd, const char *path, int flags);
/* The entries of the directory dirfd (any kind of fd); numbers are ours. */
int at_list(const struct kernel *k, int dirfd, struct tree_list *ret_list);

/* nodes.c: from numbers to places. */

struct place {
	uint64_t dir; /* the directory it lies in */
	char *name; /* owned */
	bool is_dir;
};

int nodes_init(struct kernel *k);
void nodes_free(struct kernel *k);
void nodes_probe(struct kernel *k); /* finds out whether handles may be used */
void node_remember(struct kernel *k, const struct tree_entry *entry, uint64_t dir);
/* Where node is; not for the root. -ENODEV if it is gone, or lies outside the root. */
int node_place(struct kernel *k, uint64_t node, struct place *ret_place);
/* A new O_PATH fd of directory node, which is there now. Returns it, or -ENODEV, -ENOTDIR. */
int node_dir(struct kernel *k, uint64_t node);
/* A new O_PATH fd of any node, likewise. */
int node_any(struct kernel *k, uint64_t node);
/* Likewise, or a new fd of a removed node that somebody may still have open. */
int node_held(struct kernel *k, uint64_t node);
/* 1 if directory node is ancestor or lies below it, 0 if not, or -errno. */
int node_inside(struct kernel *k, uint64_t node, uint64_t ancestor);
/* Appends the path of a directory as /proc/PID/cgroup shows it to us: "/", "/a/b". */
int node_full_path(struct kernel *k, uint64_t node, struct buf *out);
void place_free(struct place *place);
#define cleanup_place __attribute__((cleanup(place_free)))

/* kept.c: open files that are used again and again. */

struct kept {
	struct lru_item item; /* the key is the node */
	struct kernel *kernel;
	int fd;
	unsigned refs; /* under kept_lock; the table's own included */
	pthread_mutex_t reading; /* one reader at a time sees one moment */
};

size_t kept_capacity(const struct kernel *k); /* how many are kept at most */
int kept_init(struct kernel *k);
void kept_free(struct kernel *k);
/* The kept fd of node, held until kept_release(); NULL if there is none. */
struct kept *kept_find(struct kernel *k, uint64_t node);
/* Keeps fd, which is taken over (also on failure: NULL). */
struct kept *kept_add(struct kernel *k, uint64_t node, int fd);
/* The directory node, opened or kept: it may have been removed since. 0 or -errno. */
int kept_dir(struct kernel *k, uint64_t node, struct kept **ret_kept);
void kept_release(struct kept **kept); /* NULL inside is fine */
void kept_drop(struct kernel *k, uint64_t node);
#define cleanup_kept __attribute__((cleanup(kept_release)))

/* opened.c: files that somebody has open. */

struct opened { /* lives in the open file */
	uint64_t node;
	int fd;
	struct opened *next, **at; /* in its bucket of kernel.opened; at is NULL outside */
};

void opened_add(struct kernel *k, struct opened *o);
void opened_remove(struct kernel *k, struct opened *o); /* also if it was never added */
/* A duplicate of the fd of an open file. Returns it, or -ENODEV if node is not open. */
int opened_fd(struct kernel *k, uint64_t node);

/* polled.c: files that somebody polls. Each has a place for what is known of it, NULL at first. */
struct polled;
int polling_new(struct kernel *k, struct polling **ret_polling);
void polling_free(struct polling *p); /* NULL is fine; no file is polled any more */
/* Who polls the file is woken from now on, until polled_end(), which comes before it is closed.
 * Failing to do so is no error. */
void polled_begin(struct polling *p, struct polled **file, const struct opened *o);
/* The same, once a pressure trigger has been written to it. */
void polled_trigger(struct polling *p, struct polled **file, const struct opened *o);
void polled_end(struct polling *p, struct polled **file);
/* Whether its trigger has fired since this was last asked, without what poll() on it finds. */
bool polled_take(struct polling *p, struct polled **file);

/* named.c: tree_ops.read() */
int named_init(struct kernel *k);
void named_free(struct kernel *k);
int named_read(struct tree *t, uint64_t dir, const char *name, struct buf *out);

/* file.c */
#define READ_MAX (64u << 20)
bool holds_pids(const char *name); /* is it a list of them? */
int kernel_file_open(struct tree *t, const struct caller *who, uint64_t node, int flags,
		     struct tree_file **ret_file);

#define WRITE_MAX 4096 /* kernfs' own bound on 4 KiB pages */

struct write_job {
	int fd;
	const char *text;
	size_t len;
	bool asked; /* the kernel answered, not the deputy */
};

/* Does a write_job: for deputy_run(). */
int write_job_do(void *arg);

/* xattr.c */
extern const struct tree_xattr_ops kernel_xattr_ops;

/* locate.c */
int locate_init(struct kernel *k);
int locate_process(struct tree *t, pid_t pid, uint64_t *ret_dir);
/* The root of pid's cgroup namespace, which is not ours; the tree's root if it lies above. -ESRCH;
 * -ENOENT if it lies elsewhere, or pid outside it. */
int locate_ns_root(struct kernel *k, pid_t pid, uint64_t *ret_dir);

/* Opens for writing, with our own rights, the file called name in the cgroup that text
 * (/proc/PID/cgroup) tells, also outside of the tree. Returns the fd or -errno. */
int locate_open(struct kernel *k, const char *text, const char *name);

/* watch.c: relays the kernel's own events. */
int watch_new(struct kernel *k, struct watch **ret_watch);
void watch_free(struct watch *w); /* NULL is fine */
/* File node, called name, of directory dir (open as dirfd) is being used: relay its events if it
 * has any, and the removal of dir. Failing to do so is no error. */
void watch_file(struct watch *w, uint64_t dir, int dirfd, const struct tree_entry *file);

/* Whether node's events are being relayed, which counts as a use. */
bool watch_has(struct watch *w, uint64_t node);

/* reason.c: what the kernel's errno means. errnum is positive; they return -errnum. */
int reason_write(struct kernel *k, uint64_t dir, const char *name, const char *text, int errnum);
int reason_read(const char *name, int errnum);
int reason_mkdir(int errnum);
int reason_rmdir(struct kernel *k, uint64_t dir, const char *name, int errnum);

#endif
