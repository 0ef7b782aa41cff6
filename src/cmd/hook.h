/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hooks of all container runtimes do: views in a container that is being made. */
#ifndef CTLFS_CMD_HOOK_H
#define CTLFS_CMD_HOOK_H

#include <stdbool.h>
#include <sys/types.h>

/* Where the service mounts. Never searched for: any user may mount something that calls itself
 * ctlfs, but not there. */
#define HOOK_MOUNT "/run/ctlfs"
#define HOOK_MOUNT_ROW(field)                                                          \
	{ "mount", 0, "DIRECTORY", option_text, .offset = (field), .preset = HOOK_MOUNT, \
	  .expected = "a directory", .help = "where ctlfs is mounted" }

struct hook {
	const char *mount; /* where ctlfs is mounted */
	bool tree; /* the container's cgroup over its /sys/fs/cgroup, too */
	pid_t pid; /* of the container, whose mounts are entered; 0: this process is in there */
	const char *rootfs; /* where its mounts have been made */
};

/* Mounts all views there is a place for, or none; the process stays in there. 0, or -errno with the
 * reason noted. */
int hook_mount(const struct hook *h);

#endif
