/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of view files: one row per file or directory. Renderers lie in files of their own. To
 * add a file: a row with a new number here, a renderer there.
 */
#ifndef VIEW_ROWS_H
#define VIEW_ROWS_H

#include "snapshot.h"

/* Appends the text. cpu: of a file below cpuN, else 0. */
typedef void view_render_fn(const struct snapshot *s, unsigned cpu, struct buf *out);

#define VIEW_BIND 1u /* flag: a container binds it over its own */

/* The slots of CPU n are those of CPU 0 and n times this. */
#define VIEW_CPU_SLOT 0x10000u
#define VIEW_CPU_STEP 64u

struct view_row {
	const char *path; /* "#" stands for the number of a CPU */
	view_render_fn *render; /* NULL: a directory */
	view_render_fn *machine; /* for the machine itself, from the host's text alone; or NULL */
	unsigned slot; /* never changes, never used again for another path */
	unsigned needs; /* NEED_* */
	enum host_file host; /* for NEED_TEXT */
	unsigned flags;
	const char *relay; /* interface file of the container that it stands for, or NULL */
	const char *given; /* interface file without which it is not there; NULL: relay, if any */
};

static inline bool view_row_is_dir(const struct view_row *row)
{
	return !row->render && !row->relay;
}

extern const struct view_row view_rows[];
extern const size_t view_rows_count;

static inline bool view_row_per_cpu(const struct view_row *row)
{
	return row->slot >= VIEW_CPU_SLOT;
}

view_render_fn render_diskstats, render_partitions, render_vmstat, render_zoneinfo,
	render_buddyinfo, render_slabinfo, render_schedstat, render_interrupts, render_softirqs;
view_render_fn render_cpuinfo, render_loadavg, render_meminfo, render_stat, render_stat_of_machine,
	render_swaps, render_uptime;
view_render_fn render_cpu_all, render_cpu_none, render_host_text; /* sys/devices/system/cpu */
view_render_fn render_not_supported, render_cache_id, render_cache_list, render_cache_mask;
view_render_fn render_node_distance, render_node_meminfo, render_node_numastat;
view_render_fn render_zero, render_number, render_own_mask, render_own_list, render_all_mask;

#endif
