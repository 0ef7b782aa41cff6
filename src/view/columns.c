/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files with a column or a line for each CPU: proc/interrupts, proc/softirqs, proc/schedstat. The
 * container's CPUs are there; interrupts are not counted by container, so counts are 0, as in
 * proc/stat. Lines of the machine's devices are left out.
 */
#include <stdlib.h>
#include <string.h>

#include "rows.h"

#define NSEC_PER_USEC 1000

/* The first line: "     CPU0       CPU1       \n". */
static const char *read_head(const char *text, unsigned *ret_columns)
{
	size_t len = strcspn(text, "\n");

	*ret_columns = 0;
	for (const char *p = text; (p = strstr(p, "CPU")) && p < text + len; p += 3)
		++*ret_columns;
	return text + len + (text[len] == '\n');
}

static void add_head(const char *text, unsigned cpus, struct buf *out)
{
	buf_add(out, text, strspn(text, " "));
	for (unsigned i = 0; i < cpus; i++)
		buf_addf(out, "CPU%-8u", i);
	buf_add(out, "\n", 1);
}

/* What comes after the numbers of a line: at most columns of them. */
static const char *skip_numbers(const char *at, unsigned columns, unsigned *ret_numbers)
{
	unsigned n = 0;

	for (; n < columns; n++) {
		const char *number = at + strspn(at, " ");
		size_t digits = strspn(number, "0123456789");

		if (!digits || (number[digits] != ' ' && number[digits] != '\n'))
			break;
		at = number + digits;
	}
	*ret_numbers = n;
	return at;
}

/* "LABEL:  N N ... what it is"; one with a single number ("ERR:") is of no CPU. */
static void add_row(const char *line, unsigned columns, unsigned cpus, struct buf *out)
{
	size_t label = strcspn(line, ":\n");
	const char *rest;
	unsigned numbers;

	if (line[label] != ':')
		return;
	label++;
	rest = skip_numbers(line + label, columns, &numbers);
	buf_add(out, line, label);
	for (unsigned i = 0; i < (numbers == columns ? cpus : 1); i++)
		buf_adds(out, "          0");
	buf_add(out, rest, strcspn(rest, "\n"));
	buf_add(out, "\n", 1);
}

/* An interrupt of a device has a number, the others names. */
static bool is_of_device(const char *line)
{
	line += strspn(line, " ");
	return *line >= '0' && *line <= '9';
}

static void render_table(const struct snapshot *s, struct buf *out)
{
	unsigned columns;
	const char *text = buf_text(&s->text), *line = read_head(text, &columns);

	add_head(text, s->cpus, out);
	while (*line) {
		if (!is_of_device(line))
			add_row(line, columns, s->cpus, out);
		line += strcspn(line, "\n");
		line += *line == '\n';
	}
}

void render_interrupts(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	render_table(s, out);
}

void render_softirqs(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	render_table(s, out);
}

/* User, nice and system, in ns: at the end of 64 bits it stays there, rather than to fall. */
static uint64_t busy_ns(const struct cputime *t)
{
	uint64_t busy;

	if (__builtin_add_overflow(t->user, t->nice, &busy) ||
	    __builtin_add_overflow(busy, t->system, &busy) ||
	    __builtin_mul_overflow(busy, NSEC_PER_USEC, &busy))
		return UINT64_MAX;
	return busy;
}

/* The head of the host ("version", "timestamp"), then of nine numbers a line the time that the CPU
 * was in use: who waited how long is not accounted by CPU. */
void render_schedstat(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	const char *text = buf_text(&s->text), *cpus = strstr(text, "\ncpu");

	(void)cpu;
	buf_add(out, text, cpus ? (size_t)(cpus + 1 - text) : strlen(text));
	for (unsigned i = 0; i < s->times.shown; i++) {
		uint64_t busy = busy_ns(&s->times.cpus[i]);

		buf_addf(out, "cpu%u 0 0 0 0 0 0 %llu 0 0\n", i, (unsigned long long)busy);
	}
}

/* The head: cgroups account what all caches take together, which meminfo shows. The machine's own
 * are root's to read, and nobody's here. */
void render_slabinfo(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)s;
	(void)cpu;
	buf_adds(out, "slabinfo - version: 2.1\n"
		      "# name            <active_objs> <num_objs> <objsize> <objperslab> "
		      "<pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata "
		      "<active_slabs> <num_slabs> <sharedavail>\n");
}
