/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which CPUs a cpuset may have to itself, and whether siblings and tasks permit a change. */
#include <errno.h>

#include "cgroup.h"
#include "cpuset.h"

static const uint64_t *claim(const struct change *c, const uint64_t *cpus,
			     const uint64_t *exclusive)
{
	return mask_empty(c, exclusive) ? cpus : exclusive;
}

const uint64_t *claim_of(const struct change *c, struct cpuset *cs)
{
	return claim(c, cpuset_mask(cs, MASK_CPUS), cpuset_mask(cs, MASK_EXCLUSIVE));
}

/* Takes from xcpus what siblings of cs have; how many do. */
static unsigned leave_to_siblings(const struct change *c, const struct cpuset *cs, uint64_t *xcpus)
{
	struct cpuset *sibling;
	unsigned n = 0;

	cpuset_each_child(sibling, cpuset_parent(cs)) {
		const uint64_t *theirs = cpuset_mask(sibling, MASK_EXCLUSIVE);

		if (sibling == cs)
			continue;
		if (!mask_meets(c, xcpus, theirs))
			theirs = cpuset_mask(sibling, MASK_XCPUS);
		if (!mask_meets(c, xcpus, theirs))
			continue;
		mask_without(c, xcpus, xcpus, theirs);
		n++;
	}
	return n;
}

void claim_effective(const struct change *c, struct cpuset *cs, uint64_t *ret_xcpus)
{
	mask_and(c, ret_xcpus, claim_of(c, cs), cpuset_mask(cpuset_parent(cs), MASK_XCPUS));
	if (mask_empty(c, cpuset_mask(cs, MASK_EXCLUSIVE)))
		leave_to_siblings(c, cs, ret_xcpus);
}

unsigned claim_trial(const struct change *c, struct cpuset *cs, struct trial *trial)
{
	mask_and(c, trial->xcpus, claim(c, trial->cpus, trial->exclusive),
		 cpuset_mask(cpuset_parent(cs), MASK_XCPUS));
	return leave_to_siblings(c, cs, trial->xcpus);
}

bool claim_disjoint(const struct change *c, struct cpuset *a, struct cpuset *b)
{
	return !mask_meets(c, claim_of(c, a), claim_of(c, b));
}

/* --- tasks --- */

bool cpuset_populated(const struct cpuset *cs)
{
	/* In the root of a machine there is always a task. */
	return cgroup_is_root(cs->cg) || cs->cg->nr_tasks;
}

/* Whether tasks need CPUs of the partition cs itself, not of partitions below it. except is to
 * become one, too. */
bool cpuset_part_populated(struct cpuset *cs, const struct cpuset *except)
{
	struct cgroup *at = cgroup_next(cs->cg, cs->cg);

	if (cgroup_is_root(cs->cg) || cgroup_has_tasks(cs->cg))
		return true;
	if (!except && !cs->nr_subparts)
		return cpuset_populated(cs);
	while (at) {
		const struct cpuset *below = cpuset_of(at);

		if (below && below != except && part_valid(below)) {
			at = cpuset_after(at, cs->cg);
			continue;
		}
		if (below && below != except && cpuset_populated(below))
			return true;
		at = cgroup_next(at, cs->cg);
	}
	return false;
}

bool claim_starves(const struct change *c, struct cpuset *cs, const uint64_t *xcpus)
{
	struct cpuset *parent = cpuset_parent(cs);

	if (mask_within(c, cpuset_mask(parent, MASK_EFFECTIVE), xcpus) &&
	    cpuset_part_populated(parent, cs))
		return true;
	return !mask_meets(c, xcpus, c->emul->cpus.bits) && cpuset_part_populated(cs, NULL);
}

/* --- siblings --- */

/* Neither wants all CPUs that the other needs. */
static bool leaves_some(const struct change *c, const uint64_t *exclusive, const uint64_t *cpus)
{
	return mask_empty(c, cpus) || !mask_within(c, cpus, exclusive);
}

static bool siblings_agree(const struct change *c, struct cpuset *sibling,
			   const struct trial *trial)
{
	const uint64_t *theirs = cpuset_mask(sibling, MASK_EXCLUSIVE);
	bool we_ask = !mask_empty(c, trial->exclusive);
	bool they_ask = !mask_empty(c, theirs);

	if (trial->is_exclusive || sibling->exclusive || (we_ask && they_ask))
		return !mask_meets(c, claim(c, trial->cpus, trial->exclusive),
				   claim_of(c, sibling));
	if (we_ask)
		return leaves_some(c, trial->exclusive, cpuset_mask(sibling, MASK_CPUS));
	return !they_ask || leaves_some(c, theirs, trial->cpus);
}

void claim_now(const struct change *c, struct cpuset *cs, struct trial *ret_trial)
{
	mask_copy(c, ret_trial->cpus, cpuset_mask(cs, MASK_CPUS));
	mask_copy(c, ret_trial->exclusive, cpuset_mask(cs, MASK_EXCLUSIVE));
	mask_copy(c, ret_trial->xcpus, cpuset_mask(cs, MASK_XCPUS));
	ret_trial->is_exclusive = cs->exclusive;
	ret_trial->mems = cs->mems;
	ret_trial->cleared = false;
}

/* Since 6.12 every CPU that is not isolated holds back some time from deadline tasks, for which no
 * CPUs at all are too few. Asked is the first of cs. */
static bool keeps_time(const struct change *c, struct cpuset *cs)
{
	const uint64_t *cpus = cpuset_mask(cs, MASK_CPUS);
	const uint64_t *isolated = cpuset_mask(c->root, MASK_ISOLATED);

	if (c->emul->config.version == EMUL_6_1)
		return false;
	for (unsigned i = 0; i < c->words; i++) {
		if (cpus[i])
			return !(cpus[i] & -cpus[i] & isolated[i]);
	}
	return false;
}

int claim_check(const struct change *c, struct cpuset *cs, const struct trial *trial)
{
	struct cpuset *sibling;

	if (cgroup_is_root(cs->cg))
		return 0;
	if (cpuset_populated(cs)) {
		if (!mask_empty(c, cpuset_mask(cs, MASK_CPUS)) && mask_empty(c, trial->cpus))
			return -ENOSPC;
		if (cs->mems && !trial->mems)
			return -ENOSPC;
	}
	if (cs->exclusive && mask_empty(c, trial->cpus) && keeps_time(c, cs))
		return -EBUSY;
	cpuset_each_child(sibling, cpuset_parent(cs)) {
		if (sibling != cs && !siblings_agree(c, sibling, trial))
			return -EINVAL;
	}
	return 0;
}
