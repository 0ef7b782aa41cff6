/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc/vmstat: the host's keys in its order. Pages are those that meminfo shows, events those that
 * memory.stat counts under the same name, transfers those of io.stat; what cgroups do not account
 * is 0. Likewise nodeN/vmstat, which has only the pages.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/keyed.h"
#include "rows.h"
#include "shown.h"

#define KIB 1024

/* The unit of a key: pages, huge pages, or as it is. */
enum unit { PAGES, HUGE_PAGES, KB };

struct source_of {
	const char *key;
	enum memory_stat stat;
	enum unit unit;
};

static const struct source_of sources[] = {
	{ "nr_zone_inactive_anon", STAT_INACTIVE_ANON, PAGES },
	{ "nr_zone_active_anon", STAT_ACTIVE_ANON, PAGES },
	{ "nr_zone_inactive_file", STAT_INACTIVE_FILE, PAGES },
	{ "nr_zone_active_file", STAT_ACTIVE_FILE, PAGES },
	{ "nr_zone_unevictable", STAT_UNEVICTABLE, PAGES },
	{ "nr_inactive_anon", STAT_INACTIVE_ANON, PAGES },
	{ "nr_active_anon", STAT_ACTIVE_ANON, PAGES },
	{ "nr_inactive_file", STAT_INACTIVE_FILE, PAGES },
	{ "nr_active_file", STAT_ACTIVE_FILE, PAGES },
	{ "nr_unevictable", STAT_UNEVICTABLE, PAGES },
	{ "nr_slab_reclaimable", STAT_SLAB_RECLAIMABLE, PAGES },
	{ "nr_slab_unreclaimable", STAT_SLAB_UNRECLAIMABLE, PAGES },
	{ "nr_anon_pages", STAT_ANON, PAGES },
	{ "nr_mapped", STAT_FILE_MAPPED, PAGES },
	{ "nr_file_pages", STAT_FILE, PAGES },
	{ "nr_dirty", STAT_FILE_DIRTY, PAGES },
	{ "nr_writeback", STAT_FILE_WRITEBACK, PAGES },
	{ "nr_shmem", STAT_SHMEM, PAGES },
	{ "nr_shmem_hugepages", STAT_SHMEM_THP, HUGE_PAGES },
	{ "nr_file_hugepages", STAT_FILE_THP, HUGE_PAGES },
	{ "nr_anon_transparent_hugepages", STAT_ANON_THP, HUGE_PAGES },
	{ "nr_kernel_stack", STAT_KERNEL_STACK, KB },
	{ "nr_page_table_pages", STAT_PAGETABLES, PAGES },
	{ "nr_sec_page_table_pages", STAT_SEC_PAGETABLES, PAGES },
	{ "nr_swapcached", STAT_SWAPCACHED, PAGES },
};

static uint64_t pages_of(const struct snapshot *s, const struct shown *m, const char *key)
{
	uint64_t page_kb = (uint64_t)sysconf(_SC_PAGESIZE) / KIB;

	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		uint64_t kb = m->stat[sources[i].stat];

		if (strcmp(sources[i].key, key))
			continue;
		if (sources[i].unit == KB)
			return kb;
		if (sources[i].unit == PAGES)
			return kb / page_kb;
		return s->host.huge_page ? kb / s->host.huge_page : 0;
	}
	if (strcmp(key, "nr_free_pages") == 0)
		return m->free / page_kb;
	if (strcmp(key, "nr_zone_write_pending") == 0)
		return shown_min(m->stat[STAT_FILE_DIRTY] + m->stat[STAT_FILE_WRITEBACK],
				 m->used) / page_kb;
	return 0;
}

struct rendering {
	const struct snapshot *s;
	struct shown shown;
	uint64_t read_kb, written_kb;
};

static void add_transfers(struct rendering *r)
{
	for (size_t i = 0; i < r->s->disks.n; i++) {
		r->read_kb += r->s->disks.disk[i].rbytes / KIB;
		r->written_kb += r->s->disks.disk[i].wbytes / KIB;
	}
}

static uint64_t value_of(const struct rendering *r, const char *key)
{
	uint64_t value = 0;
	const struct keyed event = { key, &value };

	if (strncmp(key, "nr_", 3) == 0)
		return pages_of(r->s, &r->shown, key);
	if (strcmp(key, "pgpgin") == 0)
		return r->read_kb;
	if (strcmp(key, "pgpgout") == 0)
		return r->written_kb;
	if (strcmp(key, "oom_kill") == 0)
		return r->s->memory.oom_kills;
	keyed_read(buf_text(&r->s->memory.text), &event, 1);
	return value;
}

static void render_keys(const struct snapshot *s, struct buf *out)
{
	struct rendering r = { .s = s };
	const char *line = buf_text(&s->text);

	shown_make(s, &r.shown);
	add_transfers(&r);
	while (*line) {
		char key[64];
		size_t len = strcspn(line, " \n");

		if (len < sizeof key) {
			memcpy(key, line, len);
			key[len] = '\0';
			buf_add(out, key, len);
			buf_add(out, " ", 1);
			buf_addu(out, value_of(&r, key));
			buf_add(out, "\n", 1);
		}
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}

void render_vmstat(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	if (s->memory.accounted)
		render_keys(s, out);
	else
		render_host_text(s, cpu, out);
}
