/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What `ctlfs explain` finds out about one field of a view, from the mount and as its reader. */
#ifndef CTLFS_CMD_EXPLAIN_H
#define CTLFS_CMD_EXPLAIN_H

#include <stdbool.h>
#include <sys/types.h>

#include "ctlfs/buf.h"
#include "ctlfs/viewfield.h"

/* The container of a process, in a mount. */
struct explained {
	int mount; /* its directory */
	char *id; /* MNT/view/ID */
	char *path; /* of its cgroup, from the tree's root: "/", "/a/b"; NULL: there is no tree */
};

/* -ENOENT if there is no such process, or the mount cannot be asked; the reason is noted. */
int explained_open(const char *mount, pid_t pid, struct explained *ret_explained);
void explained_free(struct explained *e);
#define cleanup_explained __attribute__((cleanup(explained_free)))

/* Appends the value of a field as the container sees it: "262144 kB". -ENOENT if the file has no
 * such field there. */
int explained_value(const struct explained *e, const char *file, const struct view_field *field,
		    struct buf *out);

/* One text that went into a field: that of an interface file at a level, or of the host. */
typedef int explained_visit(void *data, const char *where, const char *value);

/* One input of a field's list, which *rest is moved behind: false at the end. */
struct explained_input {
	enum view_input how;
	char file[64]; /* "memory.max", "/proc/meminfo" */
	char key[64]; /* "" for the whole text */
};

extern const char *const explained_how[]; /* the words of enum view_input, NULL-terminated */

bool explained_next(const char **rest, struct explained_input *ret_input);
/* Visits what there is, from the container's own cgroup up: one of INPUT_NEAREST and INPUT_HOST. */
int explained_each(const struct explained *e, const struct explained_input *input,
		   explained_visit *visit, void *data);

#endif
