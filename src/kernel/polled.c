/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that somebody polls. A thread waits for the events of all of them, so that none is lost to
 * the bound on inotify's watches (watch.c); where there is a watch, that one tells. Pressure
 * triggers have no other way: each lives in the descriptor that it was written to, and poll() takes
 * its event away. What the thread takes so is kept for the owner of the descriptor, who asks when
 * he is woken.
 *
 * The thread is started with the first file. It knows files by serial numbers, since one may be
 * closed while its event is on the way.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "ctlfs/thread.h"
#include "internal.h"

#define STOP 0 /* no file's serial number */

struct polled {
	uint64_t serial;
	uint64_t node;
	int fd; /* borrowed */
	bool trigger;
	bool fired; /* the trigger, and its owner has not been told */
	UT_hash_handle hh;
};

struct polling {
	struct kernel *kernel;
	pthread_mutex_t lock;
	struct polled *by_serial; /* under lock, as is all below, and the files' own pointers */
	uint64_t last;
	int epoll; /* -1 before the first file */
	int stop; /* eventfd */
	bool running, failed;
	pthread_t thread;
};

int polling_new(struct kernel *k, struct polling **ret_polling)
{
	struct polling *p = calloc(1, sizeof *p);

	if (!p)
		return -ENOMEM;
	p->kernel = k;
	p->epoll = p->stop = -1;
	pthread_mutex_init(&p->lock, NULL);
	*ret_polling = p;
	return 0;
}

void polling_free(struct polling *p)
{
	if (!p)
		return;
	if (p->running) {
		eventfd_write(p->stop, 1);
		pthread_join(p->thread, NULL);
	}
	if (p->epoll >= 0)
		close(p->epoll);
	if (p->stop >= 0)
		close(p->stop);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

/* Notes what came. Returns the file's node, 0 if it has been closed. A cgroup's end (EPOLLERR) is
 * no event of a trigger. */
static uint64_t note(struct polling *p, const struct epoll_event *e, bool *ret_trigger)
{
	struct polled *f;
	guard_mutex(&p->lock);

	HASH_FIND(hh, p->by_serial, &e->data.u64, sizeof f->serial, f);
	if (!f)
		return 0;
	if (f->trigger && !(e->events & EPOLLERR))
		f->fired = true;
	*ret_trigger = f->trigger;
	return f->node;
}

static void tell(struct polling *p, const struct epoll_event *e)
{
	bool trigger;
	uint64_t node = note(p, e, &trigger);

	if (node && (trigger || !watch_has(p->kernel->watch, node)))
		tree_changed(&p->kernel->tree, node);
}

static void *relay(void *data)
{
	struct polling *p = data;
	struct epoll_event events[16];

	for (;;) {
		int n = epoll_wait(p->epoll, events, ARRAY_SIZE(events), -1);

		if (n < 0 && errno != EINTR)
			return NULL;
		for (int i = 0; i < n; i++) {
			if (events[i].data.u64 == STOP)
				return NULL;
			tell(p, &events[i]);
		}
	}
}

static bool add_fd(struct polling *p, int fd, uint32_t mask, uint64_t serial)
{
	struct epoll_event event = { .events = mask, .data.u64 = serial };

	return epoll_ctl(p->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

static bool start(struct polling *p)
{
	if (p->running || p->failed)
		return p->running;
	p->epoll = epoll_create1(EPOLL_CLOEXEC);
	p->stop = eventfd(0, EFD_CLOEXEC);
	if (p->epoll >= 0 && p->stop >= 0 && add_fd(p, p->stop, EPOLLIN, STOP))
		p->running = thread_start(NULL, relay, p, &p->thread) == 0;
	p->failed = !p->running;
	if (p->failed)
		log_error("who polls the kernel's cgroup files is not woken");
	return p->running;
}

static void end(struct polling *p, struct polled **file)
{
	struct polled *f = *file;

	if (!f)
		return;
	epoll_ctl(p->epoll, EPOLL_CTL_DEL, f->fd, NULL);
	HASH_DEL(p->by_serial, f);
	free(f);
	*file = NULL;
}

/* Edges only: a removed cgroup's file has something to tell for ever. */
static void begin(struct polling *p, struct polled **file, const struct polled *like)
{
	struct polled *f = start(p) ? malloc(sizeof *f) : NULL;

	if (!f)
		return;
	*f = *like;
	f->serial = ++p->last;
	HASH_ADD(hh, p->by_serial, serial, sizeof f->serial, f);
	if (!f->hh.tbl) {
		free(f);
		return;
	}
	*file = f;
	if (!add_fd(p, f->fd, EPOLLPRI | EPOLLET, f->serial))
		end(p, file);
}

void polled_begin(struct polling *p, struct polled **file, const struct opened *o)
{
	guard_mutex(&p->lock);

	if (!*file)
		begin(p, file, &(struct polled){ .node = o->node, .fd = o->fd });
}

/* What a file without a trigger gave to wait for is not the trigger's: it has to be asked again. */
void polled_trigger(struct polling *p, struct polled **file, const struct opened *o)
{
	guard_mutex(&p->lock);

	end(p, file);
	begin(p, file, &(struct polled){ .node = o->node, .fd = o->fd, .trigger = true });
}

bool polled_take(struct polling *p, struct polled **file)
{
	bool fired;
	guard_mutex(&p->lock);

	fired = *file && (*file)->fired;
	if (fired)
		(*file)->fired = false;
	return fired;
}

void polled_end(struct polling *p, struct polled **file)
{
	guard_mutex(&p->lock);

	end(p, file);
}
