/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Records as tests want them: of whom, and what was written. */
#ifndef CTLFS_TEST_MAKE_RECORD_H
#define CTLFS_TEST_MAKE_RECORD_H

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuse/record.h"

/* ids: the caller's cgroups from the root's on, ended by 0; the last is the container. */
static inline struct record *make_record(const uint64_t *ids, const char *file)
{
	struct record *r = calloc(1, sizeof *r);

	ck_assert_ptr_nonnull(r);
	r->op = "write";
	r->file = strdup(file);
	r->why = strdup("");
	r->container = strdup("/c");
	snprintf(r->comm, sizeof r->comm, "test");
	r->errnum = EINVAL;
	while (ids[r->who.n]) {
		r->who.id[r->who.n] = ids[r->who.n];
		r->who.n++;
	}
	r->level = r->who.n - 1;
	return r;
}

static inline void record_write(struct record *r, const char *text, size_t len)
{
	r->text = malloc(len);
	ck_assert_ptr_nonnull(r->text);
	memcpy(r->text, text, len);
	r->len = r->size = len;
}

#define IDS(...) ((const uint64_t[]){ __VA_ARGS__, 0 })

#endif
