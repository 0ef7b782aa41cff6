/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A bounded queue that is shared fairly by the hierarchy of those who fill it. When it is full the
 * oldest item of whoever has the most goes: at each level, from the top, of the child with the most
 * items below it. So nobody, however many descendants he makes, pushes out what others put in while
 * they have less than an equal share of what their common ancestor has.
 *
 * Memory: at most max items and LINEAGE_MAX shares for each. Not thread-safe.
 */
#ifndef CTLFS_FAIR_H
#define CTLFS_FAIR_H

#include <stddef.h>
#include <stdint.h>

/* Levels that are told apart: what is deeper counts as its ancestor at the last one. */
#define LINEAGE_MAX 32

/* A cgroup by the numbers of its ancestors, the root's first and its own last; n is at least 1. */
struct lineage {
	unsigned n;
	uint64_t id[LINEAGE_MAX];
};

struct fair_share; /* fair.c */

/* First in what the queue's user keeps. */
struct fair_item {
	struct fair_item *prev, *next; /* in the order in which they came: from fair_first() on */
	struct fair_item *own_prev, *own_next; /* of the same share */
	struct fair_share *share;
};

struct fair {
	struct fair_share *root;
	struct fair_item *first;
	size_t n, max;
};

void fair_init(struct fair *q, size_t max);
/* Appends item on behalf of who. Returns what had to go, which is its user's again: NULL, or an
 * item, possibly this one (no memory). */
struct fair_item *fair_add(struct fair *q, const struct lineage *who, struct fair_item *item);
void fair_remove(struct fair *q, struct fair_item *item);

#endif
