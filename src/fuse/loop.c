/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The session's loop: a bounded number of workers, each with clones of the device of its own, so
 * that the kernel hands a request to one of them and takes the reply where it was read.
 *
 * A read of a file is three requests that come back to back. After a reply a worker therefore spins
 * for a moment on a clone that does not block before it sleeps on the one that does: that saves the
 * wakeup, which costs more than the request. One worker spins at a time, and only after it has just
 * answered, so that an idle daemon sleeps; on one CPU spinning would only keep the caller waiting.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <linux/fuse.h>

#include "ctlfs/clock.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "session.h"

/* Where this worker reads the next request and answers the last one. */
static __thread int current_fd = -1;

static ssize_t io_read(int fd, void *data, size_t len, void *userdata)
{
	(void)userdata;
	return read(current_fd >= 0 ? current_fd : fd, data, len);
}

static ssize_t io_writev(int fd, struct iovec *iov, int n, void *userdata)
{
	(void)userdata;
	return writev(current_fd >= 0 ? current_fd : fd, iov, n);
}

const struct fuse_custom_io loop_io = { .read = io_read, .writev = io_writev };

int loop_device(void)
{
	return current_fd;
}

void loop_set_device(int device)
{
	current_fd = device;
}

static int clone_device(int device, int flags)
{
	cleanup_close int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC | flags);
	uint32_t source = (uint32_t)device;

	if (fd < 0 || ioctl(fd, FUSE_DEV_IOC_CLONE, &source) < 0)
		return -errno;
	return steal_fd(&fd);
}

/* Spins for a request: what receive said, -EAGAIN if none came. */
static int spin(struct worker *w, struct fuse_buf *request)
{
	struct server *s = w->server;
	uint64_t until = monotonic_ns() + s->config.spin_usec * 1000ULL;
	int r;

	current_fd = w->spinning_fd;
	do {
		r = fuse_session_receive_buf(s->se, request);
		if (r == -EAGAIN)
			sched_yield(); /* the caller may be waiting for this very CPU */
	} while (r == -EAGAIN && monotonic_ns() < until && !s->stop);
	return r;
}

static int receive(struct worker *w, struct fuse_buf *request, bool answered)
{
	struct server *s = w->server;

	if (answered && w->spinning_fd >= 0 && !atomic_exchange(&s->spinner, true)) {
		int r = spin(w, request);

		s->spinner = false;
		if (r != -EAGAIN)
			return r;
	}
	current_fd = w->sleeping_fd;
	return fuse_session_receive_buf(s->se, request);
}

static void *worker_main(void *data)
{
	struct worker *w = data;
	struct server *s = w->server;
	struct fuse_buf request = { 0 };
	bool answered = false;

	while (!s->stop && !fuse_session_exited(s->se)) {
		int r = receive(w, &request, answered);

		answered = r > 0;
		if (r == -EINTR || r == -EAGAIN)
			continue;
		if (r <= 0)
			break;
		count(s, STAT_REQUESTS);
		why_take(); /* what a request before left is not the reason of this one */
		fuse_session_process_buf(s->se, &request);
	}
	free(request.mem);
	current_fd = -1;
	server_stop(s); /* one that ends for want of a session tells who waits */
	return NULL;
}

static void worker_close(struct worker *w)
{
	if (w->sleeping_fd >= 0 && w->sleeping_fd != w->server->fd)
		close(w->sleeping_fd);
	if (w->spinning_fd >= 0)
		close(w->spinning_fd);
}

/* Without a clone (no /dev/fuse to open any more) all workers share the device. */
static void worker_open(struct worker *w, struct server *s)
{
	w->server = s;
	w->sleeping_fd = clone_device(s->fd, 0);
	if (w->sleeping_fd < 0)
		w->sleeping_fd = s->fd;
	w->spinning_fd = s->config.spin_usec ? clone_device(s->fd, O_NONBLOCK) : -1;
}

static unsigned cpus_available(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

/* How many workers to begin with. */
static unsigned choose_numbers(struct server *s)
{
	unsigned cpus = cpus_available();

	if (cpus < 2)
		s->config.spin_usec = 0;
	if (s->config.threads)
		return s->config.threads;
	return cpus < 4 ? 4 : cpus;
}

static bool worker_add(struct server *s)
{
	struct worker *w;

	guard_mutex(&s->workers_lock);
	if (s->stop || s->n_workers == THREADS_MAX)
		return false;
	w = &s->workers[s->n_workers];
	worker_open(w, s);
	s->n_workers++; /* before it can tell anybody */
	if (pthread_create(&w->thread, NULL, worker_main, w) != 0) {
		s->n_workers--;
		worker_close(w);
		return false;
	}
	return true;
}

int loop_start(struct server *s)
{
	unsigned begin = choose_numbers(s);

	s->n_spare = begin > 2 ? begin / 2 : 1;
	while (s->n_workers < begin && worker_add(s))
		;
	return s->n_workers ? 0 : -EAGAIN;
}

void loop_slow_begin(struct server *s)
{
	if (atomic_fetch_add(&s->n_slow, 1) + 1 + s->n_spare > s->n_workers)
		worker_add(s);
}

void loop_slow_end(struct server *s)
{
	atomic_fetch_sub(&s->n_slow, 1);
}

/* A signal that comes just before a worker goes to sleep in read(2) is lost on it: so it is sent
 * until the worker is gone. */
static void join(struct worker *w)
{
	struct timespec deadline;

	do {
		pthread_kill(w->thread, LOOP_SIGNAL);
		clock_gettime(CLOCK_REALTIME, &deadline);
		deadline.tv_nsec += 10 * 1000 * 1000;
		if (deadline.tv_nsec >= 1000 * 1000 * 1000) {
			deadline.tv_sec++;
			deadline.tv_nsec -= 1000 * 1000 * 1000;
		}
	} while (pthread_timedjoin_np(w->thread, NULL, &deadline) != 0);
}

void loop_stop(struct server *s)
{
	pthread_mutex_lock(&s->workers_lock);
	s->stop = true; /* from here on none is added */
	pthread_mutex_unlock(&s->workers_lock);
	for (unsigned i = 0; i < s->n_workers; i++)
		join(&s->workers[i]);
	turns_stop(s); /* by their devices */
	for (unsigned i = 0; i < s->n_workers; i++)
		worker_close(&s->workers[i]);
}
