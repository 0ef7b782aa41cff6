/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The root of a container. Everybody may make a user namespace and a pid namespace in it and is
 * root there, so neither the caller's own user namespace nor that of his init is asked: only the
 * one that owned the pid namespace when it was made, and only one level below us, where the host
 * has made it.
 */
#include "ctlfs/userns.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/ns.h"
#include "ctlfs/pidns.h"

#define UID_MAP_MAX (64u << 10) /* 340 lines */

/* The number of the namespace that request leads to from ns. */
static int related(int ns, unsigned long request, uint64_t *ret_ino)
{
	cleanup_close int fd = ioctl(ns, request);

	return fd < 0 ? -errno : ns_of(fd, ret_ino);
}

/* Is the pid namespace ns a child of ours? */
static int check_level(int ns)
{
	uint64_t ours = 0, parent = 0;
	int r = pidns_id(getpid(), &ours);

	if (r == 0)
		r = related(ns, NS_GET_PARENT, &parent);
	if (r < 0)
		return r;
	return parent == ours ? 0 : -EPERM;
}

/* What number 0 inside is outside: lines "INSIDE OUTSIDE LENGTH". */
static int map_root(pid_t pid, uid_t *ret_uid)
{
	cleanup_buf struct buf text = { 0 };
	unsigned long inside, outside, length;
	char path[64];
	char *rest, *line;
	int r;

	snprintf(path, sizeof path, "/proc/%d/uid_map", pid);
	r = buf_readat(&text, AT_FDCWD, path, UID_MAP_MAX);
	if (r < 0)
		return r == -ENOENT ? -ESRCH : r;
	rest = text.data;
	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "%lu %lu %lu", &inside, &outside, &length) != 3 || inside != 0 ||
		    outside >= UINT32_MAX)
			continue;
		*ret_uid = (uid_t)outside;
		return 0;
	}
	return -EPERM;
}

int userns_root(pid_t pid, uid_t *ret_uid)
{
	uint64_t ours = 0, owner = 0, theirs = 0;
	cleanup_close int ns = -1;
	int r;

	ns = ns_open(AT_FDCWD, pid, "pid");
	if (ns < 0)
		return ns;
	r = check_level(ns);
	if (r == 0)
		r = related(ns, NS_GET_USERNS, &owner);
	if (r == 0)
		r = ns_id(AT_FDCWD, pid, "user", &theirs);
	if (r == 0)
		r = ns_id(AT_FDCWD, NS_SELF, "user", &ours);
	if (r < 0)
		return r;
	if (theirs != owner)
		return -EPERM;
	if (owner != ours)
		return map_root(pid, ret_uid);
	/* Our own map would tell what we are to our parent. */
	*ret_uid = 0;
	return 0;
}
