/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The table of files. A controller that is on cgroup v2 (a hybrid host) has the file itself.
 *
 * There is no memory.high and no memory.low: memory.soft_limit_in_bytes is neither.
 */
#include <errno.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/keyed.h"
#include "internal.h"

#define IO_BYTES "blkio.throttle.io_service_bytes"
#define IO_IOS "blkio.throttle.io_serviced"
#define RECURSIVE "_recursive" /* since 3.17 what v2 shows */

int v1_read(struct v1 *v, const struct v1_node *node, enum v1_role role, const char *file,
	    struct buf *text)
{
	int slot = v->home[role];
	int r;

	buf_reset(text);
	if (!node_is_in(v, node, slot))
		return -ENOENT;
	r = tree_read(v->slots[slot].tree, node->dirs[slot], file, text);
	return r == -ENODEV ? -ENOENT : r;
}

static int show_type(struct v1 *v, const struct v1_node *node, struct buf *out)
{
	(void)v, (void)node;
	buf_adds(out, "domain\n");
	return 0;
}

static int show_cpu_max(struct v1 *v, const struct v1_node *node, struct buf *out)
{
	cleanup_buf struct buf quota = { 0 }, period = { 0 };
	int r = v1_read(v, node, V1_CPU, "cpu.cfs_quota_us", &quota);

	if (r == 0)
		r = v1_read(v, node, V1_CPU, "cpu.cfs_period_us", &period);
	return r < 0 ? r : text_cpu_max(buf_text(&quota), buf_text(&period), out);
}

/* What was throttled is only known where cpu has the cgroup, too. */
static int show_cpu_stat(struct v1 *v, const struct v1_node *node, struct buf *out)
{
	cleanup_buf struct buf usage = { 0 }, stat = { 0 };
	int r = v1_read(v, node, V1_CPUACCT, "cpuacct.usage", &usage);

	if (r == 0)
		r = v1_read(v, node, V1_CPUACCT, "cpuacct.stat", &stat);
	if (r == 0)
		r = text_cpu_usage(buf_text(&usage), buf_text(&stat), out);
	if (r < 0 || v->home[V1_CPU] == NOWHERE || v->slots[v->home[V1_CPU]].v2)
		return r;
	r = v1_read(v, node, V1_CPU, "cpu.stat", &stat);
	if (r == 0)
		r = text_throttling(buf_text(&stat), out);
	return r == -ENOENT ? 0 : r;
}

/* A cpuset without CPUs has no processes, and is no limit. */
static int convert_list(const char *list, struct buf *out)
{
	if (list[strspn(list, " \n")] == '\0')
		return -ENOENT;
	buf_adds(out, list);
	return 0;
}

static int convert_limit(const char *limit, struct buf *out)
{
	uint64_t value;
	int r = text_limit(limit, &value);

	if (r == 0)
		text_add_limit(value, out);
	return r;
}

/* The same on both. */
static int convert_nothing(const char *text, struct buf *out)
{
	buf_adds(out, text);
	return 0;
}

static int read_io(struct v1 *v, const struct v1_node *node, const char *file, struct buf *text)
{
	cleanup_buf struct buf name = { 0 };
	int r;

	buf_addf(&name, "%s" RECURSIVE, file);
	r = v1_read(v, node, V1_IO, buf_text(&name), text);
	return r == -ENOENT ? v1_read(v, node, V1_IO, file, text) : r;
}

static int show_io_stat(struct v1 *v, const struct v1_node *node, struct buf *out)
{
	cleanup_buf struct buf bytes = { 0 }, ios = { 0 };
	int r = read_io(v, node, IO_BYTES, &bytes);

	if (r == 0)
		r = read_io(v, node, IO_IOS, &ios);
	return r < 0 ? r : text_io_stat(buf_text(&bytes), buf_text(&ios), out);
}

static int read_number(struct v1 *v, const struct v1_node *node, const char *file,
		       uint64_t *ret_value)
{
	cleanup_buf struct buf text = { 0 };
	int r = v1_read(v, node, V1_MEMORY, file, &text);

	return r < 0 ? r : text_limit(buf_text(&text), ret_value);
}

/* v1 counts memory and swap together; what is in swap it counts alone as well. */
static int show_swap_current(struct v1 *v, const struct v1_node *node, struct buf *out)
{
	cleanup_buf struct buf stat = { 0 };
	uint64_t swap = 0;
	const struct keyed key = { "total_swap", &swap };
	int r = v1_read(v, node, V1_MEMORY, "memory.stat", &stat);

	if (r < 0)
		return r;
	if (!keyed_read(buf_text(&stat), &key, 1))
		return -EIO;
	text_add_limit(swap, out);
	return 0;
}

/* So much can be in swap when memory is full. */
static int show_swap_max(struct v1 *v, const struct v1_node *node, struct buf *out)
{
	uint64_t both, memory;
	int r = read_number(v, node, "memory.memsw.limit_in_bytes", &both);

	if (r == 0)
		r = read_number(v, node, "memory.limit_in_bytes", &memory);
	if (r < 0)
		return r;
	if (both != UINT64_MAX && memory != UINT64_MAX)
		both = both > memory ? both - memory : 0;
	text_add_limit(both, out);
	return 0;
}

#define HUGETLB(size)                                                                    \
	{ "hugetlb." size ".current", V1_HUGETLB, "hugetlb." size ".usage_in_bytes",     \
	  .convert = convert_limit },                                                    \
	{ "hugetlb." size ".rsvd.current", V1_HUGETLB,                                   \
	  "hugetlb." size ".rsvd.usage_in_bytes", .convert = convert_limit },            \
	{ "hugetlb." size ".max", V1_HUGETLB, "hugetlb." size ".limit_in_bytes",         \
	  .convert = convert_limit }

const struct v1_row v1_rows[] = {
	{ "cgroup.procs", V1_ROLES, NULL, show_procs },
	{ "cgroup.type", V1_ROLES, NULL, show_type },
	{ "cpu.max", V1_CPU, "cpu.cfs_quota_us", show_cpu_max },
	{ "cpu.stat", V1_CPUACCT, "cpuacct.usage", show_cpu_stat },
	{ "cpu.weight", V1_CPU, "cpu.shares", .convert = text_weight },
	{ "cpuset.cpus.effective", V1_CPUSET, "cpuset.effective_cpus", .convert = convert_list },
	{ "cpuset.mems.effective", V1_CPUSET, "cpuset.effective_mems", .convert = convert_list },
	HUGETLB("1GB"),
	HUGETLB("2MB"),
	{ "io.stat", V1_IO, IO_BYTES, show_io_stat },
	{ "memory.current", V1_MEMORY, "memory.usage_in_bytes", .convert = convert_limit },
	{ "memory.max", V1_MEMORY, "memory.limit_in_bytes", .convert = convert_limit },
	{ "memory.peak", V1_MEMORY, "memory.max_usage_in_bytes", .convert = convert_limit },
	{ "memory.stat", V1_MEMORY, "memory.stat", .convert = text_memory_stat },
	{ "memory.swap.current", V1_MEMORY, "memory.memsw.usage_in_bytes", show_swap_current },
	{ "memory.swap.max", V1_MEMORY, "memory.memsw.limit_in_bytes", show_swap_max },
	{ "pids.current", V1_PIDS, "pids.current", .convert = convert_nothing },
	{ "pids.max", V1_PIDS, "pids.max", .convert = convert_nothing },
};

const size_t v1_rows_count = ARRAY_SIZE(v1_rows);

static int check(struct v1 *v, const struct v1_node *node, const struct v1_row *row)
{
	int slot = row->role == V1_ROLES ? NOWHERE : v->home[row->role];
	const struct v1_slot *s = &v->slots[slot == NOWHERE ? 0 : slot];
	struct stat st;
	int r;

	if (row->role == V1_ROLES)
		return row->show == show_type && v->machine && node->depth == 0 ? -ENOENT : 0;
	if (!node_is_in(v, node, slot) || (node->dirs[slot] == TREE_ROOT && s->whole))
		return -ENOENT;
	r = s->tree->ops->stat(s->tree, node->dirs[slot], s->v2 ? row->name : row->file, &st);
	return r == -ENODEV ? -ENOENT : r;
}

static int show(struct v1 *v, const struct v1_node *node, const struct v1_row *row, struct buf *out)
{
	int slot = row->role == V1_ROLES ? NOWHERE : v->home[row->role];
	bool v2 = slot != NOWHERE && v->slots[slot].v2;
	cleanup_buf struct buf text = { 0 };
	int r;

	if (row->show && !v2)
		return row->show(v, node, out);
	r = v1_read(v, node, row->role, v2 ? row->name : row->file, &text);
	if (r < 0)
		return r;
	return (v2 ? convert_nothing : row->convert)(buf_text(&text), out);
}

/* Can it be that there is no file because the directory is gone, and perhaps made anew? */
static bool refresh(struct v1 *v, struct v1_node *node, const struct v1_row *row)
{
	bool has = row->role == V1_ROLES || node_is_in(v, node, v->home[row->role]);

	return has && !node->mixed && node_get_fresh(v, node->number, node) == 0;
}

int row_check(struct v1 *v, struct v1_node *node, const struct v1_row *row)
{
	int r = check(v, node, row);

	return r == -ENOENT && refresh(v, node, row) ? check(v, node, row) : r;
}

int row_show(struct v1 *v, struct v1_node *node, const struct v1_row *row, struct buf *out)
{
	size_t start = out->len;
	int r = show(v, node, row, out);

	if (r != -ENOENT || !refresh(v, node, row))
		return r;
	buf_cut(out, start);
	return show(v, node, row, out);
}
