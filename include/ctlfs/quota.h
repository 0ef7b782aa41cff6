/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A supply that cgroups draw on, of which none may take all. The first of it are for anybody who
 * comes. Beyond, a cgroup with all that is below it has at most half of the supply at the first
 * level, a quarter at the second, an eighth at the third; what is deeper counts as its ancestor
 * there. So nobody gets more by making descendants.
 *
 * Memory: what is held by somebody, three counters at most for each claim. Thread-safe.
 */
#ifndef CTLFS_QUOTA_H
#define CTLFS_QUOTA_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctlfs/fair.h"

#define QUOTA_LEVELS 4 /* that are told apart, the root's included */

struct quota_share; /* quota.c */

struct quota {
	pthread_mutex_t lock;
	size_t max, free; /* free: of max, for anybody */
	size_t used, used_free;
	struct quota_share *shares; /* by cgroup */
};

/* What somebody has taken; all zero: nothing. */
struct quota_claim {
	size_t amount;
	unsigned n; /* who is charged: 0 for what is anybody's */
	uint64_t id[QUOTA_LEVELS];
};

void quota_init(struct quota *q, size_t max, size_t free);
void quota_destroy(struct quota *q); /* when all was dropped */

/* Takes for anybody (who is NULL) or for who. False, and nothing is taken, if that is too much. */
bool quota_take(struct quota *q, const struct lineage *who, size_t amount,
		struct quota_claim *ret_claim);
void quota_drop(struct quota *q, struct quota_claim *claim); /* nothing is left of it */

#endif
