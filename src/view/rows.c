/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of view files, in the order in which directories are listed. */
#include "rows.h"

#include "ctlfs/cleanup.h"

#define PROC(nr, name, ...) \
	{ .slot = (nr), .path = "proc/" #name, .render = render_##name, __VA_ARGS__ }
#define PRESSURE(nr, name) \
	{ .slot = (nr), .path = "proc/pressure/" #name, .relay = #name ".pressure" }
#define CPU_DIR "sys/devices/system/cpu"
#define TOPOLOGY(nr, name, fn) \
	{ .slot = VIEW_CPU_SLOT + (nr), .path = CPU_DIR "/cpu#/topology/" name, .render = (fn), \
	  .needs = NEED_CPUS }

const struct view_row view_rows[] = {
	{ .slot = 1, .path = "proc" },
	{ .slot = 2, .path = "sys" },
	{ .slot = 3, .path = "sys/devices" },
	{ .slot = 4, .path = "sys/devices/system" },

	PROC(16, cpuinfo, .needs = NEED_CPUS | NEED_TEXT, .host = HOST_CPUINFO, .flags = VIEW_BIND),
	PROC(17, loadavg, .needs = NEED_LOAD, .host = HOST_LOADAVG,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(18, meminfo, .needs = NEED_MEMORY, .host = HOST_MEMINFO,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(19, stat, .needs = NEED_TIMES | NEED_TASKS | NEED_BTIME, .host = HOST_STAT,
	     .machine = render_stat_of_machine, .flags = VIEW_BIND),
	PROC(20, swaps, .needs = NEED_SWAP, .host = HOST_SWAPS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(21, uptime, .needs = NEED_TIMES, .host = HOST_UPTIME,
	     .machine = render_host_text, .flags = VIEW_BIND),

	PROC(22, buddyinfo, .needs = NEED_MEMORY | NEED_TEXT, .host = HOST_BUDDYINFO,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(23, diskstats, .needs = NEED_DISKS | NEED_TEXT, .host = HOST_DISKSTATS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(24, interrupts, .needs = NEED_CPUS | NEED_TEXT, .host = HOST_INTERRUPTS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(25, partitions, .needs = NEED_DISKS | NEED_TEXT, .host = HOST_PARTITIONS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(26, schedstat, .needs = NEED_TIMES | NEED_TEXT, .host = HOST_SCHEDSTAT,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(27, slabinfo, .needs = NEED_TEXT, .host = HOST_SLABINFO,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(28, softirqs, .needs = NEED_CPUS | NEED_TEXT, .host = HOST_SOFTIRQS,
	     .machine = render_host_text, .flags = VIEW_BIND),
	PROC(29, vmstat, .needs = NEED_MEMORY | NEED_OOM | NEED_DISKS | NEED_TEXT,
	     .host = HOST_VMSTAT, .machine = render_host_text, .flags = VIEW_BIND),
	PROC(30, zoneinfo, .needs = NEED_MEMORY | NEED_CPUS | NEED_TEXT, .host = HOST_ZONEINFO,
	     .machine = render_host_text, .flags = VIEW_BIND),

	{ .slot = 6, .path = "proc/pressure", .flags = VIEW_BIND },
	PRESSURE(40, cpu),
	PRESSURE(41, io),
	PRESSURE(42, irq),
	PRESSURE(43, memory),

	{ .slot = 5, .path = CPU_DIR, .flags = VIEW_BIND },
	{ .slot = 32, .path = CPU_DIR "/online", .render = render_cpu_all, .needs = NEED_CPUS },
	{ .slot = 33, .path = CPU_DIR "/possible", .render = render_cpu_all, .needs = NEED_CPUS },
	{ .slot = 34, .path = CPU_DIR "/present", .render = render_cpu_all, .needs = NEED_CPUS },
	{ .slot = 35, .path = CPU_DIR "/offline", .render = render_cpu_none },
	{ .slot = 36, .path = CPU_DIR "/kernel_max", .render = render_host_text,
	  .needs = NEED_TEXT, .host = HOST_CPU_KERNEL_MAX },

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
};

const size_t view_rows_count = ARRAY_SIZE(view_rows);
