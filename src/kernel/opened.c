/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that somebody has open, by node: as in kernfs, attributes of one whose cgroup was removed
 * can still be read and set. Its own descriptor is all that leads to it then.
 */
#include <errno.h>
#include <fcntl.h>

#include "ctlfs/cleanup.h"
#include "internal.h"

static struct opened **bucket_of(struct kernel *k, uint64_t node)
{
	return &k->opened[(node * 0x9e3779b97f4a7c15ULL) >> 56]; /* OPENED_BUCKETS are 2^8 */
}

void opened_add(struct kernel *k, struct opened *o)
{
	struct opened **bucket = bucket_of(k, o->node);
	guard_mutex(&k->opened_lock);

	o->next = *bucket;
	o->at = bucket;
	if (o->next)
		o->next->at = &o->next;
	*bucket = o;
}

void opened_remove(struct kernel *k, struct opened *o)
{
	guard_mutex(&k->opened_lock);

	if (!o->at)
		return;
	*o->at = o->next;
	if (o->next)
		o->next->at = o->at;
	o->at = NULL;
}

int opened_fd(struct kernel *k, uint64_t node)
{
	const struct opened *o;
	int fd;
	guard_mutex(&k->opened_lock);

	o = *bucket_of(k, node);
	while (o && o->node != node)
		o = o->next;
	if (!o)
		return -ENODEV;
	fd = fcntl(o->fd, F_DUPFD_CLOEXEC, 0);
	return fd < 0 ? -errno : fd;
}
