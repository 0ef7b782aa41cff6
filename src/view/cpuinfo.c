/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * proc/cpuinfo: the host's text for as many CPUs as the container has, numbered from 0.
 *
 * The layout differs between architectures. Common to them: blocks split by blank lines, and in a
 * CPU's block a line with its number ("processor : 0", s390: "cpu number : 0"). Blocks without such
 * a line are about the machine and stay. s390 also lists all CPUs in its first block, as lines
 * "processor 0: ...", after their number ("# processors : 2").
 */
#include <string.h>

#include "rows.h"

struct line {
	const char *text;
	size_t len; /* with the newline, if it has one */
	size_t key; /* length of the key; 0 without a colon */
	size_t value; /* where the value begins */
};

static struct line line_at(const char *text)
{
	struct line l = { .text = text };
	const char *end = strchr(text, '\n');
	const char *colon;

	l.len = end ? (size_t)(end + 1 - text) : strlen(text);
	colon = memchr(text, ':', l.len);
	if (!colon)
		return l;
	l.key = (size_t)(colon - text);
	l.value = l.key + 1;
	while (l.value < l.len && text[l.value] == ' ')
		l.value++;
	while (l.key && (text[l.key - 1] == ' ' || text[l.key - 1] == '\t'))
		l.key--;
	return l;
}

static bool is_key(const struct line *l, const char *key)
{
	return l->key == strlen(key) && memcmp(l->text, key, l->key) == 0;
}

static bool is_number_line(const struct line *l)
{
	return is_key(l, "processor") || is_key(l, "cpu number");
}

/* "processor 3: ...": sets the number. */
static bool is_listed_cpu(const struct line *l, unsigned *ret_cpu)
{
	static const char word[] = "processor ";
	unsigned cpu = 0;

	if (l->key < sizeof word || memcmp(l->text, word, sizeof word - 1) != 0)
		return false;
	for (size_t i = sizeof word - 1; i < l->key; i++) {
		if (l->text[i] < '0' || l->text[i] > '9')
			return false;
		cpu = cpu * 10 + (unsigned)(l->text[i] - '0');
	}
	*ret_cpu = cpu;
	return true;
}

static void add_value(const struct line *l, unsigned value, struct buf *out)
{
	buf_add(out, l->text, l->value);
	buf_addu(out, value);
	buf_add(out, "\n", 1);
}

/* A line of a CPU's block. */
static void add_cpu_line(const struct line *l, unsigned cpu, unsigned cpus, struct buf *out)
{
	static const char *const numbers[] = { "processor", "cpu number", "core id", "apicid",
					       "initial apicid", NULL };
	static const char *const counts[] = { "siblings", "cpu cores", NULL };

	for (const char *const *key = numbers; *key; key++) {
		if (is_key(l, *key)) {
			add_value(l, cpu, out);
			return;
		}
	}
	for (const char *const *key = counts; *key; key++) {
		if (is_key(l, *key)) {
			add_value(l, cpus, out);
			return;
		}
	}
	if (is_key(l, "physical id"))
		add_value(l, 0, out);
	else
		buf_add(out, l->text, l->len);
}

static void add_machine_line(const struct line *l, unsigned cpus, struct buf *out)
{
	unsigned listed;

	if (is_key(l, "# processors"))
		add_value(l, cpus, out);
	else if (!is_listed_cpu(l, &listed) || listed < cpus)
		buf_add(out, l->text, l->len);
}

/* The end of the block at text: where its blank line or the whole text ends. */
static const char *block_end(const char *text, bool *ret_of_cpu)
{
	bool of_cpu = false;

	while (*text) {
		struct line l = line_at(text);

		of_cpu |= is_number_line(&l);
		text += l.len;
		if (l.len == 1 && l.text[0] == '\n')
			break;
	}
	*ret_of_cpu = of_cpu;
	return text;
}

void render_cpuinfo(const struct snapshot *s, unsigned cpu, struct buf *out)
{
	const char *text = buf_text(&s->text);
	unsigned next = 0; /* number of the next CPU */

	(void)cpu;
	while (*text) {
		bool of_cpu;
		const char *end = block_end(text, &of_cpu);
		bool skip = of_cpu && next >= s->cpus;

		while (text < end) {
			struct line l = line_at(text);

			if (!skip && of_cpu)
				add_cpu_line(&l, next, s->cpus, out);
			else if (!skip)
				add_machine_line(&l, s->cpus, out);
			text += l.len;
		}
		next += of_cpu;
	}
}
