/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A queue for each cgroup that has calls waiting, served in turns.
 *
 * Lock order: a request's own lock (libfuse's, which is held while on_interrupt() runs),
 * turns.lock, quota. A call that waits belongs to its queue; who takes it out of there, under the
 * lock, is the only one who replies to it.
 */
#include "turns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "session.h"

#define STATUS_MAX (1u << 20)

struct turn {
	struct call call;
	struct server *server;
	int device; /* where it is to be answered */
	struct turns_queue *queue; /* NULL: not in one */
	bool killed; /* before it was in one */
	struct quota_claim kept; /* of BOUND_PAGES, for this copy */
	struct turn *prev, *next;
	char data[];
};

struct turns_queue {
	uint64_t id;
	struct lineage who;
	struct turn *first;
	struct turns_queue *prev, *next; /* in turns.round */
	UT_hash_handle hh;
};

void turns_init(struct server *s)
{
	pthread_mutex_init(&s->turns.lock, NULL);
}

void turns_free(struct server *s)
{
	pthread_mutex_destroy(&s->turns.lock);
}

/* --- queues, with the lock --- */

static struct turns_queue *queue_get(struct turns *ts, const struct lineage *who)
{
	uint64_t id = who->id[who->n - 1];
	struct turns_queue *q;

	HASH_FIND(hh, ts->queues, &id, sizeof id, q);
	if (q)
		return q;
	q = calloc(1, sizeof *q);
	if (!q)
		return NULL;
	q->id = id;
	q->who = *who;
	HASH_ADD(hh, ts->queues, id, sizeof q->id, q);
	if (!q->hh.tbl) {
		free(q);
		return NULL;
	}
	DL_APPEND(ts->round, q);
	return q;
}

static void take_out(struct turns *ts, struct turn *t)
{
	struct turns_queue *q = t->queue;

	DL_DELETE(q->first, t);
	ts->waiting--;
	t->queue = NULL;
	DL_DELETE(ts->round, q);
	if (q->first) {
		DL_APPEND(ts->round, q);
		return;
	}
	HASH_DEL(ts->queues, q);
	free(q);
}

/* --- calls that wait --- */

static void turn_free(struct turn *t)
{
	bounds_drop(t->server, BOUND_PAGES, &t->kept);
	free(t);
}

/* One that was taken out, and is not to be served. */
static void give_up(struct turn *t)
{
	int device = loop_device();

	loop_set_device(t->device);
	fuse_reply_err(t->call.req, EINTR);
	loop_set_device(device);
	if (t->call.h)
		file_put(t->call.h);
	turn_free(t);
}

/* A fatal signal is passed on to each thread as SIGKILL (complete_signal() in the kernel). One that
 * is gone waits for nothing. */
static bool is_killed(pid_t tid)
{
	static const char title[] = "\nSigPnd:", zombie[] = "\nState:\tZ";
	cleanup_buf struct buf status = { 0 };
	char path[64];
	const char *line;

	snprintf(path, sizeof path, "/proc/%d/status", (int)tid);
	if (buf_readat(&status, AT_FDCWD, path, STATUS_MAX) < 0)
		return true;
	line = strstr(buf_text(&status), title);
	if (!line || strstr(buf_text(&status), zombie))
		return true;
	return strtoull(line + sizeof title - 1, NULL, 16) & 1ULL << (SIGKILL - 1);
}

/* A caller got a signal. One that is killed must not have to wait for its turn to end; for others,
 * as for a lock of the kernel, a signal is no reason. */
static void on_interrupt(fuse_req_t req, void *data)
{
	struct turn *t = data;
	struct turns *ts = &t->server->turns;

	if (!is_killed(fuse_req_ctx(req)->pid))
		return;
	pthread_mutex_lock(&ts->lock);
	if (!t->queue) { /* it comes or goes: whoever has it looks, or serves it */
		t->killed = true;
		pthread_mutex_unlock(&ts->lock);
		return;
	}
	take_out(ts, t);
	pthread_mutex_unlock(&ts->lock);
	give_up(t);
}

static struct turn *turn_new(struct server *s, const struct call *c)
{
	size_t len = c->data ? c->size : 0;
	struct turn *t = malloc(sizeof *t + len);
	pid_t tid = fuse_req_ctx(c->req)->pid;

	if (!t)
		return NULL;
	*t = (struct turn){ .call = *c, .server = s, .device = loop_device() };
	if (bounds_take(s, BOUND_PAGES, tid, 1 + len / BOUND_PAGE, &t->kept) < 0) {
		free(t);
		return NULL;
	}
	if (len)
		memcpy(t->data, c->data, len);
	t->call.data = len ? t->data : NULL;
	return t;
}

/* 0: it waits, or has been answered; -ENOMEM. */
static int wait_for_turn(struct server *s, const struct call *c, const struct lineage *who)
{
	struct turns *ts = &s->turns;
	struct turn *t = turn_new(s, c);
	bool killed;

	if (!t)
		return -ENOMEM;
	fuse_req_interrupt_func(c->req, on_interrupt, t);
	pthread_mutex_lock(&ts->lock);
	killed = t->killed;
	t->queue = killed ? NULL : queue_get(ts, who);
	if (t->queue) {
		DL_APPEND(t->queue->first, t);
		ts->waiting++;
		pthread_mutex_unlock(&ts->lock);
		return 0;
	}
	pthread_mutex_unlock(&ts->lock);
	fuse_req_interrupt_func(c->req, NULL, NULL); /* returns when on_interrupt() has */
	if (killed) {
		give_up(t);
		return 0;
	}
	turn_free(t);
	return -ENOMEM;
}

/* The next one whose container may have one more, with its turn begun. */
static struct turn *next_turn(struct server *s)
{
	struct turns *ts = &s->turns;
	struct turns_queue *q;
	struct turn *t = NULL;

	if (s->stop)
		return NULL;
	pthread_mutex_lock(&ts->lock);
	DL_FOREACH(ts->round, q) {
		if (bounds_try(s, BOUND_WAITING, &q->who, 1, &q->first->call.turn)) {
			t = q->first;
			take_out(ts, t);
			break;
		}
	}
	pthread_mutex_unlock(&ts->lock);
	if (!t)
		return NULL;
	fuse_req_interrupt_func(t->call.req, NULL, NULL);
	loop_slow_begin(s);
	return t;
}

void turn_over(struct call *c)
{
	struct server *s = server_of(c->req);

	loop_slow_end(s);
	bounds_drop(s, BOUND_WAITING, &c->turn);
	c->next = next_turn(s); /* before the caller can ask again */
}

static void serve_all(struct turn *t)
{
	int device = loop_device();

	while (t) {
		struct turn *next;

		why_take(); /* what another call left is not the reason of this one */
		loop_set_device(t->device);
		t->call.serve(&t->call, 0);
		next = t->call.next;
		turn_free(t);
		t = next;
	}
	loop_set_device(device);
}

/* Who asks is found out only when there is not plenty. */
static bool begin_now(struct server *s, struct call *c, struct lineage *ret_who)
{
	if (!bounds_try(s, BOUND_WAITING, NULL, 1, &c->turn)) {
		bounds_who(s, fuse_req_ctx(c->req)->pid, ret_who);
		if (!bounds_try(s, BOUND_WAITING, ret_who, 1, &c->turn))
			return false;
	}
	loop_slow_begin(s);
	return true;
}

void turns_call(struct call *c)
{
	struct server *s = server_of(c->req);
	struct lineage who;
	int r;

	if (begin_now(s, c, &who)) {
		c->serve(c, 0);
		serve_all(c->next);
		return;
	}
	r = wait_for_turn(s, c, &who);
	if (r < 0)
		c->serve(c, r);
	serve_all(next_turn(s)); /* the last of its container may have ended just before */
}

void turns_stop(struct server *s)
{
	struct turns *ts = &s->turns;

	while (ts->round) {
		struct turn *t = ts->round->first;

		take_out(ts, t);
		fuse_req_interrupt_func(t->call.req, NULL, NULL);
		give_up(t);
	}
}
