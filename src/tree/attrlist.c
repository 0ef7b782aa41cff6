/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of owners and modes in a snapshot: read, sorted, searched. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/why.h"
#include "plain.h"

static int compare(const void *a, const void *b)
{
	return strcmp(((const struct attr_line *)a)->path, ((const struct attr_line *)b)->path);
}

/* A number in front of a blank. */
static int take_number(char **rest, int base, unsigned long max, unsigned long *ret_value)
{
	char *end;
	unsigned long value;

	if (**rest < '0' || **rest > '9')
		return -EINVAL;
	errno = 0;
	value = strtoul(*rest, &end, base);
	if (errno || *end != ' ' || value > max)
		return -EINVAL;
	*rest = end + 1;
	*ret_value = value;
	return 0;
}

static int parse_line(char *line, struct attr_line *ret_line)
{
	unsigned long mode, uid, gid;
	int r = take_number(&line, 8, 07777, &mode);

	if (r == 0)
		r = take_number(&line, 10, (uid_t)-2, &uid);
	if (r == 0)
		r = take_number(&line, 10, (gid_t)-2, &gid);
	if (r < 0 || !*line)
		return -EINVAL;
	*ret_line = (struct attr_line){ line, (mode_t)mode, (uid_t)uid, (gid_t)gid };
	return 0;
}

static size_t count_lines(const char *text)
{
	size_t n = 0;

	for (; (text = strchr(text, '\n')); text++)
		n++;
	return n;
}

int attr_list_parse(char *text, struct attr_list *ret_list)
{
	__attribute__((cleanup(attr_list_free))) struct attr_list list = { .text = text };
	char *rest = text + strlen(PLAIN_HEAD);
	char *line;

	if (strncmp(text, PLAIN_HEAD, strlen(PLAIN_HEAD)) != 0)
		return refuse(EINVAL, "line 1 is not \"%.*s\"", (int)strlen(PLAIN_HEAD) - 1,
			      PLAIN_HEAD);
	list.lines = calloc(count_lines(rest) + 1, sizeof *list.lines);
	if (!list.lines)
		return -ENOMEM;
	while (*rest && (line = strsep(&rest, "\n")) && rest) {
		if (parse_line(line, &list.lines[list.n]) < 0)
			return refuse(EINVAL, "line %zu is not MODE UID GID PATH", list.n + 2);
		list.n++;
	}
	if (!rest || *rest)
		return refuse(EINVAL, "the last line does not end");
	qsort(list.lines, list.n, sizeof *list.lines, compare);
	*ret_list = list;
	list = (struct attr_list){ 0 };
	return 0;
}

const struct attr_line *attr_list_find(const struct attr_list *list, const char *path)
{
	const struct attr_line key = { .path = path };

	return list->n ? bsearch(&key, list->lines, list->n, sizeof key, compare) : NULL;
}

void attr_list_free(struct attr_list *list)
{
	free(list->text);
	free(list->lines);
	*list = (struct attr_list){ 0 };
}
