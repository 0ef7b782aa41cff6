/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc/meminfo: the fields of 6.12 in its order; and nodeN/meminfo, which has some of them.
 */
#include <inttypes.h>
#include <string.h>

#include "rows.h"
#include "shown.h"

#define NAME_WIDTH 16
#define VALUE_WIDTH 8

/* "Name:      NUMBER": much of what is rendered, so without printf. */
static void kib(struct buf *out, const char *name, uint64_t value)
{
	static const char unit[] = " kB\n";
	char line[64];
	size_t at = sizeof line - 8;
	size_t unit_len = sizeof unit - 1, name_len = strlen(name);
	size_t end = at + unit_len;

	memcpy(line + at, unit, unit_len);
	do {
		line[--at] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (at > sizeof line - 8 - VALUE_WIDTH)
		line[--at] = ' ';
	for (size_t pad = name_len; pad < NAME_WIDTH; pad++)
		line[--at] = ' ';
	at -= name_len;
	memcpy(line + at, name, name_len);
	buf_add(out, line + at, end - at);
}

static void show_lists(const struct shown *m, struct buf *out)
{
	const uint64_t *st = m->stat;

	kib(out, "MemTotal:", m->total);
	kib(out, "MemFree:", m->free);
	kib(out, "MemAvailable:", m->available);
	kib(out, "Buffers:", 0);
	kib(out, "Cached:", m->cached);
	kib(out, "SwapCached:", st[STAT_SWAPCACHED]);
	kib(out, "Active:", st[STAT_ACTIVE_ANON] + st[STAT_ACTIVE_FILE]);
	kib(out, "Inactive:", st[STAT_INACTIVE_ANON] + st[STAT_INACTIVE_FILE]);
	kib(out, "Active(anon):", st[STAT_ACTIVE_ANON]);
	kib(out, "Inactive(anon):", st[STAT_INACTIVE_ANON]);
	kib(out, "Active(file):", st[STAT_ACTIVE_FILE]);
	kib(out, "Inactive(file):", st[STAT_INACTIVE_FILE]);
	kib(out, "Unevictable:", st[STAT_UNEVICTABLE]);
	kib(out, "Mlocked:", 0);
	kib(out, "SwapTotal:", m->swap_total);
	kib(out, "SwapFree:", m->swap_total - m->swap_used);
	kib(out, "Zswap:", st[STAT_ZSWAP]);
	kib(out, "Zswapped:", st[STAT_ZSWAPPED]);
}

static void show_kinds(const struct shown *m, struct buf *out)
{
	const uint64_t *st = m->stat;

	kib(out, "Dirty:", st[STAT_FILE_DIRTY]);
	kib(out, "Writeback:", st[STAT_FILE_WRITEBACK]);
	kib(out, "AnonPages:", st[STAT_ANON]);
	kib(out, "Mapped:", st[STAT_FILE_MAPPED]);
	kib(out, "Shmem:", st[STAT_SHMEM]);
	kib(out, "KReclaimable:", st[STAT_SLAB_RECLAIMABLE]);
	kib(out, "Slab:", st[STAT_SLAB_RECLAIMABLE] + st[STAT_SLAB_UNRECLAIMABLE]);
	kib(out, "SReclaimable:", st[STAT_SLAB_RECLAIMABLE]);
	kib(out, "SUnreclaim:", st[STAT_SLAB_UNRECLAIMABLE]);
	kib(out, "KernelStack:", st[STAT_KERNEL_STACK]);
	kib(out, "PageTables:", st[STAT_PAGETABLES]);
	kib(out, "SecPageTables:", st[STAT_SEC_PAGETABLES]);
	kib(out, "NFS_Unstable:", 0);
	kib(out, "Bounce:", 0);
	kib(out, "WritebackTmp:", 0);
}

/* The host's overcommit ratio, applied to the container's memory. */
static uint64_t commit_limit(const struct host_memory *host, const struct shown *m)
{
	uint64_t of_memory = shown_minus(host->commit_limit, host->swap_total);

	if (!host->total)
		return m->swap_total;
	return (uint64_t)((unsigned __int128)of_memory * m->total / host->total) + m->swap_total;
}

/* hugetlb_report_meminfo() has columns of its own. */
static void show_huge(const struct huge_pages *h, struct buf *out)
{
	buf_addf(out,
		 "HugePages_Total:   %5" PRIu64 "\nHugePages_Free:    %5" PRIu64
		 "\nHugePages_Rsvd:    %5" PRIu64 "\nHugePages_Surp:    %5u\n",
		 h->total, h->free, h->reserved, 0);
}

static void show_rest(const struct snapshot *s, const struct shown *m, struct buf *out)
{
	const uint64_t *st = m->stat;

	kib(out, "CommitLimit:", commit_limit(&s->host, m));
	kib(out, "Committed_AS:",
	    shown_min(st[STAT_ANON] + st[STAT_SHMEM], m->used) + m->swap_used);
	kib(out, "VmallocTotal:", s->host.vmalloc_total);
	kib(out, "VmallocUsed:", st[STAT_VMALLOC]);
	kib(out, "VmallocChunk:", 0);
	kib(out, "Percpu:", st[STAT_PERCPU]);
	kib(out, "AnonHugePages:", st[STAT_ANON_THP]);
	kib(out, "ShmemHugePages:", st[STAT_SHMEM_THP]);
	kib(out, "ShmemPmdMapped:", 0);
	kib(out, "FileHugePages:", st[STAT_FILE_THP]);
	kib(out, "FilePmdMapped:", 0);
	show_huge(&s->huge, out);
	kib(out, "Hugepagesize:", s->host.huge_page);
	kib(out, "Hugetlb:", s->huge.total * s->host.huge_page);
}

void render_meminfo(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	struct shown m;

	(void)cpu;
	if (!s->memory.accounted) {
		buf_add(out, s->meminfo.data, s->meminfo.len);
		return;
	}
	shown_make(s, &m);
	show_lists(&m, out);
	show_kinds(&m, out);
	show_rest(s, &m, out);
}
