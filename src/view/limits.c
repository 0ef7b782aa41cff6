/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads the interface files of a container and of its ancestors. */
#include "limits.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/cpulist.h"
#include "ctlfs/keyed.h"
#include "ctlfs/viewfield.h"
#include "disks.h"

#define UNLIMITED UINT64_MAX
#define DEPTH_MAX 4096 /* no hierarchy is deeper */

static const char *const memory_keys[STAT_COUNT] = {
	[STAT_ANON] = "anon",
	[STAT_FILE] = "file",
	[STAT_KERNEL_STACK] = "kernel_stack",
	[STAT_PAGETABLES] = "pagetables",
	[STAT_SEC_PAGETABLES] = "sec_pagetables",
	[STAT_PERCPU] = "percpu",
	[STAT_VMALLOC] = "vmalloc",
	[STAT_SHMEM] = "shmem",
	[STAT_ZSWAP] = "zswap",
	[STAT_ZSWAPPED] = "zswapped",
	[STAT_FILE_MAPPED] = "file_mapped",
	[STAT_FILE_DIRTY] = "file_dirty",
	[STAT_FILE_WRITEBACK] = "file_writeback",
	[STAT_SWAPCACHED] = "swapcached",
	[STAT_ANON_THP] = "anon_thp",
	[STAT_FILE_THP] = "file_thp",
	[STAT_SHMEM_THP] = "shmem_thp",
	[STAT_INACTIVE_ANON] = "inactive_anon",
	[STAT_ACTIVE_ANON] = "active_anon",
	[STAT_INACTIVE_FILE] = "inactive_file",
	[STAT_ACTIVE_FILE] = "active_file",
	[STAT_UNEVICTABLE] = "unevictable",
	[STAT_SLAB_RECLAIMABLE] = "slab_reclaimable",
	[STAT_SLAB_UNRECLAIMABLE] = "slab_unreclaimable",
};

static int lineage_add(struct lineage *l, uint64_t dir)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 8;
		uint64_t *grown = reallocarray(l->dirs, cap, sizeof *grown);

		if (!grown)
			return -ENOMEM;
		l->dirs = grown;
		l->cap = cap;
	}
	l->dirs[l->n++] = dir;
	return 0;
}

int lineage_new(const struct source *src, uint64_t container, struct lineage *ret_lineage)
{
	cleanup_lineage struct lineage l = { .tree = src->tree,
					     .doubtful = container != TREE_ROOT };
	uint64_t dir = container;

	while (dir != TREE_ROOT) {
		int r = l.n < DEPTH_MAX ? lineage_add(&l, dir) : -ELOOP;

		if (r == 0)
			r = tree_parent(l.tree, dir, &dir);
		if (r < 0)
			return r;
	}
	if (!src->machine_root) {
		int r = lineage_add(&l, TREE_ROOT);

		if (r < 0)
			return r;
	}
	*ret_lineage = l;
	l.dirs = NULL;
	return 0;
}

void lineage_free(struct lineage *l)
{
	free(l->dirs);
	*l = (struct lineage){ 0 };
}

/* The text of a file at level; *text is replaced. -ENOENT if it is not there. */
static int read_at(struct lineage *l, size_t level, const char *name, struct buf *text)
{
	int r;

	buf_reset(text);
	r = tree_read(l->tree, l->dirs[level], name, text);
	if (r == -ENOENT)
		l->doubtful = true;
	else if (r == 0 && level == 0)
		l->doubtful = false; /* it is there after all: the file was not */
	return r;
}

/* The text of the innermost cgroup that has the file: *ret_level. -ENOENT if none has. */
static int read_nearest(struct lineage *l, const char *name, struct buf *text, size_t *ret_level)
{
	for (size_t i = 0; i < l->n; i++) {
		int r = read_at(l, i, name, text);

		if (r == -ENOENT)
			continue;
		if (r == 0)
			*ret_level = i;
		return r;
	}
	return -ENOENT;
}

/* "max" or a number. */
static int parse_limit(const char *text, uint64_t *ret_limit)
{
	if (strncmp(text, "max", 3) == 0) {
		*ret_limit = UNLIMITED;
		return 0;
	}
	return sscanf(text, "%" SCNu64, ret_limit) == 1 ? 0 : -EIO;
}

/* Makes *limit the smallest of what file name says at any level. */
static int smallest(struct lineage *l, const char *name, uint64_t *limit)
{
	cleanup_buf struct buf text = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		uint64_t here = UNLIMITED;
		int r = read_at(l, i, name, &text);

		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = parse_limit(buf_text(&text), &here);
		if (r < 0)
			return r;
		if (here < *limit)
			*limit = here;
	}
	return 0;
}

static int read_stat(struct lineage *l, size_t level, struct memory *memory)
{
	struct keyed keys[STAT_COUNT];
	int r = read_at(l, level, "memory.stat", &memory->text);

	if (r < 0)
		return r;
	for (size_t i = 0; i < STAT_COUNT; i++)
		keys[i] = (struct keyed){ memory_keys[i], &memory->stat[i] };
	keyed_read(buf_text(&memory->text), keys, STAT_COUNT);
	return 0;
}

int limits_memory(struct lineage *l, struct memory *memory)
{
	cleanup_buf struct buf text = { 0 };
	size_t level;
	int r = read_nearest(l, "memory.current", &text, &level);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = parse_limit(buf_text(&text), &memory->usage);
	if (r == 0)
		r = read_stat(l, level, memory);
	if (r == 0)
		r = smallest(l, "memory.max", &memory->total);
	if (r == 0)
		memory->accounted = true;
	return r;
}

int limits_oom_kills(struct lineage *l, uint64_t *kills)
{
	const struct keyed key = { "oom_kill", kills };
	cleanup_buf struct buf text = { 0 };
	size_t level;
	int r = read_nearest(l, "memory.events", &text, &level);

	if (r == 0)
		keyed_read(buf_text(&text), &key, 1);
	return r == -ENOENT ? 0 : r;
}

int limits_swap(struct lineage *l, struct swap *swap)
{
	cleanup_buf struct buf text = { 0 };
	size_t level;
	int r;

	if (!swap->total)
		return 0;
	r = read_nearest(l, "memory.swap.current", &text, &level);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = parse_limit(buf_text(&text), &swap->used);
	return r < 0 ? r : smallest(l, "memory.swap.max", &swap->total);
}

/* mem_fmt() in the kernel: as it names the files. */
void view_huge_page_name(uint64_t size, char *name, size_t n)
{
	static const struct {
		uint64_t size;
		const char *name;
	} units[] = { { UINT64_C(1) << 30, "GB" }, { UINT64_C(1) << 20, "MB" }, { 1024, "KB" } };
	size_t i = 0;

	while (i < ARRAY_SIZE(units) - 1 && size < units[i].size)
		i++;
	snprintf(name, n, "%" PRIu64 "%s", size / units[i].size, units[i].name);
}

/* Bytes in use, or reserved, of the innermost cgroup that has the file. */
static int read_hugetlb(struct lineage *l, const char *size, const char *what, uint64_t *ret_bytes)
{
	cleanup_buf struct buf text = { 0 };
	char name[64];
	size_t level;
	int r;

	snprintf(name, sizeof name, "hugetlb.%s.%s", size, what);
	r = read_nearest(l, name, &text, &level);
	return r < 0 ? r : parse_limit(buf_text(&text), ret_bytes);
}

int limits_hugetlb(struct lineage *l, uint64_t size, struct huge_pages *huge)
{
	uint64_t used, reserved = 0, limit = huge->total * size, left;
	char name[32], max[64];
	int r;

	if (!huge->total || !size)
		return 0;
	view_huge_page_name(size, name, sizeof name);
	r = read_hugetlb(l, name, "current", &used);
	if (r < 0)
		return r == -ENOENT ? 0 : r;
	r = read_hugetlb(l, name, "rsvd.current", &reserved);
	if (r < 0 && r != -ENOENT)
		return r;
	snprintf(max, sizeof max, "hugetlb.%s.max", name);
	r = smallest(l, max, &limit);
	if (r < 0)
		return r;
	huge->total = limit / size;
	left = limit > used ? (limit - used) / size : 0;
	if (left < huge->free)
		huge->free = left;
	/* What is in use is reserved as well. */
	reserved = reserved > used ? (reserved - used) / size : 0;
	huge->reserved = reserved < huge->free ? reserved : huge->free;
	return 0;
}

int limits_disks(struct lineage *l, struct disks *ret_disks)
{
	cleanup_buf struct buf text = { 0 };
	size_t level;
	int r = read_nearest(l, "io.stat", &text, &level);

	if (r == -ENOENT)
		return 0;
	return r < 0 ? r : disks_parse(buf_text(&text), ret_disks);
}

/* "QUOTA PERIOD" or "max PERIOD": how many CPUs it pays for, rounded up. */
static int parse_quota(const char *text, uint64_t *ret_cpus)
{
	uint64_t quota, period;

	if (strncmp(text, "max", 3) == 0) {
		*ret_cpus = UNLIMITED;
		return 0;
	}
	if (sscanf(text, "%" SCNu64 " %" SCNu64, &quota, &period) != 2 || !period)
		return -EIO;
	*ret_cpus = quota / period + (quota % period != 0);
	return 0;
}

static int limit_by_quota(struct lineage *l, unsigned *cpus)
{
	cleanup_buf struct buf text = { 0 };

	for (size_t i = 0; i < l->n; i++) {
		uint64_t here = UNLIMITED;
		int r = read_at(l, i, "cpu.max", &text);

		if (r == -ENOENT)
			continue;
		if (r == 0)
			r = parse_quota(buf_text(&text), &here);
		if (r < 0)
			return r;
		if (here < *cpus)
			*cpus = (unsigned)here;
	}
	return 0;
}

/* The effective set of a cgroup has its ancestors' in it. */
static int limit_by_cpuset(struct lineage *l, unsigned *cpus)
{
	cleanup_buf struct buf text = { 0 };
	struct cpulist list;
	size_t level;
	unsigned here;
	int r = read_nearest(l, "cpuset.cpus.effective", &text, &level);

	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = cpulist_parse(buf_text(&text), &list);
	if (r < 0)
		return r;
	here = cpulist_count(&list);
	if (here && here < *cpus)
		*cpus = here;
	return 0;
}

int limits_cpus(struct lineage *l, unsigned *cpus)
{
	int r = limit_by_cpuset(l, cpus);

	if (r == 0)
		r = limit_by_quota(l, cpus);
	if (r == 0 && !*cpus)
		*cpus = 1;
	return r;
}

int limits_usage(struct lineage *l, struct cputime *ret_used)
{
	cleanup_buf struct buf text = { 0 };
	struct cputime used = { 0 };
	const struct keyed keys[] = {
		{ "user_usec", &used.user },
		{ "system_usec", &used.system },
		{ "nice_usec", &used.nice }, /* since 6.12; a part of user_usec */
	};
	size_t level;
	int r = l->n ? read_nearest(l, "cpu.stat", &text, &level) : -ENOENT;

	/* On cgroup v2 every cgroup has it. On v1 the container may be in none that counts. */
	if (r == -ENOENT && l->n) {
		*ret_used = used;
		return 0;
	}
	if (r < 0)
		return r;
	keyed_read(buf_text(&text), keys, ARRAY_SIZE(keys));
	used.user -= used.nice < used.user ? used.nice : used.user;
	*ret_used = used;
	return 0;
}
