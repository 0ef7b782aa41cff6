/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of sys/devices/system/node: all of the container's memory and CPUs are node 0. Which nodes
 * of the machine it may use is a matter of placement, and its CPUs are numbered anew in any case.
 */
#include <inttypes.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/keyed.h"
#include "rows.h"
#include "shown.h"

void render_node_distance(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)s;
	(void)cpu;
	buf_adds(out, "10\n"); /* LOCAL_DISTANCE */
}

/* Where pages came from is not accounted by cgroup. */
void render_node_numastat(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)s;
	(void)cpu;
	buf_adds(out, "numa_hit 0\nnuma_miss 0\nnuma_foreign 0\ninterleave_hit 0\nlocal_node 0\n"
		      "other_node 0\n");
}

/* A line of proc/meminfo, from its key to its end, behind the name of the node. */
static void add_line(const char *meminfo, const char *key, struct buf *out)
{
	const char *at = meminfo;
	size_t len = strlen(key);

	while (at && (strncmp(at, key, len) != 0 || at[len] != ':')) {
		at = strchr(at, '\n');
		at += at != NULL;
	}
	if (!at)
		return;
	buf_adds(out, "Node 0 ");
	buf_add(out, at, strcspn(at, "\n"));
	buf_add(out, "\n", 1);
}

static void add_sum(const char *name, uint64_t kb, struct buf *out)
{
	buf_addf(out, "Node 0 %-16s%8" PRIu64 " kB\n", name, kb);
}

/* hugetlb_report_node_meminfo() has columns of its own. */
static void add_huge_pages(const char *meminfo, struct buf *out)
{
	uint64_t total = 0, free = 0, surplus = 0;
	const struct keyed keys[] = { { "HugePages_Total:", &total }, { "HugePages_Free:", &free },
				      { "HugePages_Surp:", &surplus } };

	keyed_read(meminfo, keys, ARRAY_SIZE(keys));
	buf_addf(out, "Node 0 HugePages_Total: %5" PRIu64 "\nNode 0 HugePages_Free:  %5" PRIu64
		 "\nNode 0 HugePages_Surp:  %5" PRIu64 "\n", total, free, surplus);
}

/* Those of node_read_meminfo() that proc/meminfo has, too, in its order; and two that it counts
 * otherwise. */
void render_node_meminfo(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	static const char *const before[] = { "SwapCached", "Active", "Inactive", "Active(anon)",
		"Inactive(anon)", "Active(file)", "Inactive(file)", "Unevictable", "Mlocked",
		"Dirty", "Writeback" };
	static const char *const after[] = { "Mapped", "AnonPages", "Shmem", "KernelStack",
		"PageTables", "SecPageTables", "NFS_Unstable", "Bounce", "WritebackTmp",
		"KReclaimable", "Slab", "SReclaimable", "SUnreclaim", "AnonHugePages",
		"ShmemHugePages", "ShmemPmdMapped", "FileHugePages", "FilePmdMapped" };
	cleanup_buf struct buf meminfo = { 0 };
	uint64_t total = 0, free = 0, cached = 0, swapcached = 0;
	const struct keyed keys[] = { { "MemTotal:", &total }, { "MemFree:", &free },
				      { "Cached:", &cached }, { "SwapCached:", &swapcached } };
	const char *text;

	render_meminfo(s, cpu, &meminfo);
	text = buf_text(&meminfo);
	keyed_read(text, keys, ARRAY_SIZE(keys));
	add_line(text, "MemTotal", out);
	add_line(text, "MemFree", out);
	add_sum("MemUsed:", shown_minus(total, free), out);
	for (size_t i = 0; i < ARRAY_SIZE(before); i++)
		add_line(text, before[i], out);
	add_sum("FilePages:", cached + swapcached, out);
	for (size_t i = 0; i < ARRAY_SIZE(after); i++)
		add_line(text, after[i], out);
	add_huge_pages(text, out);
}
