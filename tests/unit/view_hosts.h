/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Random numbers, random texts of a host in the kernel's formats, and strict readers of the view
 * files that follow such a text line by line. */
#ifndef TEST_VIEW_HOSTS_H
#define TEST_VIEW_HOSTS_H

#include "view_texts.h"

static uint64_t seed;

/* splitmix64 */
static uint64_t any64(void)
{
	uint64_t z = seed += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static unsigned any(unsigned n)
{
	return (unsigned)(any64() >> 33) % n;
}

/* At most most: of all sizes, and the ends. */
static uint64_t any_upto(uint64_t most)
{
	uint64_t value = any64() >> any(64);

	switch (any(8)) {
	case 0:
		return 0;
	case 1:
		return most;
	case 2:
		return most - least(most, any(2000));
	default:
		return most == UINT64_MAX ? value : value % (most + 1);
	}
}

/* --- cpuinfo --- */

static void give_cpuinfo(struct buf *b, unsigned cpus)
{
	unsigned nr = 0;

	for (unsigned i = 0; i < cpus; i++, nr += 1 + any(3)) /* some are offline */
		buf_addf(b,
			 "processor\t: %u\nmodel name\t: A: CPU %u\nphysical id\t: %u\n"
			 "siblings\t: %u\ncore id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\n"
			 "flags\t\t: fpu vme\n\n",
			 nr, nr, any(4), any(300), any(300), any(300), any(300));
}

static void read_cpuinfo(struct scan *p, const struct want *w, unsigned cpu)
{
	unsigned n = w->s->cpus;
	const char *model = w->host;

	for (cpu = 0; cpu < n; cpu++) {
		char block[256];
		size_t len;

		model = strstr(model, "model name");
		len = strcspn(model, "\n");
		snprintf(block, sizeof block,
			 "processor\t: %u\n%.*s\nphysical id\t: 0\nsiblings\t: %u\n"
			 "core id\t\t: %u\ncpu cores\t: %u\napicid\t\t: %u\nflags\t\t: fpu vme\n\n",
			 cpu, (int)len, model, n, cpu, n, cpu);
		scan_text(p, block);
		model += len;
	}
}

/* --- a column for each CPU --- */

static void give_columns(struct buf *b, unsigned cpus, const char *const *labels)
{
	for (const char *const *label = labels; *label; label++) {
		bool alone = !strcmp(*label, "ERR") || !strcmp(*label, "MIS");

		buf_addf(b, "%*s:", (int)strlen(*label) < 4 ? 4 : 12, *label);
		for (unsigned i = 0; i < (alone ? 1 : cpus); i++)
			buf_addf(b, " %10u", any(1000000));
		buf_adds(b, **label == 'N' ? "   What it is 9\n" : "\n");
	}
}

static void give_head(struct buf *b, unsigned cpus, unsigned spaces)
{
	unsigned nr = 0;

	buf_addf(b, "%*s", (int)spaces, "");
	for (unsigned i = 0; i < cpus; i++, nr += 1 + any(3))
		buf_addf(b, "CPU%-8u", nr);
	buf_adds(b, "\n");
}

static void give_interrupts(struct buf *b, unsigned cpus)
{
	static const char *const all[] = { "0", "24", "NMI", "LOC", "ERR", "MIS", NULL };

	give_head(b, cpus, 11);
	give_columns(b, cpus, all + any(7));
}

static void give_softirqs(struct buf *b, unsigned cpus)
{
	static const char *const all[] = { "HI", "TIMER", "NET_TX", "NET_RX", NULL };

	give_head(b, cpus, 20);
	give_columns(b, cpus, all);
}

/* "LABEL: N N ... what it is" of the host, with zeros for the container's CPUs. */
static void read_row(struct scan *p, const char *line, unsigned cpus)
{
	size_t label = strcspn(line, ":") + 1;
	bool alone = strncmp(line + label - 4, "ERR", 3) == 0 ||
		     strncmp(line + label - 4, "MIS", 3) == 0;
	const char *what = strstr(line, "   What");
	char begin[32];

	snprintf(begin, sizeof begin, "%.*s", (int)label, line);
	scan_text(p, begin);
	for (unsigned i = 0; i < (alone ? 1 : cpus); i++)
		scan_text(p, "          0");
	scan_text(p, what && what < strchr(line, '\n') ? "   What it is 9\n" : "\n");
}

static void read_columns(struct scan *p, const struct want *w, unsigned cpu)
{
	const char *line = w->host;

	scan_spaces(p, strspn(line, " "));
	for (cpu = 0; cpu < w->s->cpus; cpu++) {
		char column[16];

		snprintf(column, sizeof column, "CPU%-8u", cpu);
		scan_text(p, column);
	}
	scan_text(p, "\n");
	while (*(line = strchr(line, '\n') + 1)) {
		char first = line[strspn(line, " ")];

		if (first < '0' || first > '9') /* not of a device */
			read_row(p, line, w->s->cpus);
	}
}

/* --- stat, schedstat, vmstat --- */

static void give_stat(struct buf *b, unsigned cpus)
{
	unsigned nr = 0;

	buf_adds(b, "cpu  9 8 7 6 5 4 3 2 1 0\n");
	for (unsigned i = 0; i < cpus; i++, nr += 1 + any(3))
		buf_addf(b, "cpu%u %u 8 7 6 5 4 3 2 1 0\n", nr, any(1000000));
	buf_adds(b, "intr 1 2 3\nctxt 4\nbtime 5\n");
}

static void give_schedstat(struct buf *b, unsigned cpus)
{
	buf_addf(b, "version %u\ntimestamp %" PRIu64 "\n", 15 + any(3), any64());
	for (unsigned i = 0; i < cpus; i++)
		buf_addf(b, "cpu%u 0 0 1 2 3 4 5 6 7\ndomain0 3 1 2\n", i);
}

static void give_vmstat(struct buf *b, unsigned cpus)
{
	static const char *const keys[] = {
		"nr_free_pages", "nr_zone_inactive_anon", "nr_zone_write_pending", "nr_mlock",
		"nr_active_file", "nr_anon_pages", "nr_file_pages", "nr_dirty", "nr_writeback",
		"nr_shmem", "nr_anon_transparent_hugepages", "nr_kernel_stack", "nr_swapcached",
		"pgpgin", "pgpgout", "pswpin", "pgfault", "oom_kill", "workingset_refault_file",
	};

	(void)cpus;
	for (size_t i = any(3); i < ARRAY_SIZE(keys); i += 1 + any(2))
		buf_addf(b, "%s %" PRIu64 "\n", keys[i], any64());
}

/* --- disks --- */

static void give_disk(struct buf *b, const struct disk *d, unsigned nr)
{
	buf_addf(b, "%4u %7u d%u", d->major, d->minor, nr);
	for (int i = 0; i < 17; i++)
		buf_addf(b, " %u", any(1000));
	buf_adds(b, "\n");
}

static void give_block(struct buf *b, const struct disk *d, unsigned nr)
{
	buf_addf(b, "%4u  %7u %10u d%u\n", d->major, d->minor, any(1000000), nr);
}

/* One line for each disk of the host: those of the container, others, and partitions. */
static void give_lines(struct buf *b, const struct disks *disks,
		       void (*give)(struct buf *, const struct disk *, unsigned))
{
	for (unsigned i = 0; i < 12; i++) {
		struct disk other = { .major = 1000 + any(10), .minor = i };

		if (i < disks->n && any(4))
			give(b, &disks->disk[i], i);
		else if (any(2))
			give(b, &other, i);
	}
}

static void give_partitions(struct buf *b, const struct disks *disks)
{
	if (!disks->n && any(2))
		return; /* as the kernel has it without any disk */
	buf_adds(b, "major minor  #blocks  name\n\n");
	give_lines(b, disks, give_block);
}

/* The container's disk that a line of the host is of. */
static const struct disk *disk_of(const struct want *w, const char *line, unsigned *ret_nr)
{
	unsigned major, minor;

	if (sscanf(line, "%u %u", &major, &minor) != 2)
		return NULL;
	*ret_nr = (unsigned)atoi(strpbrk(line, "d") + 1);
	for (size_t i = 0; i < w->s->disks.n; i++) {
		const struct disk *d = &w->s->disks.disk[i];

		if (d->major == major && d->minor == minor)
			return d;
	}
	return NULL;
}

static void read_numbers(struct scan *p, const uint64_t *want, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		scan_text(p, " ");
		scan_equal(p, "a column", scan_number(p), want[i]);
	}
	scan_text(p, "\n");
}

/* 20 fields: number, number, name, and 17 numbers. */
static void read_diskstats(struct scan *p, const struct want *w, unsigned cpu)
{
	(void)cpu;
	for (const char *line = w->host; *line; line = strchr(line, '\n') + 1) {
		unsigned nr;
		const struct disk *d = disk_of(w, line, &nr);
		char name[16];

		if (!d)
			continue;
		scan_equal(p, "major", scan_padded(p, 4), d->major);
		scan_text(p, " ");
		scan_equal(p, "minor", scan_padded(p, 7), d->minor);
		snprintf(name, sizeof name, " d%u", nr);
		scan_text(p, name);
		read_numbers(p, (const uint64_t[]){ d->rios, 0, d->rbytes / 512, 0, d->wios, 0,
						    d->wbytes / 512, 0, 0, 0, 0, d->dios, 0,
						    d->dbytes / 512, 0, 0, 0 }, 17);
	}
}

static void read_partitions(struct scan *p, const struct want *w, unsigned cpu)
{
	const char *line = w->host;

	(void)cpu;
	if (!*line)
		return;
	scan_text(p, "major minor  #blocks  name\n\n");
	for (line = strstr(line, "\n\n") + 2; *line; line = strchr(line, '\n') + 1) {
		unsigned nr;
		char whole[64];

		if (!disk_of(w, line, &nr))
			continue;
		snprintf(whole, sizeof whole, "%.*s\n", (int)strcspn(line, "\n"), line);
		scan_text(p, whole);
	}
}

#endif
