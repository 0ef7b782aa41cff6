/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads mountinfo: ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAG]... - TYPE SOURCE OPTIONS */
#include "ctlfs/mountinfo.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/buf.h"
#include "ctlfs/why.h"

#define MOUNTINFO_MAX (256u << 20)
#define FDINFO_MAX (1u << 16)

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

/* Appends a file of this process. */
static int read_own(int proc, const char *name, size_t max, struct buf *out)
{
	char path[64];
	int r;

	snprintf(path, sizeof path, "%sself/%s", proc == AT_FDCWD ? "/proc/" : "", name);
	r = buf_readat(out, proc, path, max);
	return r < 0 ? refuse(-r, "/proc/self/%s: %s", name, strerror(-r)) : 0;
}

int mountinfo_read(int proc, struct buf *out)
{
	return read_own(proc, "mountinfo", MOUNTINFO_MAX, out);
}

int mountinfo_of(int proc, int fd, int *ret_id)
{
	static const char key[] = "mnt_id:";
	cleanup_buf struct buf text = { 0 };
	const char *line;
	char name[32];
	int r;

	snprintf(name, sizeof name, "fdinfo/%d", fd);
	r = read_own(proc, name, FDINFO_MAX, &text);
	if (r < 0)
		return r;
	line = strstr(buf_text(&text), key);
	if (!line)
		return refuse(EPROTO, "/proc/self/%s: no mnt_id", name);
	*ret_id = atoi(line + strlen(key));
	return 0;
}

int mountinfo_each(mountinfo_visit *visit, void *data)
{
	cleanup_buf struct buf text = { 0 };
	struct mountinfo mount;
	char *line, *rest;
	int r = mountinfo_read(AT_FDCWD, &text);

	rest = text.data;
	while (r == 0 && (line = strsep(&rest, "\n"))) {
		if (mountinfo_parse(line, &mount))
			r = visit(data, &mount);
	}
	return r;
}
