/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Entering the mount namespace of a container, and finding one's way in there. */
#include "container.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/mountinfo.h"
#include "ctlfs/ns.h"
#include "ctlfs/why.h"

void container_close(struct container *c)
{
	cleanup_close_p(&c->pidfd);
	cleanup_close_p(&c->root);
	cleanup_close_p(&c->proc);
	*c = CONTAINER_INIT;
}

static int refuse_host(pid_t pid)
{
	return refuse(EINVAL, "process %d has the mounts of this process: it is in no container, "
			      "and the views would cover the files of the machine", pid);
}

/* A procfs of our own pid namespace: in another one the number is somebody else's. */
static int open_proc(int *ret_proc)
{
	char self[32] = "", number[32];
	int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	snprintf(number, sizeof number, "%d", getpid());
	if (fd < 0 || readlinkat(fd, "self", self, sizeof self - 1) < 0 || strcmp(self, number)) {
		cleanup_close_p(&fd);
		return refuse(ENOENT, "/proc is no procfs of this pid namespace");
	}
	*ret_proc = fd;
	return 0;
}

static int open_process(struct container *c)
{
	uint64_t ours = 0, theirs = 0;
	char name[64];
	int r;

	r = ns_id(c->proc, NS_SELF, "mnt", &ours);
	if (r == 0)
		r = ns_id(c->proc, c->pid, "mnt", &theirs);
	if (r == 0 && ours == theirs)
		return refuse_host(c->pid);
	snprintf(name, sizeof name, "%d/root", c->pid);
	if (r == 0) {
		c->root = openat(c->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
		r = c->root < 0 ? -errno : 0;
	}
	if (r == -ENOENT || r == -ESRCH) /* a zombie has neither */
		return refuse(ESRCH, "process %d has ended", c->pid);
	if (r < 0)
		return refuse(-r, "process %d may not be looked at: %s", c->pid, strerror(-r));
	return container_check(c);
}

int container_open(pid_t pid, struct container *ret_container)
{
	struct container c = CONTAINER_INIT;
	int r;

	c.pid = pid;
	c.pidfd = pidfd_open(pid, 0);
	if (c.pidfd < 0 && errno == ESRCH)
		return refuse(ESRCH, "there is no process %d", pid);
	if (c.pidfd < 0 && (errno == EINVAL || errno == ENOENT))
		return refuse(EINVAL, "%d is a thread: expected the number of its process", pid);
	if (c.pidfd < 0)
		return refuse(errno, "process %d: %s", pid, strerror(errno));
	r = open_proc(&c.proc);
	if (r == 0)
		r = open_process(&c);
	if (r < 0) {
		container_close(&c);
		return r;
	}
	*ret_container = c;
	return 0;
}

/* Of whatever pid namespace: of it only "self" is used, which is this process in any. */
int container_open_here(struct container *ret_container)
{
	struct container c = CONTAINER_INIT;

	c.proc = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (c.proc < 0)
		return refuse(errno, "/proc: %s", strerror(errno));
	*ret_container = c;
	return 0;
}

int container_check(const struct container *c)
{
	if (c->pidfd >= 0 && pidfd_send_signal(c->pidfd, 0, NULL, 0) < 0 && errno == ESRCH)
		return refuse(ESRCH, "process %d has ended", c->pid);
	return 0;
}

static int refuse_entry(const struct container *c, int error)
{
	switch (error) {
	case ESRCH:
		return refuse(ESRCH, "process %d has ended", c->pid);
	case EPERM:
		return refuse(EPERM, "the mount namespace of process %d may not be entered: root "
				     "of its user namespace, or of one above, is needed", c->pid);
	case EINVAL:
	case EBADF:
		return refuse(ENOSYS, "this kernel does not enter the namespaces of a process "
				      "(setns with a pidfd: Linux 5.8)");
	default:
		return refuse(error, "the mount namespace of process %d cannot be entered: %s",
			      c->pid, strerror(error));
	}
}

int container_enter(const struct container *c)
{
	uint64_t before = 0, after = 0;
	int r = ns_id(c->proc, NS_SELF, "mnt", &before);

	if (r == 0 && setns(c->pidfd, CLONE_NEWNS) < 0)
		return refuse_entry(c, errno);
	if (r == 0)
		r = ns_id(c->proc, NS_SELF, "mnt", &after);
	if (r < 0)
		return refuse(-r, "/proc/self/ns/mnt: %s", strerror(-r));
	if (before == after) /* it has left its container meanwhile */
		return refuse_host(c->pid);
	if (fchdir(c->root) < 0 || chroot(".") < 0)
		return refuse(errno, "the root directory of process %d cannot be entered: %s",
			      c->pid, strerror(errno));
	return 0;
}

int container_set_root(struct container *c, const char *path)
{
	cleanup_close int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat own, st;

	if (root < 0 || fstat(root, &st) < 0 || stat("/", &own) < 0)
		return refuse(errno, "the container's root directory %s: %s", path,
			      strerror(errno));
	if (st.st_dev == own.st_dev && st.st_ino == own.st_ino)
		return refuse(EINVAL, "the container has no root directory of its own, but %s",
			      path);
	if (fchdir(root) < 0 || chroot(".") < 0)
		return refuse(errno, "the container's root directory %s cannot be entered: %s",
			      path, strerror(errno));
	cleanup_close_p(&c->root);
	c->root = steal_fd(&root);
	return 0;
}

static int refuse_look(const char *path, int error)
{
	switch (error) {
	case ENOENT:
	case ENOTDIR:
		return -ENOENT;
	case ELOOP:
		return refuse(ELOOP, "/%s: a symbolic link leads there, which is not followed in a "
				     "container", path);
	case ENOSYS:
		return refuse(ENOSYS, "this kernel has no openat2(2) (Linux 5.6), or it is "
				      "forbidden here");
	default:
		return refuse(error, "/%s: %s", path, strerror(error));
	}
}

int container_look(const struct container *c, const char *path, int *ret_fd,
		   int *ret_mount)
{
	struct open_how how = {
		.flags = O_PATH | O_CLOEXEC, /* with O_NOFOLLOW a last link would be found */
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS,
	};
	cleanup_close int fd = (int)syscall(SYS_openat2, c->root, path, &how, sizeof how);
	int r;

	if (fd < 0)
		return refuse_look(path, errno);
	r = mountinfo_of(c->proc, fd, ret_mount);
	if (r == 0)
		*ret_fd = steal_fd(&fd);
	return r;
}

int container_unmount(const struct container *c, int fd)
{
	char path[64];

	snprintf(path, sizeof path, "self/fd/%d", fd);
	if (fchdir(c->proc) < 0)
		return refuse(errno, "/proc: %s", strerror(errno));
	if (umount2(path, MNT_DETACH) == 0)
		return 0;
	if (errno == EINVAL)
		return refuse(EINVAL, "the mount is locked: it came with the mounts of another "
				      "container, whose user namespace is above; take it out there "
				      "or end this one");
	return refuse(errno, "%s", strerror(errno));
}
