/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* System calls relative to a directory, which stay on the mount that the tree was made on. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "ctlfs/cleanup.h"

static struct timespec to_timespec(struct statx_timestamp t)
{
	return (struct timespec){ .tv_sec = t.tv_sec, .tv_nsec = t.tv_nsec };
}

static uint64_t to_node(const struct kernel *k, uint64_t ino)
{
	return ino == k->root_ino ? TREE_ROOT : ino;
}

int at_stat(const struct kernel *k, int dirfd, const char *name, struct stat *ret_stat)
{
	int flags = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH;
	struct statx x;

	if (strchr(name, '/'))
		return -ENOENT;
	if (statx(dirfd, name, flags, STATX_BASIC_STATS | STATX_MNT_ID, &x) < 0)
		return -errno;
	if (makedev(x.stx_dev_major, x.stx_dev_minor) != k->dev)
		return -ENOENT;
	if (x.stx_ino == TREE_ROOT && k->root_ino != TREE_ROOT)
		return -ENOENT;
	if (k->mount && x.stx_mnt_id != k->mount)
		return -ENOENT;
	*ret_stat = (struct stat){
		.st_dev = k->dev,
		.st_ino = to_node(k, x.stx_ino),
		.st_mode = x.stx_mode,
		.st_nlink = x.stx_nlink,
		.st_uid = x.stx_uid,
		.st_gid = x.stx_gid,
		.st_size = (off_t)x.stx_size,
		.st_blksize = x.stx_blksize,
		.st_blocks = (blkcnt_t)x.stx_blocks,
		.st_atim = to_timespec(x.stx_atime),
		.st_mtim = to_timespec(x.stx_mtime),
		.st_ctim = to_timespec(x.stx_ctime),
	};
	return 0;
}

int at_open(int dirfd, const char *path, int flags)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC | O_NOFOLLOW),
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV,
	};
	long fd;

	/* -EAGAIN: the path could not be proven safe because something was renamed meanwhile. */
	do
		fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
	while (fd < 0 && errno == EAGAIN);
	return fd < 0 ? -errno : (int)fd;
}

int at_list(const struct kernel *k, int dirfd, struct tree_list *ret_list)
{
	cleanup_tree_list struct tree_list list = { 0 };
	cleanup_close int fd = at_open(dirfd, ".", O_RDONLY | O_DIRECTORY);
	cleanup_closedir DIR *d = NULL;
	const struct dirent *e;

	if (fd < 0)
		return fd;
	d = fdopendir(fd);
	if (!d)
		return -errno;
	steal_fd(&fd);
	while (errno = 0, (e = readdir(d))) {
		int r;

		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
			continue;
		r = tree_list_add(&list, e->d_name, to_node(k, e->d_ino), e->d_type == DT_DIR);
		if (r < 0)
			return r;
	}
	if (errno)
		return -errno;
	*ret_list = list;
	list = (struct tree_list){ 0 };
	return 0;
}
