/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Extended attributes, which nobody but their users gives a meaning. Those of users are bounded for
 * each node as in kernfs, where replacing one first needs room for both.
 */
#include <errno.h>
#include <string.h>
#include <sys/xattr.h>
/* After it: it has names only. */
#include <linux/xattr.h>

#include "cgroup.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"

#define USER_COUNT_MAX 128
#define USER_BYTES_MAX (128 << 10)

/* One attribute; a node's are in the order in which they are listed. */
struct xattr {
	struct xattr *next;
	unsigned slot;
	size_t size;
	char *value; /* behind the name */
	char name[];
};

static bool is_user(const char *name)
{
	return !strncmp(name, XATTR_USER_PREFIX, XATTR_USER_PREFIX_LEN);
}

static int check_name(const char *name)
{
	static const char *const kinds[] = { XATTR_USER_PREFIX, XATTR_TRUSTED_PREFIX,
					     XATTR_SECURITY_PREFIX };

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t len = strlen(kinds[i]);

		if (!strncmp(name, kinds[i], len))
			return name[len] ? 0 : -EINVAL;
	}
	return refuse(EOPNOTSUPP, "only user., trusted. and security. attributes exist");
}

/* The link to the attribute, or to nothing. */
static struct xattr **find(struct cgroup *cg, unsigned slot, const char *name)
{
	struct xattr **link = &cg->xattrs;

	while (*link && ((*link)->slot != slot || strcmp((*link)->name, name)))
		link = &(*link)->next;
	return link;
}

/* Where a new one goes: the last name comes first, in 6.1 the last one that was made. */
static struct xattr **place_for(struct cgroup *cg, unsigned slot, const char *name)
{
	struct xattr **link = &cg->xattrs;

	if (cg->emul->config.version == EMUL_6_1)
		return link;
	while (*link && ((*link)->slot != slot || strcmp((*link)->name, name) > 0))
		link = &(*link)->next;
	return link;
}

static int check_room(const struct cgroup *cg, unsigned slot, size_t size)
{
	unsigned n = 0;

	for (const struct xattr *x = cg->xattrs; x; x = x->next) {
		if (x->slot == slot && is_user(x->name)) {
			n++;
			size += x->size;
		}
	}
	if (n >= USER_COUNT_MAX)
		return refuse(ENOSPC, "the file has %u attributes of users", n);
	if (size > USER_BYTES_MAX)
		return refuse(ENOSPC, "a file's attributes of users hold at most %d bytes",
			      USER_BYTES_MAX);
	return 0;
}

static struct xattr *xattr_new(unsigned slot, const char *name, const struct tree_xattr *set)
{
	size_t len = strlen(name) + 1;
	struct xattr *x = malloc(sizeof *x + len + set->size);

	if (!x)
		return NULL;
	*x = (struct xattr){ .slot = slot, .size = set->size, .value = x->name + len };
	memcpy(x->name, name, len);
	if (set->size)
		memcpy(x->value, set->value, set->size);
	return x;
}

static int put(struct cgroup *cg, unsigned slot, const char *name, const struct tree_xattr *set)
{
	struct xattr **link = find(cg, slot, name);
	struct xattr *old = *link;
	struct xattr *new;
	int r = is_user(name) ? check_room(cg, slot, set->size) : 0;

	if (r < 0)
		return r;
	if (old && set->flags & XATTR_CREATE)
		return -EEXIST;
	if (!old && set->flags & XATTR_REPLACE)
		return -ENODATA;
	new = xattr_new(slot, name, set);
	if (!new)
		return -ENOMEM;
	if (!old)
		link = place_for(cg, slot, name);
	new->next = old ? old->next : *link;
	*link = new;
	free(old);
	return 0;
}

int xattr_set(struct cgroup *cg, unsigned slot, const char *name, const struct tree_xattr *set)
{
	struct xattr **link;
	struct xattr *x;
	int r = check_name(name);

	if (r < 0)
		return r;
	if (set->value)
		return put(cg, slot, name, set);
	link = find(cg, slot, name);
	x = *link;
	if (!x)
		return -ENODATA;
	*link = x->next;
	free(x);
	return 0;
}

int xattr_get(struct cgroup *cg, unsigned slot, const char *name, struct buf *out)
{
	const struct xattr *x;
	int r = check_name(name);

	if (r < 0)
		return r;
	x = *find(cg, slot, name);
	if (!x)
		return -ENODATA;
	buf_add(out, x->value, x->size);
	return buf_error(out);
}

int xattr_list(const struct cgroup *cg, unsigned slot, struct buf *out)
{
	for (const struct xattr *x = cg->xattrs; x; x = x->next) {
		if (x->slot == slot)
			buf_add(out, x->name, strlen(x->name) + 1);
	}
	return buf_error(out);
}

void xattr_drop(struct cgroup *cg, unsigned first, unsigned end)
{
	struct xattr **link = &cg->xattrs;

	while (*link) {
		struct xattr *x = *link;

		if (x->slot < first || x->slot >= end) {
			link = &x->next;
			continue;
		}
		*link = x->next;
		free(x);
	}
}
