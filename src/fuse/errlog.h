/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The latest refused operations, with the reason in words: MNT/ctl/errors. A bounded ring. */
#ifndef CTLFS_FUSE_ERRLOG_H
#define CTLFS_FUSE_ERRLOG_H

#include <pthread.h>
#include <stddef.h>
#include <time.h>

#include "ctlfs/buf.h"

#define ERRLOG_KEPT 128

struct errlog_entry {
	struct timespec when; /* CLOCK_REALTIME */
	char *where; /* path in the tree, "/a/memory.max" */
	int errnum;
	char *why; /* "" where nobody said */
};

struct errlog {
	pthread_mutex_t lock;
	struct errlog_entry ring[ERRLOG_KEPT];
	size_t next; /* entries ever added */
};

void errlog_init(struct errlog *log);
void errlog_free(struct errlog *log);
void errlog_add(struct errlog *log, const char *where, int errnum, const char *why);
/* Appends what happened at or below path prefix, oldest first, one line each. */
void errlog_show(struct errlog *log, const char *prefix, struct buf *out);

#endif
