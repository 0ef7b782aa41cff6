/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Rate limits. The state of one is the moment at which it will have been idle long enough for a
 * whole burst: what happens moves it an interval on, and it may not be further than a burst ahead.
 */
#include "ctlfs/rate.h"

#include <stddef.h>

bool rate_would(const struct rate *r, uint64_t burst, uint64_t interval, uint64_t now)
{
	return r->next <= now || r->next - now <= (burst - 1) * interval;
}

bool rate_take(struct rate *r, uint64_t burst, uint64_t interval, uint64_t now)
{
	if (!rate_would(r, burst, interval, now))
		return false;
	r->next = (r->next > now ? r->next : now) + interval;
	return true;
}

/* Of a cgroup, or the place of who was heard of longest ago: not one of who is asking, since those
 * have all been heard in this turn. */
static struct rate_source *source_of(struct rate_sources *s, uint64_t id)
{
	struct rate_source *found = &s->v[0];

	for (size_t i = 0; i < RATE_SOURCES; i++) {
		if (s->v[i].id == id) {
			found = &s->v[i];
			break;
		}
		if (s->v[i].heard < found->heard)
			found = &s->v[i];
	}
	if (found->id != id)
		*found = (struct rate_source){ .id = id };
	found->heard = s->turn;
	return found;
}

static uint64_t scale(unsigned depth)
{
	return depth < 3 ? 64 >> (2 * depth) : 1;
}

bool rate_by_cgroup(struct rate_sources *s, const struct lineage *who, unsigned teller,
		    uint64_t now, uint64_t *ret_suppressed)
{
	struct rate_source *found[LINEAGE_MAX];
	bool may = true;

	s->turn++;
	for (unsigned i = 0; i < who->n; i++) {
		found[i] = source_of(s, who->id[i]);
		may &= rate_would(&found[i]->rate, RATE_BURST * scale(i),
				  RATE_INTERVAL_NS / scale(i), now);
	}
	if (!may) {
		found[teller]->suppressed++;
		return false;
	}
	for (unsigned i = 0; i < who->n; i++)
		rate_take(&found[i]->rate, RATE_BURST * scale(i), RATE_INTERVAL_NS / scale(i), now);
	*ret_suppressed = found[teller]->suppressed;
	found[teller]->suppressed = 0;
	return true;
}
