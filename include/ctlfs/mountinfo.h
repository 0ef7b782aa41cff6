/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The mounts of this mount namespace, from /proc/self/mountinfo (proc_pid_mountinfo(5)). */
#ifndef CTLFS_MOUNTINFO_H
#define CTLFS_MOUNTINFO_H

#include <stdbool.h>

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

/* Nonzero ends the visits with that value. */
typedef int mountinfo_visit(void *data, const struct mountinfo *m);

/* Visits all mounts, the oldest first: 0, what visit returned, or -errno. */
int mountinfo_each(mountinfo_visit *visit, void *data);

#endif
