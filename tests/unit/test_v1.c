/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The v1 backend: one tree of several hierarchies, and where processes are in it. */
#include "test_v1.h"

/* --- the tree --- */

/* The root of a whole hierarchy is the machine and has no limits, also where v1 has the files. */
START_TEST(root)
{
	set(MEM, "", "memory.limit_in_bytes", "4096\n");
	set(MEM, "", "memory.usage_in_bytes", "4096\n");
	ck_assert_str_eq(file(TREE_ROOT, "memory.max"), "ENOENT");
	ck_assert_str_eq(file(TREE_ROOT, "cgroup.type"), "ENOENT");
	ck_assert(view->source.machine_root);
	/* That of a part of one has them. */
	fake_remove(&trees[MEM], fake_child(&trees[MEM].tree, TREE_ROOT, "cgroup.sane_behavior"));
	set(MEM, "", "memory.stat", MEMORY_STAT);
	remake_v1(0);
	ck_assert(!view->source.machine_root);
	ck_assert_str_eq(file(TREE_ROOT, "memory.max"), "4096\n");
	ck_assert_uint_eq(meminfo_of(TREE_ROOT, "MemTotal:"), 4);
}
END_TEST

START_TEST(numbers)
{
	struct stat st;
	uint64_t parent;

	make("a/b");
	dir_in(CPU, "c");
	ck_assert_uint_eq(at("a/b"), dir_in(MEM, "a/b"));
	ck_assert_uint_eq(at("c"), (uint64_t)V1_CPU << 36 | dir_in(CPU, "c"));
	/* By its number in another hierarchy it is the same. */
	ck_assert_int_eq(v1->ops->stat(v1, (uint64_t)V1_CPU << 36 | dir_in(CPU, "a/b"), NULL, &st),
			 0);
	ck_assert_uint_eq(st.st_ino, at("a/b"));
	ck_assert_int_eq(tree_parent(v1, at("a/b"), &parent), 0);
	ck_assert_uint_eq(parent, at("a"));
	ck_assert_int_eq(v1->ops->stat(v1, 9999, NULL, &st), -ENODEV);
	ck_assert_int_eq(v1->ops->stat(v1, UINT64_C(14) << 36 | 1, NULL, &st), -ENODEV);
	ck_assert_int_eq(v1->ops->stat(v1, UINT64_C(15) << 36 | 1, NULL, &st), -ENODEV);
	ck_assert_int_eq(v1->ops->stat(v1, UINT64_C(200) << 40 | 1, NULL, &st), -ENODEV);
	ck_assert_int_eq(v1->ops->stat(v1, TREE_ROOT, "..", &st), 0);
	ck_assert_uint_eq(st.st_ino, TREE_ROOT);
	/* A file's number of one hierarchy is no directory's. */
	ck_assert_int_eq(v1->ops->stat(v1, fake_child(&trees[MEM].tree, dir_in(MEM, "a"),
						      "memory.stat"), NULL, &st), -ENODEV);
}
END_TEST

static void check_list(uint64_t dir, const char *want)
{
	cleanup_tree_list struct tree_list list = { 0 };
	cleanup_buf struct buf names = { 0 };

	ck_assert_int_eq(v1->ops->list(v1, dir, &list), 0);
	for (size_t i = 0; i < list.n; i++) {
		struct stat st;

		ck_assert_int_eq(v1->ops->stat(v1, dir, list.entries[i].name, &st), 0);
		ck_assert_uint_eq(st.st_ino, list.entries[i].node);
		ck_assert_int_eq(S_ISDIR(st.st_mode), list.entries[i].dir);
		if (list.entries[i].dir)
			buf_addf(&names, "%s ", list.entries[i].name);
	}
	ck_assert_str_eq(buf_text(&names), want);
}

/* A directory in any hierarchy is one of the tree. */
START_TEST(lists)
{
	cleanup_buf struct buf path = { 0 };

	dir_in(MEM, "both");
	dir_in(CPU, "both");
	dir_in(MEM, "memory");
	dir_in(NAMED, "named/below");
	check_list(TREE_ROOT, "both memory named ");
	check_list(at("named"), "below ");
	check_list(at("memory"), "");
	ck_assert_int_eq(tree_path(v1, at("named/below"), &path), 0);
	ck_assert_str_eq(buf_text(&path), "/named/below");
}
END_TEST

START_TEST(gone)
{
	cleanup_buf struct buf out = { 0 };
	struct stat st;
	uint64_t a;

	make("a");
	a = at("a");
	fake_remove(&trees[MEM], a);
	ck_assert_int_eq(v1->ops->stat(v1, a, NULL, &st), -ENODEV);
	ck_assert_str_eq(file(a, "memory.max"), "ENOENT");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/meminfo"), &out), -ENODEV);
	/* It goes on in the others, under another number. */
	ck_assert_uint_ne(at("a"), a);
	ck_assert_str_eq(file(at("a"), "cpu.max"), "max 100000\n");
}
END_TEST

/* --- where processes are --- */

START_TEST(paths_that_agree)
{
	make("lxc/one");
	set(MEM, "lxc", "memory.limit_in_bytes", "1048576000\n");
	set(CPU, "lxc/one", "cpu.cfs_quota_us", "250000\n");
	place_all(5, "lxc/one");
	start(5);
	ck_assert_uint_eq(located(5), at("lxc/one"));
	ck_assert_uint_eq(meminfo_of(located(5), "MemTotal:"), 1024000);
	ck_assert_str_eq(online(located(5)), "0-2\n");
	set(SET, "lxc/one", "cpuset.effective_cpus", "3\n");
	ck_assert_str_eq(online(located(5)), "0\n");
}
END_TEST

/* A hierarchy that does not have the path: its nearest ancestor counts. */
START_TEST(paths_that_end)
{
	dir_in(MEM, "a/b/c");
	dir_in(CPU, "a");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	set(CPU, "a", "cpuacct.stat", "user 700\nsystem 300\n");
	place_all(5, "");
	place(5, MEM, "a/b/c");
	place(5, CPU, "a");
	ck_assert_uint_eq(located(5), at("a/b/c"));
	ck_assert_str_eq(file(at("a/b/c"), "cpu.max"), "ENOENT");
	ck_assert_str_eq(online(at("a/b/c")), "0\n");
	ck_assert_ptr_nonnull(strstr(text_at(at("a/b/c"), "proc/stat"), "cpu  700 0 300 "));
	/* Made later, it counts at once. */
	set(CPU, "a/b/c", "cpu.cfs_quota_us", "50000\n");
	ck_assert_str_eq(file(at("a/b/c"), "cpu.max"), "50000 100000\n");
	place(5, CPU, "a/b/c");
	ck_assert_uint_eq(located(5), at("a/b/c"));
}
END_TEST

/* Removed and made again in one hierarchy while the others keep it. */
START_TEST(remade)
{
	make("a");
	place_all(5, "a");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	ck_assert_str_eq(online(located(5)), "0\n");
	fake_remove(&trees[CPU], dir_in(CPU, "a"));
	ck_assert_str_eq(file(at("a"), "cpu.max"), "ENOENT");
	fake_add(&trees[CPU], TREE_ROOT, "takes the number", false);
	set(CPU, "a", "cpu.cfs_quota_us", "200000\n");
	place(5, CPU, "a");
	ck_assert_uint_eq(located(5), at("a"));
	ck_assert_str_eq(online(at("a")), "0-1\n");
	/* Without anybody having looked in between. */
	fake_remove(&trees[CPU], dir_in(CPU, "a"));
	fake_add(&trees[CPU], TREE_ROOT, "takes it, too", false);
	set(CPU, "a", "cpu.cfs_quota_us", "300000\n");
	ck_assert_str_eq(online(at("a")), "0-2\n");
}
END_TEST

/* v1 can rename a cgroup. Who takes its old path is another. */
START_TEST(renamed)
{
	uint64_t a = dir_in(MEM, "a");

	set(MEM, "a", "memory.limit_in_bytes", "104857600\n");
	place_all(5, "");
	place(5, MEM, "a");
	ck_assert_uint_eq(meminfo_of(at("a"), "MemTotal:"), 102400);
	strcpy(trees[MEM].nodes[a - 1].name, "z");
	set(MEM, "a", "memory.limit_in_bytes", "4096\n");
	set(CPU, "a", "cpu.cfs_quota_us", "100000\n");
	ck_assert_str_eq(online(a), "0-7\n");
	ck_assert_uint_eq(meminfo_of(a, "MemTotal:"), 102400);
	ck_assert_uint_eq(located(5), a);
	ck_assert_uint_eq(at("z"), a);
	ck_assert_str_eq(online(at("a")), "0\n");
	set(CPU, "z", "cpu.cfs_quota_us", "200000\n");
	place(5, CPU, "z");
	ck_assert_uint_eq(located(5), a);
	ck_assert_str_eq(online(a), "0-1\n");
}
END_TEST

/* No path gives both: the container has one of each, and all that is above them counts. */
START_TEST(paths_that_differ)
{
	struct stat st;
	uint64_t c;

	dir_in(MEM, "m/one");
	dir_in(MEM, "c/d"); /* others live there */
	set(MEM, "m", "memory.limit_in_bytes", "104857600\n");
	set(MEM, "c", "memory.limit_in_bytes", "4096\n");
	dir_in(CPU, "c/d/e");
	set(CPU, "c/d", "cpu.cfs_quota_us", "200000\n");
	place_all(5, "");
	place(5, MEM, "m/one");
	place(5, CPU, "c/d/e");
	start(5);
	c = located(5);
	ck_assert_uint_lt(c, UINT64_C(1) << 40);
	ck_assert_uint_eq(meminfo_of(c, "MemTotal:"), 102400);
	ck_assert_uint_eq(meminfo_of(c, "MemFree:"), 102400 - 1024);
	ck_assert_str_eq(online(c), "0-1\n");
	ck_assert_uint_eq(located(5), c);
	ck_assert(tree_inside(v1, c, TREE_ROOT));
	ck_assert_int_eq(v1->ops->stat(v1, c, NULL, &st), 0);
	check_list(c, "");
	/* The same number when everything was forgotten. */
	remake_v1(0);
	ck_assert_int_eq(v1->ops->stat(v1, c, NULL, &st), -ENODEV);
	ck_assert_uint_eq(located(5), c);
	/* It goes with any of its directories. */
	fake_remove(&trees[CPU], dir_in(CPU, "c/d/e"));
	ck_assert_int_eq(v1->ops->stat(v1, c, NULL, &st), -ENODEV);
}
END_TEST

START_TEST(processes_of_paths_that_differ)
{
	place_all(5, "");
	place(5, MEM, "m");
	place(5, CPU, "c");
	set(MEM, "m", "cgroup.procs", "7\n5\n6\n");
	set(MEM, "m/below", "cgroup.procs", "9\n8\n");
	set(CPU, "c", "cgroup.procs", "5\n9\n11\n");
	ck_assert_str_eq(file(located(5), "cgroup.procs"), "5\n9\n");
	ck_assert_str_eq(file(at("m"), "cgroup.procs"), "7\n5\n6\n");
	ck_assert_str_eq(file(at("c"), "cgroup.procs"), "5\n9\n11\n");
	set(CPU, "c", "cgroup.procs", "5\nsix\n");
	ck_assert_str_eq(file(located(5), "cgroup.procs"), "EIO");
}
END_TEST

/* Who can be nowhere is gone; only of a part of a hierarchy somebody is outside. */
START_TEST(outside)
{
	uint64_t dir;

	make("a");
	place_all(5, "a");
	trees[CPU].where[5] = 0;
	ck_assert_int_eq(v1->ops->locate(v1, 5, &dir), -ESRCH);
	fake_remove(&trees[CPU], fake_child(&trees[CPU].tree, TREE_ROOT, "cgroup.sane_behavior"));
	remake_v1(0);
	ck_assert_int_eq(v1->ops->locate(v1, 5, &dir), -ENOENT);
}
END_TEST

START_TEST(init_scope)
{
	uint64_t container;

	make("lxc/one");
	place_all(5, "lxc/one");
	place(5, NAMED, "lxc/one/init.scope");
	start(5);
	ck_assert_uint_ne(located(5), at("lxc/one"));
	ck_assert_int_eq(view_container(view, 5, &container), 0);
	ck_assert_uint_eq(container, at("lxc/one"));
}
END_TEST

/* Before 5.11 a cgroup could leave what is below it to itself. */
START_TEST(no_hierarchy)
{
	make("a/b");
	set(MEM, "a", "memory.limit_in_bytes", "104857600\n");
	set(CPU, "a", "cpu.cfs_quota_us", "200000\n");
	ck_assert_uint_eq(meminfo_of(at("a/b"), "MemTotal:"), 102400);
	set(MEM, "a", "memory.use_hierarchy", "0\n");
	ck_assert_uint_eq(meminfo_of(at("a/b"), "MemTotal:"), 16000000);
	ck_assert_uint_eq(meminfo_of(at("a/b"), "MemFree:"), 16000000 - 1024);
	ck_assert_str_eq(online(at("a/b")), "0-1\n");
	ck_assert_uint_eq(meminfo_of(at("a"), "MemTotal:"), 102400);
}
END_TEST

int main(void)
{
	const TTest *const tests[] = {
		root, numbers, lists, gone, paths_that_agree, paths_that_end, remade, renamed,
		paths_that_differ, processes_of_paths_that_differ, outside, init_scope,
		no_hierarchy,
	};
	TCase *tc = tcase_create("all");

	for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
		tcase_add_test(tc, tests[i]);
	return run_v1("v1", tc);
}
