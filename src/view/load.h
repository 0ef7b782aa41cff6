/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The load average by the kernel's formula (kernel/sched/loadavg.c, decay.h). */
#ifndef VIEW_LOAD_H
#define VIEW_LOAD_H

#include <stdint.h>

#define LOAD_PERIOD 5000000000ULL /* ns: LOAD_FREQ without its extra tick */

struct load {
	uint64_t avg[3]; /* over 1, 5 and 15 minutes, fixed point */
	uint64_t next; /* when the next sample is due, ns since boot; 0: there was none yet */
};

/* Takes the samples that are due: active threads (running or uninterruptible) are assumed to have
 * been as many at all of them. The first time, samples are due from start on. */
void load_update(struct load *l, unsigned active, uint64_t start, uint64_t now);

#endif
