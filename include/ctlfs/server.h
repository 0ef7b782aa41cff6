/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The FUSE server: MNT/{cgroup,proc,sys,view,ctl} over one tree and its views.
 */
#ifndef CTLFS_SERVER_H
#define CTLFS_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "ctlfs/tree.h"
#include "ctlfs/view.h"

#define SERVER_FSTYPE "fuse.ctlfs" /* as mountinfo has it */

struct audit;
struct server;

struct server_config {
	struct tree *tree; /* borrowed */
	struct view *view; /* borrowed */
	const char *backend; /* "kernel", "emulator" or "v1", for ctl/stats */
	bool views_only; /* the tree, which then has no inject, is not shown */
	unsigned threads; /* 0: by the number of CPUs */
	unsigned spin_usec; /* spin after a reply, 0: never */
	bool debug; /* libfuse's own protocol log on stderr */
	bool log_refusals; /* in the log, too: so many per container and minute (rate.h) */
	struct audit *audit; /* borrowed; NULL: none */
	/* ctl/inject: what is written to it and what it reads, emul.h; NULL: there is none. */
	int (*inject)(struct tree *t, const char *text);
	int (*inject_show)(struct tree *t, struct buf *out);
};

#define SERVER_SPIN_USEC 50

/* How to mount: needs CAP_SYS_ADMIN over the mount namespace, or fusermount3 for an ordinary user.
 */
struct mount_config {
	const char *mountpoint;
	bool allow_other;
	bool read_only;
};

/* Opens /dev/fuse and mounts. ret_fd is the device. The reason of a failure is noted (why.h):
 * -ENOENT or -EACCES without /dev/fuse, -EPERM without rights. */
int server_mount(const struct mount_config *config, int *ret_fd);

/* A server over a mounted device; owns fd from then on, also on failure. */
int server_new(const struct server_config *config, int fd, struct server **ret_server);

/* Serves until unmounted or server_stop(): 0, or -errno if the session failed. mountpoint may be
 * NULL; it is opened (O_PATH) once the session runs, for inotify. */
int server_serve(struct server *s, const char *mountpoint);

/* Ends server_serve(). Async-signal-safe. */
void server_stop(struct server *s);

void server_free(struct server *s); /* NULL is fine */

/* Unmounts a mount point of ours: lazily if it is busy. 0 or -errno. */
int server_unmount(const char *mountpoint);

#endif
