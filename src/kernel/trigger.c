/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure triggers of the kernel's. Each lives in the descriptor that it was written to, and poll()
 * takes its event away: what the thread that waits for all of them takes is kept for the owner of
 * the descriptor, who asks when he has been woken.
 *
 * The thread is started with the first trigger. It knows triggers by serial numbers, since one may
 * be freed while its event is on the way.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "ctlfs/thread.h"
#include "internal.h"

#define STOP 0 /* no trigger's serial number */

struct trigger {
	uint64_t serial;
	uint64_t node;
	int fd; /* borrowed */
	bool fired; /* and its owner has not been told */
	UT_hash_handle hh;
};

struct triggers {
	struct kernel *kernel;
	pthread_mutex_t lock;
	struct trigger *by_serial; /* under lock, as is all below */
	uint64_t last;
	int epoll; /* -1 before the first trigger */
	int stop; /* eventfd */
	bool running, failed;
	pthread_t thread;
};

int triggers_new(struct kernel *k, struct triggers **ret_triggers)
{
	struct triggers *ts = calloc(1, sizeof *ts);

	if (!ts)
		return -ENOMEM;
	ts->kernel = k;
	ts->epoll = ts->stop = -1;
	pthread_mutex_init(&ts->lock, NULL);
	*ret_triggers = ts;
	return 0;
}

void triggers_free(struct triggers *ts)
{
	if (!ts)
		return;
	if (ts->running) {
		eventfd_write(ts->stop, 1);
		pthread_join(ts->thread, NULL);
	}
	if (ts->epoll >= 0)
		close(ts->epoll);
	if (ts->stop >= 0)
		close(ts->stop);
	pthread_mutex_destroy(&ts->lock);
	free(ts);
}

/* Notes what came. Returns the file's node, 0 if it has been closed. A cgroup's end (POLLERR) is
 * no event of the trigger. */
static uint64_t note(struct triggers *ts, const struct epoll_event *e)
{
	struct trigger *t;
	guard_mutex(&ts->lock);

	HASH_FIND(hh, ts->by_serial, &e->data.u64, sizeof t->serial, t);
	if (!t)
		return 0;
	if (e->events & EPOLLPRI && !(e->events & EPOLLERR))
		t->fired = true;
	return t->node;
}

static void *relay(void *data)
{
	struct triggers *ts = data;
	struct epoll_event events[16];

	for (;;) {
		int n = epoll_wait(ts->epoll, events, ARRAY_SIZE(events), -1);

		if (n < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < n; i++) {
			uint64_t node;

			if (events[i].data.u64 == STOP)
				return NULL;
			node = note(ts, &events[i]);
			if (node)
				tree_changed(&ts->kernel->tree, node);
		}
	}
}

static bool watch_fd(struct triggers *ts, int fd, uint32_t mask, uint64_t serial)
{
	struct epoll_event event = { .events = mask, .data.u64 = serial };

	return epoll_ctl(ts->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool start(struct triggers *ts)
{
	if (ts->running || ts->failed)
		return ts->running;
	ts->epoll = epoll_create1(EPOLL_CLOEXEC);
	ts->stop = eventfd(0, EFD_CLOEXEC);
	if (ts->epoll >= 0 && ts->stop >= 0 && watch_fd(ts, ts->stop, EPOLLIN, STOP))
		ts->running = thread_start(NULL, relay, ts, &ts->thread) == 0;
	ts->failed = !ts->running;
	if (ts->failed)
		log_error("pressure triggers of the kernel's are not relayed");
	return ts->running;
}

struct trigger *trigger_add(struct triggers *ts, int fd, uint64_t node)
{
	struct trigger *t = calloc(1, sizeof *t);
	guard_mutex(&ts->lock);

	if (!t || !start(ts)) {
		free(t);
		return NULL;
	}
	*t = (struct trigger){ .serial = ++ts->last, .node = node, .fd = fd };
	HASH_ADD(hh, ts->by_serial, serial, sizeof t->serial, t);
	if (!t->hh.tbl) {
		free(t);
		return NULL;
	}
	/* Edges only: a removed cgroup's file has something to tell for ever. */
	if (!watch_fd(ts, fd, EPOLLPRI | EPOLLET, t->serial)) {
		HASH_DEL(ts->by_serial, t);
		free(t);
		return NULL;
	}
	return t;
}

bool trigger_take(struct triggers *ts, struct trigger *t)
{
	bool fired;
	guard_mutex(&ts->lock);

	fired = t->fired;
	t->fired = false;
	return fired;
}

void trigger_free(struct triggers *ts, struct trigger *t)
{
	if (!t)
		return;
	guard_mutex(&ts->lock);
	epoll_ctl(ts->epoll, EPOLL_CTL_DEL, t->fd, NULL);
	HASH_DEL(ts->by_serial, t);
	free(t);
}
