/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of view files, in the order in which directories are listed. */
#include "rows.h"

#include "ctlfs/cleanup.h"

#define PROC(nr, name, ...) \
	{ .slot = (nr), .path = "proc/" #name, .render = render_##name, __VA_ARGS__ }
#define PRESSURE(nr, name) \
	{ .slot = (nr), .path = "proc/pressure/" #name, .relay = #name ".pressure" }
#define CPU_DIR "sys/devices/system/cpu"
#define NODE_DIR "sys/devices/system/node"
#define NODE(nr, name, fn, ...) \
	{ .slot = (nr), .path = NODE_DIR "/" name, .render = (fn), .host = HOST_NODE_ONLINE, \
	  __VA_ARGS__ }
#define VULNERABILITY(name) \
	{ .slot = 128 + HOST_VULNERABILITY_##name - HOST_VULNERABILITY_gather_data_sampling, \
	  .path = CPU_DIR "/vulnerabilities/" #name, .render = render_host_text, \
	  .needs = NEED_TEXT, .host = HOST_VULNERABILITY_##name },

/* The slots of a CPU's caches: directories at 16, ten files each from 20 on. */
#define CACHE_ROW(n, nr, name, fn, file) \
	{ .slot = VIEW_CPU_SLOT + 20 + 10 * (n) + (nr), .render = (fn), \
	  .path = CPU_DIR "/cpu#/cache/index" #n "/" name, .needs = NEED_CPUS | NEED_TEXT, \
	  .host = HOST_CACHE + (n) * HOST_CACHE_FILES_COUNT + (file) }
#define CACHE_TEXT(n, name) \
	CACHE_ROW(n, HOST_CACHE_##name, #name, render_host_text, HOST_CACHE_##name)
#define CACHE(n) \
	{ .slot = VIEW_CPU_SLOT + 16 + (n), .path = CPU_DIR "/cpu#/cache/index" #n, \
	  .host = HOST_CACHE + (n) * HOST_CACHE_FILES_COUNT }, \
	CACHE_TEXT(n, level), CACHE_TEXT(n, type), CACHE_TEXT(n, size), \
	CACHE_TEXT(n, coherency_line_size), CACHE_TEXT(n, number_of_sets), \
	CACHE_TEXT(n, physical_line_partition), CACHE_TEXT(n, ways_of_associativity), \
	CACHE_ROW(n, 7, "id", render_cache_id, HOST_CACHE_level), \
	CACHE_ROW(n, 8, "shared_cpu_list", render_cache_list, HOST_CACHE_level), \
	CACHE_ROW(n, 9, "shared_cpu_map", render_cache_mask, HOST_CACHE_level)
#define TOPOLOGY(nr, name, fn) \
	{ .slot = VIEW_CPU_SLOT + (nr), .path = CPU_DIR "/cpu#/topology/" name, .render = (fn), \
	  .needs = NEED_CPUS }

const struct view_row view_rows[] = {
	{ .slot = 1, .path = "proc" },
	{ .slot = 2, .path = "sys" },
	{ .slot = 3, .path = "sys/devices" },
	{ .slot = 4, .path = "sys/devices/system" },

	PROC(22, buddyinfo, .needs = NEED_MEMORY | NEED_TEXT, .host = HOST_BUDDYINFO,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(16, cpuinfo, .needs = NEED_CPUS | NEED_TEXT, .host = HOST_CPUINFO, .flags = VIEW_BIND),
	PROC(23, diskstats, .needs = NEED_DISKS | NEED_TEXT, .host = HOST_DISKSTATS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(24, interrupts, .needs = NEED_CPUS | NEED_TEXT, .host = HOST_INTERRUPTS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(17, loadavg, .needs = NEED_LOAD, .host = HOST_LOADAVG,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(18, meminfo, .needs = NEED_MEMORY, .host = HOST_MEMINFO,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(25, partitions, .needs = NEED_DISKS | NEED_TEXT, .host = HOST_PARTITIONS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	{ .slot = 6, .path = "proc/pressure", .given = "cpu.pressure", .flags = VIEW_BIND },
	PRESSURE(40, cpu),
	PRESSURE(41, io),
	PRESSURE(42, irq),
	PRESSURE(43, memory),
	PROC(26, schedstat, .needs = NEED_TIMES | NEED_TEXT, .host = HOST_SCHEDSTAT,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(27, slabinfo, .flags = VIEW_BIND),
	PROC(28, softirqs, .needs = NEED_CPUS | NEED_TEXT, .host = HOST_SOFTIRQS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(19, stat, .needs = NEED_TIMES | NEED_TASKS | NEED_BTIME, .host = HOST_STAT,
	     .machine = render_stat_of_machine, .flags = VIEW_BIND),
	PROC(20, swaps, .needs = NEED_SWAP, .host = HOST_SWAPS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(21, uptime, .needs = NEED_TIMES, .host = HOST_UPTIME,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(29, vmstat, .needs = NEED_MEMORY | NEED_OOM | NEED_DISKS | NEED_TEXT,
	     .host = HOST_VMSTAT, .machine = render_host_text, .flags = VIEW_BIND),
	PROC(30, zoneinfo, .needs = NEED_MEMORY | NEED_CPUS | NEED_TEXT, .host = HOST_ZONEINFO,
	     .machine = render_host_text, .flags = VIEW_BIND),

	{ .slot = 5, .path = CPU_DIR, .flags = VIEW_BIND },
	{ .slot = 32, .path = CPU_DIR "/online", .render = render_cpu_all, .needs = NEED_CPUS },
	{ .slot = 33, .path = CPU_DIR "/possible", .render = render_cpu_all, .needs = NEED_CPUS },
	{ .slot = 34, .path = CPU_DIR "/present", .render = render_cpu_all, .needs = NEED_CPUS },
	{ .slot = 35, .path = CPU_DIR "/offline", .render = render_cpu_none },
	{ .slot = 36, .path = CPU_DIR "/kernel_max", .render = render_host_text,
	  .needs = NEED_TEXT, .host = HOST_CPU_KERNEL_MAX },

	{ .slot = 37, .path = CPU_DIR "/isolated", .render = render_cpu_none },
	{ .slot = 38, .path = CPU_DIR "/modalias", .render = render_host_text,
	  .needs = NEED_TEXT, .host = HOST_CPU_MODALIAS },
	{ .slot = 7, .path = CPU_DIR "/smt" },
	{ .slot = 39, .path = CPU_DIR "/smt/active", .render = render_zero },
	{ .slot = 44, .path = CPU_DIR "/smt/control", .render = render_not_supported },
	{ .slot = 8, .path = CPU_DIR "/vulnerabilities" },
	HOST_VULNERABILITIES(VULNERABILITY)

	{ .slot = VIEW_CPU_SLOT, .path = CPU_DIR "/cpu#" },
	{ .slot = VIEW_CPU_SLOT + 1, .path = CPU_DIR "/cpu#/topology" },
	TOPOLOGY(2, "core_cpus", render_own_mask),
	TOPOLOGY(3, "core_cpus_list", render_own_list),
	TOPOLOGY(4, "core_id", render_number),
	TOPOLOGY(5, "core_siblings", render_all_mask),
	TOPOLOGY(6, "core_siblings_list", render_cpu_all),
	TOPOLOGY(7, "die_cpus", render_all_mask),
	TOPOLOGY(8, "die_cpus_list", render_cpu_all),
	TOPOLOGY(9, "die_id", render_zero),
	TOPOLOGY(10, "package_cpus", render_all_mask),
	TOPOLOGY(11, "package_cpus_list", render_cpu_all),
	TOPOLOGY(12, "physical_package_id", render_zero),
	TOPOLOGY(13, "thread_siblings", render_own_mask),
	TOPOLOGY(14, "thread_siblings_list", render_own_list),
	{ .slot = VIEW_CPU_SLOT + 15, .path = CPU_DIR "/cpu#/cache" },
	CACHE(0),
	CACHE(1),
	CACHE(2),
	CACHE(3),

	{ .slot = 9, .path = NODE_DIR, .host = HOST_NODE_ONLINE, .flags = VIEW_BIND },
	NODE(48, "online", render_zero),
	NODE(49, "possible", render_zero),
	NODE(50, "has_cpu", render_zero),
	NODE(51, "has_memory", render_zero),
	NODE(52, "has_normal_memory", render_zero),
	NODE(53, "has_generic_initiator", render_cpu_none),
	{ .slot = 10, .path = NODE_DIR "/node0", .host = HOST_NODE_ONLINE },
	NODE(54, "node0/cpulist", render_cpu_all, .needs = NEED_CPUS),
	NODE(55, "node0/cpumap", render_all_mask, .needs = NEED_CPUS),
	NODE(56, "node0/distance", render_node_distance),
	NODE(57, "node0/meminfo", render_node_meminfo, .needs = NEED_MEMORY),
	NODE(58, "node0/numastat", render_node_numastat),
};

const size_t view_rows_count = ARRAY_SIZE(view_rows);
