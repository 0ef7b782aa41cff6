/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads mountinfo: ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAG]... - TYPE SOURCE OPTIONS */
#include "ctlfs/mountinfo.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/buf.h"

#define MOUNTINFO_MAX (256u << 20)

enum { FIELD_ID, FIELD_PARENT, FIELD_DEVICE, FIELD_ROOT, FIELD_POINT, FIELD_FLAGS, FIELDS_FIXED };

static bool is_octal(const char *p)
{
	return p[0] >= '0' && p[0] <= '3' && p[1] >= '0' && p[1] <= '7' && p[2] >= '0' &&
	       p[2] <= '7';
}

/* Blanks and backslashes in a path are written as \ooo. */
static char *unescape(char *text)
{
	char *to = text;

	for (const char *p = text; *p; p++) {
		if (p[0] == '\\' && is_octal(p + 1)) {
			*to++ = (char)((p[1] - '0') << 6 | (p[2] - '0') << 3 | (p[3] - '0'));
			p += 3;
		} else {
			*to++ = *p;
		}
	}
	*to = '\0';
	return text;
}

/* The peer group from the tags, which end with "-". */
static unsigned take_group(char **rest)
{
	unsigned group = 0;
	char *word;

	while ((word = strsep(rest, " ")) != NULL && strcmp(word, "-") != 0) {
		if (strncmp(word, "shared:", 7) == 0)
			group = (unsigned)strtoul(word + 7, NULL, 10);
	}
	return group;
}

bool mountinfo_parse(char *line, struct mountinfo *ret_mount)
{
	char *field[FIELDS_FIXED];
	char *type, *options;
	unsigned group;

	for (int i = 0; i < FIELDS_FIXED; i++) {
		field[i] = strsep(&line, " ");
		if (!field[i])
			return false;
	}
	group = take_group(&line);
	type = strsep(&line, " ");
	if (!type)
		return false;
	strsep(&line, " ");
	options = strsep(&line, " ");
	*ret_mount = (struct mountinfo){
		.id = atoi(field[FIELD_ID]),
		.parent = atoi(field[FIELD_PARENT]),
		.group = group,
		.device = field[FIELD_DEVICE],
		.root = unescape(field[FIELD_ROOT]),
		.point = unescape(field[FIELD_POINT]),
		.type = type,
		.flags = field[FIELD_FLAGS],
		.options = options ? options : "",
	};
	return true;
}

int mountinfo_each(mountinfo_visit *visit, void *data)
{
	cleanup_buf struct buf text = { 0 };
	struct mountinfo mount;
	char *line, *rest;
	int r = buf_readat(&text, AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX);

	rest = text.data;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		if (mountinfo_parse(line, &mount))
			r = visit(data, &mount);
	}
	return r;
}
