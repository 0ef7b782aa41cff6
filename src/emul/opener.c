/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who opened a file, as far as writing to it depends on that and FUSE does not say: his cgroup
 * namespace and his supplementary groups. Both are looked up only where they may matter.
 *
 * Namespaces are the kernel's own, made by unshare(2) and clone(2), which knows nothing of our
 * cgroups: the root of one is where the first of its processes was when it opened a file of ours
 * for writing. Whoever is no member then has the whole tree before him, as has everybody in the
 * namespace of the daemon.
 */
#include <errno.h>
#include <fcntl.h>

#include "cgroup.h"
#include "ctlfs/why.h"

#define NAMESPACES_MAX 1024

struct cgroup_ns {
	struct cgroup_ns *next;
	uint64_t id;
	struct cgroup *root; /* a reference */
};

static void ns_drop(struct cgroup_ns **link)
{
	struct cgroup_ns *ns = *link;

	*link = ns->next;
	cgroup_put(ns->root);
	free(ns);
}

void namespaces_free(struct emul *e)
{
	while (e->namespaces)
		ns_drop(&e->namespaces);
}

/* The namespace of that number, now the first of all; those whose root is gone are forgotten, and
 * the ones that were not asked for longest if there are too many. */
static struct cgroup_ns *ns_find(struct emul *e, uint64_t id)
{
	struct cgroup_ns **link = &e->namespaces;
	struct cgroup_ns *found = NULL;

	for (unsigned n = 0; *link;) {
		struct cgroup_ns *ns = *link;

		if (ns->root->dead || ++n >= NAMESPACES_MAX) {
			ns_drop(link);
		} else if (ns->id == id) {
			found = ns;
			*link = ns->next;
		} else {
			link = &ns->next;
		}
	}
	if (found) {
		found->next = e->namespaces;
		e->namespaces = found;
	}
	return found;
}

static struct cgroup_ns *ns_new(struct emul *e, uint64_t id, struct cgroup *root)
{
	struct cgroup_ns *ns = calloc(1, sizeof *ns);

	if (!ns)
		return NULL;
	*ns = (struct cgroup_ns){ e->namespaces, id, root };
	cgroup_get(root);
	e->namespaces = ns;
	return ns;
}

/* The root of who's cgroup namespace in *ret_root, NULL if he sees all. */
static int ns_root(struct emul *e, const struct caller *who, struct cgroup **ret_root)
{
	struct tasks *t = e->config.tasks;
	struct cgroup *at = emul_locate(e, who->pid);
	struct cgroup_ns *ns;
	uint64_t id;

	*ret_root = NULL;
	if (!who->pid || !t->ops->cgroup_ns || t->ops->cgroup_ns(t, who->pid, &id) < 0 || id == 0)
		return 0;
	ns = ns_find(e, id);
	/* A number that was used again: its processes are elsewhere. */
	if (ns && at && !cgroup_inside(at, ns->root)) {
		ns_drop(&e->namespaces);
		ns = NULL;
	}
	if (!ns)
		ns = ns_new(e, id, at ? at : e->root);
	if (!ns)
		return -ENOMEM;
	if (!cgroup_is_root(ns->root))
		*ret_root = ns->root;
	return 0;
}

/* Whether some cgroup.procs that could decide over a migration to cg is open to a group. */
static bool groups_matter(const struct cgroup *cg, const struct caller *who)
{
	for (; who->uid && cg; cg = cg->parent) {
		struct row_ref row;
		struct stat st;

		if (!rows_find_name(cg, "cgroup.procs", &row))
			continue;
		attr_stat(cg, row.slot, &row, &st);
		if (st.st_mode & S_IWGRP && st.st_uid != who->uid && st.st_gid != who->gid)
			return true;
	}
	return false;
}

int opener_init(struct emul_open *f, const struct caller *who, int flags)
{
	struct emul *e = f->cg->emul;
	struct tasks *t = e->config.tasks;
	int r;

	f->opener = *who;
	if ((flags & O_ACCMODE) == O_RDONLY)
		return 0;
	r = ns_root(e, who, &f->ns_root);
	if (r < 0)
		return r;
	if (f->ns_root)
		cgroup_get(f->ns_root);
	if (!(f->row->flags & ROW_PIDS) || !t->ops->groups || !groups_matter(f->cg, who))
		return 0;
	r = t->ops->groups(t, who->pid, &f->groups, &f->n_groups);
	return r == -ENOMEM ? r : 0; /* unknown ones permit nothing */
}

void opener_exit(struct emul_open *f)
{
	cgroup_put(f->ns_root);
	free(f->groups);
}

static bool in_group(const struct emul_open *f, gid_t gid)
{
	if (f->opener.gid == gid)
		return true;
	for (size_t i = 0; i < f->n_groups; i++) {
		if (f->groups[i] == gid)
			return true;
	}
	return false;
}

bool opener_may_write(const struct emul_open *f, const struct stat *st)
{
	if (f->opener.uid == 0)
		return true;
	if (f->opener.uid == st->st_uid)
		return st->st_mode & S_IWUSR;
	return st->st_mode & (in_group(f, st->st_gid) ? S_IWGRP : S_IWOTH);
}

int opener_check_file(const struct emul_open *f)
{
	if (f->ns_root != f->cg || f->row->flags & ROW_DELEGATABLE)
		return 0;
	return refuse(EPERM,
		      "%s was opened from inside the cgroup namespace of which this cgroup is the "
		      "root: its limits are the delegater's to set",
		      f->row->name);
}

int opener_check_move(const struct emul_open *f, const struct cgroup *from, const struct cgroup *to)
{
	const struct cgroup *root = f->ns_root;

	if (!root || (cgroup_inside(from, root) && cgroup_inside(to, root)))
		return 0;
	return refuse(ENOENT, "the migration crosses the root of the cgroup namespace that the "
			      "file was opened from");
}
