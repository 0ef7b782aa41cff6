/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The memory controller.
 *
 * memory.current is what the members and their descendants have in their page tables: anonymous
 * memory, pages of files and shared memory. It differs from the kernel's in that a page shared by
 * two processes counts twice, the page cache that nobody maps does not count, and memory goes along
 * with a process that moves. Peaks are the most that was seen when somebody read a file of the
 * cgroup or of one below it; a write to memory.peak or memory.swap.peak starts anew for the open
 * file written to.
 *
 * Limits and protections are kept and read back, but nobody is reclaimed, throttled or killed for
 * them: events stay 0, and memory.reclaim reclaims nothing and says so with EAGAIN. All mapped
 * memory reads as active, since what is idle cannot be told.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "emul.h"

#define SWAPPINESS_MAX 200

/* The most a value was, ever and since some open files were last written to. */
struct peak {
	uint64_t ever;
	struct peak_since *resets;
};

/* An open file's own beginning. */
struct peak_since {
	uint64_t most;
	struct peak *of; /* whose list it is in; NULL once that is gone */
	struct peak_since *prev, *next;
};

struct memory {
	struct css css;
	uint64_t min, low, high, max; /* bytes, UINT64_MAX: no limit */
	uint64_t swap_high, swap_max, zswap_max;
	bool oom_group, zswap_writeback;
	struct peak peak, swap_peak;
};

static struct memory *memory_of(const struct cgroup *cg)
{
	return (struct memory *)cgroup_css(cg, CTRL_MEMORY);
}

static uint64_t memory_used(const struct usage *u)
{
	return u->anon + u->file + u->shmem;
}

/* --- peaks ---------------------------------------------------------------------------------- */

static void peak_follow(struct peak *peak, uint64_t now)
{
	struct peak_since *since;

	if (now > peak->ever)
		peak->ever = now;
	DL_FOREACH(peak->resets, since) {
		if (now > since->most)
			since->most = now;
	}
}

static void peak_orphan(struct peak *peak)
{
	struct peak_since *since, *next;

	DL_FOREACH_SAFE(peak->resets, since, next) {
		DL_DELETE(peak->resets, since);
		since->of = NULL;
	}
}

static int peak_show(struct emul_open *f, const struct peak *peak, struct buf *out)
{
	const struct peak_since *since = f->priv;
	struct usage now;
	int error = emul_usage(f->cg, &now);

	if (error)
		return error;
	buf_addu(out, since ? since->most : peak->ever);
	buf_adds(out, "\n");
	return 0;
}

static int peak_reset(struct emul_open *f, struct peak *peak, uint64_t now)
{
	struct peak_since *since = f->priv;

	if (!since) {
		since = calloc(1, sizeof(*since));
		if (!since)
			return -ENOMEM;
		since->of = peak;
		DL_APPEND(peak->resets, since);
		f->priv = since;
	}
	since->most = now;
	return 0;
}

static void peak_release(struct emul_open *f)
{
	struct peak_since *since = f->priv;

	if (since && since->of)
		DL_DELETE(since->of->resets, since);
	free(since);
}

/* --- state ---------------------------------------------------------------------------------- */

static void memory_init(struct cgroup *cg, struct css *css)
{
	struct memory *m = (struct memory *)css;

	(void)cg;
	m->high = m->max = UINT64_MAX;
	m->swap_high = m->swap_max = m->zswap_max = UINT64_MAX;
	m->zswap_writeback = true;
}

static void memory_exit(struct cgroup *cg, struct css *css)
{
	struct memory *m = (struct memory *)css;

	(void)cg;
	peak_orphan(&m->peak);
	peak_orphan(&m->swap_peak);
}

static void memory_sampled(struct cgroup *cg, struct css *css, const struct usage *now)
{
	struct memory *m = (struct memory *)css;

	(void)cg;
	peak_follow(&m->peak, memory_used(now));
	peak_follow(&m->swap_peak, now->swap);
}

/* --- limits --------------------------------------------------------------------------------- */

#define LIMIT_SLOTS(field)                                          \
	static uint64_t field##_read(struct cgroup *cg)             \
	{                                                           \
		return memory_of(cg)->field;                        \
	}                                                           \
	static int field##_write(struct cgroup *cg, uint64_t bytes) \
	{                                                           \
		memory_of(cg)->field = bytes;                       \
		return 0;                                           \
	}

LIMIT_SLOTS(min)
LIMIT_SLOTS(low)
LIMIT_SLOTS(high)
LIMIT_SLOTS(max)
LIMIT_SLOTS(swap_high)
LIMIT_SLOTS(swap_max)
LIMIT_SLOTS(zswap_max)

/* strstrip(), kstrtoint(): 0 or 1, else -EINVAL; -ERANGE beyond an int. */
static int write_bool(struct emul_open *f, char *text, bool *ret_value)
{
	int value, error = parse_int(parse_strip(text), 0, &value);

	if (!error && value != 0 && value != 1)
		error = -EINVAL;
	if (error)
		return refuse(-error, "%s is 0 or 1", f->row->name);
	*ret_value = value;
	return 0;
}

static int oom_group_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_adds(out, memory_of(f->cg)->oom_group ? "1\n" : "0\n");
	return 0;
}

static int oom_group_write(struct emul_open *f, const struct caller *writer, char *text)
{
	(void)writer;
	return write_bool(f, text, &memory_of(f->cg)->oom_group);
}

static int zswap_writeback_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_adds(out, memory_of(f->cg)->zswap_writeback ? "1\n" : "0\n");
	return 0;
}

static int zswap_writeback_write(struct emul_open *f, const struct caller *writer, char *text)
{
	(void)writer;
	return write_bool(f, text, &memory_of(f->cg)->zswap_writeback);
}

/* One option of memory.reclaim: swappiness=N. */
static int reclaim_option(const char *option)
{
	static const char key[] = "swappiness=";
	const char *number = option + strlen(key);
	int swappiness;

	if (strncmp(option, key, strlen(key)) != 0)
		return refuse(EINVAL, "memory.reclaim knows no option \"%.32s\"", option);
	if (strpbrk(number, "+\n") || parse_int(number, 0, &swappiness) || swappiness < 0 ||
	    swappiness > SWAPPINESS_MAX)
		return refuse(EINVAL, "swappiness is from 0 to %d", SWAPPINESS_MAX);
	return 0;
}

static int reclaim_write(struct emul_open *f, const struct caller *writer, char *text)
{
	char *start = parse_strip(text), *option;
	const char *rest = start;
	uint64_t pages = parse_memparse(&rest) / CTLFS_PAGE_SIZE;

	(void)f;
	(void)writer;
	if (rest == start)
		return refuse(EINVAL, "memory.reclaim takes a number of bytes");
	start = parse_strip(start + (rest - start));
	while ((option = strsep(&start, " "))) {
		int error = *option ? reclaim_option(option) : 0;

		if (error)
			return error;
	}
	return pages ? refuse(EAGAIN, "the emulator cannot reclaim memory") : 0;
}

/* --- what is used --------------------------------------------------------------------------- */

static uint64_t current_read(struct cgroup *cg, const struct usage *now)
{
	(void)cg;
	return memory_used(now);
}

static uint64_t swap_current_read(struct cgroup *cg, const struct usage *now)
{
	(void)cg;
	return now->swap;
}

static int memory_peak_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return peak_show(f, &memory_of(f->cg)->peak, out);
}

static int swap_peak_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return peak_show(f, &memory_of(f->cg)->swap_peak, out);
}

static int memory_peak_write(struct emul_open *f, const struct caller *writer, char *text)
{
	struct usage now;
	int error = emul_usage(f->cg, &now);

	(void)writer;
	(void)text;
	return error ? error : peak_reset(f, &memory_of(f->cg)->peak, memory_used(&now));
}

static int swap_peak_write(struct emul_open *f, const struct caller *writer, char *text)
{
	struct usage now;
	int error = emul_usage(f->cg, &now);

	(void)writer;
	(void)text;
	return error ? error : peak_reset(f, &memory_of(f->cg)->swap_peak, now.swap);
}

/* Compressed swap is not seen apart. */
static uint64_t zswap_current_read(struct cgroup *cg)
{
	(void)cg;
	return 0;
}

static int events_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)f;
	(void)reader;
	buf_adds(out, "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
	return 0;
}

static int swap_events_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)f;
	(void)reader;
	buf_adds(out, "high 0\nmax 0\nfail 0\n");
	return 0;
}

/* The numbers of memory.stat that can be had. */
struct figures {
	uint64_t none; /* 0: of what cannot */
	uint64_t anon, file, shmem; /* file includes shmem, like the kernel's */
	uint64_t pagetables;
	uint64_t active_anon, active_file; /* shared memory is on the list of anonymous memory */
	uint64_t faults, major_faults;
};

static void figures_of(const struct usage *u, struct figures *ret_figures)
{
	*ret_figures = (struct figures){
		.anon = u->anon,
		.file = u->file + u->shmem,
		.shmem = u->shmem,
		.pagetables = u->pagetables,
		.active_anon = u->anon + u->shmem,
		.active_file = u->file,
		.faults = u->minflt + u->majflt,
		.major_faults = u->majflt,
	};
}

#define FIGURE(field) offsetof(struct figures, field)

/* The lines of memory.stat in the kernel's order; those of a node are memory.numa_stat's too. */
static const struct {
	const char *key;
	bool node;
	size_t figure; /* 0: none */
} stat_lines[] = {
	{ "anon", true, FIGURE(anon) },
	{ "file", true, FIGURE(file) },
	{ "kernel", false, FIGURE(pagetables) },
	{ "kernel_stack", true },
	{ "pagetables", true, FIGURE(pagetables) },
	{ "sec_pagetables", true },
	{ "percpu", false },
	{ "sock", false },
	{ "vmalloc", false },
	{ "shmem", true, FIGURE(shmem) },
	{ "zswap", false },
	{ "zswapped", false },
	{ "file_mapped", true, FIGURE(file) },
	{ "file_dirty", true },
	{ "file_writeback", true },
	{ "swapcached", true },
	{ "anon_thp", true },
	{ "file_thp", true },
	{ "shmem_thp", true },
	{ "inactive_anon", true },
	{ "active_anon", true, FIGURE(active_anon) },
	{ "inactive_file", true },
	{ "active_file", true, FIGURE(active_file) },
	{ "unevictable", true },
	{ "slab_reclaimable", true },
	{ "slab_unreclaimable", true },
	{ "slab", false },
	{ "workingset_refault_anon", true },
	{ "workingset_refault_file", true },
	{ "workingset_activate_anon", true },
	{ "workingset_activate_file", true },
	{ "workingset_restore_anon", true },
	{ "workingset_restore_file", true },
	{ "workingset_nodereclaim", true },
	{ "pgdemote_kswapd", true },
	{ "pgdemote_direct", true },
	{ "pgdemote_khugepaged", true },
	{ "pgpromote_success", true },
	{ "pgscan", false },
	{ "pgsteal", false },
	{ "pgscan_kswapd", false },
	{ "pgscan_direct", false },
	{ "pgscan_khugepaged", false },
	{ "pgsteal_kswapd", false },
	{ "pgsteal_direct", false },
	{ "pgsteal_khugepaged", false },
	{ "pgfault", false, FIGURE(faults) },
	{ "pgmajfault", false, FIGURE(major_faults) },
	{ "pgrefill", false },
	{ "pgactivate", false },
	{ "pgdeactivate", false },
	{ "pglazyfree", false },
	{ "pglazyfreed", false },
	{ "swpin_zero", false },
	{ "swpout_zero", false },
	{ "zswpin", false },
	{ "zswpout", false },
	{ "zswpwb", false },
	{ "thp_fault_alloc", false },
	{ "thp_collapse_alloc", false },
	{ "thp_swpout", false },
	{ "thp_swpout_fallback", false },
	{ "numa_pages_migrated", false },
	{ "numa_pte_updates", false },
	{ "numa_hint_faults", false },
};

static int lines_show(struct emul_open *f, bool node, const char *between, struct buf *out)
{
	struct figures figures;
	struct usage now;
	int error = emul_usage(f->cg, &now);

	if (error)
		return error;
	figures_of(&now, &figures);
	for (size_t i = 0; i < ARRAY_SIZE(stat_lines); i++) {
		const char *value = (const char *)&figures + stat_lines[i].figure;

		if (node && !stat_lines[i].node)
			continue;
		buf_adds(out, stat_lines[i].key);
		buf_adds(out, between);
		buf_addu(out, *(const uint64_t *)(const void *)value);
		buf_adds(out, "\n");
	}
	return 0;
}

static int stat_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return lines_show(f, false, " ", out);
}

/* Which node memory is on is not known: all is shown on the first. */
static int numa_stat_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return lines_show(f, true, " N0=", out);
}

#define USED(file, function)                         \
	{ .name = file,                              \
	  .mode = 0444,                              \
	  .flags = ROW_NOT_ON_ROOT | EMUL_USAGE,   \
	  .read_usage = function }
#define PEAK(file, function)                         \
	{ .name = file,                              \
	  .mode = 0644,                              \
	  .flags = ROW_NOT_ON_ROOT | EMUL_USAGE,   \
	  .show = function##_show,                   \
	  .write = function##_write,                 \
	  .release = peak_release }
#define LIMIT(file, field)                           \
	{ .name = file,                              \
	  .mode = 0644,                              \
	  .flags = ROW_NOT_ON_ROOT,                  \
	  .read_max = field##_read,                  \
	  .write_max = field##_write }
#define EVENTS(file, function)                       \
	{ .name = file,                              \
	  .mode = 0444,                              \
	  .flags = ROW_NOT_ON_ROOT | ROW_NOTIFIES,   \
	  .show = function }

const struct emul_file memory_files[] = {
	USED("memory.current", current_read),
	PEAK("memory.peak", memory_peak),
	LIMIT("memory.min", min),
	LIMIT("memory.low", low),
	LIMIT("memory.high", high),
	LIMIT("memory.max", max),
	EVENTS("memory.events", events_show),
	EVENTS("memory.events.local", events_show),
	{ .name = "memory.stat", .mode = 0444, .flags = EMUL_USAGE, .show = stat_show },
	{ .name = "memory.numa_stat", .mode = 0444, .flags = EMUL_USAGE, .show = numa_stat_show },
	{ .name = "memory.oom.group",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT | ROW_DELEGATABLE,
	  .show = oom_group_show,
	  .write = oom_group_write },
	{ .name = "memory.reclaim",
	  .mode = 0200,
	  .flags = ROW_DELEGATABLE,
	  .write = reclaim_write },
	USED("memory.swap.current", swap_current_read),
	LIMIT("memory.swap.high", swap_high),
	LIMIT("memory.swap.max", swap_max),
	PEAK("memory.swap.peak", swap_peak),
	EVENTS("memory.swap.events", swap_events_show),
	{ .name = "memory.zswap.current",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT,
	  .read_u64 = zswap_current_read },
	LIMIT("memory.zswap.max", zswap_max),
	{ .name = "memory.zswap.writeback",
	  .mode = 0644,
	  .show = zswap_writeback_show,
	  .write = zswap_writeback_write },
	{ 0 },
};

const struct controller memory_controller = {
	.name = "memory",
	.id = CTRL_MEMORY,
	.css_size = sizeof(struct memory),
	.css_init = memory_init,
	.css_exit = memory_exit,
	.sampled = memory_sampled,
};
