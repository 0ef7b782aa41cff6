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
 * What acts on limits is in oom.c. Protections are kept and read back, but nothing is reclaimed
 * that they could save; memory.reclaim reclaims nothing and says so with EAGAIN. All mapped memory
 * reads as active, since what is idle cannot be told.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "emul.h"
#include "memory.h"

#define SWAPPINESS_MAX 200

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
	memory_watch_free(m);
}

static void memory_populated(struct cgroup *cg, struct css *css)
{
	(void)css;
	memory_watch(cg);
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
		memory_watch(cg);                                   \
		return 0;                                           \
	}

LIMIT_SLOTS(min)
LIMIT_SLOTS(low)
LIMIT_SLOTS(high)
static uint64_t max_read(struct cgroup *cg)
{
	return memory_of(cg)->max;
}

LIMIT_SLOTS(swap_high)
LIMIT_SLOTS(swap_max)
LIMIT_SLOTS(zswap_max)

static int max_write(struct cgroup *cg, uint64_t bytes)
{
	memory_of(cg)->max = bytes;
	memory_enforce_max(cg);
	memory_watch(cg);
	return 0;
}

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

/* One option of memory.reclaim: swappiness=N, max for anonymous memory only on newer kernels. */
static int reclaim_option(const struct emul *e, const char *option)
{
	static const char key[] = "swappiness=";
	const char *number = option + strlen(key);
	int swappiness;

	if (emul_is(e, EMUL_6_1) || strncmp(option, key, strlen(key)) != 0)
		return refuse(EINVAL, "memory.reclaim knows no option \"%.32s\"", option);
	if (emul_is(e, EMUL_6_18) && !strcmp(number, "max"))
		return 0;
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

	(void)writer;
	if (emul_is(f->cg->emul, EMUL_6_1) && !*start)
		pages = UINT64_MAX; /* "" meant "max" */
	else if (rest == start)
		return refuse(EINVAL, "memory.reclaim takes a number of bytes");
	start = parse_strip(start + (rest - start));
	while ((option = strsep(&start, " "))) {
		int error = *option ? reclaim_option(f->cg->emul, option) : 0;

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

/* --- events --------------------------------------------------------------------------------- */

static void counts_show(const char *const *names, const uint64_t *counts, size_t n, struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		buf_addf(out, "%s ", names[i]);
		buf_addu(out, counts[i]);
		buf_adds(out, "\n");
	}
}

static const char *const event_names[MEMORY_EVENTS] = {
	[MEMORY_LOW] = "low",
	[MEMORY_HIGH] = "high",
	[MEMORY_MAX] = "max",
	[MEMORY_OOM] = "oom",
	[MEMORY_OOM_KILL] = "oom_kill",
	[MEMORY_OOM_GROUP_KILL] = "oom_group_kill",
};

void memory_event(struct cgroup *cg, enum memory_event event, uint64_t count)
{
	struct memory *m = memory_of(cg);

	if (!m)
		return;
	m->events_local[event] += count;
	emul_notify(cg, SLOT_MEMORY_EVENTS + 1);
	for (; cg && memory_of(cg); cg = cg->parent) {
		memory_of(cg)->events[event] += count;
		if (!cgroup_is_root(cg))
			emul_notify(cg, SLOT_MEMORY_EVENTS);
	}
}

static int events_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	counts_show(event_names, memory_of(f->cg)->events, MEMORY_EVENTS, out);
	return 0;
}

static int events_local_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	counts_show(event_names, memory_of(f->cg)->events_local, MEMORY_EVENTS, out);
	return 0;
}

static const char *const swap_event_names[SWAP_EVENTS] = {
	[SWAP_HIGH] = "high",
	[SWAP_MAX] = "max",
	[SWAP_FAIL] = "fail",
};

void swap_event(struct cgroup *cg, enum swap_event event, uint64_t count)
{
	struct memory *m = memory_of(cg);

	if (!m)
		return;
	m->swap_events[event] += count;
	emul_notify(cg, SLOT_SWAP_EVENTS);
}

static int swap_events_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	counts_show(swap_event_names, memory_of(f->cg)->swap_events, SWAP_EVENTS, out);
	return 0;
}


#define SINCE_6_12 .not_in = EMUL_BIT(EMUL_6_1)

#define USED(file, function)                         \
	{ .name = file,                              \
	  .mode = 0444,                              \
	  .flags = ROW_NOT_ON_ROOT | EMUL_USAGE,   \
	  .read_usage = function }
#define PEAK(file, function)                         \
	{ .name = file,                              \
	  .mode = 0644,                              \
	  .flags = ROW_NOT_ON_ROOT | EMUL_USAGE,   \
	  SINCE_6_12,                                \
	  .show = function##_show,                   \
	  .write = function##_write,                 \
	  .release = peak_release }
#define LIMIT(file, field, ...)                      \
	{ .name = file,                              \
	  .mode = 0644,                              \
	  .flags = ROW_NOT_ON_ROOT,                  \
	  .read_max = field##_read,                  \
	  .write_max = field##_write,                \
	  __VA_ARGS__ }
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
	EVENTS("memory.events.local", events_local_show),
	{ .name = "memory.stat", .mode = 0444, .flags = EMUL_USAGE, .show = memory_stat_show },
	{ .name = "memory.numa_stat",
	  .mode = 0444,
	  .flags = EMUL_USAGE,
	  .show = memory_numa_stat_show },
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
	  SINCE_6_12,
	  .flags = ROW_NOT_ON_ROOT,
	  .read_u64 = zswap_current_read },
	LIMIT("memory.zswap.max", zswap_max, SINCE_6_12),
	{ .name = "memory.zswap.writeback",
	  .mode = 0644,
	  SINCE_6_12,
	  .show = zswap_writeback_show,
	  .write = zswap_writeback_write },
	{ .name = "memory.peak",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT | EMUL_USAGE,
	  .not_in = EMUL_BIT(EMUL_6_12) | EMUL_BIT(EMUL_6_18),
	  .show = memory_peak_show },
	{ 0 },
};

const struct controller memory_controller = {
	.name = "memory",
	.id = CTRL_MEMORY,
	.css_size = sizeof(struct memory),
	.css_init = memory_init,
	.css_exit = memory_exit,
	.sampled = memory_sampled,
	.populated = memory_populated,
};
