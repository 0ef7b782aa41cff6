/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that the view files of one container show, of one moment. Only the parts that a row
 * asks for are gathered. Renderers read it and nothing else. */
#ifndef VIEW_SNAPSHOT_H
#define VIEW_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "ctlfs/buf.h"
#include "ctlfs/host.h"
#include "ctlfs/tree.h"
#include "load.h"

struct states;

enum need {
	NEED_MEMORY = 1, /* .memory, .swap, .host, .huge, .meminfo */
	NEED_SWAP = 2, /* .swap */
	NEED_CPUS = 4, /* .cpus */
	NEED_START = 8, /* .age */
	NEED_TIMES = 16, /* .times, .age, .cpus */
	NEED_TASKS = 32, /* .tasks, .last_pid, .age */
	NEED_LOAD = 64, /* .load, and what NEED_TASKS gives */
	NEED_BTIME = 128, /* .btime, .age */
	NEED_TEXT = 256, /* .text: the row's file of the host */
	NEED_DISKS = 512, /* .disks */
	NEED_OOM = 1024, /* .memory.oom_kills */
};

/* What is taken from memory.stat, in its order. */
enum memory_stat {
	STAT_ANON,
	STAT_FILE,
	STAT_KERNEL_STACK,
	STAT_PAGETABLES,
	STAT_SEC_PAGETABLES,
	STAT_PERCPU,
	STAT_VMALLOC,
	STAT_SHMEM,
	STAT_ZSWAP,
	STAT_ZSWAPPED,
	STAT_FILE_MAPPED,
	STAT_FILE_DIRTY,
	STAT_FILE_WRITEBACK,
	STAT_SWAPCACHED,
	STAT_ANON_THP,
	STAT_FILE_THP,
	STAT_SHMEM_THP,
	STAT_INACTIVE_ANON,
	STAT_ACTIVE_ANON,
	STAT_INACTIVE_FILE,
	STAT_ACTIVE_FILE,
	STAT_UNEVICTABLE,
	STAT_SLAB_RECLAIMABLE,
	STAT_SLAB_UNRECLAIMABLE,
	STAT_COUNT
};

/* Bytes. */
struct memory {
	bool accounted; /* by some cgroup; if not, the machine's numbers are the container's */
	uint64_t total; /* the smallest memory.max of all ancestors, at most the host's MemTotal */
	uint64_t usage;
	uint64_t stat[STAT_COUNT];
	struct buf text; /* memory.stat */
	uint64_t oom_kills;
};

struct swap {
	uint64_t total; /* the smallest memory.swap.max of all ancestors, at most the host's */
	uint64_t used;
};

/* What of the host's /proc/meminfo is used, in kB. */
struct host_memory {
	uint64_t total, swap_total, swap_free, commit_limit, vmalloc_total, huge_page;
};

/* Pages of the default size: those that the container may have of the machine's. */
struct huge_pages {
	uint64_t total, free, reserved;
};

/* What io.stat says of a disk. */
struct disk {
	unsigned major, minor;
	uint64_t rbytes, wbytes, dbytes;
	uint64_t rios, wios, dios;
};

struct disks {
	struct disk *disk; /* owned */
	size_t n;
};

/* Microseconds. user does not have nice in it. */
struct cputime {
	uint64_t user, nice, system, idle;
};

struct times {
	struct cputime *cpus; /* of all CPUs the container ever had while we looked: shown <= n */
	unsigned n;
	unsigned shown;
};

/* Processes of the container and of the cgroups below it. */
struct tally {
	unsigned processes, threads;
	unsigned running, blocked; /* threads */
	uint64_t start; /* of the oldest process, ns since boot; START_UNKNOWN without processes */
	pid_t oldest, newest; /* 0: none */
};

#define START_UNKNOWN UINT64_MAX

struct snapshot {
	bool machine; /* the root of the hierarchy: the container is the whole machine */
	struct host_clock now;
	unsigned cpus; /* at least 1, numbered from 0 */
	struct memory memory;
	struct swap swap;
	struct host_memory host;
	struct huge_pages huge;
	struct buf meminfo; /* the host's */
	struct disks disks;
	struct buf text; /* of the host's file that belongs to the row */
	uint64_t age; /* ns since the container's first process was started; 0: unknown */
	uint64_t btime; /* seconds since 1970 */
	struct times times;
	struct tally tasks;
	uint64_t forks; /* the most threads that were seen at once, never falls */
	pid_t last_pid; /* the newest process, in the container's pid namespace */
	struct load load;
};

/* What a gathering works with. */
struct source {
	struct tree *tree;
	struct host *host;
	struct states *states;
	bool machine_root; /* TREE_ROOT is the root of the hierarchy and not of a part of it */
};

/* needs: NEED_*; file: the host's text for NEED_TEXT. -ENODEV if the container is gone. The
 * snapshot is freed by the caller, also after a failure. */
int snapshot_take(const struct source *src, uint64_t container, unsigned needs,
		  enum host_file file, struct snapshot *s);
void snapshot_free(struct snapshot *s);
#define cleanup_snapshot __attribute__((cleanup(snapshot_free)))

#endif
