/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* proc/swaps: one line for all of the swap that the container may use. */
#include "rows.h"
#include "shown.h"

void render_swaps(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	struct shown m;

	(void)cpu;
	buf_adds(out, "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
	shown_make(s, &m);
	if (!m.swap_total)
		return;
	buf_addf(out, "%-40svirtual\t\t%llu\t%s%llu\t%s%d\n", "none",
		 (unsigned long long)m.swap_total, m.swap_total < 10000000 ? "\t" : "",
		 (unsigned long long)m.swap_used, m.swap_used < 10000000 ? "\t" : "", 0);
}
