/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cgroup.type: domains and threaded subtrees. A threaded cgroup shares the resource domain of an
 * ancestor that is not threaded, the thread root; beneath a thread root a domain is invalid
 * until it is made threaded. The hierarchy's root may be both at once.
 */
#include <errno.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"

#define BIT_OF(ctrl) (1u << (ctrl))

/* Bits of the controllers that may be on in a threaded cgroup. */
static uint16_t threaded_mask(void)
{
	uint16_t mask = 0;

	for (int i = 0; i < CTRL_COUNT; i++) {
		if (emul_controllers[i] && emul_controllers[i]->threaded)
			mask |= (uint16_t)BIT_OF(i);
	}
	return mask;
}

bool type_is_threaded(const struct cgroup *cg)
{
	return cg->threaded;
}

/* Not always the nearest domain: that may be invalid, below an ancestor that became threaded after
 * cg and gave its own domain to all that were threaded. */
struct cgroup *type_domain(const struct cgroup *cg)
{
	const struct cgroup *domain = cg;

	if (cg->threaded) {
		for (; cg; cg = cg->parent) {
			if (cg->threaded)
				domain = cg->parent;
		}
	}
	return (struct cgroup *)domain;
}

bool type_can_be_thread_root(const struct cgroup *cg)
{
	if (cgroup_is_root(cg))
		return true;
	return !cg->threaded && !cg->nr_populated_domains &&
	       !(cg->subtree_control & ~threaded_mask());
}

bool type_is_thread_root(const struct cgroup *cg)
{
	if (cg->threaded)
		return false;
	if (cg->nr_threaded_children)
		return true;
	/* Processes beside threaded controllers: its children can only hold their threads. */
	return cgroup_has_tasks(cg) && (cg->subtree_control & threaded_mask());
}

bool type_is_valid_domain(const struct cgroup *cg)
{
	if (cg->threaded)
		return false;
	for (cg = cg->parent; cg; cg = cg->parent) {
		if (cg->threaded || (!cgroup_is_root(cg) && type_is_thread_root(cg)))
			return false;
	}
	return true;
}

const char *type_name(const struct cgroup *cg)
{
	if (cg->threaded)
		return "threaded";
	if (!type_is_valid_domain(cg))
		return "domain invalid";
	return type_is_thread_root(cg) ? "domain threaded" : "domain";
}

/* cgroup_enable_threaded() */
static int make_threaded(struct cgroup *cg, const struct caller *who)
{
	struct cgroup *domain;

	if (cg->threaded)
		return 0;
	if (cg->nr_tasks)
		return refuse(EOPNOTSUPP, "the cgroup holds processes: it cannot become threaded");
	if (cg->subtree_control & ~threaded_mask())
		return refuse(EOPNOTSUPP, "its subtree_control has controllers that cannot be used "
					  "in a threaded cgroup");
	domain = type_domain(cg->parent);
	if (!type_is_valid_domain(domain))
		return refuse(EOPNOTSUPP, "the parent's domain is invalid: make it threaded first");
	if (!type_can_be_thread_root(domain))
		return refuse(EOPNOTSUPP, "the parent's domain cannot be a thread root: it has "
					  "populated domain children or domain controllers");
	cg->threaded = true;
	cg->parent->nr_threaded_children++;
	return control_apply(cg, who); /* only takes away: cannot fail */
}

int type_write(struct emul_open *f, const struct caller *who, char *text)
{
	if (strcmp(parse_strip(text), "threaded"))
		return refuse(EINVAL, "only \"threaded\" can be written: there is no way back");
	return make_threaded(f->cg, who);
}
