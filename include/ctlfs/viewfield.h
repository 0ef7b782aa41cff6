/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where each field of the view files comes from: the table behind `ctlfs explain` and
 * docs/view-fields.md. To be kept in step with the renderers (src/view).
 */
#ifndef CTLFS_VIEWFIELD_H
#define CTLFS_VIEWFIELD_H

#include <stddef.h>
#include <stdint.h>

enum view_place {
	FIELD_KEY, /* a line that begins with the field's name, and a colon or not */
	FIELD_COLUMN, /* word number column of the line that begins with key; NULL: of the first */
	FIELD_WHOLE, /* the whole file */
};

/* How an interface file of the container's cgroup, or of those above it, counts. */
enum view_input {
	INPUT_NEAREST, /* of the innermost cgroup that has the file */
	INPUT_SMALLEST, /* the smallest over the cgroup and all its ancestors; "max": no limit */
	INPUT_HOST, /* a file of the host */
};

struct view_field {
	const char *file; /* "proc/meminfo" */
	const char *name;
	const char *key;
	enum view_place place;
	unsigned column; /* from 0 */
	const char *rule; /* in words */
	/* "nearest memory.stat anon; smallest memory.max; host /proc/meminfo MemTotal": how, the
	 * file, and a key in it, if any. NULL: nothing of the cgroup is in it. */
	const char *inputs;
};

extern const struct view_field view_fields[];
extern const size_t view_fields_count;

/* What ".SIZE." in the name of an input stands for, of huge pages of size bytes: "2MB". */
void view_huge_page_name(uint64_t size, char *name, size_t n);

#endif
