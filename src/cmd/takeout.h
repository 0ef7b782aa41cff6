/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Taking attach's mounts out of a container again, whatever has become of their ctlfs. */
#ifndef CTLFS_CMD_TAKEOUT_H
#define CTLFS_CMD_TAKEOUT_H

#include "container.h"

struct takeout {
	char **taken; /* mount points */
	size_t n_taken;
	char **left; /* mount points and why they were left: "/proc/stat: ..." */
	size_t n_left;
};

/* In the container. What others mounted on one of the mounts stays, and the mount below it. 0, or
 * -errno with the reason noted; ret_takeout is to be freed either way. */
int takeout_all(const struct container *c, struct takeout *ret_takeout);
void takeout_free(struct takeout *t);
#define cleanup_takeout __attribute__((cleanup(takeout_free)))

#endif
