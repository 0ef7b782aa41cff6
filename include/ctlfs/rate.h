/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Limits on how often something may happen: a burst at once, then one each interval. By cgroup, a
 * limit holds at each level: below the second level RATE_BURST at once and one each
 * RATE_INTERVAL_NS, four times that at the second, 16 times at the first, 64 times for all.
 * So nobody gets more by making descendants, and down to the third level nobody uses up more than
 * a quarter of what his parent has.
 */
#ifndef CTLFS_RATE_H
#define CTLFS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#include "ctlfs/fair.h"

#define RATE_BURST 10
#define RATE_INTERVAL_NS 6000000000ULL
#define RATE_SOURCES 256 /* cgroups that are remembered; of more, those that were heard last */

/* One limit: next is the state, 0 at first; now is monotonic, in nanoseconds. */
struct rate {
	uint64_t next;
};

bool rate_would(const struct rate *r, uint64_t burst, uint64_t interval, uint64_t now);
bool rate_take(struct rate *r, uint64_t burst, uint64_t interval, uint64_t now);

/* One of the cgroups that are remembered. Not thread-safe. */
struct rate_source {
	uint64_t id; /* 0: none */
	struct rate rate;
	uint64_t heard; /* by the count of those who came */
	uint64_t suppressed; /* since it was last told */
};

struct rate_sources {
	struct rate_source v[RATE_SOURCES];
	uint64_t turn;
};

/* Whether who may now. If not, that is counted for the ancestor who->id[teller]; if yes, what was
 * counted for it since the last time is in *ret_suppressed. */
bool rate_by_cgroup(struct rate_sources *s, const struct lineage *who, unsigned teller,
		    uint64_t now, uint64_t *ret_suppressed);

#endif
