/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Answers for the forks of the container, by the emulator's pids.max: a thread of the daemon.
 *
 * A fork that was allowed happens a moment later. Until then it is pending: it takes a place that
 * cannot be seen yet. Who waits for what else than the answer, or asks again, has done it; one that
 * runs has done it once it has had the CPU for a while. Only where the last
 * places are concerned a question waits for the pending ones, so that none of them counts twice.
 *
 * When the daemon ends, forks fail with ENOSYS until the container ends, which is at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "ctlfs/emul.h"
#include "ctlfs/thread.h"
#include "run.h"

#define PENDING_MAX 64
#define PENDING_NS (2000 * 1000000ULL) /* then it is taken for done, whatever it does */
#define FORK_NS (10 * 1000000ULL) /* of CPU time: more than any fork takes */
#define RETRY_US 200

struct pending {
	pid_t tid;
	uint64_t since;
	uint64_t ran; /* its CPU time when it was first looked at, plus 1; 0: it was not */
};

struct forks {
	struct tree *tree;
	int end; /* where the listener comes from, then the listener itself */
	int stopfd;
	pthread_t thread;
	struct seccomp_notif *request;
	struct seccomp_notif_resp *reply;
	size_t request_size, reply_size; /* the kernel's may be larger than ours */
	struct pending pending[PENDING_MAX];
	unsigned n_pending;
};

/* --- pending ones --- */

/* Of the thread: 'R' while it runs or is about to. 0: it is gone. */
static char state_of(pid_t tid)
{
	cleanup_buf struct buf text = { 0 };
	const char *after;
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/stat", (int)tid);
	if (buf_readat(&text, AT_FDCWD, path, 4096) < 0)
		return 0;
	after = strrchr(buf_text(&text), ')');
	return after && after[1] ? after[2] : 0;
}

/* Nanoseconds on a CPU; 0 if the kernel does not tell. */
static uint64_t cpu_time_of(pid_t tid)
{
	cleanup_buf struct buf text = { 0 };
	char path[32];

	snprintf(path, sizeof path, "/proc/%d/schedstat", (int)tid);
	if (buf_readat(&text, AT_FDCWD, path, 4096) < 0)
		return 0;
	return strtoull(buf_text(&text), NULL, 10);
}

static bool has_run(struct pending *p)
{
	uint64_t ran = cpu_time_of(p->tid);

	if (!p->ran)
		p->ran = ran + 1;
	return ran + 1 > p->ran + FORK_NS;
}

static bool is_done(struct pending *p, pid_t asking, uint64_t now)
{
	char state;

	if (p->tid == asking || now - p->since > PENDING_NS)
		return true;
	state = state_of(p->tid);
	return (state != 'R' && state != 'D') || has_run(p);
}

static void prune(struct forks *f, pid_t asking)
{
	uint64_t now = monotonic_ns();
	unsigned kept = 0;

	for (unsigned i = 0; i < f->n_pending; i++) {
		if (!is_done(&f->pending[i], asking, now))
			f->pending[kept++] = f->pending[i];
	}
	f->n_pending = kept;
}

/* --- questions --- */

static bool told_to_stop(const struct forks *f)
{
	struct pollfd stop = { .fd = f->stopfd, .events = POLLIN };

	return poll(&stop, 1, 0) != 0;
}

/* Whether the asker still waits: one that was killed does not. */
static bool still_asked(const struct forks *f)
{
	return ioctl(f->end, SECCOMP_IOCTL_NOTIF_ID_VALID, &f->request->id) == 0;
}

static int decide(struct forks *f, pid_t tid)
{
	for (;;) {
		int r = -EBUSY;

		if (f->n_pending < PENDING_MAX)
			r = emul_may_fork(f->tree, tid, f->n_pending);
		if (r != -EBUSY)
			return r;
		prune(f, tid);
		if (told_to_stop(f) || !still_asked(f))
			return -EAGAIN;
		if (f->n_pending)
			usleep(RETRY_US);
	}
}

static void answer(struct forks *f)
{
	pid_t tid;
	int r;

	memset(f->request, 0, f->request_size);
	if (ioctl(f->end, SECCOMP_IOCTL_NOTIF_RECV, f->request) < 0)
		return; /* it has been killed */
	tid = (pid_t)f->request->pid;
	for (unsigned i = 0; i < f->n_pending; i++) {
		if (f->pending[i].tid == tid)
			f->pending[i--] = f->pending[--f->n_pending];
	}
	r = decide(f, tid);
	memset(f->reply, 0, f->reply_size);
	f->reply->id = f->request->id;
	if (r < 0)
		f->reply->error = -EAGAIN;
	else
		f->reply->flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
	if (ioctl(f->end, SECCOMP_IOCTL_NOTIF_SEND, f->reply) == 0 && r == 0)
		f->pending[f->n_pending++] =
			(struct pending){ .tid = tid, .since = monotonic_ns() };
}

/* --- the thread --- */

/* True: there is something to take from end. */
static bool wait_for_it(const struct forks *f)
{
	struct pollfd fds[] = { { .fd = f->end, .events = POLLIN },
				{ .fd = f->stopfd, .events = POLLIN } };

	while (poll(fds, ARRAY_SIZE(fds), -1) < 0) {
		if (errno != EINTR)
			return false;
	}
	return !fds[1].revents && (fds[0].revents & POLLIN);
}

static void *run(void *data)
{
	struct forks *f = data;
	int listener;

	if (!wait_for_it(f) || channel_recv_fd(f->end, &listener) < 0)
		return NULL; /* nobody will ask */
	close(f->end);
	f->end = listener;
	while (wait_for_it(f))
		answer(f);
	return NULL;
}

static int make_room(struct forks *f)
{
	struct seccomp_notif_sizes sizes;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0)
		sizes = (struct seccomp_notif_sizes){ 0 }; /* nobody will ask */
	f->request_size = sizes.seccomp_notif;
	f->reply_size = sizes.seccomp_notif_resp;
	if (f->request_size < sizeof *f->request)
		f->request_size = sizeof *f->request;
	if (f->reply_size < sizeof *f->reply)
		f->reply_size = sizeof *f->reply;
	f->request = calloc(1, f->request_size);
	f->reply = calloc(1, f->reply_size);
	return f->request && f->reply ? 0 : -ENOMEM;
}

static void forks_free(struct forks *f)
{
	if (f->stopfd >= 0)
		close(f->stopfd);
	close(f->end);
	free(f->request);
	free(f->reply);
	free(f);
}

int forks_start(struct tree *tree, int end, struct forks **ret_forks)
{
	struct forks *f = calloc(1, sizeof *f);
	int r;

	if (!f) {
		close(end);
		return -ENOMEM;
	}
	f->tree = tree;
	f->end = end;
	f->stopfd = eventfd(0, EFD_CLOEXEC);
	r = f->stopfd < 0 ? -errno : make_room(f);
	if (r == 0)
		r = thread_start(NULL, run, f, &f->thread);
	if (r < 0) {
		forks_free(f);
		return r;
	}
	*ret_forks = f;
	return 0;
}

void forks_stop(struct forks *f)
{
	if (!f)
		return;
	eventfd_write(f->stopfd, 1);
	pthread_join(f->thread, NULL);
	forks_free(f);
}
