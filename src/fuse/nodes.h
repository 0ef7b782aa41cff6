/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * FUSE node numbers are computed, never looked up: they hold after a restart, and nothing is kept
 * for a node that somebody knows.
 *
 *   kind (4 bits)  TOP   number of a static node (FUSE's root is 1)
 *                  TREE  the tree's own node number (56 bits)
 *                  VIEW  container (40 bits), slot (20 bits); container 0: the caller's
 *                  LINK  container: MNT/view/ID/cgroup
 *                  PID   process, as the daemon sees it: MNT/view/pid-PID
 */
#ifndef CTLFS_FUSE_NODES_H
#define CTLFS_FUSE_NODES_H

#include <stdint.h>

enum node_kind { NODE_TOP, NODE_TREE, NODE_VIEW, NODE_LINK, NODE_PID };

enum top_node {
	TOP_ROOT = 1, /* FUSE_ROOT_ID */
	TOP_VIEW = 2, /* MNT/view */
	TOP_CTL = 3, /* MNT/ctl */
	TOP_CTL_FILE = 16, /* + row of ctl_rows */
};

#define NODE_CALLER 0 /* "container" of MNT/proc and MNT/sys */
#define NODE_SLOT_BITS 20
#define NODE_CONTAINER_MAX (1ULL << 40)

static inline uint64_t node_make(enum node_kind kind, uint64_t rest)
{
	return (uint64_t)kind << 60 | rest;
}

static inline uint64_t node_view(uint64_t container, unsigned slot)
{
	return node_make(NODE_VIEW, container << NODE_SLOT_BITS | slot);
}

static inline enum node_kind node_kind(uint64_t node)
{
	return (enum node_kind)(node >> 60);
}

/* What is left of the number without its kind. */
static inline uint64_t node_rest(uint64_t node)
{
	return node & ~(15ULL << 60);
}

static inline uint64_t node_container(uint64_t node)
{
	return node_rest(node) >> NODE_SLOT_BITS;
}

static inline unsigned node_slot(uint64_t node)
{
	return (unsigned)(node & ((1U << NODE_SLOT_BITS) - 1));
}

#endif
