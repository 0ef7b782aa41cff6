/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Words of a script and texts of answers: escapes, names for pids, and the list of what is
 * volatile, which is all that is not compared.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conform.h"

enum how { PIDS, NUMBERS, USAGE, DYING, ALL };

/* What of a file's text is not the same on both sides though both are right. */
static const struct {
	const char *suffix;
	enum how how;
	const char *reason;
} volatile_texts[] = {
	{ "cgroup.procs", PIDS, "pids are the system's choice" },
	{ "cgroup.threads", PIDS, "pids are the system's choice" },
	{ "cgroup.stat", DYING, "when a removed cgroup's memory is freed is timing" },
	{ "cgroup.stat.local", USAGE, "time frozen" },
	{ "cpu.stat", USAGE, "CPU time used" },
	{ "cpu.stat.local", USAGE, "CPU time waited for" },
	{ ".pressure", NUMBERS, "time stalled" },
	{ "memory.current", USAGE, "bytes used, the kernel's own included" },
	{ "memory.peak", USAGE, "bytes used, the kernel's own included" },
	{ "memory.stat", USAGE, "bytes used, the kernel's own included" },
	{ "memory.numa_stat", USAGE, "bytes used, the kernel's own included" },
	{ "memory.swap.current", USAGE, "bytes used" },
	{ "memory.swap.peak", USAGE, "bytes used" },
	{ "memory.zswap.current", USAGE, "bytes used" },
	{ "io.stat", ALL, "the machine's devices, and what was read from them" },
};

void say(struct answer *answer, const char *format, ...)
{
	size_t room = sizeof(answer->text) - answer->size;
	va_list args;
	int size;

	va_start(args, format);
	size = vsnprintf(answer->text + answer->size, room, format, args);
	va_end(args);
	if (size > 0)
		answer->size += (size_t)size < room ? (size_t)size : room - 1;
}

void say_escaped(struct answer *answer, const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		unsigned char c = text[i];

		if (c == '\n')
			say(answer, "\\n");
		else if (c == '\t')
			say(answer, "\\t");
		else if (c == '\\' || !isprint(c))
			say(answer, "\\x%02x", c);
		else
			say(answer, "%c", c);
	}
}

void say_name(struct answer *answer, const char *name)
{
	for (; *name; name++) {
		if (*name == ' ')
			say(answer, "\\s");
		else
			say_escaped(answer, name, 1);
	}
}

void say_result(struct answer *answer, int error)
{
	if (error == EOPNOTSUPP)
		say(answer, "EOPNOTSUPP");
	else
		say(answer, "%s", error ? strerrorname_np(error) : "OK");
}

/* "{p3}" is the actor's pid, "{x4097}" that many letters x. */
static ssize_t expand(struct driver *driver, const char *name, char *ret, size_t room)
{
	long count;
	int number;

	if (name[0] == 'x') {
		count = strtol(name + 1, NULL, 10);
		if (count < 0 || (size_t)count >= room)
			return -1;
		memset(ret, 'x', count);
		return count;
	}
	number = actor_number(name);
	if (number < 0 || !driver->actors[number].tid)
		return -1;
	return snprintf(ret, room, "%d", driver->actors[number].tid);
}

static char unescape_letter(const char **at)
{
	char digits[3] = { 0 };

	switch (*++*at) {
	case 'n':
		return '\n';
	case 't':
		return '\t';
	case 's':
		return ' ';
	case 'x':
		digits[0] = *++*at;
		if (digits[0])
			digits[1] = *++*at;
		return (char)strtol(digits, NULL, 16);
	default:
		return **at;
	}
}

ssize_t unescape(struct driver *driver, const char *word, char ret[static VALUE_MAX])
{
	size_t size = 0;
	const char *at;

	if (!strcmp(word, "\\e"))
		return 0;
	for (at = word; *at && size < VALUE_MAX - 1; at++) {
		if (*at == '{') {
			char name[16] = { 0 };
			size_t length = strcspn(at, "}");
			ssize_t added;

			if (length - 1 >= sizeof(name) || !at[length])
				return -1;
			memcpy(name, at + 1, length - 1);
			added = expand(driver, name, ret + size, VALUE_MAX - 1 - size);
			if (added < 0)
				return -1;
			size += added;
			at += length;
		} else if (*at == '\\' && at[1]) {
			ret[size++] = unescape_letter(&at);
		} else {
			ret[size++] = *at;
		}
	}
	ret[size] = '\0';
	return size;
}

static void say_pids(struct driver *driver, const char *text, size_t size)
{
	const char *end = text + size;
	char name[8];

	while (text < end) {
		char *after;
		long pid = strtol(text, &after, 10);

		if (after == text) {
			say_escaped(&driver->answer, text, 1);
			text++;
			continue;
		}
		say(&driver->answer, "%s", actor_name(driver, pid, name));
		text = after;
	}
}

/* Numbers that are values, not parts of names such as avg10 and N0. */
static void say_without_numbers(struct answer *answer, const char *text, size_t size)
{
	size_t i;

	for (i = 0; i < size; i++) {
		bool value = isdigit((unsigned char)text[i]) &&
			     (i == 0 || strchr(" =\n", text[i - 1]));

		if (!value) {
			say_escaped(answer, text + i, 1);
			continue;
		}
		say(answer, "#");
		while (i + 1 < size && (isdigit((unsigned char)text[i + 1]) || text[i + 1] == '.'))
			i++;
	}
}

static void say_without_dying(struct answer *answer, const char *text, size_t size)
{
	const char *end = text + size;

	while (text < end) {
		const char *newline = memchr(text, '\n', end - text);
		size_t line = newline ? (size_t)(newline - text) + 1 : (size_t)(end - text);

		if (strncmp(text, "nr_dying_", 9))
			say_escaped(answer, text, line);
		else
			say_without_numbers(answer, text, line);
		text += line;
	}
}

static bool ends_with(const char *text, const char *suffix)
{
	size_t size = strlen(text), length = strlen(suffix);

	return size >= length && !strcmp(text + size - length, suffix);
}

/* The row of what is volatile in a file, or -1. */
static int volatile_row(const char *file)
{
	size_t i;

	if (!strcmp(file, "cgroup.pressure"))
		return -1;
	for (i = 0; i < sizeof(volatile_texts) / sizeof(*volatile_texts); i++)
		if (ends_with(file, volatile_texts[i].suffix))
			return i;
	return -1;
}

bool tells_usage(const char *file)
{
	int row = volatile_row(file);

	return row >= 0 && (volatile_texts[row].how == NUMBERS ||
			    volatile_texts[row].how == USAGE || volatile_texts[row].how == ALL);
}

bool is_usage(const char *file)
{
	int row = volatile_row(file);

	return row >= 0 && volatile_texts[row].how == USAGE;
}

void say_content(struct driver *driver, const char *file, const char *text, size_t size)
{
	struct answer *answer = &driver->answer;
	int row = volatile_row(file);

	if (row >= 0 && volatile_texts[row].how == ALL) {
		say(answer, " #");
		return;
	}
	if (size)
		say(answer, " ");
	if (row < 0)
		say_escaped(answer, text, size);
	else if (volatile_texts[row].how == PIDS)
		say_pids(driver, text, size);
	else if (volatile_texts[row].how == NUMBERS || volatile_texts[row].how == USAGE)
		say_without_numbers(answer, text, size);
	else
		say_without_dying(answer, text, size);
}
