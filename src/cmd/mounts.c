/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Finds ctlfs in mountinfo. */
#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/buf.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/mountinfo.h"
#include "ctlfs/server.h"
#include "ctlfs/why.h"

#define MOUNTINFO_MAX (256u << 20)

void mounts_free(struct ctlfs_mounts *m)
{
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].path);
	free(m->v);
	*m = (struct ctlfs_mounts){ 0 };
}

static void forget(struct ctlfs_mounts *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->v[i].path, path) != 0)
			continue;
		free(m->v[i].path);
		memmove(&m->v[i], &m->v[i + 1], (--m->n - i) * sizeof *m->v);
		return;
	}
}

static int add(struct ctlfs_mounts *m, const char *path, const char *device)
{
	struct ctlfs_mount *grown = reallocarray(m->v, m->n + 1, sizeof *grown);
	struct ctlfs_mount *new;

	if (!grown)
		return -ENOMEM;
	m->v = grown;
	new = &m->v[m->n];
	new->path = strdup(path);
	if (!new->path)
		return -ENOMEM;
	snprintf(new->device, sizeof new->device, "%s", device);
	m->n++;
	return 0;
}

static int parse_line(struct ctlfs_mounts *m, char *line)
{
	struct mountinfo mount;

	if (!mountinfo_parse(line, &mount))
		return 0;
	forget(m, mount.point);
	if (strcmp(mount.type, SERVER_FSTYPE) != 0 || strcmp(mount.root, "/") != 0)
		return 0;
	return add(m, mount.point, mount.device);
}

int mounts_parse(char *text, struct ctlfs_mounts *ret_mounts)
{
	struct ctlfs_mounts m = { 0 };

	for (char *line; (line = strsep(&text, "\n")) != NULL;) {
		int r = parse_line(&m, line);

		if (r < 0) {
			mounts_free(&m);
			return r;
		}
	}
	*ret_mounts = m;
	return 0;
}

int mounts_read(struct ctlfs_mounts *ret_mounts)
{
	cleanup_buf struct buf text = { 0 };
	int r = buf_readat(&text, AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_MAX);

	if (r < 0)
		return refuse(-r, "/proc/self/mountinfo: %s", strerror(-r));
	if (!text.data)
		return refuse(ENODATA, "/proc/self/mountinfo is empty");
	return mounts_parse(text.data, ret_mounts);
}

const struct ctlfs_mount *mounts_find(const struct ctlfs_mounts *m, const char *path)
{
	for (size_t i = 0; i < m->n; i++) {
		if (strcmp(m->v[i].path, path) == 0)
			return &m->v[i];
	}
	return NULL;
}

int mounts_choose(const char *path, char **ret_path)
{
	cleanup_mounts struct ctlfs_mounts m = { 0 };
	int r;

	if (!path)
		path = getenv("CTLFS_MOUNT");
	if (path && *path) {
		char *copy = strdup(path);

		if (!copy)
			return -ENOMEM;
		*ret_path = copy;
		return 0;
	}
	r = mounts_read(&m);
	if (r < 0)
		return r;
	if (m.n == 0)
		return refuse(ENOENT, "no ctlfs is mounted here (ctlfs mount DIRECTORY)");
	if (m.n > 1)
		return refuse(EEXIST, "ctlfs is mounted %zu times (%s, %s%s): name one", m.n,
			      m.v[0].path, m.v[1].path, m.n > 2 ? ", ..." : "");
	*ret_path = steal_ptr(&m.v[0].path);
	return 0;
}
