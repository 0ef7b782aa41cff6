/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's arithmetic of load averages. */
#include "ctlfs/decay.h"

uint64_t decay_step(uint64_t average, uint64_t factor, uint64_t active)
{
	uint64_t sum = average * factor + active * (DECAY_ONE - factor);

	if (active >= average)
		sum += DECAY_ONE - 1;
	return sum >> DECAY_SHIFT;
}

uint64_t decay_power(uint64_t factor, uint64_t n)
{
	uint64_t result = DECAY_ONE;

	for (; n; n >>= 1) {
		if (n & 1)
			result = (result * factor + DECAY_ONE / 2) >> DECAY_SHIFT;
		factor = (factor * factor + DECAY_ONE / 2) >> DECAY_SHIFT;
	}
	return result;
}
