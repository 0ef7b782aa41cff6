/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The fair queue: a tree of shares that counts items, and a list of all items in their order. */
#include "ctlfs/fair.h"

#include <stdlib.h>

#include <utlist.h>

/* Of one cgroup: there as long as there are items at or below it. */
struct fair_share {
	uint64_t id;
	struct fair_share *parent, *children;
	struct fair_share *prev, *next; /* siblings */
	struct fair_item *own; /* oldest first */
	size_t n_own, n_below; /* own items; those and all descendants' */
};

void fair_init(struct fair *q, size_t max)
{
	*q = (struct fair){ .max = max };
}

static struct fair_share *share_new(struct fair *q, struct fair_share *parent, uint64_t id)
{
	struct fair_share *s = calloc(1, sizeof *s);

	if (!s)
		return NULL;
	s->id = id;
	s->parent = parent;
	if (parent)
		DL_APPEND(parent->children, s);
	else
		q->root = s;
	return s;
}

/* Frees s and its ancestors as far as they are empty. */
static void prune(struct fair *q, struct fair_share *s)
{
	while (s && !s->n_below && !s->children) {
		struct fair_share *parent = s->parent;

		if (parent)
			DL_DELETE(parent->children, s);
		else
			q->root = NULL;
		free(s);
		s = parent;
	}
}

static struct fair_share *child_of(struct fair_share *s, uint64_t id)
{
	struct fair_share *child;

	DL_SEARCH_SCALAR(s->children, child, id, id);
	return child;
}

/* The share of who, made if need be; NULL without memory. */
static struct fair_share *share_of(struct fair *q, const struct lineage *who)
{
	struct fair_share *s = q->root ? q->root : share_new(q, NULL, who->id[0]);

	for (unsigned i = 1; s && i < who->n; i++) {
		struct fair_share *child = child_of(s, who->id[i]);

		if (!child)
			child = share_new(q, s, who->id[i]);
		if (!child)
			prune(q, s);
		s = child;
	}
	return s;
}

/* The oldest item of whoever has the most. */
static struct fair_item *victim(const struct fair *q)
{
	const struct fair_share *s = q->root;

	for (;;) {
		const struct fair_share *child, *most = NULL;

		DL_FOREACH(s->children, child) {
			if (child->n_below > (most ? most->n_below : 0))
				most = child;
		}
		if (!most || (s->n_own && s->n_own >= most->n_below))
			return s->own;
		s = most;
	}
}

void fair_remove(struct fair *q, struct fair_item *item)
{
	struct fair_share *share = item->share;

	DL_DELETE(q->first, item);
	DL_DELETE2(share->own, item, own_prev, own_next);
	q->n--;
	share->n_own--;
	for (struct fair_share *s = share; s; s = s->parent)
		s->n_below--;
	item->share = NULL;
	prune(q, share);
}

struct fair_item *fair_add(struct fair *q, const struct lineage *who, struct fair_item *item)
{
	struct fair_item *gone;

	item->share = share_of(q, who);
	if (!item->share)
		return item;
	DL_APPEND(q->first, item);
	DL_APPEND2(item->share->own, item, own_prev, own_next);
	q->n++;
	item->share->n_own++;
	for (struct fair_share *s = item->share; s; s = s->parent)
		s->n_below++;
	if (q->n <= q->max)
		return NULL;
	gone = victim(q);
	fair_remove(q, gone);
	return gone;
}
