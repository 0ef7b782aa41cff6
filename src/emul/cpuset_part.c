/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Partitions: how one gets its CPUs, from its parent or as a remote one from the root, and how it
 * gives them back.
 */
#include "cgroup.h"
#include "cpuset.h"

void part_notify(struct cpuset *cs, int old_part)
{
	if (old_part == cs->part)
		return;
	emul_notify(cs->cg, SLOT_CPUSET_PARTITION);
	if (part_valid(cs))
		cs->error = PART_OK;
}

/* Siblings have a say in both directions. */
enum part_error part_set_exclusive(struct change *c, struct cpuset *cs, int part)
{
	bool exclusive = part > PART_MEMBER;
	struct trial trial;

	if (exclusive == cs->exclusive)
		return PART_OK;
	claim_now(c, cs, &trial);
	trial.is_exclusive = exclusive;
	if (claim_check(c, cs, &trial) == 0)
		cs->exclusive = exclusive;
	else if (exclusive)
		return PART_NOTEXCL;
	return PART_OK;
}

void part_set_balance(struct cpuset *cs)
{
	cs->balance = part_valid(cs) ? cs->part != PART_ISOLATED : cpuset_parent(cs)->balance;
}

void part_reset(struct change *c, struct cpuset *cs)
{
	const uint64_t *above = cpuset_mask(cpuset_parent(cs), MASK_EFFECTIVE);
	uint64_t mask[CPUS_MAX / 64];

	cs->nr_subparts = 0;
	if (mask_empty(c, cpuset_mask(cs, MASK_EXCLUSIVE))) {
		mask_clear(c, cpuset_mask(cs, MASK_XCPUS));
		cs->exclusive = false;
	}
	if (!mask_and(c, mask, above, cpuset_mask(cs, MASK_CPUS)))
		mask_copy(c, mask, above);
	update_effective(c, cs, mask);
}

/* --- CPUs that change hands --- */

void part_isolate(struct change *c, int part, const uint64_t *xcpus)
{
	uint64_t *isolated = cpuset_mask(c->root, MASK_ISOLATED);

	if (part == PART_ISOLATED)
		mask_or(c, isolated, isolated, xcpus);
	else
		mask_without(c, isolated, isolated, xcpus);
}

static void take_cpus(struct change *c, struct cpuset *from, int part, const uint64_t *xcpus)
{
	uint64_t *subparts = cpuset_mask(c->root, MASK_SUBPARTS);
	uint64_t mask[CPUS_MAX / 64];

	if (from == c->root)
		mask_or(c, subparts, subparts, xcpus);
	if (part != from->part)
		part_isolate(c, part, xcpus);
	mask_without(c, mask, cpuset_mask(from, MASK_EFFECTIVE), xcpus);
	update_effective(c, from, mask);
}

/* Of xcpus only those that are there. */
static void give_cpus(struct change *c, struct cpuset *to, int part, uint64_t *xcpus)
{
	uint64_t *subparts = cpuset_mask(c->root, MASK_SUBPARTS);
	uint64_t mask[CPUS_MAX / 64];

	if (to == c->root)
		mask_without(c, subparts, subparts, xcpus);
	if (part != to->part)
		part_isolate(c, to->part, xcpus);
	mask_and(c, xcpus, xcpus, c->emul->cpus.bits);
	mask_or(c, mask, cpuset_mask(to, MASK_EFFECTIVE), xcpus);
	update_effective(c, to, mask);
}

/* --- remote partitions --- */

/* Whether the root can spare more: none of another partition's, and not its last ones. */
static bool root_spares(const struct change *c, const uint64_t *xcpus)
{
	return !mask_meets(c, xcpus, cpuset_mask(c->root, MASK_SUBPARTS)) &&
	       !mask_within(c, cpuset_mask(c->root, MASK_EFFECTIVE), xcpus);
}

enum part_error part_remote_enable(struct change *c, struct cpuset *cs, int part)
{
	if (!c->admin)
		return PART_ACCESS;
	claim_effective(c, cs, c->next);
	if (mask_empty(c, c->next) || !root_spares(c, c->next))
		return PART_INVCPUS;
	take_cpus(c, c->root, part, c->next);
	cs->remote = true;
	mask_copy(c, cpuset_mask(cs, MASK_XCPUS), c->next);
	cs->error = PART_OK;
	update_siblings(c, c->root, NULL);
	return PART_OK;
}

void part_remote_disable(struct change *c, struct cpuset *cs)
{
	uint64_t *xcpus = cpuset_mask(cs, MASK_XCPUS);

	cs->remote = false;
	give_cpus(c, c->root, cs->part, xcpus);
	cs->part = cs->error ? (int16_t)-cs->part : PART_MEMBER;
	claim_effective(c, cs, xcpus);
	part_reset(c, cs);
	update_siblings(c, c->root, NULL);
}

void part_remote_update(struct change *c, struct cpuset *cs, const uint64_t *exclusive,
			const uint64_t *xcpus)
{
	uint64_t *now = cpuset_mask(cs, MASK_XCPUS);
	bool more, less;

	if (!cs->remote)
		return;
	more = mask_without(c, c->take, xcpus, now);
	less = mask_without(c, c->give, now, xcpus);
	if (mask_empty(c, xcpus))
		cs->error = PART_CPUSEMPTY;
	else if (more && !c->admin)
		cs->error = PART_ACCESS;
	else if (more && !root_spares(c, c->take))
		cs->error = PART_NOCPUS;
	if (mask_empty(c, xcpus) || (more && cs->error)) {
		part_remote_disable(c, cs);
		return;
	}
	if (more)
		take_cpus(c, c->root, cs->part, c->take);
	if (less)
		give_cpus(c, c->root, cs->part, c->give);
	mask_copy(c, now, xcpus);
	if (exclusive)
		mask_copy(c, cpuset_mask(cs, MASK_EXCLUSIVE), exclusive);
	update_siblings(c, c->root, NULL);
}

/* --- partitions below a partition --- */

/* What is to happen between a partition and its parent; the CPUs are in c->give and c->take. */
struct step {
	bool give, take;
	int part, subparts;
	enum part_error error;
};

static bool give_all(struct change *c, struct cpuset *cs)
{
	return mask_and(c, c->give, claim_of(c, cs), cpuset_mask(cpuset_parent(cs), MASK_XCPUS));
}

static enum part_error step_enable(struct change *c, struct cpuset *cs, int part,
				   struct step *step)
{
	claim_effective(c, cs, c->next);
	if (mask_empty(c, c->next))
		return PART_INVCPUS;
	if (claim_starves(c, cs, c->next))
		return PART_NOCPUS;
	step->take = mask_and(c, c->take, c->next, cpuset_mask(cpuset_parent(cs), MASK_XCPUS));
	step->subparts = step->take;
	step->part = part;
	return PART_OK;
}

static void step_disable(struct change *c, struct cpuset *cs, struct step *step)
{
	step->part = PART_MEMBER;
	if (!part_valid(cs))
		return;
	mask_copy(c, c->give, cpuset_mask(cs, MASK_XCPUS));
	step->give = true;
	step->subparts = -1;
}

/* Its CPUs become mask. */
static void step_mask(struct change *c, struct cpuset *cs, const uint64_t *mask,
		      struct step *step)
{
	const uint64_t *above = cpuset_mask(cpuset_parent(cs), MASK_XCPUS);
	const uint64_t *now = claim_of(c, cs);
	bool starves;

	if (mask_empty(c, mask)) {
		step->error = PART_CPUSEMPTY;
		return;
	}
	starves = claim_starves(c, cs, now) || claim_starves(c, cs, mask);
	if (part_invalid(cs)) {
		step->take = mask_and(c, c->take, mask, above);
	} else {
		mask_without(c, c->give, now, mask);
		step->give = mask_and(c, c->give, c->give, above);
		mask_without(c, c->take, mask, now);
		step->take = mask_and(c, c->take, c->take, above);
	}
	if (starves && !(step->give && mask_meets(c, c->give, c->emul->cpus.bits))) {
		step->error = PART_NOCPUS;
		step->take = false;
		step->give = give_all(c, cs);
	}
}

static bool alone(const struct change *c, struct cpuset *cs)
{
	struct cpuset *sibling;

	cpuset_each_child(sibling, cpuset_parent(cs)) {
		if (sibling != cs && !claim_disjoint(c, cs, sibling))
			return false;
	}
	return true;
}

/* The parent has changed. */
static void step_parent(struct change *c, struct cpuset *cs, struct step *step)
{
	struct cpuset *parent = cpuset_parent(cs);
	const uint64_t *now = claim_of(c, cs);

	if (claim_starves(c, cs, now)) {
		step->error = PART_NOCPUS;
		if (part_valid(cs))
			step->give = give_all(c, cs);
		return;
	}
	if (!part_invalid(cs) || mask_empty(c, now) ||
	    !mask_within(c, now, cpuset_mask(parent, MASK_XCPUS)))
		return;
	if (alone(c, cs))
		step->take = mask_and(c, c->take, now, cpuset_mask(parent, MASK_EFFECTIVE));
	else
		step->error = PART_NOTEXCL;
}

static enum part_error step_update(struct change *c, struct cpuset *cs, const uint64_t *mask,
				   struct step *step)
{
	if (mask)
		step_mask(c, cs, mask, step);
	else
		step_parent(c, cs, step);
	if (step->error)
		cs->error = step->error;
	if (!cs->part || part_valid(cs) == !step->error)
		return PART_OK;
	step->part = -cs->part;
	step->subparts = step->error ? -1 : 1;
	return PART_OK;
}

static void step_invalidate(struct change *c, struct cpuset *cs, struct step *step)
{
	if (part_valid(cpuset_parent(cs)))
		step->give = give_all(c, cs);
	if (part_valid(cs)) {
		step->part = -cs->part;
		step->subparts = -1;
	}
}

static void step_commit(struct change *c, struct cpuset *cs, const struct step *step)
{
	struct cpuset *parent = cpuset_parent(cs);
	int old_part = cs->part;

	cs->part = (int16_t)step->part;
	if (old_part != step->part && !part_valid(cs))
		cs->nr_subparts = 0;
	if (step->give)
		give_cpus(c, parent, old_part, c->give);
	if (step->take)
		take_cpus(c, parent, step->part, c->take);
	if (part_valid(parent))
		parent->nr_subparts += (unsigned)step->subparts;
}

static enum part_error step_plan(struct change *c, struct cpuset *cs,
				 const struct part_request *rq, struct step *step)
{
	const struct cpuset *parent = cpuset_parent(cs);

	if (rq->command == PART_INVALIDATE) {
		step_invalidate(c, cs, step);
		return PART_OK;
	}
	if (!part_valid(parent))
		return part_invalid(parent) ? PART_INVPARENT : PART_NOTPART;
	if (!rq->mask && mask_empty(c, claim_of(c, cs)))
		return PART_CPUSEMPTY;
	if (rq->command == PART_ENABLE)
		return step_enable(c, cs, rq->part, step);
	if (rq->command == PART_UPDATE)
		return step_update(c, cs, rq->mask, step);
	step_disable(c, cs, step);
	return PART_OK;
}

enum part_error part_local(struct change *c, struct cpuset *cs, const struct part_request *rq)
{
	struct step step = { .part = cs->part };
	int old_part = cs->part;
	enum part_error error;

	if (rq->command == PART_INVALIDATE && part_invalid(cs))
		return PART_OK;
	error = step_plan(c, cs, rq, &step);
	if (error)
		return error;
	if (!step.give && !step.take && step.part == old_part)
		return PART_OK;
	if (step.part != old_part && rq->command != PART_UPDATE) {
		error = part_set_exclusive(c, cs, step.part);
		if (error)
			return error;
	}
	step_commit(c, cs, &step);
	if (step.part != old_part && rq->command == PART_UPDATE)
		part_set_exclusive(c, cs, step.part);
	if (step.give || step.take)
		update_siblings(c, cpuset_parent(cs), cs);
	if (rq->command == PART_UPDATE && !rq->mask)
		part_set_balance(cs);
	part_notify(cs, old_part);
	return PART_OK;
}
