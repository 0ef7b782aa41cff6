/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc/stat: the container's CPU time on the CPUs it has, its age and its threads. Interrupts and
 * context switches are not counted by container: 0.
 */
#include <string.h>

#include "rows.h"

/* USER_HZ: 100 on every architecture that has CONFIG_CGROUPS. */
#define TICK_USEC 10000

static void add_ticks(struct buf *out, uint64_t ticks)
{
	buf_add(out, " ", 1);
	buf_addu(out, ticks);
}

/* user nice system idle iowait irq softirq steal guest guest_nice */
static void add_cpu(struct buf *out, const struct cputime *ticks)
{
	add_ticks(out, ticks->user);
	add_ticks(out, ticks->nice);
	add_ticks(out, ticks->system);
	add_ticks(out, ticks->idle);
	buf_adds(out, " 0 0 0 0 0 0\n");
}

static struct cputime to_ticks(const struct cputime *usec)
{
	return (struct cputime){ .user = usec->user / TICK_USEC, .nice = usec->nice / TICK_USEC,
				 .system = usec->system / TICK_USEC,
				 .idle = usec->idle / TICK_USEC };
}

/* The first line is the sum of what is printed, and of CPUs that the container had before. */
static void show_cpus(const struct times *times, struct buf *out)
{
	struct cputime sum = { 0 };

	for (unsigned i = 0; i < times->n; i++) {
		struct cputime t = to_ticks(&times->cpus[i]);

		sum.user += t.user;
		sum.nice += t.nice;
		sum.system += t.system;
		sum.idle += t.idle;
	}
	buf_adds(out, "cpu ");
	add_cpu(out, &sum);
	for (unsigned i = 0; i < times->shown; i++) {
		struct cputime t = to_ticks(&times->cpus[i]);

		buf_adds(out, "cpu");
		buf_addu(out, i);
		add_cpu(out, &t);
	}
}

void render_stat(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	show_cpus(&s->times, out);
	buf_addf(out,
		 "intr 0\nctxt 0\nbtime %llu\nprocesses %llu\nprocs_running %u\n"
		 "procs_blocked %u\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n",
		 (unsigned long long)s->btime, (unsigned long long)s->forks, s->tasks.running,
		 s->tasks.blocked);
}

/* The host's text, with the CPUs that are online numbered from 0. */
void render_stat_of_machine(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	const char *text = buf_text(&s->text);
	unsigned next = 0;

	(void)cpu;
	while (*text) {
		size_t len = strcspn(text, "\n");
		size_t skip = 0;

		len += text[len] == '\n';
		if (strncmp(text, "cpu", 3) == 0 && text[3] >= '0' && text[3] <= '9') {
			skip = 3 + strspn(text + 3, "0123456789");
			buf_adds(out, "cpu");
			buf_addu(out, next++);
		}
		buf_add(out, text + skip, len - skip);
		text += len;
	}
}
