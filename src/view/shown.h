/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The container's memory as all of its files show it: one arithmetic, so that they agree. */
#ifndef VIEW_SHOWN_H
#define VIEW_SHOWN_H

#include "snapshot.h"

/* Numbers in kB, each bounded. */
struct shown {
	uint64_t total, free, available, used;
	uint64_t stat[STAT_COUNT];
	uint64_t cached; /* without what is of swap */
	uint64_t swap_total, swap_used;
};

/* What the container uses is never more than its total, and no part of it more than what it uses,
 * nor are parts that are added up (lists; page cache and the kernel's), even where limit, usage and
 * statistics were read while they changed. */
void shown_make(const struct snapshot *s, struct shown *ret_shown);

static inline uint64_t shown_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t shown_minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

#endif
