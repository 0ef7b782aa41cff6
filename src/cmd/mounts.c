/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds ctlfs in mountinfo. */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/why.h"

/* Whether a later row is at the place of row n. */
static bool is_covered(const struct mounttable *m, size_t n)
{
	for (size_t i = n + 1; i < m->n; i++) {
		if (strcmp(m->v[i].point, m->v[n].point) == 0)
			return true;
	}
	return false;
}

void mounts_keep(struct mounttable *m)
{
	size_t kept = 0;

	for (size_t i = 0; i < m->n; i++) {
		if (mounttable_is_ctlfs(&m->v[i]) && !is_covered(m, i))
			m->v[kept++] = m->v[i];
	}
	m->n = kept;
}

int mounts_read(struct mounttable *ret_mounts)
{
	int r = mounttable_read(AT_FDCWD, ret_mounts);

	if (r == 0)
		mounts_keep(ret_mounts);
	return r;
}

const struct mountinfo *mounts_find(const struct mounttable *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->v[i].point, path) == 0)
			return &m->v[i];
	}
	return NULL;
}

static int copy(const char *path, char **ret_path)
{
	char *text = strdup(path);

	if (!text)
		return refuse(ENOMEM, "out of memory");
	*ret_path = text;
	return 0;
}

int mounts_choose(const char *path, char **ret_path)
{
	cleanup_mounttable struct mounttable m = { 0 };
	int r;

	if (!path)
		path = getenv("CTLFS_MOUNT");
	if (path && *path)
		return copy(path, ret_path);
	r = mounts_read(&m);
	if (r < 0)
		return r;
	if (m.n == 0)
		return refuse(ENOENT, "no ctlfs is mounted here (ctlfs mount DIRECTORY)");
	if (m.n > 1)
		return refuse(EEXIST, "ctlfs is mounted %zu times (%s, %s%s): name one", m.n,
			      m.v[0].point, m.v[1].point, m.n > 2 ? ", ..." : "");
	return copy(m.v[0].point, ret_path);
}
