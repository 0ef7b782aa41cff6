/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The cpuset controller's inside: a cgroup's state, its masks, and a change while it is made.
 *
 * cpuset.c has the files, cpuset_claim.c what a cpuset may have of its parent's CPUs,
 * cpuset_part.c how partitions get and give back theirs, cpuset_update.c how a change spreads
 * through the tree, cpuset_old.c the last two as 6.1 does it.
 */
#ifndef EMUL_CPUSET_H
#define EMUL_CPUSET_H

#include <string.h>

#include "ctlfs/cpulist.h"
#include "emul.h"

/* What cpuset.cpus.partition reads; an invalid partition is the negative of what it was to be. */
enum { PART_MEMBER, PART_ROOT, PART_ISOLATED };

/* Why a partition is invalid. */
enum part_error {
	PART_OK,
	PART_INVCPUS,
	PART_INVPARENT,
	PART_NOTPART,
	PART_NOTEXCL,
	PART_NOCPUS,
	PART_CPUSEMPTY,
	PART_ACCESS,
	PART_REMOTE,
};

/* The masks of a cpuset. The last two are of the root's only. */
enum cpuset_mask {
	MASK_CPUS, /* cpuset.cpus */
	MASK_EFFECTIVE, /* cpuset.cpus.effective */
	MASK_XCPUS, /* cpuset.cpus.exclusive.effective; 6.1: CPUs given to partitions below */
	MASK_EXCLUSIVE, /* cpuset.cpus.exclusive */
	MASKS,
	MASK_SUBPARTS = MASKS, /* CPUs of all partitions that take theirs from the root */
	MASK_ISOLATED, /* cpuset.cpus.isolated */
	MASKS_ROOT,
};

struct cpuset {
	struct css css;
	struct cgroup *cg;
	unsigned nr_subparts; /* valid partitions that take their CPUs from this one */
	int16_t part; /* enum above */
	uint8_t error; /* enum part_error */
	uint8_t words; /* of a mask */
	bool exclusive; /* siblings may not overlap */
	bool balance; /* the scheduler balances load over its CPUs */
	bool inherits; /* 6.1: its effective CPUs are its parent's, for lack of own ones */
	bool remote; /* a partition whose parent is none: its CPUs are from the root */
	bool mems; /* cpuset.mems is "0" */
	uint64_t masks[]; /* one after the other */
};

_Static_assert(sizeof(struct cpuset) + MASKS * sizeof(uint64_t) <= 100,
	       "there are many cgroups, on machines with few CPUs");

static inline struct cpuset *cpuset_of(const struct cgroup *cg)
{
	return (struct cpuset *)cgroup_css(cg, CTRL_CPUSET);
}

static inline struct cpuset *cpuset_parent(const struct cpuset *cs)
{
	return cpuset_of(cs->cg->parent);
}

static inline struct cpuset *cpuset_root(const struct cpuset *cs)
{
	return cpuset_of(cs->cg->emul->root);
}

static inline uint64_t *cpuset_mask(struct cpuset *cs, enum cpuset_mask which)
{
	return cs->masks + (size_t)cs->words * which;
}

/* For those that have a cpuset: while it is being taken away, some no longer do. */
#define cpuset_each_child(child, parent)                                                   \
	for (struct cgroup *cg_ = (parent)->cg->children; cg_; cg_ = cg_->hh.next) \
		if (((child) = cpuset_of(cg_)))

/* The one after the subtree of at, parents before children, NULL at the end of top's. */
static inline struct cgroup *cpuset_after(struct cgroup *at, const struct cgroup *top)
{
	while (at != top && !at->hh.next)
		at = at->parent;
	return at == top ? NULL : at->hh.next;
}

/* --- a change --- */

/* One write to one file, with the masks that functions hand to each other. Like the kernel's they
 * are shared by all of a change: what a nested step leaves in next the outer one goes on with. */
struct change {
	struct emul *emul;
	struct cpuset *root;
	unsigned words;
	bool admin; /* the writer could be CAP_SYS_ADMIN */
	bool moved; /* CPUs that tasks may use have changed */
	uint64_t give[CPUS_MAX / 64], take[CPUS_MAX / 64]; /* to and from a parent */
	uint64_t next[CPUS_MAX / 64]; /* effective CPUs to be */
};

/* What is written, before it is so. */
struct trial {
	uint64_t cpus[CPUS_MAX / 64], exclusive[CPUS_MAX / 64], xcpus[CPUS_MAX / 64];
	bool is_exclusive;
	bool mems;
	bool cleared; /* nothing is written */
};

static inline bool mask_empty(const struct change *c, const uint64_t *a)
{
	for (unsigned i = 0; i < c->words; i++) {
		if (a[i])
			return false;
	}
	return true;
}

static inline void mask_copy(const struct change *c, uint64_t *to, const uint64_t *from)
{
	memmove(to, from, c->words * sizeof *to);
}

static inline void mask_clear(const struct change *c, uint64_t *to)
{
	memset(to, 0, c->words * sizeof *to);
}

static inline bool mask_equal(const struct change *c, const uint64_t *a, const uint64_t *b)
{
	return !memcmp(a, b, c->words * sizeof *a);
}

/* The next three say whether anything is left. */
static inline bool mask_and(const struct change *c, uint64_t *to, const uint64_t *a,
			    const uint64_t *b)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < c->words; i++)
		any |= to[i] = a[i] & b[i];
	return any;
}

static inline bool mask_or(const struct change *c, uint64_t *to, const uint64_t *a,
			   const uint64_t *b)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < c->words; i++)
		any |= to[i] = a[i] | b[i];
	return any;
}

static inline bool mask_without(const struct change *c, uint64_t *to, const uint64_t *a,
				const uint64_t *b)
{
	uint64_t any = 0;

	for (unsigned i = 0; i < c->words; i++)
		any |= to[i] = a[i] & ~b[i];
	return any;
}

static inline bool mask_meets(const struct change *c, const uint64_t *a, const uint64_t *b)
{
	for (unsigned i = 0; i < c->words; i++) {
		if (a[i] & b[i])
			return true;
	}
	return false;
}

static inline bool mask_within(const struct change *c, const uint64_t *a, const uint64_t *b)
{
	for (unsigned i = 0; i < c->words; i++) {
		if (a[i] & ~b[i])
			return false;
	}
	return true;
}

static inline bool part_valid(const struct cpuset *cs)
{
	return cs->part > PART_MEMBER;
}

static inline bool part_invalid(const struct cpuset *cs)
{
	return cs->part < PART_MEMBER;
}

/* --- cpuset_claim.c --- */

/* Which CPUs a cpuset wants to itself: what it says, or all of its cpuset.cpus. */
const uint64_t *claim_of(const struct change *c, struct cpuset *cs);
/* Those of them that it can have. */
void claim_effective(const struct change *c, struct cpuset *cs, uint64_t *ret_xcpus);
/* The same for what is to be; the number of siblings that have some of it. */
unsigned claim_trial(const struct change *c, struct cpuset *cs, struct trial *trial);
bool claim_disjoint(const struct change *c, struct cpuset *a, struct cpuset *b);
/* Whether the tree stays sound with cs like trial. -ENOSPC, -EBUSY, -EINVAL, without a reason. */
int claim_check(const struct change *c, struct cpuset *cs, const struct trial *trial);
void claim_now(const struct change *c, struct cpuset *cs, struct trial *ret_trial);
bool claim_starves(const struct change *c, struct cpuset *cs, const uint64_t *xcpus);
bool cpuset_populated(const struct cpuset *cs);
bool cpuset_part_populated(struct cpuset *cs, const struct cpuset *except);

/* --- cpuset_part.c --- */

enum part_command { PART_ENABLE, PART_DISABLE, PART_UPDATE, PART_INVALIDATE };

/* A partition and the one it takes CPUs from. part: what to be when enabled. mask: its CPUs to
 * be, NULL: as they are. An enum part_error if it was not enabled. */
struct part_request {
	enum part_command command;
	int part;
	const uint64_t *mask;
};

enum part_error part_local(struct change *c, struct cpuset *cs, const struct part_request *rq);
enum part_error part_remote_enable(struct change *c, struct cpuset *cs, int part);
void part_remote_disable(struct change *c, struct cpuset *cs);
/* exclusive: what cpuset.cpus.exclusive becomes, or NULL. */
void part_remote_update(struct change *c, struct cpuset *cs, const uint64_t *exclusive,
			const uint64_t *xcpus);
enum part_error part_set_exclusive(struct change *c, struct cpuset *cs, int part);
void part_set_balance(struct cpuset *cs);
void part_reset(struct change *c, struct cpuset *cs); /* it is no longer valid */
void part_isolate(struct change *c, int part, const uint64_t *xcpus);
void part_notify(struct cpuset *cs, int old_part);

/* --- cpuset_update.c --- */

void update_effective(struct change *c, struct cpuset *cs, const uint64_t *mask);
/* cs and what is below it after a change; force: even where nothing seems to change. */
void update_subtree(struct change *c, struct cpuset *cs, bool force);

/* One of a subtree, top first. False: what is below it is left out. */
typedef bool cpuset_visit(struct change *c, struct cpuset *cs, const struct cpuset *top,
			  bool force);

void cpuset_walk(struct change *c, struct cpuset *cs, bool force, cpuset_visit *each);
void update_siblings(struct change *c, struct cpuset *parent, const struct cpuset *except);

int update_cpus(struct change *c, struct cpuset *cs, struct trial *trial);
int update_exclusive(struct change *c, struct cpuset *cs, struct trial *trial);
void update_part(struct change *c, struct cpuset *cs, int part);

/* --- cpuset_old.c --- */

int update_cpus_old(struct change *c, struct cpuset *cs, struct trial *trial);
void update_part_old(struct change *c, struct cpuset *cs, int part);

#endif
