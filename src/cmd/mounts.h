/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ctlfs mounts of this mount namespace, from mountinfo: never by touching one of them. */
#ifndef CTLFS_CMD_MOUNTS_H
#define CTLFS_CMD_MOUNTS_H

#include "mounttable.h"

/* Whole mounts only, not binds of files from them; of several at one place the one that is seen.
 * 0, or -errno with the reason noted. */
int mounts_read(struct mounttable *ret_mounts);
/* Leaves no others in the table of a whole namespace. */
void mounts_keep(struct mounttable *m);
/* The one at path, or NULL. */
const struct mountinfo *mounts_find(const struct mounttable *m, const char *path);

/* The mount that a command is about: path if given, else $CTLFS_MOUNT, else the only one there is.
 * 0 with a path of its own (to be freed), or -errno with the reason noted. */
int mounts_choose(const char *path, char **ret_path);

#endif
