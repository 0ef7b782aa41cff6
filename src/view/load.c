/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The load average: an average that decays exponentially, sampled each 5 seconds. Nobody samples
 * without a reader: the samples missed since the last reading are taken at once, as the kernel
 * takes those that it missed while its CPUs were idle.
 */
#include "load.h"

#include <stddef.h>

/* 2048 / e^(5s/1min), 5s/5min, 5s/15min */
static const uint64_t decays[3] = { 1884, 2014, 2037 };

/* x^n, rounded at each step. */
static uint64_t fixed_power(uint64_t x, uint64_t n)
{
	uint64_t result = LOAD_FIXED_1;

	for (; n; n >>= 1) {
		if (n & 1)
			result = (result * x + LOAD_FIXED_1 / 2) >> LOAD_SHIFT;
		x = (x * x + LOAD_FIXED_1 / 2) >> LOAD_SHIFT;
	}
	return result;
}

/* One step; rounded up while the load rises, so that it reaches what it rises to. */
static uint64_t step(uint64_t load, uint64_t decay, uint64_t active)
{
	uint64_t next = load * decay + active * (LOAD_FIXED_1 - decay);

	if (active >= load)
		next += LOAD_FIXED_1 - 1;
	return next / LOAD_FIXED_1;
}

void load_update(struct load *l, unsigned active, uint64_t start, uint64_t now)
{
	uint64_t missed;

	if (!l->next)
		l->next = (start < now ? start : now) + LOAD_PERIOD;
	if (now < l->next)
		return;
	missed = (now - l->next) / LOAD_PERIOD + 1;
	for (size_t i = 0; i < 3; i++)
		l->avg[i] = step(l->avg[i], fixed_power(decays[i], missed),
				 (uint64_t)active * LOAD_FIXED_1);
	l->next += missed * LOAD_PERIOD;
}
