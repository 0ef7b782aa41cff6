/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * poll() and inotify on files that notify. A backend tells of a change from wherever it stands, so
 * that there files are only marked; a thread wakes who polls, and raises IN_MODIFY by opening the
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

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ctlfs/cleanup.h"
#include "session.h"

#define POLL_QUIET (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM) /* DEFAULT_POLLMASK */
#define POLL_UNREAD (POLLIN | POLLRDNORM)
#define POLL_CHANGED (POLL_QUIET | POLLERR | POLLPRI)

/* A tree node whose watchers are to get IN_MODIFY. */
struct change {
	uint64_t node;
	UT_hash_handle hh;
};

static struct handle **bucket_of(struct events *ev, uint64_t node)
{
	return &ev->open[(node * 0x9E3779B97F4A7C15ULL) >> 54]; /* EVENT_BUCKETS are 2^10 */
}

static void due_add(struct events *ev, struct handle *h)
{
	if (h->due)
		return;
	h->due = true;
	h->due_next = NULL;
	h->due_prev = ev->due_last;
	if (ev->due_last)
		ev->due_last->due_next = h;
	else
		ev->due_first = h;
	ev->due_last = h;
}

static void due_remove(struct events *ev, struct handle *h)
{
	if (!h->due)
		return;
	h->due = false;
	if (h->due_prev)
		h->due_prev->due_next = h->due_next;
	else
		ev->due_first = h->due_next;
	if (h->due_next)
		h->due_next->due_prev = h->due_prev;
	else
		ev->due_last = h->due_prev;
}

/* Every open file of node has changed, from now on: who asks next is told, who waits is woken. */
static void mark(struct events *ev, uint64_t node)
{
	for (struct handle *h = *bucket_of(ev, node); h; h = h->next) {
		if (h->node != node)
			continue;
		h->changed = true;
		if (h->waiting)
			due_add(ev, h);
	}
}

/* Without memory nobody gets IN_MODIFY; poll() needs none. */
static void change_add(struct events *ev, uint64_t node)
{
	struct change *c;

	HASH_FIND(hh, ev->changes, &node, sizeof(node), c);
	if (c)
		return;
	c = malloc(sizeof(*c));
	if (!c)
		return;
	c->node = node;
	HASH_ADD(hh, ev->changes, node, sizeof(c->node), c);
	if (!c->hh.tbl)
		free(c);
}

/* False if there is none. */
static bool change_take(struct events *ev, uint64_t *ret_node)
{
	struct change *c = ev->changes;

	if (!c)
		return false;
	*ret_node = c->node;
	HASH_DEL(ev->changes, c);
	free(c);
	return true;
}

/* Backend's side: called with its locks held. */
static void on_change(void *data, uint64_t node)
{
	struct events *ev = &((struct server *)data)->events;

	guard_mutex(&ev->lock);
	mark(ev, node_make(NODE_TREE, node));
	change_add(ev, node);
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
	struct handle **bucket = bucket_of(ev, h->node);

	guard_mutex(&ev->lock);
	h->next = *bucket;
	if (h->next)
		h->next->prev = h;
	*bucket = h;
}

void events_remove(struct handle *h)
{
	struct events *ev = &h->server->events;
	struct fuse_pollhandle *waiting;

	pthread_mutex_lock(&ev->lock);
	if (h->prev)
		h->prev->next = h->next;
	else
		*bucket_of(ev, h->node) = h->next;
	if (h->next)
		h->next->prev = h->prev;
	due_remove(ev, h);
	waiting = steal_ptr(&h->waiting);
	pthread_mutex_unlock(&ev->lock);
	if (waiting)
		fuse_pollhandle_destroy(waiting);
}

struct handle *events_any(struct server *s)
{
	struct events *ev = &s->events;

	guard_mutex(&ev->lock);
	for (size_t i = 0; i < EVENT_BUCKETS; i++) {
		if (ev->open[i])
			return ev->open[i];
	}
	return NULL;
}

/* A change during the read that follows must be seen by the next poll(). */
void events_read(struct handle *h)
{
	guard_mutex(&h->server->events.lock);
	h->changed = false;
}

void op_poll(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi, struct fuse_pollhandle *ph)
{
	struct handle *h = handle_of(fi);
	struct events *ev = &h->server->events;
	struct fuse_pollhandle *old = ph;
	unsigned mask = POLL_QUIET;
	/* Which counts as changed, as kernfs_fop_poll() has it. */
	bool gone = h->file && !h->file->ops->poll && file_is_gone(h);
	unsigned own;

	(void)node;
	pthread_mutex_lock(&ev->lock);
	if (h->file)
		mask = h->changed || gone ? POLL_CHANGED : POLL_QUIET;
	if ((h->file || h->errors) && ph) {
		old = h->waiting;
		h->waiting = ph;
	}
	pthread_mutex_unlock(&ev->lock);
	if (old)
		fuse_pollhandle_destroy(old);
	/* Asked once it is known who waits: what changes from now on wakes them. */
	own = h->file && h->file->ops->poll ? h->file->ops->poll(h->file) : 0;
	if (own)
		mask = own;
	/* As a log: readable when there is something that was not read. */
	if (h->errors)
		mask = errlog_unread(h->errors) ? POLL_UNREAD : 0;
	fuse_reply_poll(req, mask);
}

/* Wakes the one that is due for longest, without the lock: that writes to the device. */
static void wake_one(struct events *ev)
{
	struct handle *h = ev->due_first;
	struct fuse_pollhandle *waiting;

	if (!h)
		return;
	due_remove(ev, h);
	waiting = steal_ptr(&h->waiting);
	pthread_mutex_unlock(&ev->lock);
	fuse_lowlevel_notify_poll(waiting);
	fuse_pollhandle_destroy(waiting);
	pthread_mutex_lock(&ev->lock);
}

void events_wake(struct handle *h)
{
	struct events *ev = &h->server->events;

	guard_mutex(&ev->lock);
	if (!h->waiting)
		return;
	due_add(ev, h);
	pthread_cond_signal(&ev->more);
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

		if (!ev->due_first && !ev->changes)
			pthread_cond_wait(&ev->more, &ev->lock);
		wake_one(ev);
		if (!change_take(ev, &node))
			continue;
		pthread_mutex_unlock(&ev->lock);
		count(s, STAT_EVENTS);
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

	uint64_t node;

	while (change_take(ev, &node))
		;
	pthread_mutex_destroy(&ev->lock);
	pthread_cond_destroy(&ev->more);
}
