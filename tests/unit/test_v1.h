/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The v1 backend over hierarchies in memory, and the views over it. */
#ifndef TEST_V1_H
#define TEST_V1_H

#include "test_view.h"

#include "ctlfs/v1.h"

#define GIB (UINT64_C(1) << 30)
#define NO_LIMIT "9223372036854771712\n"
#define MEMORY_STAT \
	"cache 1\nrss 2\nswap 3\ninactive_file 4\ntotal_cache 40960\ntotal_rss 20480\n" \
	"total_rss_huge 0\ntotal_shmem 4096\ntotal_mapped_file 8192\ntotal_dirty 12288\n" \
	"total_writeback 0\ntotal_swap 1048576\ntotal_pgfault 7\ntotal_inactive_anon 4096\n" \
	"total_active_anon 16384\ntotal_inactive_file 24576\ntotal_active_file 12288\n" \
	"total_unevictable 0\n"

enum { MEM, CPU, SET, PIDS, IO, NAMED, TREES };

static struct fake_tree trees[TREES];
static const unsigned roles[TREES] = {
	[MEM] = 1 << V1_MEMORY, [CPU] = 1 << V1_CPU | 1 << V1_CPUACCT, [SET] = 1 << V1_CPUSET,
	[PIDS] = 1 << V1_PIDS,	[IO] = 1 << V1_IO,		       [NAMED] = 1 << V1_SYSTEMD,
};
static struct tree_ops ops; /* the fake's, and an end */
static struct tree *v1;

static inline void keep(struct tree *t)
{
	(void)t; /* static */
}

static inline void make_v1(unsigned v2_trees)
{
	struct v1_source source = { .n = TREES };

	for (int i = 0; i < TREES; i++)
		source.hierarchies[i] = (struct v1_hierarchy){ &trees[i].tree, roles[i],
							       v2_trees >> i & 1 };
	ck_assert_int_eq(v1_new_over(&source, &v1), 0);
	view_free(view);
	ck_assert_int_eq(view_new_over(v1, &host.host, &view), 0);
}

static inline void remake_v1(unsigned v2_trees)
{
	tree_destroy(v1);
	make_v1(v2_trees);
}

static inline void v1_setup(void)
{
	fake_setup();
	ops = fake_tree_ops;
	ops.destroy = keep;
	for (int i = 0; i < TREES; i++) {
		trees[i] = (struct fake_tree){ .tree.ops = &ops };
		trees[i].nodes[0] = (struct fake_node){ .parent = TREE_ROOT, .dir = true };
		fake_set(&trees[i], TREE_ROOT, "cgroup.sane_behavior", "0\n");
		fake_set(&trees[i], TREE_ROOT, "cgroup.procs", "1\n");
		/* Numbers of one tree are nobody's in another. */
		for (int skip = 0; skip < i * 3; skip++)
			fake_set(&trees[i], TREE_ROOT, "x", "%d", skip);
	}
	make_v1(0);
}

static inline void v1_teardown(void)
{
	fake_teardown();
	tree_destroy(v1);
}

/* The directory at path of hierarchy i, made with the files that a new cgroup has there. */
static inline uint64_t dir_in(int i, const char *path)
{
	cleanup_free char *copy = strdup(path);
	struct fake_tree *t = &trees[i];
	char *rest = copy, *name;
	uint64_t dir = TREE_ROOT;

	while ((name = strsep(&rest, "/"))) {
		uint64_t child = fake_child(&t->tree, dir, name);

		dir = child ? child : fake_add(t, dir, name, true);
		if (child)
			continue;
		fake_set(t, dir, "cgroup.procs", "%s", "");
		if (i == MEM) {
			fake_set(t, dir, "memory.limit_in_bytes", NO_LIMIT);
			fake_set(t, dir, "memory.usage_in_bytes", "1048576\n");
			fake_set(t, dir, "memory.stat", MEMORY_STAT);
			fake_set(t, dir, "memory.use_hierarchy", "1\n");
			fake_set(t, dir, "memory.memsw.limit_in_bytes", NO_LIMIT);
			fake_set(t, dir, "memory.memsw.usage_in_bytes", "2097152\n");
		} else if (i == CPU) {
			fake_set(t, dir, "cpu.cfs_quota_us", "-1\n");
			fake_set(t, dir, "cpu.cfs_period_us", "100000\n");
			fake_set(t, dir, "cpuacct.usage", "0\n");
			fake_set(t, dir, "cpuacct.stat", "user 0\nsystem 0\n");
		} else if (i == SET) {
			fake_set(t, dir, "cpuset.effective_cpus", "0-7\n");
		}
	}
	return dir;
}

__attribute__((format(printf, 4, 5))) static inline void
set(int i, const char *path, const char *file, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	fake_set(&trees[i], *path ? dir_in(i, path) : TREE_ROOT, file, "%s", text);
}

/* Makes path in every hierarchy. */
static inline void make(const char *path)
{
	for (int i = 0; i < TREES; i++)
		dir_in(i, path);
}

static inline void place(pid_t pid, int i, const char *path)
{
	trees[i].where[pid] = *path ? dir_in(i, path) : TREE_ROOT;
}

static inline void place_all(pid_t pid, const char *path)
{
	for (int i = 0; i < TREES; i++)
		place(pid, i, path);
}

/* A process that is alone in a pid namespace. */
static inline void start(pid_t pid)
{
	fake_start(&host, pid, 900 * SECOND, 1000 + (uint64_t)pid, 1);
}

static inline uint64_t at(const char *path)
{
	uint64_t node = 0;
	int r = tree_walk(v1, path, &node);

	ck_assert_msg(r == 0, "%s: %s", path, strerror(-r));
	return node;
}

static inline uint64_t located(pid_t pid)
{
	uint64_t dir = 0;
	int r = v1->ops->locate(v1, pid, &dir);

	ck_assert_msg(r == 0, "locate: %s", strerror(-r));
	return dir;
}

static inline const char *file(uint64_t dir, const char *name)
{
	static struct buf text;
	int r;

	buf_reset(&text);
	r = tree_read(v1, dir, name, &text);
	return r < 0 ? strerrorname_np(-r) : buf_text(&text);
}

static inline const char *online(uint64_t container)
{
	return text_at(container, "sys/devices/system/cpu/online");
}

static inline int run_v1(const char *name, TCase *tc)
{
	Suite *suite = suite_create(name);

	tcase_add_checked_fixture(tc, v1_setup, v1_teardown);
	suite_add_tcase(suite, tc);
	return suite_run(suite);
}

#endif
