/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of disks, zones, interrupts, caches and nodes: from limits and texts of a host to exact
 * texts. */
#include "test_view.h"

#include <inttypes.h>
#include <unistd.h>

#include "suite.h"

static uint64_t a;

static void setup(void)
{
	a = fake_cgroup(TREE_ROOT, "a");
	fake_set(&tree, a, "cpu.max", "300000 100000\n");
	fake_set(&tree, a, "memory.current", "%llu\n", 100 * 1024 * 1024ULL);
	fake_set(&tree, a, "memory.max", "%llu\n", 256 * 1024 * 1024ULL);
	fake_set(&tree, a, "memory.stat",
		 "anon 8192\nfile 40960\nkernel_stack 16384\nfile_mapped 12288\nfile_dirty 4096\n"
		 "file_writeback 8192\nanon_thp 4194304\npgfault 77\npgmajfault 5\n");
	fake_set(&tree, a, "memory.events", "low 0\nhigh 0\nmax 9\noom 3\noom_kill 2\n");
	fake_set(&tree, a, "io.stat",
		 "8:16 rbytes=1024 wbytes=2048 rios=3 wios=4 dbytes=512 dios=1 cost.usage=7\n"
		 "253:0 \n"
		 "259:2 rbytes=18446744073709551615 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n");
}

#define DISK(major, minor, name) \
	#major " " #minor " " name " 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27\n"

START_TEST(disks)
{
	setup();
	host.texts[HOST_DISKSTATS] = DISK(8, 0, "sda") DISK(8, 1, "sda1")
		DISK(8, 16, "sdb") DISK(253, 0, "dm-0") DISK(259, 2, "nvme0n1");
	ck_assert_str_eq(text_at(a, "proc/diskstats"),
			 "   8      16 sdb 3 0 2 0 4 0 4 0 0 0 0 1 0 1 0 0 0\n"
			 " 253       0 dm-0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n"
			 " 259       2 nvme0n1 0 0 36028797018963967 0 0 0 0 0 0 0 0 0 0 0 0 "
			 "0 0\n");
	host.texts[HOST_PARTITIONS] = "major minor  #blocks  name\n\n   8        0       9 sda\n"
				      "   8       16      99 sdb\n   8       17      98 sdb1\n";
	ck_assert_str_eq(text_at(a, "proc/partitions"), "major minor  #blocks  name\n\n"
							"   8       16      99 sdb\n");
	fake_set(&tree, a, "io.stat", "%s", "");
	ck_assert_str_eq(text_at(a, "proc/diskstats"), "");
	fake_remove(&tree, fake_child(&tree.tree, a, "io.stat"));
	ck_assert_str_eq(text_at(a, "proc/diskstats"), "");
	/* As its parent accounts it. */
	fake_set(&tree, a, "io.stat", "8:0 rios=1\n");
	ck_assert_str_eq(text_at(fake_cgroup(a, "b"), "proc/diskstats"),
			 "   8       0 sda 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n");
	ck_assert_str_eq(text_at(TREE_ROOT, "proc/partitions"), host.texts[HOST_PARTITIONS]);
	fake_set(&tree, a, "io.stat", "garbage\n");
	ck_assert_int_eq(view_render(view, a, slot_at(a, "proc/diskstats"), &(struct buf){ 0 }),
			 -EIO);
}
END_TEST

START_TEST(vmstat)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	char expected[512];

	setup();
	host.texts[HOST_VMSTAT] = "nr_free_pages 1\nnr_zone_write_pending 2\nnr_mapped 3\n"
				  "nr_anon_transparent_hugepages 4\nnr_kernel_stack 5\n"
				  "nr_balloon_pages 6\npgpgin 7\npgpgout 8\npswpin 9\npgfault 10\n"
				  "oom_kill 11\nnr_unstable 12\n";
	snprintf(expected, sizeof expected,
		 "nr_free_pages %" PRIu64 "\nnr_zone_write_pending %" PRIu64
		 "\nnr_mapped %" PRIu64 "\nnr_anon_transparent_hugepages 2\nnr_kernel_stack 16\n"
		 "nr_balloon_pages 0\npgpgin %" PRIu64 "\npgpgout 2\npswpin 0\npgfault 77\n"
		 "oom_kill 2\nnr_unstable 0\n",
		 156 * 1024 * 1024 / page, 12288 / page, 12288 / page, UINT64_MAX / 1024 + 1);
	ck_assert_str_eq(text_at(a, "proc/vmstat"), expected);
	ck_assert_str_eq(text_at(TREE_ROOT, "proc/vmstat"), host.texts[HOST_VMSTAT]);
	/* Accounted to nobody. */
	ck_assert_str_eq(text_at(fake_cgroup(TREE_ROOT, "b"), "proc/vmstat"),
			 host.texts[HOST_VMSTAT]);
}
END_TEST

/* Blocks of all orders are as many pages as are free, and those of meminfo. */
START_TEST(zones)
{
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE), pages = 0, count;
	const char *at;
	int order = 0, len;

	setup();
	fake_set(&tree, a, "memory.current", "%llu\n", 12345ULL * page);
	at = text_at(a, "proc/buddyinfo");
	ck_assert_int_eq(strncmp(at, "Node 0, zone   Normal ", 22), 0);
	for (at += 22; sscanf(at, " %" SCNu64 "%n", &count, &len) == 1; at += len, order++)
		pages += count << order;
	ck_assert_int_eq(order, 11);
	ck_assert_str_eq(at, " \n");
	ck_assert_uint_eq(pages, meminfo_of(a, "MemFree:") * 1024 / page);
	at = text_at(a, "proc/zoneinfo");
	ck_assert_uint_eq(number_after(at, "pages free "), pages);
	ck_assert_uint_eq(number_after(at, "nr_free_pages "), pages);
	ck_assert_uint_eq(number_after(at, "managed "), 256 * 1024 * 1024 / page);
	ck_assert_uint_eq(number_after(at, "nr_mapped "), 12288 / page);
	ck_assert_ptr_nonnull(strstr(at, "    cpu: 2\n"));
	ck_assert_ptr_null(strstr(at, "    cpu: 3\n"));
}
END_TEST

START_TEST(interrupts)
{
	setup();
	host.texts[HOST_INTERRUPTS] =
		"           CPU0       CPU1       \n"
		"  0:         45          0   IO-APIC   2-edge      timer\n"
		"NMI:          1          2   Non-maskable interrupts\n"
		"ERR:         17\n";
	ck_assert_str_eq(text_at(a, "proc/interrupts"),
			 "           CPU0       CPU1       CPU2       \n"
			 "NMI:          0          0          0   Non-maskable interrupts\n"
			 "ERR:          0\n");
	host.texts[HOST_SOFTIRQS] = "                    CPU0       CPU1       \n"
				    "          HI:          1         22\n";
	fake_set(&tree, a, "cpu.max", "50000 100000\n");
	ck_assert_str_eq(text_at(a, "proc/softirqs"), "                    CPU0       \n"
						      "          HI:          0\n");
	ck_assert_str_eq(text_at(TREE_ROOT, "proc/softirqs"), host.texts[HOST_SOFTIRQS]);
}
END_TEST

START_TEST(schedstat)
{
	setup();
	host.texts[HOST_SCHEDSTAT] = "version 15\ntimestamp 4295\ncpu0 0 0 1 2 3 4 5 6 7\n"
				     "domain0 3 1 2\ncpu1 0 0 1 2 3 4 5 6 7\n";
	fake_set(&tree, a, "cpu.stat", "usage_usec 30\nuser_usec 20\nsystem_usec 10\n");
	ck_assert_str_eq(text_at(a, "proc/schedstat"),
			 "version 15\ntimestamp 4295\ncpu0 0 0 0 0 0 0 11000 0 0\n"
			 "cpu1 0 0 0 0 0 0 10000 0 0\ncpu2 0 0 0 0 0 0 9000 0 0\n");
	/* The machine's is for root alone, so nobody gets it. */
	ck_assert_int_eq(strncmp(text_at(a, "proc/slabinfo"), "slabinfo - ", 11), 0);
	ck_assert_int_eq(strncmp(text_at(TREE_ROOT, "proc/slabinfo"), "slabinfo - ", 11), 0);
}
END_TEST

#define CPU "sys/devices/system/cpu/"
#define NODE "sys/devices/system/node/"

START_TEST(caches)
{
	setup();
	host.texts[HOST_CACHE + HOST_CACHE_level] = "1\n";
	host.texts[HOST_CACHE + 3 * HOST_CACHE_FILES_COUNT + HOST_CACHE_level] = "3\n";
	host.texts[HOST_CACHE + 3 * HOST_CACHE_FILES_COUNT + HOST_CACHE_size] = "32768K\n";
	ck_assert_str_eq(text_at(a, CPU "cpu2/cache/index0/shared_cpu_list"), "2\n");
	ck_assert_str_eq(text_at(a, CPU "cpu2/cache/index0/shared_cpu_map"), "4\n");
	ck_assert_str_eq(text_at(a, CPU "cpu2/cache/index0/id"), "2\n");
	ck_assert_str_eq(text_at(a, CPU "cpu2/cache/index3/shared_cpu_list"), "0-2\n");
	ck_assert_str_eq(text_at(a, CPU "cpu2/cache/index3/shared_cpu_map"), "7\n");
	ck_assert_str_eq(text_at(a, CPU "cpu2/cache/index3/id"), "0\n");
	ck_assert_str_eq(text_at(a, CPU "cpu0/cache/index3/size"), "32768K\n");
	ck_assert_str_eq(text_at(a, CPU "vulnerabilities/meltdown"), "1\n");
}
END_TEST

/* One node, which has what meminfo has. */
START_TEST(nodes)
{
	const char *text;

	setup();
	ck_assert_str_eq(text_at(a, NODE "online"), "0\n");
	ck_assert_str_eq(text_at(a, NODE "node0/cpulist"), "0-2\n");
	ck_assert_str_eq(text_at(a, NODE "node0/cpumap"), "7\n");
	ck_assert_str_eq(text_at(a, NODE "node0/distance"), "10\n");
	text = text_at(a, NODE "node0/meminfo");
	ck_assert_uint_eq(number_after(text, "Node 0 MemTotal: "), 256 * 1024);
	ck_assert_uint_eq(number_after(text, "Node 0 MemUsed: "), 100 * 1024);
	ck_assert_uint_eq(number_after(text, "Node 0 FilePages: "), 40);
	ck_assert_uint_eq(number_after(text, "Node 0 Mapped: "), 12);
	ck_assert_uint_eq(number_after(text, "Node 0 HugePages_Surp: "), 0);
	ck_assert_ptr_null(strstr(text, "SwapTotal"));
}
END_TEST

/* What this kernel does not have is not there. */
START_TEST(not_there)
{
	struct view_entry e;
	unsigned n = 0;

	setup();
	host.texts[HOST_SCHEDSTAT] = NULL;
	host.texts[HOST_NODE_ONLINE] = NULL;
	ck_assert_int_eq(view_find(view, a, 1, "schedstat", &e), -ENOENT);
	ck_assert_int_eq(view_find(view, a, 4, "node", &e), -ENOENT);
	for (; view_list(view, a, 1, n, &e) == 0; n++)
		ck_assert_str_ne(e.name, "schedstat");
	ck_assert_uint_gt(n, 10);
}
END_TEST

START_TEST(pressure)
{
	struct view_entry e;
	uint64_t node;

	setup();
	ck_assert_int_eq(view_find(view, a, 1, "pressure", &e), -ENOENT);
	ck_assert_int_eq(view_find(view, a, 6, "cpu", &e), -ENOENT);
	fake_set(&tree, TREE_ROOT, "cpu.pressure", "some\n");
	ck_assert_int_eq(view_find(view, a, 6, "cpu", &e), 0);
	ck_assert(e.writable && !e.dir);
	ck_assert_int_eq(view_relay(view, a, e.slot, &node), -EOPNOTSUPP);
	fake_set(&tree, a, "cpu.pressure", "some\n");
	ck_assert_int_eq(view_relay(view, a, e.slot, &node), 0);
	ck_assert_uint_eq(node, fake_child(&tree.tree, a, "cpu.pressure"));
	ck_assert_int_eq(view_relay(view, a, slot_at(a, "proc/meminfo"), &node), -ENOENT);
	ck_assert_int_eq(view_relay(view, a, 6, &node), -ENOENT);
	fake_remove(&tree, a);
	ck_assert_int_eq(view_relay(view, a, e.slot, &node), -ENODEV);
}
END_TEST

int main(void)
{
	const TTest *tests[] = { disks,	 vmstat, zones, interrupts, schedstat,
					      caches,  nodes, not_there, pressure };

	return run_suite("view_files", tests, ARRAY_SIZE(tests));
}
