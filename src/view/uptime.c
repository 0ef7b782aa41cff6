/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proc/uptime: the age of the container's first process, and the idle time that stat shows. */
#include "rows.h"

#define HUNDREDTH 10000000ULL /* ns */
#define HUNDREDTH_USEC 10000ULL

void render_uptime(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	uint64_t age = s->age / HUNDREDTH;
	uint64_t idle = 0;

	(void)cpu;
	for (unsigned i = 0; i < s->times.n; i++)
		idle += s->times.cpus[i].idle / HUNDREDTH_USEC;
	buf_addf(out, "%llu.%02u %llu.%02u\n", (unsigned long long)(age / 100),
		 (unsigned)(age % 100), (unsigned long long)(idle / 100), (unsigned)(idle % 100));
}
