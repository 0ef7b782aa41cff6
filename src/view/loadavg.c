/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proc/loadavg: the load of the container's own threads. */
#include "ctlfs/decay.h"
#include "rows.h"

void render_loadavg(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	for (int i = 0; i < 3; i++) {
		uint64_t avg = s->load.avg[i] + DECAY_ONE / 200; /* rounds to hundredths */

		buf_addf(out, "%llu.%02llu ", (unsigned long long)(avg >> DECAY_SHIFT),
			 (unsigned long long)((avg & (DECAY_ONE - 1)) * 100 >> DECAY_SHIFT));
	}
	buf_addf(out, "%u/%u %d\n", s->tasks.running, s->tasks.threads, s->last_pid);
}
