/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bounds what was read of memory, piece by piece, by what it is a piece of. */
#include "shown.h"

#include "ctlfs/cleanup.h"

#define KIB 1024

/* si_mem_available() without watermarks, which a cgroup has not: all of the page cache and of the
 * reclaimable slab can be had. */
static uint64_t reclaimable(const struct shown *m)
{
	return m->stat[STAT_ACTIVE_FILE] + m->stat[STAT_INACTIVE_FILE] +
	       m->stat[STAT_SLAB_RECLAIMABLE];
}

/* Parts that are counted late do not add up to more than the whole: what those before have left. */
static void take(uint64_t *part, uint64_t *left)
{
	*part = shown_min(*part, *left);
	*left -= *part;
}

static void take_all(struct shown *m, const enum memory_stat *parts, size_t n, uint64_t left)
{
	for (size_t i = 0; i < n; i++)
		take(&m->stat[parts[i]], &left);
}

/* Pages are on one list each. */
static void bound_lists(struct shown *m)
{
	static const enum memory_stat lists[] = { STAT_ACTIVE_ANON, STAT_INACTIVE_ANON,
						  STAT_ACTIVE_FILE, STAT_INACTIVE_FILE,
						  STAT_UNEVICTABLE };

	take_all(m, lists, ARRAY_SIZE(lists), m->used);
}

/* What is not of processes: page cache without what is of swap, and the kernel's. */
static void bound_kinds(struct shown *m)
{
	static const enum memory_stat kernel[] = { STAT_SLAB_RECLAIMABLE, STAT_SLAB_UNRECLAIMABLE,
						   STAT_KERNEL_STACK, STAT_PAGETABLES,
						   STAT_SEC_PAGETABLES };
	uint64_t *st = m->stat, left = m->used;

	st[STAT_SWAPCACHED] = shown_min(st[STAT_SWAPCACHED], st[STAT_FILE]);
	m->cached = st[STAT_FILE] - st[STAT_SWAPCACHED];
	take(&m->cached, &left);
	st[STAT_FILE] = m->cached + st[STAT_SWAPCACHED];
	take_all(m, kernel, ARRAY_SIZE(kernel), left);
}

static uint64_t kib_up(uint64_t bytes)
{
	return bytes / KIB + (bytes % KIB != 0);
}

void shown_make(const struct snapshot *s, struct shown *ret_shown)
{
	const struct memory *memory = &s->memory;
	struct shown m;

	m.total = memory->total / KIB;
	m.used = shown_min(kib_up(memory->usage), m.total);
	m.free = m.total - m.used;
	for (int i = 0; i < STAT_COUNT; i++)
		m.stat[i] = shown_min(memory->stat[i] / KIB, m.used);
	bound_lists(&m);
	bound_kinds(&m);
	m.available = m.free + shown_min(reclaimable(&m), m.used);
	m.swap_total = s->swap.total / KIB;
	m.swap_used = shown_min(kib_up(s->swap.used), m.swap_total);
	/* Of what is in swap, not in memory. */
	m.stat[STAT_ZSWAPPED] = shown_min(memory->stat[STAT_ZSWAPPED] / KIB, m.swap_used);
	*ret_shown = m;
}
