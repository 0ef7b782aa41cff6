/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc/zoneinfo and proc/buddyinfo: the container's memory as one zone of one node. Free pages are
 * those that meminfo shows, in the largest blocks they make.
 */
#include <unistd.h>

#include "rows.h"
#include "shown.h"

#define KIB 1024
#define ORDERS 11 /* NR_PAGE_ORDERS */

static uint64_t to_pages(uint64_t kb)
{
	return kb * KIB / (uint64_t)sysconf(_SC_PAGESIZE);
}

static void value(struct buf *out, const char *fmt_name, uint64_t number)
{
	buf_addf(out, "%s%llu", fmt_name, (unsigned long long)number);
}

static void show_node(const struct shown *m, struct buf *out)
{
	static const struct {
		const char *name;
		enum memory_stat stat;
	} stats[] = {
		{ "nr_inactive_anon", STAT_INACTIVE_ANON },
		{ "nr_active_anon", STAT_ACTIVE_ANON },
		{ "nr_inactive_file", STAT_INACTIVE_FILE },
		{ "nr_active_file", STAT_ACTIVE_FILE },
		{ "nr_unevictable", STAT_UNEVICTABLE },
		{ "nr_slab_reclaimable", STAT_SLAB_RECLAIMABLE },
		{ "nr_slab_unreclaimable", STAT_SLAB_UNRECLAIMABLE },
		{ "nr_anon_pages", STAT_ANON },
		{ "nr_mapped", STAT_FILE_MAPPED },
		{ "nr_file_pages", STAT_FILE },
		{ "nr_dirty", STAT_FILE_DIRTY },
		{ "nr_writeback", STAT_FILE_WRITEBACK },
		{ "nr_shmem", STAT_SHMEM },
	};

	buf_adds(out, "Node 0, zone   Normal\n  per-node stats");
	for (size_t i = 0; i < sizeof stats / sizeof *stats; i++)
		buf_addf(out, "\n      %-12s %llu", stats[i].name,
			 (unsigned long long)to_pages(m->stat[stats[i].stat]));
}

static void show_pagesets(unsigned cpus, struct buf *out)
{
	buf_adds(out, "\n  pagesets");
	for (unsigned i = 0; i < cpus; i++)
		buf_addf(out,
			 "\n    cpu: %u\n              count:    0\n              high:     0\n"
			 "              batch:    1\n  vm stats threshold: 0",
			 i);
}

void render_zoneinfo(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	struct shown m;

	if (!s->memory.accounted) {
		render_host_text(s, cpu, out);
		return;
	}
	shown_make(s, &m);
	show_node(&m, out);
	value(out, "\n  pages free     ", to_pages(m.free));
	buf_adds(out, "\n        boost    0\n        min      0\n        low      0"
		      "\n        high     0");
	value(out, "\n        spanned  ", to_pages(m.total));
	value(out, "\n        present  ", to_pages(m.total));
	value(out, "\n        managed  ", to_pages(m.total));
	buf_adds(out, "\n        cma      0\n        protection: (0)");
	value(out, "\n      nr_free_pages ", to_pages(m.free));
	show_pagesets(s->cpus, out);
	buf_adds(out, "\n  node_unreclaimable:  0\n  start_pfn:           0\n");
}

void render_buddyinfo(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	struct shown m;
	uint64_t pages;

	if (!s->memory.accounted) {
		render_host_text(s, cpu, out);
		return;
	}
	shown_make(s, &m);
	pages = to_pages(m.free);
	buf_adds(out, "Node 0, zone   Normal ");
	for (int order = 0; order < ORDERS; order++)
		buf_addf(out, "%6llu ", (unsigned long long)(order < ORDERS - 1 ?
							     pages >> order & 1 : pages >> order));
	buf_adds(out, "\n");
}
