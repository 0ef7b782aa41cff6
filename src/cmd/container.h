/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A running container seen from outside: its mount namespace, which this process enters for good,
 * and the places in it. All that lies in there is the container's doing: paths are followed from
 * its root directory only, never through a symbolic link, and what is found is told by the number
 * of its mount. All functions return 0, or -errno with the reason noted.
 */
#ifndef CTLFS_CMD_CONTAINER_H
#define CTLFS_CMD_CONTAINER_H

#include <sys/types.h>

#include "mounttable.h"

struct container {
	pid_t pid; /* of any of its processes, as we see it; 0: unknown */
	int pidfd; /* the same for good, or -1 */
	int root; /* its root directory */
	int proc; /* our procfs; the container's own shows what it likes */
};

#define CONTAINER_INIT ((struct container){ .pidfd = -1, .root = -1, .proc = -1 })

/* -ESRCH; -EINVAL if it is no container: it has our own mounts. */
int container_open(pid_t pid, struct container *ret_container);
/* The container in whose namespaces this process is, before it has its root directory. */
int container_open_here(struct container *ret_container);
/* -ESRCH if it has ended: what was found by its number may be another's. */
int container_check(const struct container *c);
/* Enters the mount namespace and the root directory. The process must have one thread. */
int container_enter(const struct container *c);
/* Has path, which this process sees, as the root directory: where a runtime has made the mounts of
 * a container that does not yet run. Its own paths begin there from now on. */
int container_set_root(struct container *c, const char *path);
/* An O_PATH descriptor of what is seen at path ("proc/meminfo"), and the number of its mount.
 * -ENOENT without a reason if there is nothing. */
int container_look(const struct container *c, const char *path, int *ret_fd,
		   int *ret_mount);
/* Unmounts fd's mount, at once for who comes and at the end of use for who is there. */
int container_unmount(const struct container *c, int fd);
void container_close(struct container *c);
#define cleanup_container __attribute__((cleanup(container_close)))

#endif
