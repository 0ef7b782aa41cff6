/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists of CPUs ("0-2,7") as the kernel prints and parses them (lib/bitmap.c, cpulist format). */
#ifndef CTLFS_CPULIST_H
#define CTLFS_CPULIST_H

#include <stdbool.h>
#include <stdint.h>

#include "ctlfs/buf.h"

#define CPUS_MAX 8192 /* NR_CPUS of Debian's amd64 kernels */

struct cpulist {
	uint64_t bits[CPUS_MAX / 64];
};

/* Ends at a newline after a region. -EINVAL; -ERANGE from CPUS_MAX on, -EOVERFLOW from 2^32 on. */
int cpulist_parse(const char *text, struct cpulist *ret_list);
/* The same where numbers are below end: 1..CPUS_MAX. */
int cpulist_parse_below(const char *text, unsigned end, struct cpulist *ret_list);
void cpulist_show(const struct cpulist *list, struct buf *out); /* "0-2,7", without a newline */
unsigned cpulist_count(const struct cpulist *list);
bool cpulist_has(const struct cpulist *list, unsigned cpu);
void cpulist_set(struct cpulist *list, unsigned cpu);
void cpulist_first(struct cpulist *list, unsigned count); /* exactly 0..count-1 */
int cpulist_next(const struct cpulist *list, int after); /* next CPU > after, -1 at the end */

#endif
