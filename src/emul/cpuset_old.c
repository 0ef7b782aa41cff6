/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpuset.cpus and cpuset.cpus.partition as 6.1 has them: there are no exclusive CPUs to ask for,
 * and a partition remembers which of its CPUs it has given to partitions below it (MASK_XCPUS).
 */
#include <errno.h>

#include "cgroup.h"
#include "cpuset.h"

static void count_given(struct change *c, struct cpuset *cs)
{
	const uint64_t *given = cpuset_mask(cs, MASK_XCPUS);

	cs->nr_subparts = 0;
	for (unsigned i = 0; i < c->words; i++)
		cs->nr_subparts += (unsigned)__builtin_popcountll(given[i]);
}

/* What cs has of its parent's CPUs, those that partitions have included. */
static void reach(const struct change *c, struct cpuset *cs, const uint64_t *cpus,
		  uint64_t *ret_mask)
{
	struct cpuset *parent = cpuset_parent(cs);
	const uint64_t *effective = cpuset_mask(parent, MASK_EFFECTIVE);

	if (!parent->nr_subparts) {
		mask_and(c, ret_mask, cpus, effective);
		return;
	}
	mask_or(c, ret_mask, effective, cpuset_mask(parent, MASK_XCPUS));
	mask_and(c, ret_mask, ret_mask, cpus);
	mask_and(c, ret_mask, ret_mask, c->emul->cpus.bits);
}

static void set_balance(const struct change *c, struct cpuset *cs, bool on)
{
	struct trial trial;

	claim_now(c, cs, &trial);
	if (claim_check(c, cs, &trial) == 0)
		cs->balance = on;
}

/* --- a partition and its parent --- */

/* The CPUs are in c->give and c->take. */
struct step {
	bool give, take;
	int part;
	enum part_error error;
};

/* Whether the parent would be left with tasks and without CPUs. */
static bool starves_parent(const struct change *c, struct cpuset *cs, const uint64_t *taken)
{
	struct cpuset *parent = cpuset_parent(cs);

	return mask_within(c, cpuset_mask(parent, MASK_EFFECTIVE), taken) &&
	       cpuset_part_populated(parent, cs);
}

static bool give_all(struct change *c, struct cpuset *cs)
{
	return mask_and(c, c->give, cpuset_mask(cs, MASK_CPUS),
			cpuset_mask(cpuset_parent(cs), MASK_XCPUS));
}

/* What of mask the parent has and has not given away. */
static bool take_free(struct change *c, struct cpuset *cs, const uint64_t *mask)
{
	struct cpuset *parent = cpuset_parent(cs);

	mask_and(c, c->take, mask, cpuset_mask(parent, MASK_CPUS));
	return mask_without(c, c->take, c->take, cpuset_mask(parent, MASK_XCPUS));
}

static enum part_error step_enable(struct change *c, struct cpuset *cs, struct step *step)
{
	const uint64_t *cpus = cpuset_mask(cs, MASK_CPUS);

	if (!mask_meets(c, cpus, cpuset_mask(cpuset_parent(cs), MASK_CPUS)))
		return PART_INVCPUS;
	if (starves_parent(c, cs, cpus))
		return PART_NOCPUS;
	mask_copy(c, c->take, cpus);
	step->take = true;
	return PART_OK;
}

static void step_mask(struct change *c, struct cpuset *cs, const uint64_t *mask,
		      struct step *step)
{
	mask_without(c, c->give, cpuset_mask(cs, MASK_CPUS), mask);
	step->give = mask_and(c, c->give, c->give, cpuset_mask(cpuset_parent(cs), MASK_XCPUS));
	step->take = take_free(c, cs, mask);
	if (step->take && !mask_meets(c, c->give, c->emul->cpus.bits) &&
	    starves_parent(c, cs, c->take)) {
		step->error = PART_NOCPUS;
		step->take = false;
		step->give = give_all(c, cs);
	}
}

/* The parent has changed. */
static void step_parent(struct change *c, struct cpuset *cs, struct step *step)
{
	bool given = cpuset_parent(cs)->nr_subparts;

	step->take = take_free(c, cs, cpuset_mask(cs, MASK_CPUS));
	if ((!part_valid(cs) || given) && !(step->take && starves_parent(c, cs, c->take)))
		return;
	step->error = PART_NOCPUS;
	step->take = false;
	if (part_valid(cs) && given)
		step->give = give_all(c, cs);
}

static void step_update(struct change *c, struct cpuset *cs, const uint64_t *mask,
			struct step *step)
{
	if (mask)
		step_mask(c, cs, mask, step);
	else
		step_parent(c, cs, step);
	if (cs->part && part_valid(cs) == !!step->error)
		step->part = -cs->part;
}

static void step_invalidate(struct change *c, struct cpuset *cs, struct step *step)
{
	step->give = give_all(c, cs);
	if (part_valid(cs)) {
		step->part = -cs->part;
		step->error = PART_NOTEXCL;
	}
}

static void step_commit(struct change *c, struct cpuset *cs, const struct step *step)
{
	struct cpuset *parent = cpuset_parent(cs);
	uint64_t *given = cpuset_mask(parent, MASK_XCPUS);
	uint64_t mask[CPUS_MAX / 64];

	mask_copy(c, mask, cpuset_mask(parent, MASK_EFFECTIVE));
	if (step->take) {
		mask_or(c, given, given, c->take);
		mask_without(c, mask, mask, c->take);
	}
	if (step->give) {
		mask_without(c, given, given, c->give);
		mask_and(c, c->give, c->give, c->emul->cpus.bits);
		mask_or(c, mask, mask, c->give);
	}
	update_effective(c, parent, mask);
	count_given(c, parent);
	cs->part = (int16_t)step->part;
}

static enum part_error step_plan(struct change *c, struct cpuset *cs,
				 const struct part_request *rq, struct step *step)
{
	const struct cpuset *parent = cpuset_parent(cs);

	if (!part_valid(parent))
		return part_invalid(parent) ? PART_INVPARENT : PART_NOTPART;
	if (mask_empty(c, rq->mask ? rq->mask : cpuset_mask(cs, MASK_CPUS)))
		return PART_CPUSEMPTY;
	if (rq->command == PART_ENABLE)
		return step_enable(c, cs, step);
	if (rq->command == PART_UPDATE)
		step_update(c, cs, rq->mask, step);
	else if (rq->command == PART_INVALIDATE && !part_invalid(cs))
		step_invalidate(c, cs, step);
	else if (rq->command == PART_DISABLE && !part_invalid(cs))
		step->give = give_all(c, cs);
	return PART_OK;
}

static enum part_error part_step(struct change *c, struct cpuset *cs,
				 const struct part_request *rq)
{
	struct step step = { .part = cs->part };
	int old_part = cs->part;
	enum part_error error = step_plan(c, cs, rq, &step);

	if (error)
		return error;
	if (step.error)
		cs->error = step.error;
	if (!step.give && !step.take && step.part == old_part)
		return PART_OK;
	if (step.part != old_part) {
		error = part_set_exclusive(c, cs, step.part);
		if (error)
			return error;
	}
	step_commit(c, cs, &step);
	if (step.part != old_part && old_part == PART_ISOLATED)
		set_balance(c, cs, true);
	else if (step.part != old_part && step.part == PART_ISOLATED)
		set_balance(c, cs, false);
	part_notify(cs, old_part);
	return PART_OK;
}

/* --- downwards and aside --- */

/* Finds c->next. False: neither cs nor anything below it changes. */
static bool visit_plan(struct change *c, struct cpuset *cs, bool force)
{
	struct cpuset *parent = cpuset_parent(cs);

	reach(c, cs, cpuset_mask(cs, MASK_CPUS), c->next);
	if (!mask_empty(c, c->next)) {
		cs->inherits = false;
	} else {
		/* All of a partition's CPUs may be given to others. */
		if (part_valid(cs) &&
		    mask_equal(c, cpuset_mask(cs, MASK_CPUS), cpuset_mask(cs, MASK_XCPUS)))
			return true;
		mask_copy(c, c->next, cpuset_mask(parent, MASK_EFFECTIVE));
		cs->inherits = true;
	}
	return cs->part || force || cs->balance != parent->balance ||
	       !mask_equal(c, c->next, cpuset_mask(cs, MASK_EFFECTIVE));
}

static void visit_commit(struct change *c, struct cpuset *cs, int part)
{
	uint64_t *given = cpuset_mask(cs, MASK_XCPUS);

	if (cs->nr_subparts && !part_valid(cs)) {
		mask_or(c, c->next, c->next, given);
		mask_and(c, c->next, c->next, c->emul->cpus.bits);
		mask_clear(c, given);
		cs->nr_subparts = 0;
	}
	if (cs->nr_subparts)
		mask_without(c, c->next, c->next, given);
	update_effective(c, cs, c->next);
	cs->part = (int16_t)part;
}

static bool visit(struct change *c, struct cpuset *cs, const struct cpuset *top, bool force)
{
	static const struct part_request ask = { .command = PART_UPDATE };
	const struct cpuset *parent = cpuset_parent(cs);
	int old_part = cs->part, part = old_part;

	if (!visit_plan(c, cs, force))
		return false;
	if (cs != top && old_part && part_valid(parent)) {
		part_step(c, cs, &ask);
		part = cs->part;
	} else if (cs != top && old_part) {
		part = -abs(old_part);
		cs->error = part_invalid(parent) ? PART_INVPARENT : PART_NOTPART;
	}
	visit_commit(c, cs, part);
	part_notify(cs, old_part);
	if (!part_valid(cs))
		cs->balance = parent->balance;
	return true;
}

static void old_subtree(struct change *c, struct cpuset *cs, bool force)
{
	cpuset_walk(c, cs, force, visit);
}

static void old_siblings(struct change *c, struct cpuset *cs)
{
	struct cpuset *sibling;

	cpuset_each_child(sibling, cpuset_parent(cs)) {
		if (sibling != cs && sibling->inherits)
			old_subtree(c, sibling, false);
	}
}

/* --- what is written --- */

/* Partitions that have some of what cs is to have are none any more. */
static void displace(struct change *c, struct cpuset *cs, const uint64_t *cpus)
{
	static const struct part_request invalidate = { .command = PART_INVALIDATE };
	struct cpuset *sibling;

	cpuset_each_child(sibling, cpuset_parent(cs)) {
		if (part_valid(sibling) && mask_meets(c, cpus, cpuset_mask(sibling, MASK_CPUS)))
			part_step(c, sibling, &invalidate);
	}
}

/* CPUs given to partitions below are of cs's own. */
static void limit_given(struct change *c, struct cpuset *cs)
{
	uint64_t *given = cpuset_mask(cs, MASK_XCPUS);
	uint64_t mask[CPUS_MAX / 64];

	if (!cs->nr_subparts)
		return;
	reach(c, cs, cpuset_mask(cs, MASK_CPUS), mask);
	if (!part_valid(cs) ||
	    (mask_within(c, mask, given) && cpuset_part_populated(cs, NULL)))
		mask_clear(c, given);
	else
		mask_and(c, given, given, cpuset_mask(cs, MASK_CPUS));
	count_given(c, cs);
}

int update_cpus_old(struct change *c, struct cpuset *cs, struct trial *trial)
{
	struct part_request rq = { .command = PART_UPDATE, .mask = trial->cpus };
	int r;

	if (mask_equal(c, cpuset_mask(cs, MASK_CPUS), trial->cpus))
		return 0;
	r = claim_check(c, cs, trial);
	if (r == -EINVAL) {
		displace(c, cs, trial->cpus);
		rq = (struct part_request){ .command = PART_INVALIDATE };
	} else if (r < 0) {
		return r;
	}
	if (cs->part)
		part_step(c, cs, &rq);
	mask_copy(c, cpuset_mask(cs, MASK_CPUS), trial->cpus);
	limit_given(c, cs);
	old_subtree(c, cs, false);
	if (cs->part)
		old_siblings(c, cs);
	return 0;
}

static enum part_error enable(struct change *c, struct cpuset *cs, int part)
{
	static const struct part_request rq = { .command = PART_ENABLE };
	enum part_error error;

	if (mask_empty(c, cpuset_mask(cs, MASK_CPUS)))
		return PART_CPUSEMPTY;
	error = part_set_exclusive(c, cs, PART_ROOT);
	if (error)
		return error;
	error = part_step(c, cs, &rq);
	if (error)
		part_set_exclusive(c, cs, PART_MEMBER);
	else if (part == PART_ISOLATED)
		set_balance(c, cs, false);
	return error;
}

static void disable(struct change *c, struct cpuset *cs)
{
	static const struct part_request rq = { .command = PART_DISABLE };
	uint64_t mask[CPUS_MAX / 64];

	part_step(c, cs, &rq);
	if (cs->nr_subparts) {
		cs->nr_subparts = 0;
		mask_clear(c, cpuset_mask(cs, MASK_XCPUS));
		reach(c, cs, cpuset_mask(cs, MASK_CPUS), mask);
		update_effective(c, cs, mask);
	}
	part_set_exclusive(c, cs, PART_MEMBER);
	if (!cs->balance)
		set_balance(c, cs, true);
}

void update_part_old(struct change *c, struct cpuset *cs, int part)
{
	enum part_error error = PART_OK;
	int old_part = cs->part;

	if (old_part == part)
		return;
	if (part && old_part < PART_MEMBER) { /* stays invalid */
		cs->part = (int16_t)-part;
		return;
	}
	if (old_part == PART_MEMBER)
		error = enable(c, cs, part);
	else if (part)
		set_balance(c, cs, part != PART_ISOLATED);
	else
		disable(c, cs);
	if (!error && !(old_part && part))
		old_siblings(c, cs);
	cs->part = (int16_t)(error ? -part : part);
	cs->error = error;
	if (cs->cg->children)
		old_subtree(c, cs, !cs->part);
	part_notify(cs, old_part);
}
