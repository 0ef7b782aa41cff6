/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The settings of a cgroup. Not here: what is measured or counted, members, commands
 * (cgroup.kill, memory.reclaim), triggers, cgroup.type and cgroup.subtree_control, which import.c
 * knows, and cpu.weight.nice, which is cpu.weight in another unit.
 */
#include "settings.h"

#include "ctlfs/cleanup.h"

#define MACHINE .machine = true
#define LINES .form = FORM_LINES

const struct setting setting_rows[] = {
	{ "cgroup.pressure" },
	{ "cpu.weight", .unless = "cpu.idle=1\n" }, /* an idle one has none */
	{ "cpu.idle" },
	{ "cpu.max" },
	{ "cpu.max.burst" }, /* at most the quota */
	{ "cpu.uclamp.min" },
	{ "cpu.uclamp.max" },
	{ "cpuset.cpus", MACHINE },
	{ "cpuset.cpus.exclusive", MACHINE }, /* within cpuset.cpus */
	{ "cpuset.mems", MACHINE },
	{ "cpuset.cpus.partition", FORM_WORD, MACHINE }, /* needs CPUs */
	{ "io.max", LINES, MACHINE },
	{ "io.weight", LINES, MACHINE },
	{ "io.bfq.weight", LINES, MACHINE },
	{ "io.latency", LINES, MACHINE },
	{ "io.prio.class" },
	{ "io.cost.model", LINES, MACHINE },
	{ "io.cost.qos", LINES, MACHINE },
	{ "memory.min" },
	{ "memory.low" },
	{ "memory.high" },
	{ "memory.max" },
	{ "memory.oom.group" },
	{ "memory.swap.high" },
	{ "memory.swap.max" },
	{ "memory.zswap.max" },
	{ "memory.zswap.writeback" },
	{ "hugetlb.*.max", MACHINE },
	{ "pids.max" },
	{ "rdma.max", LINES, MACHINE },
	{ "misc.max", LINES, MACHINE },
	{ "dmem.min", LINES, MACHINE },
	{ "dmem.low", LINES, MACHINE },
	{ "dmem.max", LINES, MACHINE },
	{ "cgroup.freeze" },
	{ "cgroup.max.depth", .late = true }, /* there may be more than they allow */
	{ "cgroup.max.descendants", .late = true },
};
const size_t n_setting_rows = ARRAY_SIZE(setting_rows);
