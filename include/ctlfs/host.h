/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Facts of the running kernel that the views need: texts of /proc and /sys, the clocks, and who a
 * process is. The real source (src/host/facts.c) opens its files once, before anything of ours can
 * be mounted over them, so that reading a fact never comes back to our own mount. Tests inject
 * theirs.
 *
 * Every function returns 0 or -errno, leaves ret_ alone on failure, may be called from any thread,
 * and never waits for a process. Pids are as this process sees them.
 */
#ifndef CTLFS_HOST_H
#define CTLFS_HOST_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "ctlfs/buf.h"
#include "ctlfs/cpulist.h"

struct host;

/* What the kernel tells of the CPUs' flaws: /sys/devices/system/cpu/vulnerabilities/NAME. */
#define HOST_VULNERABILITIES(X) \
	X(gather_data_sampling) \
	X(ghostwrite) \
	X(indirect_target_selection) \
	X(itlb_multihit) \
	X(l1tf) \
	X(mds) \
	X(meltdown) \
	X(mmio_stale_data) \
	X(old_microcode) \
	X(reg_file_data_sampling) \
	X(retbleed) \
	X(spec_rstack_overflow) \
	X(spec_store_bypass) \
	X(spectre_v1) \
	X(spectre_v2) \
	X(srbds) \
	X(tsa) \
	X(tsx_async_abort) \
	X(vmscape)

/* Of each cache of a CPU, /sys/devices/system/cpu/cpu0/cache/indexN/NAME: all CPUs are taken to
 * have the same. */
#define HOST_CACHES 4
#define HOST_CACHE_FILES(X) \
	X(level) \
	X(type) \
	X(size) \
	X(coherency_line_size) \
	X(number_of_sets) \
	X(physical_line_partition) \
	X(ways_of_associativity)

#define HOST_ENUM_CACHE(name) HOST_CACHE_##name,
enum host_cache_file { HOST_CACHE_FILES(HOST_ENUM_CACHE) HOST_CACHE_FILES_COUNT };

#define HOST_ENUM_VULNERABILITY(name) HOST_VULNERABILITY_##name,
enum host_file {
	HOST_NONE,
	HOST_MEMINFO, /* /proc/meminfo */
	HOST_STAT, /* /proc/stat */
	HOST_CPUINFO, /* /proc/cpuinfo */
	HOST_UPTIME, /* /proc/uptime */
	HOST_LOADAVG, /* /proc/loadavg */
	HOST_SWAPS, /* /proc/swaps */
	HOST_DISKSTATS, /* /proc/diskstats */
	HOST_PARTITIONS, /* /proc/partitions */
	HOST_VMSTAT, /* /proc/vmstat */
	HOST_ZONEINFO, /* /proc/zoneinfo */
	HOST_BUDDYINFO, /* /proc/buddyinfo */
	HOST_SCHEDSTAT, /* /proc/schedstat */
	HOST_INTERRUPTS, /* /proc/interrupts */
	HOST_SOFTIRQS, /* /proc/softirqs */
	HOST_CPU_ONLINE, /* /sys/devices/system/cpu/online */
	HOST_CPU_POSSIBLE, /* .../possible */
	HOST_CPU_PRESENT, /* .../present */
	HOST_CPU_KERNEL_MAX, /* .../kernel_max */
	HOST_CPU_MODALIAS, /* .../modalias */
	HOST_NODE_ONLINE, /* /sys/devices/system/node/online */
	HOST_VULNERABILITIES(HOST_ENUM_VULNERABILITY)
	HOST_CACHE, /* + number of the cache * HOST_CACHE_FILES_COUNT + enum host_cache_file */
	HOST_FILES = HOST_CACHE + HOST_CACHES * HOST_CACHE_FILES_COUNT
};

/* Nanoseconds since boot, with time suspended, and since 1970. */
struct host_clock {
	uint64_t boot;
	uint64_t real;
};

/* A process: when it started and, if asked for, its threads by what they do. */
struct host_task {
	uint64_t start; /* nanoseconds since boot, in whole clock ticks */
	unsigned threads;
	unsigned running; /* R */
	unsigned blocked; /* D */
};

struct host_ops {
	/* Appends the text of one moment. -ENOENT if this kernel or sandbox has no such file. */
	int (*text)(struct host *h, enum host_file file, struct buf *out);
	/* Whether there is such a file. */
	bool (*has)(struct host *h, enum host_file file);
	void (*now)(struct host *h, struct host_clock *ret_clock);
	/* -ESRCH. Threads are counted only if asked for; with many, the first few thousand. */
	int (*task)(struct host *h, pid_t pid, bool threads, struct host_task *ret_task);
	/* As of pidns.h. */
	int (*pidns_id)(struct host *h, pid_t pid, uint64_t *ret_ino);
	int (*pidns_init)(struct host *h, pid_t pid, pid_t *ret_init);
	int (*pidns_show)(struct host *h, pid_t reader, pid_t pid, pid_t *ret_nr);
	void (*destroy)(struct host *h);
};

struct host {
	const struct host_ops *ops;
};

/* The running kernel. -ENOENT without a procfs at /proc, -ENOMEM, -EMFILE. */
int host_new(struct host **ret_host);

static inline void host_free(struct host *h) /* NULL is fine */
{
	if (h)
		h->ops->destroy(h);
}

/* The CPUs that are online: from /sys, or where that is not mounted, the lines of /proc/stat. */
int host_online(struct host *h, struct cpulist *ret_cpus);

/* Appends the block devices of /sys, without partitions, by number: "MAJ:MIN " each; "MAJ:MIN/mq ",
 * or "MAJ:MIN/ssd " if it does not rotate, of one with request queues (blk-mq). Nothing where there
 * is no /sys. -ENOMEM. */
int host_devices(struct buf *out);

#endif
