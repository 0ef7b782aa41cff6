/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proc/swaps: one line for all of the swap that the container may use. */
#include "rows.h"

#define KIB 1024

void render_swaps(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	uint64_t total = s->swap.total / KIB;
	uint64_t used = (s->swap.used + KIB - 1) / KIB;

	(void)cpu;
	buf_adds(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	if (!total)
		return;
	if (used > total)
		used = total;
	buf_addf(out, "%-40svirtual\t\t%llu\t%s%llu\t%s%d\n", "none", (unsigned long long)total,
		 total < 10000000 ? "\t" : "", (unsigned long long)used,
		 used < 10000000 ? "\t" : "", 0);
}
