/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What export and import share: the list of owners and modes in a snapshot, and bounds. */
#ifndef TREE_PLAIN_H
#define TREE_PLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "ctlfs/tree.h"

#define PLAIN_LIST ".ctlfs-export" /* at a snapshot's top */
#define PLAIN_HEAD "ctlfs export 1\n" /* its first line */
#define PLAIN_FILE_MAX (1u << 20)
#define PLAIN_LIST_MAX (1u << 28)
#define PLAIN_NODES_MAX (1u << 24)
#define PLAIN_DEPTH_MAX 256

/* A snapshot's list. */
struct attr_line {
	const char *path; /* from the top, "." for it */
	mode_t mode;
	uid_t uid;
	gid_t gid;
};

struct attr_list {
	char *text;
	struct attr_line *lines; /* by path */
	size_t n;
};

/* Cuts up text, which it owns, also on failure: -EINVAL with the number of a bad line noted. */
int attr_list_parse(char *text, struct attr_list *ret_list);
const struct attr_line *attr_list_find(const struct attr_list *list, const char *path);
void attr_list_free(struct attr_list *list);

/* Whether what stat tells of this tree's nodes are a cgroup's owners and modes: not so of plain
 * files without a list. */
bool plain_has_attrs(struct tree *t);

/* Notes the reason that was noted, or that of r, with path in front. */
int plain_refuse(int r, const char *path);

#endif
