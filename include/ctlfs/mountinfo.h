/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The mounts of this mount namespace, from /proc/self/mountinfo (proc_pid_mountinfo(5)). proc is a
 * directory of procfs, or AT_FDCWD: /proc. What fails notes the reason.
 */
#ifndef CTLFS_MOUNTINFO_H
#define CTLFS_MOUNTINFO_H

#include <stdbool.h>

struct buf;

/* A line. Texts are unescaped and point into it. */
struct mountinfo {
	int id, parent;
	unsigned group; /* of peers that see each other's mounts; 0: none */
	const char *device; /* "MAJ:MIN", as in st_dev */
	const char *root; /* what of the file system is mounted */
	const char *point;
	const char *type;
	const char *flags; /* options of the mount: "rw,nosuid" */
	const char *options; /* of the file system */
};

/* Cuts up line. False if it is none. */
bool mountinfo_parse(char *line, struct mountinfo *ret_mount);

/* Appends the whole file. 0 or -errno. */
int mountinfo_read(int proc, struct buf *out);
/* The number of the mount that fd is on; does not touch it. 0 or -errno. */
int mountinfo_of(int proc, int fd, int *ret_id);

/* Nonzero ends the visits with that value. */
typedef int mountinfo_visit(void *data, const struct mountinfo *m);

/* Visits all mounts, the oldest first: 0, what visit returned, or -errno. */
int mountinfo_each(mountinfo_visit *visit, void *data);

#endif
