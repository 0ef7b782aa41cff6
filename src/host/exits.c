/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Exits of processes, through pidfds in one epoll.
 * Locks: telling, over taking events and calling the handler; then lock, over the table of watched
 * processes. The handler is called with telling held, so it may watch and unwatch, but not settle.
 */
#include "exits.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/thread.h"
#include "taskstat.h"

#define BATCH 64
#define WATCHED_MIN 16u
#define FDS_SPARED 2u /* of the limit on open files, the part that is left to others: one half */

struct watched {
	pid_t pid;
	uint64_t start;
	int fd;
	UT_hash_handle hh;
};

struct exits {
	int procfd, epfd, stopfd;
	pthread_t thread;
	pthread_mutex_t telling;
	task_exited *exited; /* telling */
	void *data; /* telling */
	pthread_mutex_t lock;
	struct watched *table; /* lock */
	unsigned n, max; /* lock */
};

int exits_pidfd(int procfd, pid_t pid, uint64_t start, int *ret_fd)
{
	cleanup_close int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct taskstat st;
	int r;

	if (fd < 0)
		return errno == EINVAL ? -ESRCH : -errno;
	r = taskstat_read(procfd, pid, &st); /* after the pidfd: both are the same process then */
	if (r < 0)
		return r;
	if (st.start != start)
		return -ESRCH;
	*ret_fd = steal_fd(&fd);
	return 0;
}

static struct watched *find(struct exits *x, pid_t pid)
{
	struct watched *w;

	HASH_FIND(hh, x->table, &pid, sizeof pid, w);
	return w;
}

/* Closing is not enough to take a pidfd out of the epoll: a child that forked has a copy. */
static void drop(struct exits *x, struct watched *w)
{
	HASH_DEL(x->table, w);
	x->n--;
	epoll_ctl(x->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	close(w->fd);
	free(w);
}

/* An event of a process that was unwatched meanwhile, and its pid used again, is not taken. */
static bool take_exited(struct exits *x, pid_t pid, uint64_t *ret_start)
{
	guard_mutex(&x->lock);
	struct watched *w = find(x, pid);
	struct pollfd pfd = { .fd = w ? w->fd : -1, .events = POLLIN };

	if (!w || poll(&pfd, 1, 0) != 1)
		return false;
	*ret_start = w->start;
	drop(x, w);
	return true;
}

void exits_settle(struct exits *x)
{
	struct epoll_event events[BATCH];
	int n;

	guard_mutex(&x->telling);
	do {
		n = epoll_wait(x->epfd, events, BATCH, 0);
		for (int i = 0; i < n; i++) {
			pid_t pid = (pid_t)events[i].data.u64;
			uint64_t start;

			if (pid && take_exited(x, pid, &start) && x->exited)
				x->exited(x->data, pid, start);
		}
	} while (n == BATCH);
}

/* Waits without taking, so that whoever comes first tells. */
static void *run(void *data)
{
	struct exits *x = data;
	struct pollfd fds[] = { { .fd = x->epfd, .events = POLLIN },
				{ .fd = x->stopfd, .events = POLLIN } };

	for (;;) {
		if (poll(fds, ARRAY_SIZE(fds), -1) < 0)
			continue;
		if (fds[1].revents)
			return NULL;
		exits_settle(x);
	}
}

static unsigned watched_max(void)
{
	struct rlimit limit;
	unsigned max = WATCHED_MIN;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / FDS_SPARED > max)
		max = limit.rlim_cur > UINT32_MAX ? UINT32_MAX
						  : (unsigned)limit.rlim_cur / FDS_SPARED;
	return max;
}

int exits_new(int procfd, struct exits **ret_exits)
{
	cleanup_free struct exits *x = calloc(1, sizeof *x);
	cleanup_close int epfd = epoll_create1(EPOLL_CLOEXEC);
	cleanup_close int stopfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	int r;

	if (!x)
		return -ENOMEM;
	if (epfd < 0 || stopfd < 0)
		return -errno;
	x->procfd = procfd;
	x->epfd = epfd;
	x->stopfd = stopfd;
	x->max = watched_max();
	pthread_mutex_init(&x->telling, NULL);
	pthread_mutex_init(&x->lock, NULL);
	r = thread_start(NULL, run, x, &x->thread);
	if (r < 0)
		return r;
	steal_fd(&epfd);
	steal_fd(&stopfd);
	*ret_exits = steal_ptr(&x);
	return 0;
}

void exits_free(struct exits *x)
{
	struct watched *w, *next;

	if (!x)
		return;
	eventfd_write(x->stopfd, 1);
	pthread_join(x->thread, NULL);
	HASH_ITER(hh, x->table, w, next)
		drop(x, w);
	close(x->epfd);
	close(x->stopfd);
	pthread_mutex_destroy(&x->telling);
	pthread_mutex_destroy(&x->lock);
	free(x);
}

void exits_handler(struct exits *x, task_exited *exited, void *data)
{
	guard_mutex(&x->telling);
	x->exited = exited;
	x->data = data;
}

/* With the lock. Owns fd, also on failure. */
static int add(struct exits *x, pid_t pid, uint64_t start, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u64 = (uint64_t)pid };
	struct watched *w = calloc(1, sizeof *w);

	if (!w) {
		close(fd);
		return -ENOMEM;
	}
	*w = (struct watched){ .pid = pid, .start = start, .fd = fd };
	HASH_ADD(hh, x->table, pid, sizeof w->pid, w);
	if (!w->hh.tbl) {
		close(fd);
		free(w);
		return -ENOMEM;
	}
	x->n++;
	if (epoll_ctl(x->epfd, EPOLL_CTL_ADD, fd, &event) < 0) {
		int r = -errno;

		drop(x, w);
		return r;
	}
	return 0;
}

int exits_watch(struct exits *x, pid_t pid, uint64_t start)
{
	guard_mutex(&x->lock);
	struct watched *old = find(x, pid);
	int fd, r;

	if (old && old->start == start)
		return 0;
	if (x->n >= x->max && !old)
		return -EMFILE;
	r = exits_pidfd(x->procfd, pid, start, &fd);
	if (r < 0)
		return r;
	if (old)
		drop(x, old);
	return add(x, pid, start, fd);
}

void exits_unwatch(struct exits *x, pid_t pid, uint64_t start)
{
	guard_mutex(&x->lock);
	struct watched *w = find(x, pid);

	if (w && w->start == start)
		drop(x, w);
}
