/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The load average: an average that decays exponentially, sampled each 5 seconds. Nobody samples
 * without a reader: the samples missed since the last reading are taken at once, as the kernel
 * takes those that it missed while its CPUs were idle.
 */
#include "load.h"

#include <stddef.h>

#include "ctlfs/decay.h"

/* 2048 / e^(5s/1min), 5s/5min, 5s/15min */
static const uint64_t decays[3] = { 1884, 2014, 2037 };

void load_update(struct load *l, unsigned active, uint64_t start, uint64_t now)
{
	uint64_t missed;

	if (!l->next)
		l->next = (start < now ? start : now) + LOAD_PERIOD;
	if (now < l->next)
		return;
	missed = (now - l->next) / LOAD_PERIOD + 1;
	for (size_t i = 0; i < 3; i++)
		l->avg[i] = decay_step(l->avg[i], decay_power(decays[i], missed),
				       active * DECAY_ONE);
	l->next += missed * LOAD_PERIOD;
}
