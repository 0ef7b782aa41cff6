/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Views for a container that runs, or, in the hooks of container runtimes, is being made. */
#ifndef CTLFS_CMD_HOOK_H
#define CTLFS_CMD_HOOK_H

#include <stdbool.h>
#include <sys/types.h>

#include "container.h"
#include "places.h"
#include "source.h"

/* Where the service mounts. Never searched for by hooks: any user may mount something that calls
 * itself ctlfs, but not there. */
#define HOOK_MOUNT "/run/ctlfs"
#define HOOK_MOUNT_ROW(field)                                                          \
	{ "mount", 0, "DIRECTORY", option_text, .offset = (field), .preset = HOOK_MOUNT, \
	  .expected = "a directory", .help = "where ctlfs is mounted" }

struct hook {
	const char *mount; /* where ctlfs is mounted; NULL: see mounts_choose() */
	enum tree_wanted tree; /* the container's cgroup over its /sys/fs/cgroup, too */
	pid_t pid; /* of the container, whose mounts are entered; 0: this process is in there */
	const char *rootfs; /* where its mounts have been made; NULL: it has its root directory */
};

/* What was given, and to whom. */
struct given {
	struct container container;
	struct source source;
	struct places places;
};

#define GIVEN_INIT ((struct given){ .container = CONTAINER_INIT, .source = SOURCE_INIT })

/* Mounts all views there is a place for, or none; the process stays in there. 0, or -errno with the
 * reason noted. given: GIVEN_INIT before, to be freed, and in its place until then. */
int hook_give(const struct hook *h, struct given *given);
void given_free(struct given *g);
#define cleanup_given __attribute__((cleanup(given_free)))

#endif
