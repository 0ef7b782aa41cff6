/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ctlfs mounts of this mount namespace, from mountinfo: never by touching one of them. */
#ifndef CTLFS_CMD_MOUNTS_H
#define CTLFS_CMD_MOUNTS_H

#include <stddef.h>

struct ctlfs_mount {
	char *path;
	char device[32]; /* "0:52": tells one mount from another at the same place */
};

struct ctlfs_mounts {
	struct ctlfs_mount *v;
	size_t n;
};

/* Whole mounts only, not binds of files from them; of several at one place the one that is seen.
 * 0 or -errno. */
int mounts_read(struct ctlfs_mounts *ret_mounts);
/* The same from the text of a mountinfo file, which is cut up. */
int mounts_parse(char *text, struct ctlfs_mounts *ret_mounts);
const struct ctlfs_mount *mounts_find(const struct ctlfs_mounts *m, const char *path); /* or NULL */
void mounts_free(struct ctlfs_mounts *m);
#define cleanup_mounts __attribute__((cleanup(mounts_free)))

/* The mount that a command is about: path if given, else $CTLFS_MOUNT, else the only one there is.
 * 0 with a path of its own (to be freed), or -errno with the reason noted. */
int mounts_choose(const char *path, char **ret_path);

#endif
