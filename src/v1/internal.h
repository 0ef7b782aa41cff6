/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The v1 backend from inside. A hierarchy lies in the slot of its first role, so that its place in
 * a node's number does not depend on what else is mounted.
 *
 * Locks: v1->lock guards the two tables and is held over no call.
 */
#ifndef CTLFS_V1_INTERNAL_H
#define CTLFS_V1_INTERNAL_H

#include <pthread.h>
#include <stdint.h>

#include "ctlfs/buf.h"
#include "ctlfs/lru.h"
#include "ctlfs/v1.h"

struct v1_slot {
	struct tree *tree; /* NULL: no hierarchy has this as its first role */
	bool v2;
	bool whole; /* its root is that of the hierarchy, the machine: it has no limits */
};

#define NOWHERE (-1)

struct v1 {
	struct tree tree; /* first */
	struct v1_slot slots[V1_ROLES];
	int home[V1_ROLES]; /* the slot that has the role, or NOWHERE */
	bool alone[V1_ROLES]; /* nobody else has its hierarchy */
	bool machine; /* all roots are whole */
	struct v1_source source; /* but for the trees */
	pthread_mutex_t lock;
	struct lru plain; /* nodes.c */
	struct lru mixed;
};

static inline struct v1 *v1_of(struct tree *t)
{
	return (struct v1 *)t;
}

/* A cgroup. In slots without a hierarchy all is as at the root. */
struct v1_node {
	uint64_t number;
	bool mixed; /* no path leads there */
	unsigned depth; /* of the deepest of its directories */
	uint64_t dirs[V1_ROLES]; /* by slot: in the tree there */
	uint64_t ups[V1_ROLES]; /* their parents */
	unsigned depths[V1_ROLES];
};

/* Numbers: a file's has its row + 1 above its directory's, that one its slot above the number in
 * that slot's tree. */
#define DIR_BITS 40
#define SLOT_SHIFT 36
#define SLOT_MIXED 15

static inline uint64_t number_in(unsigned slot, uint64_t dir)
{
	return dir == TREE_ROOT ? TREE_ROOT : (uint64_t)slot << SLOT_SHIFT | dir;
}

/* Has the hierarchy in slot the cgroup itself, and not only one above? */
static inline bool node_is_in(const struct v1 *v, const struct v1_node *node, int slot)
{
	return slot != NOWHERE && v->slots[slot].tree && node->depths[slot] == node->depth;
}

/* nodes.c */
int v1_nodes_init(struct v1 *v);
void v1_nodes_free(struct v1 *v);
/* The cgroup with that number, as it is now. -ENODEV. */
int node_get(struct v1 *v, uint64_t number, struct v1_node *ret_node);
/* The same without anything remembered. */
int node_get_fresh(struct v1 *v, uint64_t number, struct v1_node *ret_node);
/* The cgroup that has these directories. -ENODEV. */
int node_of(struct v1 *v, const uint64_t dirs[V1_ROLES], uint64_t *ret_number);
int node_parent(struct v1 *v, const struct v1_node *node, uint64_t *ret_number);

/* rows.c: the files of cgroup v2 that can be made of what v1 has. */
struct v1_row {
	const char *name;
	enum v1_role role; /* V1_ROLES: of all cgroups */
	const char *file; /* on cgroup v1: the row is there if this is */
	int (*show)(struct v1 *v, const struct v1_node *node, struct buf *out);
	int (*convert)(const char *text, struct buf *out); /* of file, if that is all it takes */
};

extern const struct v1_row v1_rows[];
extern const size_t v1_rows_count;

/* 0 if node has the file, -ENOENT. Both bring node up to date where that can matter. */
int row_check(struct v1 *v, struct v1_node *node, const struct v1_row *row);
/* Appends its text. -ENOENT if it is not there any more; -EIO if it is not as v1 writes it. */
int row_show(struct v1 *v, struct v1_node *node, const struct v1_row *row, struct buf *out);
/* Replaces text by that of file, of role's controller, in the cgroup itself. -ENOENT. */
int v1_read(struct v1 *v, const struct v1_node *node, enum v1_role role, const char *file,
	    struct buf *text);

/* procs.c: pids, one a line. */
int show_procs(struct v1 *v, const struct v1_node *node, struct buf *out);

/* text.c: pure functions from texts of v1 to texts of v2. They append to out; -EIO for what v1 does
 * not write. */
int text_number(const char *text, uint64_t *ret_value); /* and a newline, nothing else */
int text_limit(const char *text, uint64_t *ret_value); /* UINT64_MAX: none */
void text_add_limit(uint64_t value, struct buf *out);
int text_cpu_max(const char *quota, const char *period, struct buf *out);
int text_weight(const char *shares, struct buf *out);
int text_cpu_usage(const char *usage, const char *stat, struct buf *out);
int text_throttling(const char *stat, struct buf *out);
int text_memory_stat(const char *stat, struct buf *out);
int text_io_stat(const char *bytes, const char *ios, struct buf *out);

#endif
