/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The latest refused operations: MNT/ctl/errors and errors.json, which may be followed. A bounded
 * queue that containers share fairly (fair.h), and its readers, each of whom sees the records of
 * one container and of those inside it.
 */
#ifndef CTLFS_FUSE_ERRLOG_H
#define CTLFS_FUSE_ERRLOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "ctlfs/buf.h"
#include "ctlfs/fair.h"

#define ERRLOG_KEPT 1024
#define ERRLOG_READERS 256 /* open at once, of one container */
#define ERRLOG_CHUNK (32u << 10) /* bytes of one errlog_read(), and a record more */

struct record;
struct errlog_audience; /* errlog.c */
struct errlog_reader;

struct errlog {
	pthread_mutex_t lock;
	struct fair kept;
	uint64_t seq; /* of the latest */
	uint64_t pidns; /* of the daemon */
	struct errlog_audience *audiences; /* containers that have readers */
};

/* Who reads: whose records, in which form, and what is called, with the lock of the log held, when
 * there is something new. */
struct errlog_want {
	uint64_t container;
	bool json;
	void (*wake)(void *data);
	void *data;
};

void errlog_init(struct errlog *log);
void errlog_free(struct errlog *log); /* its readers are gone */
void errlog_add(struct errlog *log, struct record *r); /* takes r over */

/* -ENOMEM, or -EMFILE with the reason noted. */
int errlog_open(struct errlog *log, const struct errlog_want *want,
		struct errlog_reader **ret_reader);
void errlog_close(struct errlog_reader *reader); /* NULL is fine */
/* Appends lines that reader has not been shown yet, oldest first, and how many he has missed; pids
 * as in pidns. Nothing: he has been shown all that was there when the last nothing was said. */
int errlog_read(struct errlog_reader *reader, uint64_t pidns, struct buf *out);
void errlog_rewind(struct errlog_reader *reader); /* the next read begins with the oldest */
bool errlog_unread(struct errlog_reader *reader);

#endif
