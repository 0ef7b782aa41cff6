/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The v1 backend: texts of v1 in those of v2, and what the views make of them. */
#include <fcntl.h>

#include "test_v1.h"

#include "ctlfs/why.h"

/* --- names and texts --- */

static const struct {
	int tree;
	const char *from, *text, *to, *want;
} texts[] = {
	{ MEM, "memory.limit_in_bytes", NO_LIMIT, "memory.max", "max\n" },
	{ MEM, "memory.limit_in_bytes", "9223372036854710272\n", "memory.max", "max\n" },
	{ MEM, "memory.limit_in_bytes", "4096\n", "memory.max", "4096\n" },
	{ MEM, "memory.limit_in_bytes", "-1\n", "memory.max", "EIO" },
	{ MEM, "memory.limit_in_bytes", "", "memory.max", "EIO" },
	{ MEM, "memory.limit_in_bytes", "4096 \n", "memory.max", "EIO" },
	{ MEM, "memory.limit_in_bytes", "99999999999999999999\n", "memory.max", "EIO" },
	{ MEM, "memory.usage_in_bytes", "12345\n", "memory.current", "12345\n" },
	{ MEM, "memory.max_usage_in_bytes", "99\n", "memory.peak", "99\n" },
	{ MEM, "memory.stat", MEMORY_STAT, "memory.stat",
	  "anon 20480\nfile 40960\nshmem 4096\nfile_mapped 8192\nfile_dirty 12288\n"
	  "file_writeback 0\nanon_thp 0\ninactive_anon 4096\nactive_anon 16384\n"
	  "inactive_file 24576\nactive_file 12288\nunevictable 0\npgfault 7\n" },
	{ MEM, "memory.stat", "nothing\n", "memory.stat", "EIO" },
	{ MEM, "memory.stat", "total_swap 5\n", "memory.swap.current", "5\n" },
	{ MEM, "memory.stat", "swap 5\n", "memory.swap.current", "EIO" },
	{ MEM, "memory.memsw.limit_in_bytes", NO_LIMIT, "memory.swap.max", "max\n" },
	{ MEM, "memory.memsw.limit_in_bytes", "8192\n", "memory.swap.max", "8192\n" },
	{ CPU, "cpu.cfs_quota_us", "-1\n", "cpu.max", "max 100000\n" },
	{ CPU, "cpu.cfs_quota_us", "150000\n", "cpu.max", "150000 100000\n" },
	{ CPU, "cpu.cfs_quota_us", "much\n", "cpu.max", "EIO" },
	{ CPU, "cpu.cfs_period_us", "0\n", "cpu.max", "EIO" },
	{ CPU, "cpu.shares", "1024\n", "cpu.weight", "100\n" },
	{ CPU, "cpu.shares", "2\n", "cpu.weight", "1\n" },
	{ CPU, "cpu.shares", "262144\n", "cpu.weight", "10000\n" },
	{ CPU, "cpu.shares", "18446744073709551615\n", "cpu.weight", "10000\n" },
	{ CPU, "cpuacct.usage", "1234567890\n", "cpu.stat",
	  "usage_usec 1234567\nuser_usec 0\nsystem_usec 0\n" },
	{ CPU, "cpuacct.stat", "user 3\nsystem 2\n", "cpu.stat",
	  "usage_usec 0\nuser_usec 30000\nsystem_usec 20000\n" },
	{ CPU, "cpuacct.stat", "user 3\n", "cpu.stat", "EIO" },
	{ CPU, "cpu.stat", "nr_periods 9\nnr_throttled 4\nthrottled_time 5000000\n", "cpu.stat",
	  "usage_usec 0\nuser_usec 0\nsystem_usec 0\nnr_periods 9\nnr_throttled 4\n"
	  "throttled_usec 5000\n" },
	{ SET, "cpuset.effective_cpus", "0-1,4\n", "cpuset.cpus.effective", "0-1,4\n" },
	{ SET, "cpuset.effective_cpus", "\n", "cpuset.cpus.effective", "ENOENT" },
	{ PIDS, "pids.max", "max\n", "pids.max", "max\n" },
	{ PIDS, "pids.current", "3\n", "pids.current", "3\n" },
	{ NAMED, "notify_on_release", "0\n", "cgroup.type", "domain\n" },
};

START_TEST(text)
{
	make("a");
	set(texts[_i].tree, "a", texts[_i].from, "%s", texts[_i].text);
	ck_assert_str_eq(file(at("a"), texts[_i].to), texts[_i].want);
}
END_TEST

START_TEST(io)
{
	make("a");
	ck_assert_str_eq(file(at("a"), "io.stat"), "ENOENT");
	set(IO, "a", "blkio.throttle.io_service_bytes", "8:0 Read 1\nTotal 1\n");
	set(IO, "a", "blkio.throttle.io_serviced", "8:0 Read 2\nTotal 2\n");
	ck_assert_str_eq(file(at("a"), "io.stat"),
			 "8:0 rbytes=1 wbytes=0 rios=2 wios=0 dbytes=0 dios=0\n");
	set(IO, "a", "blkio.throttle.io_service_bytes_recursive",
	    "8:0 Read 10\n8:0 Write 20\n8:0 Discard 30\n8:0 Total 60\n"
	    "8:16 Read 0\n8:16 Write 5\nnoise\n:: Read\n8: Read 4\nTotal 65\n");
	set(IO, "a", "blkio.throttle.io_serviced_recursive",
	    "8:16 Write 3\n8:0 Read 1\n8:0 Write 2\n8:0 Discard 4\nTotal 10\n");
	ck_assert_str_eq(file(at("a"), "io.stat"),
			 "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=30 dios=4\n"
			 "8:16 rbytes=0 wbytes=5 rios=0 wios=3 dbytes=0 dios=0\n");
}
END_TEST

START_TEST(swap_is_what_is_more_than_memory)
{
	make("a");
	set(MEM, "a", "memory.limit_in_bytes", "%llu\n", (unsigned long long)GIB);
	set(MEM, "a", "memory.memsw.limit_in_bytes", "%llu\n", (unsigned long long)(3 * GIB));
	ck_assert_str_eq(file(at("a"), "memory.swap.max"), "2147483648\n");
	set(MEM, "a", "memory.memsw.limit_in_bytes", "%llu\n", (unsigned long long)GIB / 2);
	ck_assert_str_eq(file(at("a"), "memory.swap.max"), "0\n");
}
END_TEST

START_TEST(only_read)
{
	struct tree_file *f;
	struct stat st;
	uint64_t a;

	make("a");
	a = at("a");
	ck_assert_int_eq(v1->ops->stat(v1, a, "memory.max", &st), 0);
	ck_assert_uint_eq(st.st_mode, S_IFREG | 0444);
	ck_assert_uint_lt(st.st_ino, UINT64_C(1) << 56);
	ck_assert_int_eq(v1->ops->open(v1, &TREE_SELF, st.st_ino, O_WRONLY, &f), -EROFS);
	ck_assert_int_eq(v1->ops->open(v1, &TREE_SELF, st.st_ino, O_RDWR, &f), -EROFS);
	ck_assert_int_eq(v1->ops->open(v1, &TREE_SELF, a, O_RDONLY, &f), -EISDIR);
	ck_assert_int_eq(tree_write(v1, a, "memory.max", "0"), -EROFS);
	ck_assert_int_eq(tree_mkdir(v1, "b", 0755), -EROFS);
	ck_assert_int_eq(tree_rmdir(v1, "a"), -EROFS);
	ck_assert_int_eq(v1->ops->setattr(v1, &TREE_SELF, a, &st, TREE_SET_MODE), -EROFS);
	ck_assert_int_eq(v1->ops->stat(v1, a, NULL, &st), 0);
	ck_assert_uint_eq(st.st_mode & 0222, 0);
	ck_assert_str_ne(why_take(), "");
}
END_TEST

/* --- below the views --- */

START_TEST(views)
{
	uint64_t a;

	make("a");
	set(MEM, "a", "memory.limit_in_bytes", "%llu\n", (unsigned long long)GIB);
	set(MEM, "a", "memory.memsw.limit_in_bytes", "%llu\n", (unsigned long long)(2 * GIB));
	set(CPU, "a", "cpuacct.stat", "user 100\nsystem 50\n");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	set(MEM, "a", "cgroup.procs", "5\n");
	start(5);
	a = at("a");
	ck_assert_uint_eq(meminfo_of(a, "MemTotal:"), GIB / 1024);
	ck_assert_uint_eq(meminfo_of(a, "MemFree:"), GIB / 1024 - 1024);
	ck_assert_uint_eq(meminfo_of(a, "Cached:"), 40);
	ck_assert_uint_eq(meminfo_of(a, "AnonPages:"), 20);
	ck_assert_uint_eq(meminfo_of(a, "SwapTotal:"), GIB / 1024);
	ck_assert_uint_eq(meminfo_of(a, "SwapFree:"), GIB / 1024 - 1024);
	ck_assert_ptr_nonnull(strstr(text_at(a, "proc/swaps"), "\t1048576\t"));
	ck_assert_ptr_nonnull(strstr(text_at(a, "proc/stat"), "cpu  100 0 50 "));
	ck_assert_ptr_nonnull(strstr(text_at(a, "proc/uptime"), "100.00 "));
}
END_TEST

/* What v1 does not write is an error, not the machine's number. */
START_TEST(views_of_nonsense)
{
	cleanup_buf struct buf out = { 0 };
	uint64_t a;

	make("a");
	a = at("a");
	set(MEM, "a", "memory.limit_in_bytes", "lots\n");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/meminfo"), &out), -EIO);
	set(CPU, "a", "cpuacct.usage", "-5\n");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/stat"), &out), -EIO);
	set(CPU, "a", "cpu.cfs_quota_us", "\n");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/cpuinfo"), &out), -EIO);
	ck_assert_uint_eq(out.len, 0);
}
END_TEST

/* Nobody counts its CPU time: 0, where the machine has used some. */
START_TEST(uncounted)
{
	dir_in(MEM, "a");
	ck_assert_ptr_nonnull(strstr(text_at(at("a"), "proc/stat"), "cpu  0 0 0 "));
}
END_TEST

/* A controller of cgroup v2, beside v1's, has v2's own files. */
START_TEST(hybrid)
{
	fake_remove(&trees[MEM], fake_child(&trees[MEM].tree, TREE_ROOT, "cgroup.sane_behavior"));
	make("a");
	set(MEM, "a", "memory.max", "104857600\n");
	set(MEM, "a", "memory.current", "1048576\n");
	set(MEM, "a", "memory.stat", "anon 4096\n");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	remake_v1(1u << MEM);
	ck_assert(view->source.machine_root);
	ck_assert_str_eq(file(at("a"), "memory.stat"), "anon 4096\n");
	ck_assert_uint_eq(meminfo_of(at("a"), "MemTotal:"), 102400);
	ck_assert_str_eq(online(at("a")), "0\n");
	ck_assert_str_eq(file(TREE_ROOT, "memory.max"), "ENOENT");
}
END_TEST

/* More than is remembered: everything is found again, and mixed ones by who asks. */
START_TEST(forgotten)
{
	make("a");
	place_all(5, "a");
	for (uint64_t n = 0; n < 3000; n++) {
		uint64_t dir;

		/* Each time another place, which is gone right after. */
		trees[CPU].nodes[NODES_MAX - 1] = (struct fake_node){ .parent = TREE_ROOT,
								      .dir = true };
		snprintf(trees[CPU].nodes[NODES_MAX - 1].name, 32, "n%llu", (unsigned long long)n);
		trees[CPU].where[5] = NODES_MAX;
		ck_assert_int_eq(v1->ops->locate(v1, 5, &dir), 0);
		trees[CPU].nodes[NODES_MAX - 1].parent = 0;
	}
	place(5, CPU, "a");
	ck_assert_uint_eq(located(5), at("a"));
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		io, swap_is_what_is_more_than_memory, only_read, views, views_of_nonsense,
		uncounted, hybrid, forgotten,
	};
	TCase *tc = tcase_create("all");

	tcase_add_loop_test(tc, text, 0, ARRAY_SIZE(texts));
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tc, tests[i]);
	return run_v1("v1_text", tc);
}
