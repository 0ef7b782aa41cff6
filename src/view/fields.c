/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of fields: what a reader of a view is told when he asks where a number comes from. */
#include "ctlfs/cleanup.h"
#include "ctlfs/viewfield.h"

#define NOT_ACCOUNTED "0: not accounted by cgroup"
#define KERNEL "the kernel's, the same for everybody"

#define MEM(name, rule, inputs) \
	{ "proc/meminfo", name, NULL, FIELD_KEY, 0, rule, inputs }
#define MEM_STAT(name, key) \
	MEM(name, "bounded by what is used", "nearest memory.stat " key)
#define CPU_TIME(name, column, rule, inputs) \
	{ "proc/stat", name, "cpu", FIELD_COLUMN, column, rule, inputs }
#define STAT(name, rule, inputs) \
	{ "proc/stat", name, NULL, FIELD_KEY, 0, rule, inputs }
#define WHOLE(file, rule, inputs) \
	{ file, "*", NULL, FIELD_WHOLE, 0, rule, inputs }
#define CPUS "smallest cpu.max; nearest cpuset.cpus.effective; host /sys/devices/system/cpu/online"
#define SPREAD "spread over the container's CPUs; what is used between two readings fills the " \
	       "first one up to the time that passed"
#define CPU_DIR "sys/devices/system/cpu"
#define NODE_DIR "sys/devices/system/node"

const struct view_field view_fields[] = {
	MEM("MemTotal", "the smallest limit of the cgroup and its ancestors, at most the host's",
	    "smallest memory.max; host /proc/meminfo MemTotal"),
	MEM("MemFree", "MemTotal less usage, at least 0",
	    "smallest memory.max; nearest memory.current"),
	MEM("MemAvailable", "MemFree, page cache and reclaimable slab, at most MemTotal",
	    "smallest memory.max; nearest memory.current; nearest memory.stat active_file; "
	    "nearest memory.stat inactive_file; nearest memory.stat slab_reclaimable"),
	MEM("Buffers", NOT_ACCOUNTED, NULL),
	MEM("Cached", "page cache without what is of swap",
	    "nearest memory.stat file; nearest memory.stat swapcached"),
	MEM_STAT("SwapCached", "swapcached"),
	MEM("Active", "the sum",
	    "nearest memory.stat active_anon; nearest memory.stat active_file"),
	MEM("Inactive", "the sum",
	    "nearest memory.stat inactive_anon; nearest memory.stat inactive_file"),
	MEM_STAT("Active(anon)", "active_anon"),
	MEM_STAT("Inactive(anon)", "inactive_anon"),
	MEM_STAT("Active(file)", "active_file"),
	MEM_STAT("Inactive(file)", "inactive_file"),
	MEM_STAT("Unevictable", "unevictable"),
	MEM("Mlocked", NOT_ACCOUNTED, NULL),
	MEM("SwapTotal", "the smallest limit of the cgroup and its ancestors, at most the host's",
	    "smallest memory.swap.max; host /proc/meminfo SwapTotal"),
	MEM("SwapFree", "SwapTotal less usage, at least 0",
	    "smallest memory.swap.max; nearest memory.swap.current"),
	MEM_STAT("Zswap", "zswap"),
	MEM("Zswapped", "bounded by the swap that is used", "nearest memory.stat zswapped"),
	MEM_STAT("Dirty", "file_dirty"),
	MEM_STAT("Writeback", "file_writeback"),
	MEM_STAT("AnonPages", "anon"),
	MEM_STAT("Mapped", "file_mapped"),
	MEM_STAT("Shmem", "shmem"),
	MEM_STAT("KReclaimable", "slab_reclaimable"),
	MEM("Slab", "the sum",
	    "nearest memory.stat slab_reclaimable; nearest memory.stat slab_unreclaimable"),
	MEM_STAT("SReclaimable", "slab_reclaimable"),
	MEM_STAT("SUnreclaim", "slab_unreclaimable"),
	MEM_STAT("KernelStack", "kernel_stack"),
	MEM_STAT("PageTables", "pagetables"),
	MEM_STAT("SecPageTables", "sec_pagetables"),
	MEM("NFS_Unstable", NOT_ACCOUNTED, NULL),
	MEM("Bounce", NOT_ACCOUNTED, NULL),
	MEM("WritebackTmp", NOT_ACCOUNTED, NULL),
	MEM("CommitLimit", "the host's ratio (vm.overcommit_ratio) of MemTotal, and SwapTotal",
	    "smallest memory.max; smallest memory.swap.max; host /proc/meminfo CommitLimit"),
	MEM("Committed_AS", "what is in use of anon, shmem and swap: what is only promised is not "
			    "accounted by cgroup, so it is a lower bound",
	    "nearest memory.stat anon; nearest memory.stat shmem; nearest memory.swap.current"),
	MEM("VmallocTotal", KERNEL, "host /proc/meminfo VmallocTotal"),
	MEM_STAT("VmallocUsed", "vmalloc"),
	MEM("VmallocChunk", NOT_ACCOUNTED, NULL),
	MEM_STAT("Percpu", "percpu"),
	MEM_STAT("AnonHugePages", "anon_thp"),
	MEM_STAT("ShmemHugePages", "shmem_thp"),
	MEM("ShmemPmdMapped", NOT_ACCOUNTED, NULL),
	MEM_STAT("FileHugePages", "file_thp"),
	MEM("FilePmdMapped", NOT_ACCOUNTED, NULL),
	MEM("HugePages_Total", "the smallest limit of the cgroup and its ancestors, at most the "
			       "host's; the host's where no cgroup accounts them",
	    "smallest hugetlb.SIZE.max; host /proc/meminfo HugePages_Total"),
	MEM("HugePages_Free", "HugePages_Total less usage, at most the host's",
	    "smallest hugetlb.SIZE.max; nearest hugetlb.SIZE.current; "
	    "host /proc/meminfo HugePages_Free"),
	MEM("HugePages_Rsvd", "what is reserved less what of it is in use, at most HugePages_Free",
	    "nearest hugetlb.SIZE.rsvd.current; nearest hugetlb.SIZE.current"),
	MEM("HugePages_Surp", NOT_ACCOUNTED, NULL),
	MEM("Hugepagesize", KERNEL, "host /proc/meminfo Hugepagesize"),
	MEM("Hugetlb", "HugePages_Total, in kB; they are no part of MemTotal",
	    "smallest hugetlb.SIZE.max; host /proc/meminfo HugePages_Total"),

	CPU_TIME("user", 1, SPREAD, "nearest cpu.stat user_usec; nearest cpu.stat nice_usec"),
	CPU_TIME("nice", 2, SPREAD " (from Linux 6.12 on, before that it is in user)",
		 "nearest cpu.stat nice_usec"),
	CPU_TIME("system", 3, SPREAD, "nearest cpu.stat system_usec"),
	CPU_TIME("idle", 4, "the time the container had on its CPUs, less what it used",
		 "nearest cpu.stat usage_usec; " CPUS),
	CPU_TIME("iowait", 5, NOT_ACCOUNTED, NULL),
	CPU_TIME("irq", 6, NOT_ACCOUNTED, NULL),
	CPU_TIME("softirq", 7, NOT_ACCOUNTED, NULL),
	CPU_TIME("steal", 8, NOT_ACCOUNTED, NULL),
	CPU_TIME("guest", 9, NOT_ACCOUNTED, NULL),
	CPU_TIME("guest_nice", 10, NOT_ACCOUNTED, NULL),
	STAT("intr", NOT_ACCOUNTED, NULL),
	STAT("ctxt", NOT_ACCOUNTED, NULL),
	STAT("btime", "the host's boot time, from which start times in /proc/PID/stat count",
	     "host /proc/stat btime"),
	STAT("processes", "the most threads that were counted in the container at once: forks are "
			  "not accounted by cgroup, so it is a lower bound",
	     "nearest pids.current"),
	STAT("procs_running", "threads of the container in state R", "nearest cgroup.procs"),
	STAT("procs_blocked", "threads of the container in state D", "nearest cgroup.procs"),

	{ "proc/uptime", "uptime", NULL, FIELD_COLUMN, 0,
	  "since the oldest process in the container was started; never falls",
	  "nearest cgroup.procs" },
	{ "proc/uptime", "idle", NULL, FIELD_COLUMN, 1, "idle of all CPUs, as in proc/stat",
	  "nearest cpu.stat usage_usec; " CPUS },
	{ "proc/loadavg", "load1", NULL, FIELD_COLUMN, 0,
	  "the kernel's formula over threads in state R or D, sampled while somebody reads",
	  "nearest cgroup.procs" },
	{ "proc/loadavg", "load5", NULL, FIELD_COLUMN, 1, "likewise", "nearest cgroup.procs" },
	{ "proc/loadavg", "load15", NULL, FIELD_COLUMN, 2, "likewise", "nearest cgroup.procs" },
	{ "proc/loadavg", "threads", NULL, FIELD_COLUMN, 3, "in state R, and all",
	  "nearest cgroup.procs" },
	{ "proc/loadavg", "last_pid", NULL, FIELD_COLUMN, 4,
	  "the newest process, in the pid namespace of the oldest", "nearest cgroup.procs" },

	WHOLE("proc/buddyinfo", "the pages of MemFree in the largest blocks they make",
	      "smallest memory.max; nearest memory.current"),
	WHOLE("proc/cpuinfo", "the host's text of as many CPUs as the container has, from 0", CPUS),
	WHOLE("proc/diskstats", "disks that the cgroup names, with operations and sectors; times "
				"are not accounted by cgroup, 0",
	      "nearest io.stat"),
	WHOLE("proc/interrupts", "a column for each CPU; " NOT_ACCOUNTED, CPUS),
	WHOLE("proc/partitions", "disks that the cgroup names", "nearest io.stat"),
	WHOLE("proc/pressure/cpu", "the container's own interface file", "nearest cpu.pressure"),
	WHOLE("proc/pressure/io", "the container's own interface file", "nearest io.pressure"),
	WHOLE("proc/pressure/irq", "the container's own interface file", "nearest irq.pressure"),
	WHOLE("proc/pressure/memory", "the container's own interface file",
	      "nearest memory.pressure"),
	WHOLE("proc/schedstat", "a line for each CPU with the time that it was in use",
	      "nearest cpu.stat usage_usec; " CPUS),
	WHOLE("proc/slabinfo", "the head: caches are not accounted one by one", NULL),
	WHOLE("proc/softirqs", "a column for each CPU; " NOT_ACCOUNTED, CPUS),
	WHOLE("proc/swaps", "one line with SwapTotal and what is used of it",
	      "smallest memory.swap.max; nearest memory.swap.current; "
	      "host /proc/meminfo SwapTotal"),
	WHOLE("proc/vmstat", "pages as in proc/meminfo; events that memory.stat counts under the "
			     "same name; transfers of io.stat; others are not accounted, 0",
	      "nearest memory.stat; nearest io.stat; nearest memory.events oom_kill"),
	WHOLE("proc/zoneinfo", "one zone with MemTotal and MemFree",
	      "smallest memory.max; nearest memory.current"),
	WHOLE(CPU_DIR "/online", "as many CPUs as the smallest of what is online on the host, the "
				 "cpuset, and the quota rounded up; at least 1, from 0", CPUS),
	WHOLE(CPU_DIR "/possible", "as online", CPUS),
	WHOLE(CPU_DIR "/present", "as online", CPUS),
	WHOLE(NODE_DIR "/online", "one node with all CPUs and memory", NULL),
	WHOLE(NODE_DIR "/node0/meminfo", "the lines of proc/meminfo that a node has",
	      "smallest memory.max; nearest memory.current; nearest memory.stat"),
};

const size_t view_fields_count = ARRAY_SIZE(view_fields);
