/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is root in a container. Source: the NS_GET_* ioctls of 4.9, /proc/PID/uid_map. */
#ifndef CTLFS_USERNS_H
#define CTLFS_USERNS_H

#include <sys/types.h>

/*
 * The uid, as this process sees it, of the root of pid's container: number 0 of the user namespace
 * that owns pid's pid namespace. -EPERM where being that root would prove nothing, since whoever is
 * in a container may make himself one: pid lives in another user namespace than that, or its pid
 * namespace is no child of ours. -ESRCH, -EACCES.
 */
int userns_root(pid_t pid, uid_t *ret_uid);

#endif
