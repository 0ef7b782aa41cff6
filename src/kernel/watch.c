/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Relays the kernel's events: inotify on the real files that somebody uses through us, and on the
 * directories above them, since a cgroup's removal is told to its parent only. One thread, started
 * with the first watch, sleeps until there is something to tell. The number of watches is bounded;
 * the longest unused one goes.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/log.h"
#include "ctlfs/thread.h"
#include "internal.h"

#define WATCHES_MAX 1024

/* The watch of a file, or of a directory whose children's removal matters. */
struct watched {
	struct lru_item item; /* the key is the node */
	int wd;
	uint64_t dir; /* a file's directory, */
	uint64_t parent; /* that one's parent, */
	char *dir_name; /* and its name there; NULL for directories and for files of the root */
};

struct watch {
	struct kernel *kernel;
	pthread_mutex_t lock;
	struct lru items; /* under lock, as is all below */
	int inotify; /* -1 before the first watch */
	int stop; /* eventfd */
	bool running, failed;
	pthread_t thread;
};

static void drop_watched(void *data, struct lru_item *item)
{
	struct watched *watched = (struct watched *)item;
	struct watch *w = data;

	/* Fails if the kernel has removed it by itself. */
	inotify_rm_watch(w->inotify, watched->wd);
	free(watched->dir_name);
	free(watched);
}

int watch_new(struct kernel *k, struct watch **ret_watch)
{
	struct watch *w = calloc(1, sizeof *w);
	int r;

	if (!w)
		return -ENOMEM;
	w->kernel = k;
	w->inotify = w->stop = -1;
	w->items.drop = drop_watched;
	w->items.data = w;
	r = lru_init(&w->items, WATCHES_MAX);
	if (r < 0) {
		free(w);
		return r;
	}
	pthread_mutex_init(&w->lock, NULL);
	*ret_watch = w;
	return 0;
}

void watch_free(struct watch *w)
{
	if (!w)
		return;
	if (w->running) {
		eventfd_write(w->stop, 1);
		pthread_join(w->thread, NULL);
	}
	lru_free(&w->items);
	if (w->inotify >= 0)
		close(w->inotify);
	if (w->stop >= 0)
		close(w->stop);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

static struct watched *by_wd(struct watch *w, int wd)
{
	struct lru_item *item = w->items.newest;

	while (item && ((struct watched *)item)->wd != wd)
		item = item->older;
	return (struct watched *)item;
}

/* The directory called name in the watched directory parent was removed: forgets its files.
 * Returns its node, 0 if nothing in it was watched. */
static uint64_t removed(struct watch *w, uint64_t parent, const char *name)
{
	struct lru_item *older;
	uint64_t dir = 0;

	for (struct lru_item *item = w->items.newest; item; item = older) {
		const struct watched *watched = (struct watched *)item;

		older = item->older;
		if (!watched->dir_name || watched->parent != parent ||
		    strcmp(watched->dir_name, name))
			continue;
		dir = watched->dir;
		lru_remove(&w->items, item->key);
	}
	if (dir)
		lru_remove(&w->items, dir);
	return dir;
}

/* What changed by event e; 0 if nothing that matters. */
static uint64_t changed_node(struct watch *w, const struct inotify_event *e)
{
	const struct watched *watched;
	guard_mutex(&w->lock);

	watched = by_wd(w, e->wd);
	if (!watched)
		return 0;
	if (e->mask & IN_MODIFY)
		return watched->item.key;
	if (e->mask & IN_DELETE && e->mask & IN_ISDIR && e->len)
		return removed(w, watched->item.key, e->name);
	return 0;
}

/* Events were lost: whatever is watched may have changed. */
static void tell_all(struct watch *w)
{
	uint64_t nodes[WATCHES_MAX];
	size_t n = 0;

	pthread_mutex_lock(&w->lock);
	for (struct lru_item *item = w->items.newest; item; item = item->older)
		nodes[n++] = item->key;
	pthread_mutex_unlock(&w->lock);
	while (n > 0)
		tree_changed(&w->kernel->tree, nodes[--n]);
}

static void tell(struct watch *w, const struct inotify_event *e)
{
	uint64_t node;

	if (e->mask & IN_Q_OVERFLOW) {
		tell_all(w);
		return;
	}
	node = changed_node(w, e);
	if (node)
		tree_changed(&w->kernel->tree, node);
}

static void *relay(void *data)
{
	char events[16384] __attribute__((aligned(__alignof__(struct inotify_event))));
	struct watch *w = data;
	struct pollfd fds[2] = {
		{ .fd = w->inotify, .events = POLLIN },
		{ .fd = w->stop, .events = POLLIN },
	};

	for (;;) {
		ssize_t len;

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (fds[1].revents)
			break;
		len = read(w->inotify, events, sizeof events);
		for (ssize_t at = 0; at < len;) {
			const struct inotify_event *e = (const void *)(events + at);

			tell(w, e);
			at += (ssize_t)(sizeof *e + e->len);
		}
	}
	return NULL;
}

/* Starts the thread. Not before it is needed: the daemon may fork until then. */
static bool start(struct watch *w)
{
	if (w->running || w->failed)
		return w->running;
	w->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	w->stop = eventfd(0, EFD_CLOEXEC);
	if (w->inotify >= 0 && w->stop >= 0)
		w->running = thread_start(NULL, relay, w, &w->thread) == 0;
	w->failed = !w->running;
	if (w->failed)
		log_error("events of the kernel's cgroup files are not relayed");
	return w->running;
}

/* Watches path, which is node, unless that is done. NULL if it cannot be watched. */
static struct watched *add(struct watch *w, uint64_t node, const char *path, uint32_t mask)
{
	struct watched *watched = (struct watched *)lru_find(&w->items, node);

	if (watched || !start(w))
		return watched;
	watched = calloc(1, sizeof *watched);
	if (!watched)
		return NULL;
	watched->item.key = node;
	watched->wd = inotify_add_watch(w->inotify, path, mask);
	if (watched->wd < 0) {
		free(watched);
		return NULL;
	}
	lru_add(&w->items, &watched->item);
	return watched;
}

static bool notifies(const char *name)
{
	const char *dot = strstr(name, ".events");

	if (dot)
		return !strcmp(dot, ".events") || !strcmp(dot, ".events.local");
	return !strcmp(name, "cpuset.cpus.partition");
}

/* Notes where the directory of file lies, and watches its parent for its removal. */
static void watch_removal(struct watch *w, int dirfd, struct place *place, uint64_t file)
{
	struct watched *watched;
	char path[64];

	snprintf(path, sizeof path, "/proc/self/fd/%d/..", dirfd);
	if (!add(w, place->dir, path, IN_DELETE | IN_ONLYDIR))
		return;
	/* Adding may have dropped the file's. */
	watched = (struct watched *)lru_find(&w->items, file);
	if (!watched || watched->dir_name)
		return;
	watched->parent = place->dir;
	watched->dir_name = steal_ptr(&place->name);
}

void watch_file(struct watch *w, uint64_t dir, int dirfd, const struct tree_entry *file)
{
	cleanup_place struct place place = { 0 };
	struct watched *watched;
	char path[PATH_MAX];

	if (!w->kernel->tree.changed || !notifies(file->name))
		return;
	if (dir != TREE_ROOT && node_place(w->kernel, dir, &place) < 0)
		return;
	snprintf(path, sizeof path, "/proc/self/fd/%d/%s", dirfd, file->name);
	guard_mutex(&w->lock);
	watched = add(w, file->node, path, IN_MODIFY | IN_DONT_FOLLOW);
	if (!watched)
		return;
	watched->dir = dir;
	if (place.name)
		watch_removal(w, dirfd, &place, file->node);
}

bool watch_has(struct watch *w, uint64_t node)
{
	guard_mutex(&w->lock);

	return lru_find(&w->items, node) != NULL;
}
