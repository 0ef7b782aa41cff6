/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Open files and directories that are used again and again, so that a repeated read of
 * memory.current costs no lookup. Since a node's number is never reused, an fd found by it is the
 * right one or that of a node that is gone.
 */
#include "internal.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "ctlfs/cleanup.h"

#define KEPT_MAX 512

/* Under kept_lock, or by the last user. */
static void unref(struct kept *kept)
{
	if (--kept->refs > 0)
		return;
	close(kept->fd);
	pthread_mutex_destroy(&kept->reading);
	free(kept);
}

static void drop_kept(void *data, struct lru_item *item)
{
	(void)data;
	unref((struct kept *)item);
}

/* Leaves at least half of the fds that the process may have to others. */
size_t kept_capacity(const struct kernel *k)
{
	struct rlimit limit;
	size_t max = KEPT_MAX;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur / 2 < KEPT_MAX)
		max = limit.rlim_cur < 32 ? 16 : limit.rlim_cur / 2;
	return max / k->share ? max / k->share : 1;
}

int kept_init(struct kernel *k)
{
	k->kept.drop = drop_kept;
	pthread_mutex_init(&k->kept_lock, NULL);
	return lru_init(&k->kept, kept_capacity(k));
}

void kept_free(struct kernel *k)
{
	lru_free(&k->kept);
	pthread_mutex_destroy(&k->kept_lock);
}

struct kept *kept_find(struct kernel *k, uint64_t node)
{
	struct kept *kept;
	guard_mutex(&k->kept_lock);

	kept = (struct kept *)lru_find(&k->kept, node);
	if (kept)
		kept->refs++;
	return kept;
}

struct kept *kept_add(struct kernel *k, uint64_t node, int fd)
{
	struct kept *kept = calloc(1, sizeof *kept);
	struct kept *there;
	guard_mutex(&k->kept_lock);

	there = (struct kept *)lru_find(&k->kept, node);
	if (there || !kept) {
		close(fd);
		free(kept);
		if (there)
			there->refs++;
		return there;
	}
	kept->item.key = node;
	kept->kernel = k;
	kept->fd = fd;
	kept->refs = 2;
	pthread_mutex_init(&kept->reading, NULL);
	lru_add(&k->kept, &kept->item);
	return kept;
}

int kept_dir(struct kernel *k, uint64_t node, struct kept **ret_kept)
{
	struct kept *kept = kept_find(k, node);
	int fd;

	if (!kept) {
		fd = node_dir(k, node);
		if (fd < 0)
			return fd;
		kept = kept_add(k, node, fd);
	}
	if (!kept)
		return -ENOMEM;
	*ret_kept = kept;
	return 0;
}

void kept_release(struct kept **kept)
{
	if (*kept) {
		guard_mutex(&(*kept)->kernel->kept_lock);

		unref(*kept);
	}
	*kept = NULL;
}

void kept_drop(struct kernel *k, uint64_t node)
{
	guard_mutex(&k->kept_lock);

	lru_remove(&k->kept, node);
}
