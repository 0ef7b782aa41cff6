/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a program wants of a tree in one call: cgroups made and removed, files read and written, by
 * path. */
#include <errno.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/tree.h"
#include "ctlfs/why.h"

/* Splits path at its last name: the directory's node, and the name, which *ret_copy owns. */
static int split(struct tree *t, const char *path, char **ret_copy, uint64_t *ret_dir,
		 const char **ret_name)
{
	cleanup_free char *copy = strdup(path);
	char *slash;
	size_t len;
	int r;

	if (!copy)
		return -ENOMEM;
	for (len = strlen(copy); len && copy[len - 1] == '/'; len--)
		copy[len - 1] = '\0';
	slash = strrchr(copy, '/');
	if (slash)
		*slash = '\0';
	r = tree_walk(t, slash ? copy : "", ret_dir);
	if (r < 0)
		return r;
	*ret_name = slash ? slash + 1 : copy;
	*ret_copy = steal_ptr(&copy);
	return 0;
}

int tree_mkdir(struct tree *t, const char *path, mode_t mode)
{
	cleanup_free char *copy = NULL;
	const char *name;
	uint64_t dir;
	int r = split(t, path, &copy, &dir, &name);

	if (r < 0)
		return r;
	if (!*name)
		return refuse(EEXIST, "the root exists");
	return t->ops->mkdir(t, &TREE_SELF, dir, name, mode);
}

int tree_rmdir(struct tree *t, const char *path)
{
	cleanup_free char *copy = NULL;
	const char *name;
	uint64_t dir;
	int r = split(t, path, &copy, &dir, &name);

	if (r < 0)
		return r;
	if (!*name)
		return refuse(EBUSY, "the root stays");
	return t->ops->rmdir(t, &TREE_SELF, dir, name);
}

int tree_get(struct tree *t, const char *path, struct buf *out)
{
	cleanup_free char *copy = NULL;
	const char *name;
	uint64_t dir;
	int r = split(t, path, &copy, &dir, &name);

	return r < 0 ? r : tree_read(t, dir, *name ? name : ".", out);
}

int tree_set(struct tree *t, const char *path, const char *text)
{
	cleanup_free char *copy = NULL;
	const char *name;
	uint64_t dir;
	int r = split(t, path, &copy, &dir, &name);

	return r < 0 ? r : tree_write(t, dir, *name ? name : ".", text);
}
