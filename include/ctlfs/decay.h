/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Averages that decay exponentially, in the kernel's fixed point (linux/sched/loadavg.h). */
#ifndef CTLFS_DECAY_H
#define CTLFS_DECAY_H

#include <stdint.h>

#define DECAY_SHIFT 11
#define DECAY_ONE (UINT64_C(1) << DECAY_SHIFT)

/* calc_load(): one step, of which factor of the average is left; rounded up while it rises, so that
 * it reaches what it rises to. */
uint64_t decay_step(uint64_t average, uint64_t factor, uint64_t active);
/* fixed_power_int(): what is left after n steps, rounded in each. */
uint64_t decay_power(uint64_t factor, uint64_t n);

#endif
