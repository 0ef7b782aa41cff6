/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* All mounts of a namespace, to be looked up by number. */
#ifndef CTLFS_CMD_MOUNTTABLE_H
#define CTLFS_CMD_MOUNTTABLE_H

#include <stdbool.h>
#include <stddef.h>

#include "ctlfs/mountinfo.h"

struct mounttable {
	struct mountinfo *v; /* in the order of the file: what covers comes later */
	size_t n;
	char *text; /* what they point into; NULL: somebody else's */
};

/* Cuts text up. Lines of another form are left out. 0 or -ENOMEM. */
int mounttable_parse(char *text, struct mounttable *ret_table);
/* As mountinfo_read(). 0, or -errno with the reason noted. */
int mounttable_read(int proc, struct mounttable *ret_table);
void mounttable_free(struct mounttable *m);
#define cleanup_mounttable __attribute__((cleanup(mounttable_free)))

/* NULL if there is none. */
const struct mountinfo *mounttable_find(const struct mounttable *m, int id);
/* Whether it is the whole of a ctlfs, not a bind of a part. */
bool mounttable_is_ctlfs(const struct mountinfo *row);

#endif
