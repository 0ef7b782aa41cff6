/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Strict readers of the view files, one for each: the format is the kernel's (fs/proc, proc(5)),
 * and the numbers are those of the snapshot by an arithmetic of the test's own.
 */
#ifndef TEST_VIEW_TEXTS_H
#define TEST_VIEW_TEXTS_H

#include <stdlib.h>
#include <unistd.h>

#include "ctlfs/viewfield.h"
#include "scan.h"
#include "view/rows.h"

#define MEMINFO_MAX 64
#define TICK 10000 /* us */

/* What a text has to show: kB, and of the host what was given to the renderer. */
struct want {
	const struct snapshot *s;
	const char *host; /* the host's text of this file */
	uint64_t total, used, swap_total, swap_used;
};

typedef void view_read_fn(struct scan *p, const struct want *w, unsigned cpu);

static inline uint64_t kib_up(uint64_t bytes)
{
	return bytes / 1024 + (bytes % 1024 != 0);
}

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t pages_of_kib(uint64_t kib)
{
	return kib / ((uint64_t)sysconf(_SC_PAGESIZE) / 1024);
}

static inline struct want want_of(const struct snapshot *s, const char *given_text)
{
	struct want w = { .s = s, .host = given_text, .total = s->memory.total / 1024,
			  .swap_total = s->swap.total / 1024 };

	w.used = least(kib_up(s->memory.usage), w.total);
	w.swap_used = least(kib_up(s->swap.used), w.swap_total);
	return w;
}

/* --- the host's text as it is --- */

static inline void read_same(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)cpu;
	scan_text(p, w->host);
}

/* --- memory --- */

/* Lines of meminfo: "%-16s%8llu kB"; huge pages are counted: "%-19s%5llu", of a node
 * "%-17s%5llu". */
struct meminfo {
	char name[MEMINFO_MAX][24];
	uint64_t value[MEMINFO_MAX];
	unsigned n;
};

static void scan_meminfo(struct scan *p, const char *before, struct meminfo *ret)
{
	struct meminfo m = { .n = 0 };

	while (*p->at && m.n < MEMINFO_MAX) {
		size_t len;

		scan_text(p, before);
		len = strcspn(p->at, ":\n");
		if (!len || len >= sizeof m.name[0] || p->at[len] != ':')
			scan_fail(p, "no name");
		memcpy(m.name[m.n], p->at, len);
		p->at += len + 1;
		if (strncmp(m.name[m.n], "HugePages_", 10) == 0) {
			scan_spaces(p, (*before ? 16 : 18) - len);
			m.value[m.n++] = scan_padded(p, 5);
		} else {
			scan_spaces(p, len < 15 ? 15 - len : 0);
			m.value[m.n++] = scan_padded(p, 8);
		}
		scan_text(p, strncmp(m.name[m.n - 1], "HugePages_", 10) ? " kB\n" : "\n");
	}
	*ret = m;
}

static uint64_t of(const struct scan *p, const struct meminfo *m, const char *name)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (strcmp(m->name[i], name) == 0)
			return m->value[i];
	}
	scan_fail(p, "no line %s", name);
}

static void check_sum(const struct scan *p, const struct meminfo *m, const char *name,
		      const char *a, const char *b)
{
	scan_equal(p, name, of(p, m, name), of(p, m, a) + of(p, m, b));
}

/* What nodeN/meminfo has, too. */
static void check_parts(const struct scan *p, const struct meminfo *m, const struct want *w,
			uint64_t cached)
{
	static const char *const lists[] = { "Active", "Inactive", "Unevictable" };
	static const char *const kernel[] = { "Slab", "KernelStack", "PageTables",
					      "SecPageTables" };
	uint64_t sum = 0;

	scan_equal(p, "MemTotal", of(p, m, "MemTotal"), w->total);
	scan_equal(p, "MemFree", of(p, m, "MemFree"), w->total - w->used);
	check_sum(p, m, "Active", "Active(anon)", "Active(file)");
	check_sum(p, m, "Inactive", "Inactive(anon)", "Inactive(file)");
	check_sum(p, m, "Slab", "SReclaimable", "SUnreclaim");
	scan_equal(p, "KReclaimable", of(p, m, "KReclaimable"), of(p, m, "SReclaimable"));
	for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
		sum += of(p, m, lists[i]);
	scan_at_most(p, "what is on lists", sum, w->used);
	for (size_t i = 0; i < ARRAY_SIZE(kernel); i++)
		cached += of(p, m, kernel[i]);
	scan_at_most(p, "page cache and the kernel's", cached, w->used);
}

/* By the rule that the documentation has of it (docs/view-fields.md). */
static void check_rule(const struct scan *p, const struct view_field *f, uint64_t value,
		       const struct want *w)
{
	if (strcmp(f->rule, "0: not accounted by cgroup") == 0)
		scan_equal(p, f->name, value, 0);
	else if (strcmp(f->rule, "bounded by what is used") == 0 || strcmp(f->rule, "the sum") == 0)
		scan_at_most(p, f->name, value, w->used);
	else if (strcmp(f->rule, "bounded by the swap that is used") == 0)
		scan_at_most(p, f->name, value, w->swap_used);
	else if (strncmp(f->name, "Swap", 4) == 0)
		scan_at_most(p, f->name, value, w->swap_total);
	else if (strncmp(f->name, "Commit", 6) == 0 || strncmp(f->name, "Huge", 4) == 0)
		return;
	else if (strncmp(f->inputs, "host ", 5) != 0)
		scan_at_most(p, f->name, value, w->total);
}

static void check_fields(const struct scan *p, const struct meminfo *m, const struct want *w)
{
	unsigned n = 0;

	for (size_t i = 0; i < view_fields_count; i++) {
		const struct view_field *f = &view_fields[i];

		if (strcmp(f->file, "proc/meminfo") != 0)
			continue;
		if (n == m->n || strcmp(m->name[n], f->name) != 0)
			scan_fail(p, "line %u is not %s", n + 1, f->name);
		check_rule(p, f, m->value[n++], w);
	}
	scan_equal(p, "the number of lines", m->n, n);
}

/* They are beside MemTotal. */
static void check_huge(const struct scan *p, const struct meminfo *m, const struct huge_pages *h)
{
	scan_equal(p, "HugePages_Total", of(p, m, "HugePages_Total"), h->total);
	scan_equal(p, "HugePages_Free", of(p, m, "HugePages_Free"), h->free);
	scan_equal(p, "HugePages_Surp", of(p, m, "HugePages_Surp"), 0);
}

static void read_meminfo(struct scan *p, const struct want *w, unsigned cpu)
{
	struct meminfo m;
	uint64_t kept;

	if (!w->s->memory.accounted) {
		read_same(p, &(struct want){ .host = buf_text(&w->s->meminfo) }, cpu);
		return;
	}
	scan_meminfo(p, "", &m);
	check_fields(p, &m, w);
	check_parts(p, &m, w, of(p, &m, "Cached"));
	check_huge(p, &m, &w->s->huge);
	scan_equal(p, "HugePages_Rsvd", of(p, &m, "HugePages_Rsvd"), w->s->huge.reserved);
	scan_equal(p, "Hugetlb", of(p, &m, "Hugetlb"), w->s->huge.total * w->s->host.huge_page);
	/* free(1): what is used is the rest. */
	kept = of(p, &m, "Cached") + of(p, &m, "Buffers") + of(p, &m, "SReclaimable");
	scan_at_most(p, "free and cache", of(p, &m, "MemFree") + kept, w->total);
	scan_at_most(p, "MemFree", of(p, &m, "MemFree"), of(p, &m, "MemAvailable"));
	scan_equal(p, "SwapTotal", of(p, &m, "SwapTotal"), w->swap_total);
	scan_equal(p, "SwapFree", of(p, &m, "SwapFree"), w->swap_total - w->swap_used);
	scan_at_most(p, "SwapTotal", w->swap_total, of(p, &m, "CommitLimit"));
	scan_at_most(p, "Committed_AS", of(p, &m, "Committed_AS"), w->used + w->swap_used);
}

static void read_node_meminfo(struct scan *p, const struct want *w, unsigned cpu)
{
	struct meminfo m;

	(void)cpu;
	scan_meminfo(p, "Node 0 ", &m);
	scan_equal(p, "used and free", of(p, &m, "MemUsed") + of(p, &m, "MemFree"),
		   of(p, &m, "MemTotal"));
	if (!w->s->memory.accounted)
		return;
	scan_at_most(p, "SwapCached", of(p, &m, "SwapCached"), of(p, &m, "FilePages"));
	check_parts(p, &m, w, of(p, &m, "FilePages") - of(p, &m, "SwapCached"));
	check_huge(p, &m, &w->s->huge);
	for (unsigned i = 0; i < m.n; i++) {
		if (strncmp(m.name[i], "Huge", 4) != 0)
			scan_at_most(p, m.name[i], m.value[i], w->total);
	}
	scan_at_most(p, "FilePages", of(p, &m, "FilePages"), w->used);
}

static void read_swaps(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)cpu;
	scan_text(p, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	if (!w->swap_total)
		return;
	scan_text(p, "none                                    virtual\t\t");
	scan_equal(p, "Size", scan_number(p), w->swap_total);
	scan_text(p, w->swap_total < 10000000 ? "\t\t" : "\t");
	scan_equal(p, "Used", scan_number(p), w->swap_used);
	scan_text(p, w->swap_used < 10000000 ? "\t\t0\n" : "\t0\n");
}

/* The host's keys, in its order. */
static void read_vmstat(struct scan *p, const struct want *w, unsigned cpu)
{
	if (!w->s->memory.accounted) {
		read_same(p, w, cpu);
		return;
	}
	for (const char *key = w->host; *key; key = strchr(key, '\n') + 1) {
		char name[64];
		uint64_t value;

		snprintf(name, sizeof name, "%.*s", (int)strcspn(key, " "), key);
		scan_text(p, name);
		scan_text(p, " ");
		value = scan_number(p);
		scan_text(p, "\n");
		if (strcmp(name, "nr_free_pages") == 0)
			scan_equal(p, name, value, pages_of_kib(w->total - w->used));
		else if (strcmp(name, "nr_kernel_stack") == 0) /* kB */
			scan_at_most(p, name, value, w->used);
		else if (strncmp(name, "nr_", 3) == 0)
			scan_at_most(p, name, value, pages_of_kib(w->used));
		else if (strcmp(name, "oom_kill") == 0)
			scan_equal(p, name, value, w->s->memory.oom_kills);
	}
}

static void read_buddyinfo(struct scan *p, const struct want *w, unsigned cpu)
{
	uint64_t pages = 0;

	if (!w->s->memory.accounted) {
		read_same(p, w, cpu);
		return;
	}
	scan_text(p, "Node 0, zone   Normal ");
	for (int order = 0; order < 11; order++) {
		pages += scan_padded(p, 6) << order;
		scan_text(p, " ");
	}
	scan_text(p, "\n");
	scan_equal(p, "all blocks", pages, pages_of_kib(w->total - w->used));
}

static uint64_t scan_zone(struct scan *p, const char *name)
{
	scan_text(p, name);
	return scan_number(p);
}

static void read_zoneinfo(struct scan *p, const struct want *w, unsigned cpu)
{
	static const char *const of_zone[] = { "        spanned  ", "        present  ",
					       "        managed  " };
	uint64_t free = pages_of_kib(w->total - w->used);

	if (!w->s->memory.accounted) {
		read_same(p, w, cpu);
		return;
	}
	scan_text(p, "Node 0, zone   Normal\n  per-node stats\n");
	while (scan_try(p, "      nr_")) { /* %-12s %lu */
		size_t len = strcspn(p->at, " \n");

		p->at += len;
		scan_spaces(p, len + 3 < 12 ? 12 - len - 3 + 1 : 1);
		scan_at_most(p, "a part", scan_number(p), pages_of_kib(w->used));
		scan_text(p, "\n");
	}
	scan_equal(p, "free", scan_zone(p, "  pages free     "), free);
	scan_text(p, "\n        boost    0\n        min      0\n        low      0\n"
		     "        high     0\n");
	for (size_t i = 0; i < ARRAY_SIZE(of_zone); i++) {
		scan_equal(p, of_zone[i], scan_zone(p, of_zone[i]), pages_of_kib(w->total));
		scan_text(p, "\n");
	}
	scan_text(p, "        cma      0\n        protection: (0)\n");
	scan_equal(p, "free", scan_zone(p, "      nr_free_pages "), free);
	scan_text(p, "\n  pagesets\n");
	for (unsigned i = 0; i < w->s->cpus; i++) {
		scan_equal(p, "cpu", scan_zone(p, "    cpu: "), i);
		scan_text(p, "\n              count:    0\n              high:     0\n"
			     "              batch:    1\n  vm stats threshold: 0\n");
	}
	scan_text(p, "  node_unreclaimable:  0\n  start_pfn:           0\n");
}

/* --- CPUs --- */

/* "cpu " or "cpuN", then ten numbers: the first four. */
static void scan_cpu(struct scan *p, const char *label, uint64_t *ticks)
{
	scan_text(p, label);
	for (int i = 0; i < 4; i++) {
		scan_text(p, " ");
		ticks[i] = scan_number(p);
	}
	scan_text(p, " 0 0 0 0 0 0\n");
}

static void read_stat(struct scan *p, const struct want *w, unsigned cpu)
{
	const struct times *t = &w->s->times;
	static const char *const names[4] = { "user", "nice", "system", "idle" };
	uint64_t all[4], sum[4] = { 0 }, one[4];
	char label[16];

	(void)cpu;
	scan_cpu(p, "cpu ", all);
	for (unsigned i = 0; i < t->n; i++) {
		uint64_t want[4] = { t->cpus[i].user, t->cpus[i].nice, t->cpus[i].system,
				     t->cpus[i].idle };

		snprintf(label, sizeof label, "cpu%u", i);
		if (i < t->shown)
			scan_cpu(p, label, one);
		for (int k = 0; k < 4; k++) {
			if (i < t->shown)
				scan_equal(p, names[k], one[k], want[k] / TICK);
			sum[k] += want[k] / TICK;
		}
	}
	for (int k = 0; k < 4; k++)
		scan_equal(p, names[k], all[k], sum[k]);
	scan_text(p, "intr 0\nctxt 0\nbtime ");
	scan_equal(p, "btime", scan_number(p), w->s->btime);
	scan_text(p, "\nprocesses ");
	scan_equal(p, "processes", scan_number(p), w->s->forks);
	scan_text(p, "\nprocs_running ");
	scan_equal(p, "procs_running", scan_number(p), w->s->tasks.running);
	scan_text(p, "\nprocs_blocked ");
	scan_equal(p, "procs_blocked", scan_number(p), w->s->tasks.blocked);
	scan_text(p, "\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n");
}

/* "%lu.%02lu": in hundredths. */
static uint64_t scan_hundredths(struct scan *p)
{
	uint64_t whole = scan_number(p), part;

	scan_text(p, ".");
	if (strspn(p->at, "0123456789") != 2)
		scan_fail(p, "not two digits");
	part = (uint64_t)(p->at[0] - '0') * 10 + (uint64_t)(p->at[1] - '0');
	p->at += 2;
	return whole * 100 + part;
}

static void read_uptime(struct scan *p, const struct want *w, unsigned cpu)
{
	uint64_t idle = 0;

	(void)cpu;
	for (unsigned i = 0; i < w->s->times.n; i++)
		idle += w->s->times.cpus[i].idle / TICK;
	scan_equal(p, "uptime", scan_hundredths(p), w->s->age / 10000000);
	scan_text(p, " ");
	scan_equal(p, "idle", scan_hundredths(p), idle);
	scan_text(p, "\n");
}

static void read_loadavg(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)cpu;
	for (int i = 0; i < 3; i++) {
		uint64_t want = (w->s->load.avg[i] + 10) * 100 / 2048;

		scan_equal(p, "load", scan_hundredths(p), want);
		scan_text(p, " ");
	}
	scan_equal(p, "running", scan_number(p), w->s->tasks.running);
	scan_text(p, "/");
	scan_equal(p, "threads", scan_number(p), w->s->tasks.threads);
	scan_text(p, " ");
	scan_equal(p, "last_pid", scan_number(p), (uint64_t)w->s->last_pid);
	scan_text(p, "\n");
}

static void read_schedstat(struct scan *p, const struct want *w, unsigned cpu)
{
	const struct times *t = &w->s->times;

	(void)cpu;
	scan_text(p, "version ");
	scan_number(p);
	scan_text(p, "\ntimestamp ");
	scan_number(p);
	scan_text(p, "\n");
	for (unsigned i = 0; i < t->shown; i++) {
		unsigned __int128 busy = (unsigned __int128)t->cpus[i].user + t->cpus[i].nice +
					 t->cpus[i].system;
		uint64_t most = busy * 1000 > UINT64_MAX ? UINT64_MAX : (uint64_t)busy * 1000;

		scan_text(p, "cpu");
		scan_equal(p, "cpu", scan_number(p), i);
		scan_text(p, " 0 0 0 0 0 0 ");
		scan_equal(p, "time in use", scan_number(p), most);
		scan_text(p, " 0 0\n");
	}
}

/* "0-N\n", as many as n CPUs or the one CPU alone. */
static void read_all(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)cpu;
	scan_text(p, "0");
	if (w->s->cpus > 1) {
		scan_text(p, "-");
		scan_equal(p, "the last CPU", scan_number(p), w->s->cpus - 1);
	}
	scan_text(p, "\n");
}

static void read_number(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)w;
	scan_equal(p, "number", scan_number(p), cpu);
	scan_text(p, "\n");
}

static void read_zero(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)cpu;
	read_number(p, w, 0);
}

static void read_none(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)w;
	(void)cpu;
	scan_text(p, "\n");
}

/* %*pb of as many bits as there are CPUs: groups of 8 digits, the highest first and the only one
 * that is shorter. Those from first to last must be set. */
static void scan_mask(struct scan *p, unsigned cpus, unsigned first, unsigned last)
{
	for (unsigned group = (cpus + 31) / 32; group-- > 0;) {
		unsigned bits = least(cpus - group * 32, 32), digits = (bits + 3) / 4;

		for (unsigned d = digits; d-- > 0;) {
			unsigned want = 0;
			char digit[2] = "";

			for (unsigned bit = 0; bit < 4; bit++) {
				unsigned nr = group * 32 + d * 4 + bit;

				want |= (unsigned)(nr >= first && nr <= last) << bit;
			}
			digit[0] = "0123456789abcdef"[want];
			scan_text(p, digit);
		}
		scan_text(p, group ? "," : "\n");
	}
}

static void read_all_mask(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)cpu;
	scan_mask(p, w->s->cpus, 0, w->s->cpus - 1);
}

static void read_own_mask(struct scan *p, const struct want *w, unsigned cpu)
{
	scan_mask(p, w->s->cpus, cpu, cpu);
}

/* Of caches: the host's text is their level. */
static void read_cache_id(struct scan *p, const struct want *w, unsigned cpu)
{
	read_number(p, w, *w->host >= '3' ? 0 : cpu);
}

static void read_cache_list(struct scan *p, const struct want *w, unsigned cpu)
{
	(*w->host >= '3' ? read_all : read_number)(p, w, cpu);
}

static void read_cache_mask(struct scan *p, const struct want *w, unsigned cpu)
{
	(*w->host >= '3' ? read_all_mask : read_own_mask)(p, w, cpu);
}

#endif
