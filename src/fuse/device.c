/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Mounting and unmounting: by mount(2) where we may, else by fusermount3, which hands the device
 * over a socket that it finds in _FUSE_COMMFD.
 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/server.h"
#include "ctlfs/why.h"

extern char **environ;

static int open_device(int *ret_fd)
{
	int fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);

	if (fd < 0 && errno == ENOENT)
		return refuse(ENOENT,
			      "/dev/fuse is missing: load the kernel module fuse "
			      "(modprobe fuse), or pass the device in (--device /dev/fuse)");
	if (fd < 0 && errno == ENODEV)
		return refuse(ENODEV,
			      "the kernel has no FUSE: load the module fuse (modprobe fuse)");
	if (fd < 0)
		return refuse(errno, "/dev/fuse cannot be opened: %s; let this user read and write "
				     "it (chmod 666 /dev/fuse)", strerror(errno));
	*ret_fd = fd;
	return 0;
}

static int check_mountpoint(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return refuse(errno, "%s: %s", path, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return refuse(ENOTDIR, "%s is not a directory", path);
	return 0;
}

static int mount_directly(const struct mount_config *config, int fd)
{
	unsigned long flags = MS_NOSUID | MS_NODEV | (config->read_only ? MS_RDONLY : 0);
	char options[160];

	snprintf(options, sizeof options,
		 "fd=%d,rootmode=40000,user_id=%u,group_id=%u,default_permissions%s", fd, getuid(),
		 getgid(), config->allow_other ? ",allow_other" : "");
	return mount("ctlfs", config->mountpoint, SERVER_FSTYPE, flags, options) < 0 ? -errno : 0;
}

/* Runs argv to its end: 0, or -EPERM if it failed. */
static int run_helper(char *const argv[])
{
	pid_t pid;
	int status;

	if (posix_spawnp(&pid, argv[0], NULL, NULL, argv, environ) != 0)
		return -ENOENT;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -EPERM;
}

static int receive_fd(int sock, int *ret_fd)
{
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.space,
			      .msg_controllen = sizeof control.space };
	struct cmsghdr *c;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) <= 0)
		return -EPROTO;
	c = CMSG_FIRSTHDR(&msg);
	if (!c || c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
		return -EPROTO;
	memcpy(ret_fd, CMSG_DATA(c), sizeof *ret_fd);
	return 0;
}

static int mount_by_helper(const struct mount_config *config, int *ret_fd)
{
	char options[96];
	char number[16];
	char *argv[] = { "fusermount3", "-o", options, "--", (char *)config->mountpoint, NULL };
	int pair[2];
	int r;

	snprintf(options, sizeof options, "fsname=ctlfs,subtype=ctlfs,default_permissions%s%s",
		 config->allow_other ? ",allow_other" : "", config->read_only ? ",ro" : "");
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) < 0)
		return -errno;
	cleanup_close int ours = pair[0];
	cleanup_close int theirs = pair[1];

	fcntl(ours, F_SETFD, FD_CLOEXEC);
	snprintf(number, sizeof number, "%d", theirs);
	setenv("_FUSE_COMMFD", number, 1);
	r = run_helper(argv);
	unsetenv("_FUSE_COMMFD");
	if (r == -ENOENT)
		return refuse(EPERM, "mounting needs root or the program fusermount3 "
				     "(package fuse3)");
	if (r < 0)
		return refuse(EPERM, "fusermount3 could not mount on %s", config->mountpoint);
	return receive_fd(ours, ret_fd);
}

int server_mount(const struct mount_config *config, int *ret_fd)
{
	cleanup_close int fd = -1;
	int r = check_mountpoint(config->mountpoint);

	if (r == 0)
		r = open_device(&fd);
	if (r < 0)
		return r;
	r = mount_directly(config, fd);
	if (r == -EPERM && geteuid() != 0)
		return mount_by_helper(config, ret_fd);
	if (r < 0)
		return refuse(-r, "mounting on %s: %s", config->mountpoint, strerror(-r));
	*ret_fd = steal_fd(&fd);
	return 0;
}

int server_unmount(const char *mountpoint)
{
	char *argv[] = { "fusermount3", "-u", "-z", "-q", "--", (char *)mountpoint, NULL };

	if (umount2(mountpoint, UMOUNT_NOFOLLOW) == 0)
		return 0;
	if (errno == EBUSY && umount2(mountpoint, UMOUNT_NOFOLLOW | MNT_DETACH) == 0)
		return 0;
	if (errno == EPERM && geteuid() != 0)
		return run_helper(argv);
	return -errno;
}
