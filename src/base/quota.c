/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bounded supply: a counter for each cgroup that has something of it. */
#include "ctlfs/quota.h"

#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ctlfs/cleanup.h"

struct quota_share {
	uint64_t id;
	size_t used;
	UT_hash_handle hh;
};

void quota_init(struct quota *q, size_t max, size_t free)
{
	*q = (struct quota){ .max = max, .free = free };
	pthread_mutex_init(&q->lock, NULL);
}

void quota_destroy(struct quota *q)
{
	pthread_mutex_destroy(&q->lock);
}

static struct quota_share *share_of(struct quota *q, uint64_t id)
{
	struct quota_share *s;

	HASH_FIND(hh, q->shares, &id, sizeof id, s);
	return s;
}

static size_t used_by(struct quota *q, uint64_t id)
{
	const struct quota_share *s = share_of(q, id);

	return s ? s->used : 0;
}

/* May whoever is named have so much more? */
static bool may_take(struct quota *q, const struct quota_claim *claim)
{
	if (claim->amount > q->max - q->used)
		return false;
	if (!claim->n)
		return claim->amount <= q->free - q->used_free;
	for (unsigned level = 1; level < claim->n; level++) {
		if (used_by(q, claim->id[level]) + claim->amount > q->max >> level)
			return false;
	}
	return true;
}

static struct quota_share *share_new(struct quota *q, uint64_t id)
{
	struct quota_share *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->id = id;
	HASH_ADD(hh, q->shares, id, sizeof s->id, s);
	if (s->hh.tbl)
		return s;
	free(s);
	return NULL;
}

static void uncharge(struct quota *q, const struct quota_claim *claim, unsigned levels)
{
	for (unsigned level = 1; level < levels; level++) {
		struct quota_share *s = share_of(q, claim->id[level]);

		s->used -= claim->amount;
		if (s->used)
			continue;
		HASH_DEL(q->shares, s);
		free(s);
	}
}

/* False without memory. */
static bool charge(struct quota *q, const struct quota_claim *claim)
{
	for (unsigned level = 1; level < claim->n; level++) {
		struct quota_share *s = share_of(q, claim->id[level]);

		if (!s)
			s = share_new(q, claim->id[level]);
		if (!s) {
			uncharge(q, claim, level);
			return false;
		}
		s->used += claim->amount;
	}
	return true;
}

bool quota_take(struct quota *q, const struct lineage *who, size_t amount,
		struct quota_claim *ret_claim)
{
	struct quota_claim claim = { .amount = amount };
	guard_mutex(&q->lock);

	if (who)
		claim.n = who->n < QUOTA_LEVELS ? who->n : QUOTA_LEVELS;
	for (unsigned level = 0; level < claim.n; level++)
		claim.id[level] = who->id[level];
	if (!amount)
		return true;
	if (!may_take(q, &claim) || !charge(q, &claim))
		return false;
	q->used += amount;
	if (!claim.n)
		q->used_free += amount;
	*ret_claim = claim;
	return true;
}

void quota_drop(struct quota *q, struct quota_claim *claim)
{
	guard_mutex(&q->lock);

	uncharge(q, claim, claim->n);
	q->used -= claim->amount;
	if (!claim->n)
		q->used_free -= claim->amount;
	*claim = (struct quota_claim){ 0 };
}
