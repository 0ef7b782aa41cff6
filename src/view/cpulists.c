/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files of sys/devices/system/cpu. The container's CPUs are numbered from 0 and all online, cores
 * of one package with one thread each, as proc/cpuinfo says too.
 */
#include "rows.h"

static void add_list(const struct cpulist *list, struct buf *out)
{
	cpulist_show(list, out);
	buf_add(out, "\n", 1);
}

static void add_first(unsigned cpus, struct buf *out)
{
	struct cpulist list = { 0 };

	cpulist_first(&list, cpus);
	add_list(&list, out);
}

/* The kernel's %*pb over as many CPUs as there are: 32 at a time, the highest first. */
static void add_mask(const struct cpulist *list, unsigned cpus, struct buf *out)
{
	unsigned groups = (cpus + 31) / 32;

	for (unsigned i = groups; i-- > 0;) {
		unsigned in_group = i == groups - 1 ? cpus - i * 32 : 32;
		uint32_t bits = (uint32_t)(list->bits[i / 2] >> (i % 2 * 32));

		buf_addf(out, "%0*x%s", (int)(in_group + 3) / 4, bits, i ? "," : "\n");
	}
}

void render_cpu_all(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	add_first(s->cpus, out);
}

void render_cpu_none(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)s;
	(void)cpu;
	buf_add(out, "\n", 1);
}

/* What is true of the kernel, whoever asks. */
void render_host_text(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)cpu;
	buf_add(out, s->text.data, s->text.len);
}

void render_zero(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)s;
	(void)cpu;
	buf_add(out, "0\n", 2);
}

void render_number(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)s;
	buf_addu(out, cpu);
	buf_add(out, "\n", 1);
}

void render_own_mask(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	struct cpulist list = { 0 };

	cpulist_set(&list, cpu);
	add_mask(&list, s->cpus, out);
}

void render_own_list(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	struct cpulist list = { 0 };

	(void)s;
	cpulist_set(&list, cpu);
	add_list(&list, out);
}

void render_all_mask(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	struct cpulist list = { 0 };

	(void)cpu;
	cpulist_first(&list, s->cpus);
	add_mask(&list, s->cpus, out);
}

/* smt/control: CPUs of a container cannot be switched. */
void render_not_supported(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(void)s;
	(void)cpu;
	buf_adds(out, "notsupported\n");
}

/* Caches from the third level on are taken to be the package's, those before the core's. The text
 * is that of the level. */
static bool is_shared(const struct snapshot *s)
{
	return buf_text(&s->text)[0] >= '3';
}

void render_cache_id(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	render_number(s, is_shared(s) ? 0 : cpu, out);
}

void render_cache_list(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(is_shared(s) ? render_cpu_all : render_own_list)(s, cpu, out);
}

void render_cache_mask(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	(is_shared(s) ? render_all_mask : render_own_mask)(s, cpu, out);
}
