/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Files that tell of their changes: at once, but no more often than the kernel does, once in 10 ms
 * for each file. What changes sooner than that is told of when they are over. Only files that have
 * told lately are kept, by the order in which they did, and no timer runs for those with nothing
 * more to tell.
 */
#include <stdlib.h>

#include "cgroup.h"

#define INTERVAL 10000000ULL /* ns: CGROUP_FILE_NOTIFY_MIN_INTV */

struct notice {
	uint64_t node;
	uint64_t last;
	struct timer timer; /* armed: there is more to tell */
	UT_hash_handle hh; /* emul->notices, oldest first */
};

static void forget(struct emul *e, struct notice *n)
{
	timer_cancel(e, &n->timer);
	HASH_DEL(e->notices, n);
	free(n);
}

/* Told just now; without memory for it the next one will not be held back. */
static void remember(struct emul *e, struct notice *n, uint64_t now)
{
	n->last = now;
	HASH_ADD(hh, e->notices, node, sizeof(n->node), n);
	if (!n->hh.tbl)
		free(n);
}

static void tell_late(struct emul *e, struct timer *t, uint64_t now)
{
	struct notice *n = (struct notice *)((char *)t - offsetof(struct notice, timer));

	HASH_DEL(e->notices, n);
	tree_changed(&e->tree, n->node);
	remember(e, n, now);
}

/* Those whose interval is over. */
static void expire(struct emul *e, uint64_t now)
{
	while (e->notices && now - e->notices->last >= INTERVAL) {
		struct notice *n = e->notices;

		if (n->timer.place)
			tree_changed(&e->tree, n->node); /* nobody ran what was due */
		forget(e, n);
	}
}

void emul_notify(struct cgroup *cg, unsigned slot)
{
	struct emul *e = cg->emul;
	uint64_t node = cgroup_node(cg) + slot;
	uint64_t now = emul_now(e);
	struct notice *n;

	expire(e, now);
	HASH_FIND(hh, e->notices, &node, sizeof(node), n);
	if (n && (n->timer.place || timer_arm(e, &n->timer, n->last + INTERVAL) == 0))
		return;
	tree_changed(&e->tree, node);
	if (n)
		return;
	n = calloc(1, sizeof(*n));
	if (!n)
		return;
	n->node = node;
	n->timer.fire = tell_late;
	remember(e, n, now);
}

void notices_free(struct emul *e)
{
	while (e->notices)
		forget(e, e->notices);
}
