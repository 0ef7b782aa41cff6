/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Calls that may take long: writes, mkdir, rmdir, which wait for locks of the kernel and memory,
 * and reads behind them. Each holds a worker, and a container may have a share of these
 * (BOUND_WAITING). What comes beyond waits here, without a worker, for one of its container's to be
 * over: as a caller of the kernel waits for its locks, and unlike a refusal, after which it would
 * ask again at once.
 */
#ifndef CTLFS_FUSE_TURNS_H
#define CTLFS_FUSE_TURNS_H

#include <pthread.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctlfs/quota.h"

struct fuse_req;
struct handle;
struct server;
struct turn; /* turns.c: a call that waits */

struct call {
	/* Replies: what it is asked for, or that it is refused for r (-errno). Says turn_over() in
	 * between, when all that may take long is done. */
	void (*serve)(struct call *c, int r);
	struct fuse_req *req;
	struct handle *h; /* a reference that serve gives back, or NULL */
	uint64_t node;
	const char *data; /* a name with its NUL, or a text, or NULL; valid until served */
	size_t size; /* of data; of a read, how much is wanted */
	off_t off;
	mode_t mode;
	struct quota_claim turn; /* of BOUND_WAITING */
	struct turn *next; /* whose turn it is when this one's is over */
};

struct turns_queue;

struct turns {
	pthread_mutex_t lock;
	struct turns_queue *queues; /* uthash on the innermost cgroup */
	struct turns_queue *round; /* the same ones: who was served last comes last */
	_Atomic unsigned waiting; /* calls in all of them */
};

void turns_init(struct server *s);
/* Serves the call now, or keeps a copy and serves it from whatever worker is free in its turn. */
void turns_call(struct call *c);
void turn_over(struct call *c);
void turns_stop(struct server *s); /* when no worker is left: those that still wait see EINTR */
void turns_free(struct server *s);

#endif
