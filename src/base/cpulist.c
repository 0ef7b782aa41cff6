/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Lists of CPUs. The grammar is the kernel's: regions apart by commas or white space, each
 * A, A-B or A-B:USED/GROUP (the first USED of every GROUP); "N" is the last CPU, "all" is all.
 */
#include "ctlfs/cpulist.h"

#include <errno.h>
#include <limits.h>
#include <strings.h>

struct region {
	unsigned end; /* of all regions */
	unsigned first, last;
	unsigned used, group;
};

static bool separator(char c)
{
	return c == ',' || c == ' ' || (c >= '\t' && c <= '\r');
}

static bool region_end(char c)
{
	return !c || separator(c);
}

/* A number at *s, which moves behind it. Numbers of 2^32 and more are -EOVERFLOW. */
static int number(const char **s, unsigned end, unsigned *ret_value)
{
	uint64_t value = 0;

	if (**s == 'N') {
		(*s)++;
		*ret_value = end - 1;
		return 0;
	}
	if (**s < '0' || **s > '9')
		return -EINVAL;
	for (; **s >= '0' && **s <= '9'; (*s)++) {
		value = value * 10 + (unsigned)(**s - '0');
		if (value > UINT_MAX)
			return -EOVERFLOW;
	}
	*ret_value = (unsigned)value;
	return 0;
}

/* What stands before the colon: all, A or A-B. */
static int bounds(const char **s, struct region *r)
{
	int error;

	if (!strncasecmp(*s, "all", 3)) {
		*s += 3;
		r->first = 0;
		r->last = r->end - 1;
		return 0;
	}
	error = number(s, r->end, &r->first);
	if (error)
		return error;
	r->last = r->first;
	if (region_end(**s))
		return 0;
	if (**s != '-')
		return -EINVAL;
	(*s)++;
	return number(s, r->end, &r->last);
}

static int region(const char **s, struct region *r)
{
	int error = bounds(s, r);

	if (error)
		return error;
	r->used = r->group = r->last + 1; /* all; none for UINT_MAX, as in the kernel */
	if (!region_end(**s)) {
		if (**s != ':')
			return -EINVAL;
		(*s)++;
		error = number(s, r->end, &r->used);
		if (error)
			return error;
		if (**s != '/')
			return -EINVAL;
		(*s)++;
		error = number(s, r->end, &r->group);
		if (error)
			return error;
	}
	if (r->first > r->last || !r->group || r->used > r->group)
		return -EINVAL;
	return r->last >= r->end ? -ERANGE : 0;
}

int cpulist_parse_below(const char *text, unsigned end, struct cpulist *ret_list)
{
	struct cpulist list = { 0 };

	for (;;) {
		struct region r = { .end = end };
		int error;

		while (separator(*text))
			text++;
		if (!*text)
			break;
		error = region(&text, &r);
		if (error)
			return error;
		for (unsigned cpu = r.first; cpu <= r.last; cpu++) {
			if ((cpu - r.first) % r.group < r.used)
				cpulist_set(&list, cpu);
		}
		if (*text == '\n')
			break;
	}
	*ret_list = list;
	return 0;
}

int cpulist_parse(const char *text, struct cpulist *ret_list)
{
	return cpulist_parse_below(text, CPUS_MAX, ret_list);
}

void cpulist_show(const struct cpulist *list, struct buf *out)
{
	int next;

	for (int first = cpulist_next(list, -1); first >= 0; first = next) {
		int last = first;

		while ((next = cpulist_next(list, last)) == last + 1)
			last = next;
		buf_addu(out, (uint64_t)first);
		if (last > first) {
			buf_adds(out, "-");
			buf_addu(out, (uint64_t)last);
		}
		if (next >= 0)
			buf_adds(out, ",");
	}
}

unsigned cpulist_count(const struct cpulist *list)
{
	unsigned count = 0;

	for (size_t i = 0; i < CPUS_MAX / 64; i++)
		count += (unsigned)__builtin_popcountll(list->bits[i]);
	return count;
}

bool cpulist_has(const struct cpulist *list, unsigned cpu)
{
	return cpu < CPUS_MAX && list->bits[cpu / 64] >> cpu % 64 & 1;
}

void cpulist_set(struct cpulist *list, unsigned cpu)
{
	if (cpu < CPUS_MAX)
		list->bits[cpu / 64] |= 1ULL << cpu % 64;
}

void cpulist_first(struct cpulist *list, unsigned count)
{
	*list = (struct cpulist){ 0 };
	for (unsigned cpu = 0; cpu < count; cpu++)
		cpulist_set(list, cpu);
}

int cpulist_next(const struct cpulist *list, int after)
{
	unsigned cpu = (unsigned)(after + 1);

	while (cpu < CPUS_MAX) {
		uint64_t rest = list->bits[cpu / 64] >> cpu % 64;

		if (rest)
			return (int)(cpu + (unsigned)__builtin_ctzll(rest));
		cpu = (cpu / 64 + 1) * 64;
	}
	return -1;
}
