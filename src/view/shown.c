/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounds what was read of memory, piece by piece, by what it is a piece of. */
#include "shown.h"

#define KIB 1024

/* si_mem_available() without watermarks, which a cgroup has not: all of the page cache and of the
 * reclaimable slab can be had. */
static uint64_t reclaimable(const struct shown *m)
{
	return m->stat[STAT_ACTIVE_FILE] + m->stat[STAT_INACTIVE_FILE] +
	       m->stat[STAT_SLAB_RECLAIMABLE];
}

void shown_make(const struct snapshot *s, struct shown *ret_shown)
{
	const struct memory *memory = &s->memory;
	struct shown m;

	m.total = memory->total / KIB;
	m.used = shown_min((memory->usage + KIB - 1) / KIB, m.total);
	m.free = m.total - m.used;
	for (int i = 0; i < STAT_COUNT; i++)
		m.stat[i] = shown_min(memory->stat[i] / KIB, m.used);
	/* Of what is in swap, not in memory. */
	m.stat[STAT_ZSWAPPED] = memory->stat[STAT_ZSWAPPED] / KIB;
	m.cached = shown_minus(m.stat[STAT_FILE], m.stat[STAT_SWAPCACHED]);
	m.available = m.free + shown_min(reclaimable(&m), m.used);
	m.swap_total = s->swap.total / KIB;
	m.swap_used = shown_min((s->swap.used + KIB - 1) / KIB, m.swap_total);
	*ret_shown = m;
}
