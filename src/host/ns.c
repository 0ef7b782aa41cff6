/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Namespaces by their files in /proc. */
#include "ctlfs/ns.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

struct ns_path {
	char text[64];
};

static struct ns_path path_of(int proc, pid_t pid, const char *kind)
{
	const char *above = proc == AT_FDCWD ? "/proc/" : "";
	struct ns_path path;

	if (pid != NS_SELF)
		snprintf(path.text, sizeof path.text, "%s%d/ns/%s", above, pid, kind);
	else
		snprintf(path.text, sizeof path.text, "%sself/ns/%s", above, kind);
	return path;
}

static int error(void)
{
	return errno == ENOENT ? -ESRCH : -errno;
}

int ns_id(int proc, pid_t pid, const char *kind, uint64_t *ret_ino)
{
	struct ns_path path = path_of(proc, pid, kind);
	struct stat st;

	if (fstatat(proc, path.text, &st, 0) < 0)
		return error();
	*ret_ino = st.st_ino;
	return 0;
}

int ns_open(int proc, pid_t pid, const char *kind)
{
	struct ns_path path = path_of(proc, pid, kind);
	int fd = openat(proc, path.text, O_RDONLY | O_CLOEXEC);

	return fd < 0 ? error() : fd;
}

int ns_of(int fd, uint64_t *ret_ino)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	*ret_ino = st.st_ino;
	return 0;
}
