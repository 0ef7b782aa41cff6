/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the files of the FUSE server share: the server, its open files, and the operations.
 *
 * Lock order: handle->lock, errlog.lock, events.lock; log_lock alone; for turns.lock see turns.c.
 * No lock but a handle's own is held over a call into a tree or a view, and none over a write to
 * /dev/fuse.
 */
#ifndef CTLFS_FUSE_SESSION_H
#define CTLFS_FUSE_SESSION_H

#define FUSE_USE_VERSION 314

#include <fuse3/fuse_lowlevel.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctlfs/quota.h"
#include "ctlfs/rate.h"
#include "ctlfs/server.h"
#include "errlog.h"
#include "nodes.h"
#include "turns.h"
#include "witness.h"

/* How long the kernel may trust what it was told: for ever, a second, not at all. */
#define FOREVER 1e9
#define A_SECOND 1.0
#define NEVER 0.0

#define THREADS_MAX 64

/* What one container may not have all of (bounds.c). */
enum bound { BOUND_FILES, BOUND_PAGES, BOUND_WAITING, BOUNDS };
#define BOUND_PAGE 4096

/* An open file of any kind. */
struct handle {
	atomic_uint refs; /* the kernel's and those of requests being answered */
	pthread_mutex_t lock; /* serialises reads and writes of one open file */
	struct server *server;
	uint64_t node; /* FUSE's number */
	uint64_t container; /* view files, ctl/errors: whose */
	struct tree_file *file; /* tree files, else NULL */
	struct errlog_reader *errors; /* ctl/errors, else NULL */
	struct buf text; /* the snapshot being read ... */
	bool taken; /* ... if there is one */
	size_t text_at; /* where it begins in the file: of ctl/errors it is a piece */
	size_t next_read; /* where a read goes on in the file */
	struct quota_claim files, pages; /* it counts as one file, its text as pages */
	bool echo; /* opened by the events thread, to raise IN_MODIFY */
	/* Protected by events.lock; see events.c. */
	struct fuse_pollhandle *waiting;
	bool changed; /* since the last read from offset 0 */
	bool due; /* whoever waits is to be woken: in the list of those */
	struct handle *prev, *next; /* in its bucket of events.open */
	struct handle *due_prev, *due_next;
};

struct change; /* events.c */

#define EVENT_BUCKETS 1024

/* Changes on their way from the backend to who waits for them. */
struct events {
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct handle *open[EVENT_BUCKETS]; /* files that somebody has open, by node */
	struct handle *due_first, *due_last; /* in the order in which they changed */
	struct change *changes; /* tree nodes that changed, each once, oldest first */
	bool stop;
	bool running;
	pthread_t thread;
	_Atomic pid_t tid;
	atomic_bool echoing; /* the thread is opening a file to raise IN_MODIFY */
	const char *mountpoint; /* borrowed; NULL: no IN_MODIFY */
	dev_t device; /* what is mounted there if it is still ours */
};

enum stat_counter { STAT_REQUESTS, STAT_LOOKUPS, STAT_OPENS, STAT_READS, STAT_WRITES,
		    STAT_ERRORS, STAT_EVENTS, STAT_LOG_SUPPRESSED, STAT_COUNTERS };

struct worker {
	struct server *server;
	pthread_t thread;
	int sleeping_fd; /* clones of the device: one blocks ... */
	int spinning_fd; /* ... and one does not */
};

struct server {
	struct server_config config;
	struct fuse_session *se;
	int fd; /* the device */
	bool session_owns_fd;
	uint64_t started_ns;
	struct worker workers[THREADS_MAX];
	pthread_mutex_t workers_lock; /* n_workers grows under it */
	_Atomic unsigned n_workers;
	_Atomic unsigned n_slow; /* of them in what may take long */
	unsigned n_spare; /* how many others there are to be: half of those at the start */
	atomic_bool spinner; /* somebody spins: at most one does */
	atomic_bool stop; /* workers end */
	int stop_fd; /* eventfd: readable when somebody wants the end */
	_Atomic uint64_t counters[STAT_COUNTERS];
	struct errlog errors;
	pthread_mutex_t log_lock;
	struct rate_sources log_rates; /* under log_lock */
	struct quota bounds[BOUNDS];
	struct turns turns;
	struct events events;
};

static inline struct server *server_of(fuse_req_t req)
{
	return fuse_req_userdata(req);
}

static inline void count(struct server *s, enum stat_counter which)
{
	atomic_fetch_add_explicit(&s->counters[which], 1, memory_order_relaxed);
}

static inline struct handle *handle_of(const struct fuse_file_info *fi)
{
	return (struct handle *)(uintptr_t)fi->fh;
}

/* dispatch.c: the one table of operations, and who asks. */
extern const struct fuse_lowlevel_ops server_ops;
struct caller caller_of(fuse_req_t req);
int may_look(fuse_req_t req, uint64_t node); /* tree_ops.look() for the caller */

/* bounds.c: 0, or -EMFILE, -ENOMEM if the container of thread tid has enough; the reason is noted.
 * A claim begins as all zero and is dropped in the end. */
void bounds_init(struct server *s);
void bounds_free(struct server *s);
int bounds_take(struct server *s, enum bound kind, pid_t tid, size_t amount,
		struct quota_claim *claim);
/* The same for somebody who is known, or NULL: of what is for anybody; without a reason. */
bool bounds_try(struct server *s, enum bound kind, const struct lineage *who, size_t amount,
		struct quota_claim *claim);
void bounds_who(struct server *s, pid_t tid, struct lineage *ret_who); /* whom it counts as */
/* Grows the claim; on failure there is none. */
int bounds_resize(struct server *s, enum bound kind, pid_t tid, size_t amount,
		  struct quota_claim *claim);
void bounds_drop(struct server *s, enum bound kind, struct quota_claim *claim);

/* refused.c */
/* Replies the error of r (-errno), counts it and keeps it for ctl/errors, with the reason that was
 * noted on the way. */
void reply_refused(fuse_req_t req, int r, const struct attempt *a);
/* Replies the error of r; that something is not there (any more) is no refusal. */
void reply_error(fuse_req_t req, int r, const struct attempt *a);
/* Something was changed, and will be replied: a line for the audit. */
void note_done(fuse_req_t req, const struct attempt *a);

/* where.c: appends the path of a node, for messages. */
void node_path(struct server *s, uint64_t node, struct buf *out);

/* names.c */
void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name);
void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_readlink(fuse_req_t req, fuse_ino_t node);
/* Attributes of a node and how long they hold. */
int node_attr(struct server *s, uint64_t node, struct stat *ret_attr, double *ret_timeout);

void op_forget(fuse_req_t req, fuse_ino_t node, uint64_t lookups);
void op_forget_multi(fuse_req_t req, size_t count, struct fuse_forget_data *forgets);

/* xattr.c */
void op_getxattr(fuse_req_t req, fuse_ino_t node, const char *name, size_t size);
void op_listxattr(fuse_req_t req, fuse_ino_t node, size_t size);
void op_setxattr(fuse_req_t req, fuse_ino_t node, const char *name, const char *value, size_t size,
		 int flags);
void op_removexattr(fuse_req_t req, fuse_ino_t node, const char *name);

/* list.c */
void op_opendir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_readdir(fuse_req_t req, fuse_ino_t node, size_t size, off_t off, struct fuse_file_info *fi);
void op_releasedir(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);

/* file.c */
void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);
void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off, struct fuse_file_info *fi);
void op_write(fuse_req_t req, fuse_ino_t node, const char *data, size_t size, off_t off,
	      struct fuse_file_info *fi);
void op_release(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi);

void file_put(struct handle *h); /* gives a reference back */
void file_close_all(struct server *s); /* when nobody serves any more */
bool file_is_gone(const struct handle *h); /* a tree's file, or its cgroup, was removed */

/* change.c */
void op_setattr(fuse_req_t req, fuse_ino_t node, struct stat *attr, int to_set,
		struct fuse_file_info *fi);
void op_mkdir(fuse_req_t req, fuse_ino_t parent, const char *name, mode_t mode);
void op_rmdir(fuse_req_t req, fuse_ino_t parent, const char *name);

/* events.c */
void events_init(struct server *s);
void events_start(struct server *s, const char *mountpoint);
void events_stop(struct server *s); /* while the workers still serve */
void events_free(struct server *s);
void events_add(struct handle *h); /* a file was opened */
void events_remove(struct handle *h);
struct handle *events_any(struct server *s); /* an open file, NULL if there is none */
void events_read(struct handle *h); /* h is about to be read from offset 0 */
void events_wake(struct handle *h); /* who polls h is to ask again */
bool events_is_echo(fuse_req_t req); /* the events thread's own open */
void op_poll(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi,
	     struct fuse_pollhandle *ph);

/* ctl.c */
const char *ctl_name(const struct server *s, size_t row); /* NULL past the end */
mode_t ctl_mode(size_t row);
int ctl_write(struct server *s, size_t row, const char *text);
int ctl_render(struct server *s, size_t row, const struct caller *reader, struct buf *out);
enum ctl_log { CTL_NO_LOG, CTL_LOG_TEXT, CTL_LOG_JSON };
enum ctl_log ctl_log(size_t row); /* whether it is the log of refusals, and in which form */

/* loop.c */
int loop_start(struct server *s);
void loop_stop(struct server *s); /* returns when no worker is left */
/* Around what may block for long, as writes that make the kernel reclaim memory do: a worker stays
 * free for everybody else. Through turns.c alone, which bounds how many there are. */
void loop_slow_begin(struct server *s);
void loop_slow_end(struct server *s);
/* Where this thread has read the request that it serves: the kernel takes the answer there and
 * nowhere else. */
int loop_device(void);
void loop_set_device(int device);
#define LOOP_SIGNAL SIGRTMIN /* interrupts a worker that sleeps in read(2) */
extern const struct fuse_custom_io loop_io;

#endif
