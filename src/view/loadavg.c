/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proc/loadavg: the load of the container's own threads. */
#include "rows.h"

void render_loadavg(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	for (int i = 0; i < 3; i++) {
		uint64_t avg = s->load.avg[i] + LOAD_FIXED_1 / 200; /* rounds to hundredths */

		buf_addf(out, "%llu.%02llu ", (unsigned long long)(avg >> LOAD_SHIFT),
			 (unsigned long long)((avg & (LOAD_FIXED_1 - 1)) * 100 >> LOAD_SHIFT));
	}
	buf_addf(out, "%u/%u %d\n", s->tasks.running, s->tasks.threads, s->last_pid);
}
