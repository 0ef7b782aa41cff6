/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the views take from a tree: limits over all ancestors, errors, names and slots, callers. */
#include "test_view.h"

#include <inttypes.h>

#include "view/rows.h"

static int render(uint64_t container, const char *path)
{
	cleanup_buf struct buf out = { 0 };

	return view_render(view, container, slot_at(container, path), &out);
}

static uint64_t memory_cgroup(uint64_t dir, const char *name, const char *max)
{
	uint64_t nr = fake_cgroup(dir, name);

	fake_set(&tree, nr, "memory.max", "%s\n", max);
	fake_set(&tree, nr, "memory.current", "%d\n", 10 << 20);
	fake_set(&tree, nr, "memory.stat", "anon %d\nfile %d\nactive_file %d\n", 6 << 20, 4 << 20,
		 4 << 20);
	fake_set(&tree, nr, "memory.swap.max", "max\n");
	fake_set(&tree, nr, "memory.swap.current", "%d\n", 1 << 20);
	return nr;
}

START_TEST(memory)
{
	uint64_t a = memory_cgroup(TREE_ROOT, "a", "104857600");
	uint64_t b = memory_cgroup(a, "b", "max");
	uint64_t inner = fake_cgroup(b, "inner"); /* without the controller */

	ck_assert_uint_eq(meminfo_of(b, "MemTotal:"), 102400);
	ck_assert_uint_eq(meminfo_of(b, "MemFree:"), 102400 - 10240);
	ck_assert_uint_eq(meminfo_of(b, "MemAvailable:"), 102400 - 6144);
	ck_assert_uint_eq(meminfo_of(b, "CommitLimit:"), 51200 + 4000000);
	fake_set(&tree, b, "memory.max", "52428800\n");
	ck_assert_uint_eq(meminfo_of(b, "MemTotal:"), 51200);
	ck_assert_uint_eq(meminfo_of(a, "MemTotal:"), 102400);
	fake_set(&tree, a, "memory.max", "20971520\n");
	ck_assert_uint_eq(meminfo_of(b, "MemTotal:"), 20480);
	ck_assert_uint_eq(meminfo_of(inner, "MemTotal:"), 20480);
	ck_assert_uint_eq(meminfo_of(inner, "MemFree:"), 10240);
	fake_set(&tree, a, "memory.max", "max\n");
	fake_set(&tree, b, "memory.max", "%" PRIu64 "\n", UINT64_C(1) << 60);
	ck_assert_uint_eq(meminfo_of(b, "MemTotal:"), 16000000);
	/* The limit was set below what is used. */
	fake_set(&tree, b, "memory.max", "1048576\n");
	ck_assert_uint_eq(meminfo_of(b, "MemFree:"), 0);
	ck_assert_uint_eq(meminfo_of(b, "Cached:"), 1024);
}
END_TEST

START_TEST(swap)
{
	uint64_t a = memory_cgroup(TREE_ROOT, "a", "max");
	uint64_t b = memory_cgroup(a, "b", "max");

	ck_assert_uint_eq(meminfo_of(b, "SwapTotal:"), 4000000);
	ck_assert_uint_eq(meminfo_of(b, "SwapFree:"), 4000000 - 1024);
	fake_set(&tree, a, "memory.swap.max", "8388608\n");
	ck_assert_uint_eq(meminfo_of(b, "SwapTotal:"), 8192);
	ck_assert_uint_eq(meminfo_of(b, "SwapFree:"), 7168);
	ck_assert_ptr_nonnull(strstr(text_at(b, "proc/swaps"), "virtual\t\t8192\t\t1024\t"));
	fake_set(&tree, b, "memory.swap.max", "0\n");
	ck_assert_uint_eq(meminfo_of(b, "SwapTotal:"), 0);
	ck_assert_ptr_null(strstr(text_at(b, "proc/swaps"), "virtual"));
}
END_TEST

static void assert_huge(uint64_t container, uint64_t total, uint64_t free, uint64_t reserved)
{
	ck_assert_uint_eq(meminfo_of(container, "HugePages_Total:"), total);
	ck_assert_uint_eq(meminfo_of(container, "HugePages_Free:"), free);
	ck_assert_uint_eq(meminfo_of(container, "HugePages_Rsvd:"), reserved);
	ck_assert_uint_eq(meminfo_of(container, "Hugetlb:"), total * 2048);
}

/* The machine has 100 pages of 2 MiB, of which 40 are free. */
START_TEST(huge_pages)
{
	uint64_t a = memory_cgroup(TREE_ROOT, "a", "max"), b = memory_cgroup(a, "b", "max");

	assert_huge(b, 0, 0, 0);
	host.texts[HOST_MEMINFO] = MEMINFO "HugePages_Total:     100\nHugePages_Free:       40\n"
					   "HugePages_Rsvd:        5\n";
	assert_huge(b, 100, 40, 5); /* accounted by nobody */
	fake_set(&tree, a, "hugetlb.2MB.max", "max\n");
	fake_set(&tree, a, "hugetlb.2MB.current", "%d\n", 7 * 2 << 20);
	fake_set(&tree, a, "hugetlb.2MB.rsvd.current", "%d\n", 9 * 2 << 20);
	assert_huge(b, 100, 40, 2);
	fake_set(&tree, a, "hugetlb.2MB.max", "%d\n", 10 * 2 << 20);
	assert_huge(b, 10, 3, 2);
	fake_set(&tree, b, "hugetlb.2MB.current", "%d\n", 2 << 20);
	fake_set(&tree, b, "hugetlb.2MB.max", "max\n");
	assert_huge(b, 10, 9, 9 - 1);
	/* The limit was set below what is used. */
	fake_set(&tree, b, "hugetlb.2MB.max", "0\n");
	assert_huge(b, 0, 0, 0);
	host.texts[HOST_MEMINFO] = MEMINFO;
}
END_TEST

/* The root is the whole machine; so is what no cgroup accounts. A part of a hierarchy is not. */
START_TEST(machine)
{
	static const char *const files[] = { "meminfo", "stat", "uptime", "loadavg", "swaps" };
	static const enum host_file texts[] = { HOST_MEMINFO, HOST_STAT, HOST_UPTIME, HOST_LOADAVG,
						HOST_SWAPS };
	uint64_t plain = fake_cgroup(TREE_ROOT, "plain");

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[32];

		snprintf(path, sizeof path, "proc/%s", files[i]);
		ck_assert_str_eq(text_at(TREE_ROOT, path), host.texts[texts[i]]);
	}
	ck_assert_str_eq(text_at(plain, "proc/meminfo"), host.texts[HOST_MEMINFO]);
	ck_assert_str_eq(text_at(TREE_ROOT, "sys/devices/system/cpu/online"), "0-7\n");

	view_free(view);
	fake_set(&tree, TREE_ROOT, "cgroup.type", "domain\n");
	fake_set(&tree, TREE_ROOT, "memory.max", "1048576\n");
	fake_set(&tree, TREE_ROOT, "memory.current", "0\n");
	fake_set(&tree, TREE_ROOT, "memory.stat", "anon 0\n");
	ck_assert_int_eq(view_new_over(&tree.tree, &host.host, &view), 0);
	ck_assert_uint_eq(meminfo_of(TREE_ROOT, "MemTotal:"), 1024);
	ck_assert_uint_eq(meminfo_of(plain, "MemTotal:"), 1024);
}
END_TEST

static void check_cpus(uint64_t container, unsigned cpus)
{
	struct view_entry e;
	char list[32];
	unsigned dir = slot_at(container, "sys/devices/system/cpu");
	unsigned found = 0;

	snprintf(list, sizeof list, cpus == 1 ? "0\n" : "0-%u\n", cpus - 1);
	ck_assert_str_eq(text_at(container, "sys/devices/system/cpu/online"), list);
	ck_assert_str_eq(text_at(container, "sys/devices/system/cpu/present"), list);
	for (size_t n = 0; view_list(view, container, dir, n, &e) == 0; n++)
		found += e.dir && e.varies;
	ck_assert_uint_eq(found, cpus);
	snprintf(list, sizeof list, "cpu%u", cpus);
	ck_assert_int_eq(view_find(view, container, dir, list, &e), -ENOENT);
	snprintf(list, sizeof list, "\ncpu%u ", cpus);
	ck_assert_ptr_null(strstr(text_at(container, "proc/stat"), list));
	snprintf(list, sizeof list, "\ncpu%u ", cpus - 1);
	ck_assert_ptr_nonnull(strstr(text_at(container, "proc/stat"), list));
}

START_TEST(cpus)
{
	static const struct {
		const char *quota;
		unsigned cpus;
	} quotas[] = { { "max 100000", 8 },	{ "400000 100000", 4 }, { "150000 100000", 2 },
		       { "100000 100000", 1 },	{ "1000 1000000", 1 },	{ "100001 100000", 2 },
		       { "99900000 100000", 8 } };
	uint64_t a = fake_cgroup(TREE_ROOT, "a");
	uint64_t b = fake_cgroup(a, "b");

	check_cpus(b, 8);
	for (size_t i = 0; i < ARRAY_SIZE(quotas); i++) {
		fake_set(&tree, b, "cpu.max", "%s\n", quotas[i].quota);
		check_cpus(b, quotas[i].cpus);
	}
	fake_set(&tree, a, "cpu.max", "250000 100000\n");
	check_cpus(b, 3);
	fake_set(&tree, a, "cpuset.cpus.effective", "4,6\n"); /* b has no cpuset of its own */
	check_cpus(b, 2);
	fake_set(&tree, b, "cpuset.cpus.effective", "6\n");
	check_cpus(b, 1);
	host.texts[HOST_CPU_ONLINE] = NULL; /* no sysfs: the lines of /proc/stat */
	host.texts[HOST_STAT] = "cpu  1\ncpu0 1\ncpu5 1\nintr 1\n";
	check_cpus(a, 2);
}
END_TEST

/* A failed read is an error, and a container that is gone is not a container without limits. */
START_TEST(errors)
{
	uint64_t a = memory_cgroup(TREE_ROOT, "a", "max");
	uint64_t b = memory_cgroup(a, "b", "1048576");
	uint64_t file = fake_child(&tree.tree, a, "memory.max");
	cleanup_buf struct buf out = { 0 };
	unsigned slot;
	static const char *const files[] = { "meminfo", "stat", "uptime", "loadavg", "cpuinfo" };

	tree.nodes[file - 1].error = -EACCES;
	ck_assert_int_eq(render(b, "proc/meminfo"), -EACCES);
	tree.nodes[file - 1].error = 0;
	fake_set(&tree, a, "memory.max", "garbage\n");
	ck_assert_int_eq(render(b, "proc/meminfo"), -EIO);
	fake_set(&tree, a, "memory.max", "max\n");
	fake_set(&tree, a, "cpu.max", "5\n");
	ck_assert_int_eq(render(b, "proc/stat"), -EIO);
	fake_set(&tree, a, "cpu.max", "max 100000\n");
	slot = slot_at(b, "proc/meminfo");
	host.texts[HOST_MEMINFO] = NULL;
	ck_assert_int_lt(view_render(view, b, slot, &out), 0);
	host.texts[HOST_MEMINFO] = MEMINFO;
	ck_assert_int_eq(render(b, "proc/meminfo"), 0);
	ck_assert_int_eq(render(b, "proc"), -EISDIR);

	fake_remove(&tree, b);
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char path[32];

		snprintf(path, sizeof path, "proc/%s", files[i]);
		ck_assert_int_eq(render(b, path), -ENODEV);
	}
}
END_TEST

/* Only what a file needs is read. */
START_TEST(cost)
{
	uint64_t a = memory_cgroup(TREE_ROOT, "a", "max");
	uint64_t b = memory_cgroup(a, "b", "max");

	tree.reads = 0;
	ck_assert_int_eq(render(a, "proc/meminfo"), 0);
	ck_assert_uint_eq((unsigned)tree.reads, 5);
	tree.reads = 0;
	ck_assert_int_eq(render(b, "proc/meminfo"), 0);
	ck_assert_uint_eq((unsigned)tree.reads, 7);
	host.texts[HOST_MEMINFO] = "MemTotal: 1000 kB\n"; /* no swap: nobody's limit matters */
	tree.reads = 0;
	ck_assert_int_eq(render(a, "proc/meminfo"), 0);
	ck_assert_uint_eq((unsigned)tree.reads, 3);
	tree.reads = 0;
	ck_assert_int_eq(render(a, "sys/devices/system/cpu/offline"), 0);
	ck_assert_int_eq(render(a, "sys/devices/system/cpu/kernel_max"), 0);
	ck_assert_uint_eq((unsigned)tree.reads, 0);
}
END_TEST

struct seen {
	bool slots[VIEW_SLOTS];
	unsigned files, dirs;
};

static void visit(uint64_t container, unsigned dir, struct seen *seen)
{
	struct view_entry e, found;
	size_t n = 0;

	for (; view_list(view, container, dir, n, &e) == 0; n++) {
		cleanup_buf struct buf out = { 0 };

		ck_assert_uint_lt(e.slot, VIEW_SLOTS);
		ck_assert_msg(!seen->slots[e.slot], "slot %u twice: %s", e.slot, e.name);
		seen->slots[e.slot] = true;
		ck_assert_int_eq(view_find(view, container, dir, e.name, &found), 0);
		ck_assert_uint_eq(found.slot, e.slot);
		ck_assert_str_eq(found.name, e.name);
		ck_assert(found.dir == e.dir && found.varies == e.varies);
		ck_assert_int_eq(view_stat(view, container, e.slot, &found), 0);
		ck_assert(found.dir == e.dir && found.slot == e.slot);
		ck_assert_uint_eq(view_parent(e.slot), dir);
		if (e.dir) {
			seen->dirs++;
			visit(container, e.slot, seen);
			continue;
		}
		seen->files++;
		ck_assert_int_eq(view_find(view, container, e.slot, "x", &found), -ENOTDIR);
		if (e.writable) {
			ck_assert_int_eq(view_render(view, container, e.slot, &out), -EOPNOTSUPP);
			continue;
		}
		ck_assert_int_eq(view_render(view, container, e.slot, &out), 0);
		ck_assert_uint_gt(out.len, 0);
		ck_assert_int_eq(out.data[out.len - 1], '\n');
	}
	ck_assert_uint_gt(n, 0);
	ck_assert_int_eq(view_find(view, container, dir, "x", &found), -ENOENT);
}

START_TEST(slots)
{
	/* Known to kernels and other daemons: they never change. */
	static const struct {
		const char *path;
		unsigned slot;
	} fixed[] = {
		{ "proc", 1 }, { "sys", 2 }, { "proc/cpuinfo", 16 }, { "proc/loadavg", 17 },
		{ "proc/meminfo", 18 }, { "proc/stat", 19 }, { "proc/swaps", 20 },
		{ "proc/uptime", 21 }, { "sys/devices/system/cpu", 5 },
		{ "sys/devices/system/cpu/online", 32 },
		{ "sys/devices/system/cpu/cpu0", 0x10000 },
		{ "sys/devices/system/cpu/cpu2", 0x10000 + 2 * 64 },
		{ "sys/devices/system/cpu/cpu2/topology/core_id", 0x10000 + 2 * 64 + 4 },
	};
	static const char *const not_there[] = { "cpu3", "cpu", "cpu00", "cpu01", "cpu-1", "cpu 1",
						 "cpu1x", "cpu99999", "cpu4294967296", "cpu#" };
	static const char *const pressure[] = { "cpu.pressure", "io.pressure", "irq.pressure",
						"memory.pressure" };
	static struct seen seen;
	uint64_t a = memory_cgroup(TREE_ROOT, "a", "max");
	struct view_entry e;

	fake_set(&tree, a, "cpu.max", "300000 100000\n");
	fake_set(&tree, a, "io.stat", "8:0 rios=1\n");
	for (size_t i = 0; i < ARRAY_SIZE(pressure); i++)
		fake_set(&tree, TREE_ROOT, pressure[i], "some\n");
	visit(a, VIEW_TOP, &seen);
	ck_assert_uint_eq(seen.files, 15 + 4 + 5 + 2 + 2 + 19 + 11 + 3 * (13 + 4 * 10));
	ck_assert_uint_eq(seen.dirs, 10 + 3 * (2 + 1 + 4));
	for (size_t i = 0; i < ARRAY_SIZE(fixed); i++)
		ck_assert_uint_eq(slot_at(a, fixed[i].path), fixed[i].slot);
	for (unsigned slot = 1; slot < VIEW_SLOTS; slot++) {
		if (!seen.slots[slot])
			ck_assert_int_eq(view_stat(view, a, slot, &e), -ENOENT);
	}
	for (size_t i = 0; i < ARRAY_SIZE(not_there); i++)
		ck_assert_int_eq(view_find(view, a, 5, not_there[i], &e), -ENOENT);
	for (const char *const *path = view_binds(); *path; path++)
		slot_at(a, *path);
}
END_TEST

static uint64_t container_of(pid_t pid)
{
	uint64_t container = 0;

	ck_assert_int_eq(view_container(view, pid, &container), 0);
	return container;
}

#define HOST_NS 1000
#define NS 2000

START_TEST(callers)
{
	uint64_t a = fake_cgroup(TREE_ROOT, "a"), child = fake_cgroup(a, "child");
	uint64_t scope = fake_cgroup(a, "init.scope"), other = fake_cgroup(TREE_ROOT, "other");
	uint64_t container;

	fake_start(&host, 1, 1, HOST_NS, 1);
	fake_start(&host, 2, 2, HOST_NS, 2);
	fake_start(&host, 10, 10, NS, 1);
	fake_start(&host, 11, 11, NS, 2);
	tree.where[10] = a;
	tree.where[11] = child;

	ck_assert_uint_eq(container_of(0), TREE_ROOT); /* nobody that we know */
	ck_assert_uint_eq(container_of(2), TREE_ROOT); /* outside the tree */
	ck_assert_uint_eq(container_of(10), a);
	ck_assert_uint_eq(container_of(11), a);
	tree.where[10] = scope;
	ck_assert_uint_eq(container_of(11), a);
	ck_assert_uint_eq(container_of(10), a);
	tree.where[11] = other; /* a pod that shares a pid namespace */
	ck_assert_uint_eq(container_of(11), other);

	/* In the tree, under an init that is not; and with the machine's init in it. */
	tree.where[2] = child;
	ck_assert_uint_eq(container_of(2), child);
	tree.where[1] = TREE_ROOT;
	ck_assert_uint_eq(container_of(2), TREE_ROOT);
	ck_assert_int_eq(view_container_of(view, 2, &container), 0);
	ck_assert_uint_eq(container, child);
	ck_assert_int_eq(view_container_of(view, 11, &container), 0);
	ck_assert_uint_eq(container, other);
	tree.where[11] = child;
	ck_assert_int_eq(view_container_of(view, 11, &container), 0);
	ck_assert_uint_eq(container, a);

	tree.where[11] = child;
	host.processes[10].alive = false; /* the namespace dies */
	ck_assert_int_eq(view_container(view, 11, &container), -ESRCH);
	host.ns_error = -EACCES; /* and one whose init we may not know */
	ck_assert_uint_eq(container_of(11), child);
}
END_TEST

/* Neither a pid nor the inode number of a namespace that is used again fools anybody. */
START_TEST(reuse)
{
	uint64_t a = fake_cgroup(TREE_ROOT, "a"), b = fake_cgroup(TREE_ROOT, "b");
	unsigned searches;

	fake_start(&host, 10, 10, NS, 1);
	fake_start(&host, 11, 11, NS, 2);
	tree.where[10] = tree.where[11] = a;
	ck_assert_uint_eq(container_of(11), a);
	searches = host.init_searches;
	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(container_of(11), a);
	ck_assert_uint_eq(host.init_searches, searches);

	/* The same numbers, later: process 10 is somebody else's now. */
	fake_start(&host, 10, 99, HOST_NS, 10);
	fake_start(&host, 20, 98, NS, 1);
	fake_start(&host, 21, 99, NS, 2);
	tree.where[20] = tree.where[21] = b;
	ck_assert_uint_eq(container_of(21), b);
	ck_assert_uint_eq(host.init_searches, searches + 1);
	/* Another namespace that falls on the same place. */
	fake_start(&host, 31, 97, NS + 256, 1);
	tree.where[31] = a;
	ck_assert_uint_eq(container_of(31), a);
	ck_assert_uint_eq(container_of(21), b);
}
END_TEST

int main(void)
{
	const TTest *tests[] = { memory,  swap,	huge_pages, machine, cpus,
				 errors, cost,	slots,	    callers, reuse };

	return run_suite("view_tree", tests, ARRAY_SIZE(tests));
}
