/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What cpu.c and bandwidth.c share. */
#ifndef EMUL_CPU_H
#define EMUL_CPU_H

#include "emul.h"

#define NO_QUOTA UINT64_MAX

struct bandwidth;

struct cpu {
	struct css css;
	int shares;
	bool idle;
	uint64_t quota, period, burst; /* nanoseconds; quota may be NO_QUOTA */
	struct bandwidth *bandwidth; /* NULL: there was no quota to keep so far */
};

static inline struct cpu *cpu_of(const struct cgroup *cg)
{
	return (struct cpu *)cgroup_css(cg, CTRL_CPU);
}

/* --- bandwidth.c --- */

struct bandwidth_stat {
	uint64_t nr_periods, nr_throttled, throttled_ns, nr_bursts, burst_ns;
	uint64_t local_ns; /* that its own members were throttled for, by its quota or one above */
};

/* Quota, period or burst of cg were set, or it became populated or empty. */
void bandwidth_set_up(struct cgroup *cg);
void bandwidth_read(const struct cgroup *cg, struct bandwidth_stat *ret_stat);
void bandwidth_free(struct cgroup *cg); /* everybody runs again */

#endif
