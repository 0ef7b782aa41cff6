/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * poll() and inotify on files that notify. A backend tells of a change from wherever it stands, so
 * that only a queue is filled there; a thread wakes who polls, and raises IN_MODIFY by opening the
 * file through the mount and writing to it: the one way in which FUSE makes inotify see anything.
 * That open is recognised by its thread and reaches no backend.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "session.h"

#define POLL_QUIET (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM) /* DEFAULT_POLLMASK */
#define POLL_CHANGED (POLL_QUIET | POLLERR | POLLPRI)

/* Backend's side: called with its locks held. */
static void on_change(void *data, uint64_t node)
{
	struct events *ev = &((struct server *)data)->events;

	guard_mutex(&ev->lock);
	for (size_t i = 0; i < ev->queued; i++) {
		if (ev->queue[i] == node)
			return;
	}
	if (ev->queued == ev->cap) {
		size_t cap = ev->cap ? 2 * ev->cap : 64;
		uint64_t *grown = reallocarray(ev->queue, cap, sizeof *grown);

		if (!grown)
			return;
		ev->queue = grown;
		ev->cap = cap;
	}
	ev->queue[ev->queued++] = node;
	pthread_cond_signal(&ev->more);
}

void events_init(struct server *s)
{
	struct events *ev = &s->events;

	pthread_mutex_init(&ev->lock, NULL);
	pthread_cond_init(&ev->more, NULL);
	tree_on_change(s->config.tree, on_change, s);
}

void events_add(struct handle *h)
{
	struct events *ev = &h->server->events;

	guard_mutex(&ev->lock);
	h->next = ev->open;
	if (h->next)
		h->next->prev = h;
	ev->open = h;
}

void events_remove(struct handle *h)
{
	struct events *ev = &h->server->events;
	struct fuse_pollhandle *waiting;

	pthread_mutex_lock(&ev->lock);
	if (h->prev)
		h->prev->next = h->next;
	else
		ev->open = h->next;
	if (h->next)
		h->next->prev = h->prev;
	waiting = steal_ptr(&h->waiting);
	pthread_mutex_unlock(&ev->lock);
	if (waiting)
		fuse_pollhandle_destroy(waiting);
}

/* A change during the read that follows must be seen by the next poll(). */
void events_read(struct handle *h)
{
	guard_mutex(&h->server->events.lock);
	h->changed = false;
}

/* A file whose cgroup was removed counts as changed, as kernfs_fop_poll() has it. */
static bool is_gone(const struct handle *h)
{
	struct tree *t = h->server->config.tree;
	struct stat st;

	return h->file && t->ops->stat(t, node_rest(h->node), NULL, &st) == -ENODEV;
}

void op_poll(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	struct handle *h = handle_of(fi);
	struct events *ev = &h->server->events;
	struct fuse_pollhandle *old = ph;
	unsigned mask = POLL_QUIET;
	bool gone = is_gone(h);
	unsigned own;

	(void)node;
	pthread_mutex_lock(&ev->lock);
	if (h->file) {
		mask = h->changed || gone ? POLL_CHANGED : POLL_QUIET;
		if (ph) {
			old = h->waiting;
			h->waiting = ph;
		}
	}
	pthread_mutex_unlock(&ev->lock);
	if (old)
		fuse_pollhandle_destroy(old);
	/* Asked once it is known who waits: what changes from now on wakes them. */
	own = h->file && h->file->ops->poll ? h->file->ops->poll(h->file) : 0;
	if (own)
		mask = own;
	fuse_reply_poll(req, mask);
}

static void mark(struct events *ev, uint64_t node)
{
	guard_mutex(&ev->lock);
	for (struct handle *h = ev->open; h; h = h->next) {
		if (h->node != node_make(NODE_TREE, node))
			continue;
		h->changed = true;
		h->due = h->waiting != NULL;
	}
}

/* One who was polling when his file was marked, or NULL. */
static struct fuse_pollhandle *take_due(struct events *ev)
{
	guard_mutex(&ev->lock);
	for (struct handle *h = ev->open; h; h = h->next) {
		if (!h->due)
			continue;
		h->due = false;
		return steal_ptr(&h->waiting);
	}
	return NULL;
}

/* Marks every open file of node, once: who has been woken may read and poll again before the last
 * one is. Then wakes those that somebody polled, one at a time since waking writes to the device.
 */
static void wake(struct events *ev, uint64_t node)
{
	struct fuse_pollhandle *waiting;

	mark(ev, node);
	while ((waiting = take_due(ev))) {
		fuse_lowlevel_notify_poll(waiting);
		fuse_pollhandle_destroy(waiting);
	}
}

bool events_is_echo(fuse_req_t req)
{
	struct events *ev = &server_of(req)->events;

	return ev->echoing && fuse_req_ctx(req)->pid == ev->tid;
}

/* The root of a mount without asking its server anything, and the number of its device; -errno. */
static int open_root(const char *mountpoint, dev_t *ret_device)
{
	cleanup_close int fd = open(mountpoint, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct statx st;

	if (fd < 0 || statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, 0, &st) < 0)
		return -errno;
	*ret_device = makedev(st.stx_dev_major, st.stx_dev_minor);
	return steal_fd(&fd);
}

/* IN_MODIFY for whoever watches. A mount that its owner may not write through (an ordinary user's)
 * raises none: poll() works there. */
static void raise_modify(struct server *s, uint64_t node)
{
	struct events *ev = &s->events;
	struct open_how how = { .flags = O_WRONLY | O_CLOEXEC,
				.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS };
	cleanup_buf struct buf path = { 0 };
	cleanup_close int root = -1;
	cleanup_close int fd = -1;
	dev_t device;

	/* Opened for the moment only: a descriptor that stays would keep the mount busy. */
	if (ev->mountpoint)
		root = open_root(ev->mountpoint, &device);
	if (root < 0 || device != ev->device)
		return;
	buf_adds(&path, "cgroup");
	if (tree_path(s->config.tree, node, &path) < 0)
		return;
	ev->echoing = true;
	fd = (int)syscall(SYS_openat2, root, buf_text(&path), &how, sizeof how);
	ev->echoing = false;
	if (fd >= 0 && write(fd, "\n", 1) < 0)
		return;
}

static void *events_main(void *data)
{
	struct server *s = data;
	struct events *ev = &s->events;

	ev->tid = gettid();
	pthread_mutex_lock(&ev->lock);
	while (!ev->stop) {
		uint64_t node;

		if (!ev->queued) {
			pthread_cond_wait(&ev->more, &ev->lock);
			continue;
		}
		node = ev->queue[--ev->queued];
		pthread_mutex_unlock(&ev->lock);
		count(s, STAT_EVENTS);
		wake(ev, node);
		raise_modify(s, node);
		pthread_mutex_lock(&ev->lock);
	}
	pthread_mutex_unlock(&ev->lock);
	return NULL;
}

void events_start(struct server *s, const char *mountpoint)
{
	struct events *ev = &s->events;

	cleanup_close int root = mountpoint ? open_root(mountpoint, &ev->device) : -1;

	ev->mountpoint = root >= 0 ? mountpoint : NULL;
	ev->running = pthread_create(&ev->thread, NULL, events_main, s) == 0;
}

void events_stop(struct server *s)
{
	struct events *ev = &s->events;

	pthread_mutex_lock(&ev->lock);
	ev->stop = true;
	pthread_cond_signal(&ev->more);
	pthread_mutex_unlock(&ev->lock);
	if (ev->running)
		pthread_join(ev->thread, NULL);
	ev->running = false;
}

void events_free(struct server *s)
{
	struct events *ev = &s->events;

	free(ev->queue);
	pthread_mutex_destroy(&ev->lock);
	pthread_cond_destroy(&ev->more);
}
