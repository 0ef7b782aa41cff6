/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parsers that rows of option tables name. */
#include <errno.h>
#include <string.h>

#include "ctlfs/cpulist.h"
#include "ctlfs/parse.h"
#include "options.h"

int option_switch(const struct option_row *row, const char *text, void *field)
{
	(void)row, (void)text;
	*(bool *)field = true;
	return 0;
}

int option_off(const struct option_row *row, const char *text, void *field)
{
	(void)row, (void)text;
	*(bool *)field = false;
	return 0;
}

int option_text(const struct option_row *row, const char *text, void *field)
{
	(void)row;
	if (!*text)
		return -EINVAL;
	*(const char **)field = text;
	return 0;
}

int word_number(const char *const *words, const char *text)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -EINVAL;
}

int option_word(const struct option_row *row, const char *text, void *field)
{
	int number = word_number(row->words, text);

	if (number < 0)
		return number;
	*(unsigned *)field = (unsigned)number;
	return 0;
}

static int parse_bounded(const struct option_row *row, const char *text, uint64_t *ret_value)
{
	uint64_t value;
	int r;

	/* The kernel's parser takes a newline at the end, and a sign in front. */
	if (!*text || text[strspn(text, "0123456789")])
		return -EINVAL;
	r = parse_u64(text, 10, &value);
	if (r < 0)
		return r;
	if (value < row->min || value > row->max)
		return -ERANGE;
	*ret_value = value;
	return 0;
}

int option_number(const struct option_row *row, const char *text, void *field)
{
	uint64_t value;
	int r = parse_bounded(row, text, &value);

	if (r < 0)
		return r;
	*(unsigned *)field = (unsigned)value;
	return 0;
}

static int store(struct optional *o, int r, uint64_t value)
{
	if (r < 0)
		return r;
	*o = (struct optional){ true, value };
	return 0;
}

int option_count(const struct option_row *row, const char *text, void *field)
{
	uint64_t value = UINT64_MAX;
	int r = strcmp(text, "max") == 0 ? 0 : parse_bounded(row, text, &value);

	return store(field, r, value);
}

int option_size(const struct option_row *row, const char *text, void *field)
{
	uint64_t value = UINT64_MAX;
	int r = strcmp(text, "max") == 0 ? 0 : parse_size(text, &value);

	(void)row;
	return store(field, r, value);
}

int option_cpus(const struct option_row *row, const char *text, void *field)
{
	uint64_t value = UINT64_MAX;
	int r = strcmp(text, "max") == 0 ? 0 : parse_cpus(text, &value);

	if (r == 0 && value < row->min)
		r = -ERANGE;
	return store(field, r, value);
}

int option_cpulist(const struct option_row *row, const char *text, void *field)
{
	struct cpulist list;
	int r;

	(void)row;
	if (strchr(text, '\n'))
		return -EINVAL;
	r = cpulist_parse(text, &list);
	if (r < 0)
		return r;
	if (!cpulist_count(&list))
		return -EINVAL;
	*(const char **)field = text;
	return 0;
}
