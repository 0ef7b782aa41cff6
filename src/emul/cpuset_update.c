/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Changes of cpuset.cpus, .exclusive and .partition, and how they spread: down to descendants, and
 * aside to siblings whose parent has more or fewer CPUs left.
 */
#include <errno.h>

#include "cgroup.h"
#include "cpuset.h"

void update_effective(struct change *c, struct cpuset *cs, const uint64_t *mask)
{
	uint64_t *effective = cpuset_mask(cs, MASK_EFFECTIVE);

	if (mask_equal(c, effective, mask))
		return;
	mask_copy(c, effective, mask);
	c->moved = true;
}

/* --- downwards --- */

/* What the partition cs has left after partitions below it, of which those that can no longer be
 * become invalid. */
static void partition_left(struct change *c, struct cpuset *cs, uint64_t *ret_mask)
{
	bool populated = cpuset_part_populated(cs, NULL);
	struct cpuset *child;

	claim_effective(c, cs, ret_mask);
	mask_and(c, ret_mask, ret_mask, c->emul->cpus.bits);
	cpuset_each_child(child, cs) {
		const uint64_t *theirs = cpuset_mask(child, MASK_XCPUS);
		int old_part = child->part;

		if (!part_valid(child))
			continue;
		child->error = PART_OK;
		if (!mask_within(c, theirs, cpuset_mask(cs, MASK_XCPUS)))
			child->error = PART_INVCPUS;
		else if (populated && mask_within(c, ret_mask, theirs))
			child->error = PART_NOCPUS;
		if (!child->error) {
			mask_without(c, ret_mask, ret_mask, theirs);
			continue;
		}
		child->part = (int16_t)-child->part;
		child->nr_subparts = 0;
		cs->nr_subparts--;
		part_notify(child, old_part);
	}
}

/* A partition (it may be invalid) below the cpuset that was written: whether its parent still, or
 * again, lets it be one. True: that is to be asked for its CPUs. */
static bool parent_permits(struct cpuset *cs)
{
	const struct cpuset *parent = cpuset_parent(cs);

	if (part_valid(parent))
		return true;
	cs->error = part_invalid(parent) ? PART_INVPARENT : PART_NOTPART;
	return false;
}

/* One cpuset on the way down. */
struct visit {
	const struct cpuset *top;
	bool force;
	int old_part, part;
	bool remote;
	bool ask; /* the parent, for CPUs */
};

/* A remote partition below what was written. False: nothing changes for it. */
static bool visit_remote(struct change *c, struct cpuset *cs, struct visit *v)
{
	claim_effective(c, cs, c->next);
	if (mask_equal(c, c->next, cpuset_mask(cs, MASK_XCPUS)))
		return false;
	part_remote_update(c, cs, NULL, c->next);
	v->part = cs->part;
	v->remote = v->part == v->old_part;
	return true;
}

/* Finds c->next. False: neither cs nor anything below it changes. */
static bool visit_plan(struct change *c, struct cpuset *cs, struct visit *v)
{
	struct cpuset *parent = cpuset_parent(cs);
	uint64_t *above = cpuset_mask(parent, MASK_EFFECTIVE);

	if (v->remote && cs != v->top && !visit_remote(c, cs, v))
		return false;
	if (v->remote || (part_valid(parent) && part_valid(cs)))
		partition_left(c, cs, c->next);
	else
		mask_and(c, c->next, cpuset_mask(cs, MASK_CPUS), above);
	if (v->remote)
		return true;
	if (part_valid(cs) && mask_empty(c, c->next)) {
		v->ask = true; /* which is allowed while there are no tasks */
	} else {
		if (mask_empty(c, c->next))
			mask_copy(c, c->next, above);
		if (!cs->part && !v->force && parent->balance == cs->balance &&
		    mask_equal(c, c->next, cpuset_mask(cs, MASK_EFFECTIVE)))
			return false;
	}
	if (cs == v->top || !v->old_part)
		return true;
	if (parent_permits(cs))
		v->ask = true;
	else if (part_valid(cs))
		v->part = -cs->part;
	return true;
}

static void visit_commit(struct change *c, struct cpuset *cs, const struct visit *v)
{
	struct cpuset *parent = cpuset_parent(cs);
	uint64_t *xcpus = cpuset_mask(cs, MASK_XCPUS);
	bool asks = !mask_empty(c, cpuset_mask(cs, MASK_EXCLUSIVE));

	update_effective(c, cs, c->next);
	cs->part = (int16_t)v->part;
	if (asks && cs != v->top)
		claim_effective(c, cs, xcpus);
	if (part_valid(cs) && !asks)
		mask_and(c, xcpus, cpuset_mask(cs, MASK_CPUS), cpuset_mask(parent, MASK_XCPUS));
	else if (part_invalid(cs))
		part_reset(c, cs);
	part_notify(cs, v->old_part);
	if (!part_valid(cs))
		cs->balance = parent->balance;
}

/* False: what is below it stays as it is. */
static bool visit(struct change *c, struct cpuset *cs, const struct cpuset *top, bool force)
{
	static const struct part_request ask = { .command = PART_UPDATE };
	struct visit v = {
		.top = top,
		.force = force,
		.old_part = cs->part,
		.part = cs->part,
		.remote = cs->remote,
	};

	if (!visit_plan(c, cs, &v))
		return false;
	if (v.ask) {
		part_local(c, cs, &ask);
		v.part = cs->part;
	}
	visit_commit(c, cs, &v);
	return true;
}

void cpuset_walk(struct change *c, struct cpuset *cs, bool force, cpuset_visit *each)
{
	struct cgroup *at = cs->cg;

	while (at) {
		struct cpuset *one = cpuset_of(at);

		if (one && each(c, one, cs, force))
			at = cgroup_next(at, cs->cg);
		else
			at = cpuset_after(at, cs->cg);
	}
}

void update_subtree(struct change *c, struct cpuset *cs, bool force)
{
	cpuset_walk(c, cs, force, visit);
}

void update_siblings(struct change *c, struct cpuset *parent, const struct cpuset *except)
{
	struct cpuset *sibling;

	cpuset_each_child(sibling, parent) {
		if (sibling == except || (part_valid(sibling) && sibling->remote))
			continue;
		if (!part_valid(sibling)) {
			mask_and(c, c->next, cpuset_mask(sibling, MASK_CPUS),
				 cpuset_mask(parent, MASK_EFFECTIVE));
			if (mask_equal(c, c->next, cpuset_mask(sibling, MASK_EFFECTIVE)))
				continue;
		}
		update_subtree(c, sibling, false);
	}
}

/* --- what is written --- */

/* The partition cs is to have trial's CPUs. */
static bool lacks_cpus(const struct change *c, struct cpuset *cs, const struct trial *trial,
		       bool even_invalid)
{
	if ((even_invalid || part_valid(cs)) && mask_empty(c, trial->xcpus))
		cs->error = PART_INVCPUS;
	else if (claim_starves(c, cs, trial->xcpus))
		cs->error = PART_NOCPUS;
	else
		return false;
	return true;
}

/* Partitions that want what is now in cs, too, are none any more. */
static void displace(struct change *c, struct cpuset *cs, const struct trial *trial)
{
	static const struct part_request invalidate = { .command = PART_INVALIDATE };
	const uint64_t *wanted = mask_empty(c, trial->exclusive) ? trial->cpus : trial->exclusive;
	struct cpuset *sibling;

	cpuset_each_child(sibling, cpuset_parent(cs)) {
		if (part_valid(sibling) && mask_meets(c, wanted, cpuset_mask(sibling, MASK_XCPUS)))
			part_local(c, sibling, &invalidate);
	}
}

static void commit(struct change *c, struct cpuset *cs, const struct trial *trial, int old_part)
{
	mask_copy(c, cpuset_mask(cs, MASK_CPUS), trial->cpus);
	mask_copy(c, cpuset_mask(cs, MASK_EXCLUSIVE), trial->exclusive);
	mask_copy(c, cpuset_mask(cs, MASK_XCPUS), trial->xcpus);
	if (old_part > PART_MEMBER && !part_valid(cs))
		part_reset(c, cs);
}

/* The partition cs follows its new cpuset.cpus. */
static void follow_cpus(struct change *c, struct cpuset *cs, const struct trial *trial,
			bool invalid)
{
	struct part_request rq = { .command = PART_UPDATE, .mask = trial->xcpus };

	if (mask_empty(c, trial->xcpus) && part_invalid(cs))
		rq.mask = trial->cpus;
	if (cs->remote) {
		part_remote_update(c, cs, NULL, rq.mask);
		return;
	}
	if (invalid)
		rq = (struct part_request){ .command = PART_INVALIDATE };
	part_local(c, cs, &rq);
}

int update_cpus(struct change *c, struct cpuset *cs, struct trial *trial)
{
	bool force, invalid = false;
	int r, old_part = cs->part;

	if (!trial->cleared && (!mask_empty(c, trial->exclusive) || part_valid(cs)))
		claim_trial(c, cs, trial);
	else if (trial->cleared && mask_empty(c, trial->exclusive))
		mask_clear(c, trial->xcpus);
	if (mask_equal(c, cpuset_mask(cs, MASK_CPUS), trial->cpus))
		return 0;
	if (old_part)
		invalid = lacks_cpus(c, cs, trial, false);
	force = !mask_equal(c, cpuset_mask(cs, MASK_XCPUS), trial->xcpus);
	r = claim_check(c, cs, trial);
	if (r == -EINVAL) {
		invalid = true;
		displace(c, cs, trial);
	} else if (r < 0) {
		return r;
	}
	if (part_valid(cs) || (part_invalid(cs) && !invalid))
		follow_cpus(c, cs, trial, invalid);
	commit(c, cs, trial, old_part);
	update_subtree(c, cs, force);
	if (cs->part)
		part_set_balance(cs);
	return 0;
}

/* The partition cs follows its new cpuset.cpus.exclusive. */
static void follow_exclusive(struct change *c, struct cpuset *cs, const struct trial *trial)
{
	struct part_request rq = { .command = PART_UPDATE, .mask = trial->xcpus };
	bool invalid = lacks_cpus(c, cs, trial, true);

	if (cs->remote && invalid) {
		part_remote_disable(c, cs);
	} else if (cs->remote) {
		part_remote_update(c, cs, trial->exclusive, trial->xcpus);
	} else {
		if (invalid)
			rq = (struct part_request){ .command = PART_INVALIDATE };
		part_local(c, cs, &rq);
	}
}

int update_exclusive(struct change *c, struct cpuset *cs, struct trial *trial)
{
	int r, old_part = cs->part;
	bool force;

	if (trial->cleared)
		mask_clear(c, trial->xcpus);
	if (mask_equal(c, cpuset_mask(cs, MASK_EXCLUSIVE), trial->exclusive))
		return 0;
	if (!trial->cleared && claim_trial(c, cs, trial))
		return -EINVAL;
	force = !mask_equal(c, cpuset_mask(cs, MASK_XCPUS), trial->xcpus);
	r = claim_check(c, cs, trial);
	if (r < 0)
		return r;
	if (old_part)
		follow_exclusive(c, cs, trial);
	commit(c, cs, trial, old_part);
	if (part_valid(cs) || force)
		update_subtree(c, cs, force);
	if (cs->part)
		part_set_balance(cs);
	return 0;
}

static enum part_error enable(struct change *c, struct cpuset *cs, int part)
{
	const struct part_request rq = { .command = PART_ENABLE, .part = part };
	struct cpuset *parent = cpuset_parent(cs);

	if (mask_empty(c, claim_of(c, cs)))
		return PART_CPUSEMPTY;
	if (parent == c->root && mask_meets(c, cpuset_mask(cs, MASK_EXCLUSIVE),
					    cpuset_mask(c->root, MASK_SUBPARTS)))
		return PART_REMOTE;
	if (part_valid(parent))
		return part_local(c, cs, &rq);
	return part_remote_enable(c, cs, part);
}

static void disable(struct change *c, struct cpuset *cs)
{
	static const struct part_request rq = { .command = PART_DISABLE };

	if (cs->remote)
		part_remote_disable(c, cs);
	else
		part_local(c, cs, &rq);
}

void update_part(struct change *c, struct cpuset *cs, int part)
{
	int old_part = cs->part;
	bool other_kind = false;
	enum part_error error;

	if (old_part == part)
		return;
	if (part && old_part < PART_MEMBER)
		old_part = PART_MEMBER; /* asks anew */
	error = part_set_exclusive(c, cs, part);
	if (!error && old_part == PART_MEMBER)
		error = enable(c, cs, part);
	else if (!error && part)
		other_kind = true;
	else if (!error)
		disable(c, cs);
	if (error) {
		part = -part;
		part_set_exclusive(c, cs, part);
	}
	cs->part = (int16_t)part;
	cs->error = error;
	if (!part_valid(cs))
		part_reset(c, cs);
	else if (other_kind)
		part_isolate(c, part, cpuset_mask(cs, MASK_XCPUS));
	update_subtree(c, cs, !part);
	part_set_balance(cs);
	part_notify(cs, old_part);
}
