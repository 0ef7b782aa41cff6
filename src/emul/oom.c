/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What acts on memory.max, memory.high and the limits of swap.
 *
 * Nothing can be reclaimed, so memory.max below usage is out of memory at once, as in the kernel
 * when reclaim finds nothing: the process with the most points is killed until usage is below. A
 * write of memory.max does that before it returns. Growth over a limit is noticed by sampling, and
 * only while a limited cgroup is populated: every 10 ms near the limit (1 ms for each MiB that is
 * left), up to every 250 ms far from it and while its processes use no CPU. So usage is above the
 * limit for that long, and a process that is quicker is not seen.
 *
 * Over memory.high those that grew are stopped for as long as the kernel delays an allocation: 64
 * seconds times the square of the part by which usage is over, at most 2 s. It never kills.
 *
 * With config.observe `max`, `high` and swap events are counted, and nobody is touched.
 */
#include <signal.h>
#include <stdlib.h>

#include "cgroup.h"
#include "ctlfs/parse.h"
#include "memory.h"

#define MSEC 1000000ULL

#define PAUSE_MIN (10 * MSEC)
#define PAUSE_MAX (250 * MSEC)
#define COST_FACTOR 20 /* sampling takes at most this part of the time */

/* How long a killed process may take to give its memory back before another one is killed. */
#define DYING_MAX (2000 * MSEC)

#define OOM_ADJ_MIN (-1000)

#define HIGH_DELAY_MAX (2000 * MSEC)
#define HIGH_DELAY_MIN (10 * MSEC)
#define HIGH_SHIFT 20 /* of the part that usage is over */
#define HIGH_OVER_MAX (1ULL << 18) /* a quarter: the delay is at its most before that */

struct memory_watch {
	struct timer timer;
	struct cgroup *cg;
	uint64_t used, swap, cpu_ns; /* when it last looked */
	uint64_t looked; /* when that was */
	uint64_t pause;
	uint64_t let_go; /* when those held for memory.high are continued; 0: nobody is */
	uint64_t hopeless; /* with that much used nobody could be killed; 0: not so */
};

/* --- who is killed -------------------------------------------------------------------------- */

/* One look for a victim. */
struct oom {
	struct cgroup *domain; /* whose limit it is */
	int64_t total; /* pages that count as all memory */
	uint64_t dying; /* bytes of those killed already */
	bool waiting; /* for one of those */
	struct member *victim;
	int64_t points;
};

static struct tasks *tasks_of(const struct cgroup *cg)
{
	return cg->emul->config.tasks;
}

static uint64_t resident(const struct member *m)
{
	return m->last.anon + m->last.file + m->last.shmem;
}

/* Not to be killed: it says so, or has ended. */
static bool is_immune(const struct member *m, int *ret_adj)
{
	const struct tasks_ops *ops = tasks_of(m->cg)->ops;

	*ret_adj = 0;
	if (!m->last.threads)
		return true;
	return ops->oom_adj && (ops->oom_adj(tasks_of(m->cg), m->pid, ret_adj) < 0 ||
				*ret_adj == OOM_ADJ_MIN);
}

/* oom_badness(); of equals the last one is taken. */
static void oom_consider(struct oom *oom, struct member *m, uint64_t now)
{
	int64_t points;
	int adj;

	if (m->oom_refused)
		return;
	if (m->oom_killed) {
		if (now - m->oom_at < DYING_MAX) {
			oom->waiting = true;
			oom->dying += resident(m);
		}
		return;
	}
	if (is_immune(m, &adj))
		return;
	points = (int64_t)((resident(m) + m->last.swap + m->last.pagetables) / CTLFS_PAGE_SIZE);
	points += adj * (oom->total / 1000);
	if (oom->victim && points < oom->points)
		return;
	oom->victim = m;
	oom->points = points;
}

static struct oom oom_look(struct cgroup *domain)
{
	uint64_t max = memory_of(domain)->max / CTLFS_PAGE_SIZE;
	uint64_t now = emul_now(domain->emul);
	struct oom oom = { .domain = domain, .total = max ? (int64_t)max : 1 };

	for (struct cgroup *at = domain; at; at = cgroup_next(at, domain)) {
		for (struct member *m = at->first; m; m = m->next)
			oom_consider(&oom, m, now);
	}
	return oom;
}

/* The cgroup that what is in cg is charged to. */
static struct cgroup *charged_to(struct cgroup *cg)
{
	while (!memory_of(cg) && cg->parent)
		cg = cg->parent;
	return cg;
}

static bool oom_kill_one(struct member *m)
{
	if (m->oom_killed)
		return false;
	if (member_signal(m, SIGKILL) < 0) {
		m->oom_refused = true;
		return false;
	}
	m->oom_killed = true;
	m->oom_at = emul_now(m->cg->emul);
	memory_event(charged_to(m->cg), MEMORY_OOM_KILL, 1);
	return true;
}

/* The topmost cgroup from the victim's up to the domain that is killed as a whole, or NULL. */
static struct cgroup *oom_group_of(const struct oom *oom)
{
	struct cgroup *group = NULL;

	for (struct cgroup *at = oom->victim->cg; at; at = at->parent) {
		if (memory_of(at) && memory_of(at)->oom_group)
			group = at;
		if (at == oom->domain)
			break;
	}
	return group;
}

static int oom_kill_member(struct member *m, void *data)
{
	int adj;

	(void)data;
	if (!is_immune(m, &adj))
		oom_kill_one(m);
	return 0;
}

/* Kills the victim, and all of its group. False: it could not be killed. */
static bool oom_kill(const struct oom *oom)
{
	struct cgroup *group = oom_group_of(oom);

	if (!oom_kill_one(oom->victim))
		return false;
	if (group) {
		memory_event(group, MEMORY_OOM_GROUP_KILL, 1);
		members_each(group, oom_kill_member, NULL);
	}
	return true;
}

/* One kill, by whoever can be killed. False: nobody can. */
static bool oom_kill_some(struct cgroup *domain)
{
	for (;;) {
		struct oom oom = oom_look(domain);

		if (!oom.victim)
			return false;
		if (oom_kill(&oom))
			return true;
	}
}

void memory_enforce_max(struct cgroup *cg)
{
	const struct memory *m = memory_of(cg);
	struct usage now;

	if (cg->emul->config.observe || !cg->populated || m->max == UINT64_MAX)
		return;
	if (emul_usage(cg, &now) < 0)
		return;
	for (;;) {
		uint64_t dying = oom_look(cg).dying, used = memory_used(&now);

		if (used <= m->max || used - m->max <= dying)
			return;
		memory_event(cg, MEMORY_OOM, 1);
		if (!oom_kill_some(cg))
			return;
	}
}

/* --- growth --------------------------------------------------------------------------------- */

static bool is_limited(const struct memory *m)
{
	return m->max != UINT64_MAX || m->high != UINT64_MAX || m->swap_max != UINT64_MAX ||
	       m->swap_high != UINT64_MAX;
}

static void check_max(struct memory_watch *w, uint64_t used)
{
	const struct memory *m = memory_of(w->cg);

	if (used <= m->max) {
		w->hopeless = 0;
		return;
	}
	if (w->cg->emul->config.observe) {
		if (used > w->used)
			memory_event(w->cg, MEMORY_MAX, 1);
		return;
	}
	if (oom_look(w->cg).waiting || (w->hopeless && used <= w->hopeless))
		return;
	memory_event(w->cg, MEMORY_MAX, 1);
	memory_event(w->cg, MEMORY_OOM, 1);
	w->hopeless = oom_kill_some(w->cg) ? 0 : used;
}

struct holding {
	struct memory_watch *w;
	bool any;
};

static int hold_grown(struct member *m, void *data)
{
	struct holding *h = data;

	if (m->grew_at > h->w->looked)
		h->any |= member_hold(m, HOLD_HIGH, h->w->cg);
	return 0;
}

/* calculate_high_delay() */
static uint64_t high_delay(uint64_t used, uint64_t high)
{
	uint64_t over = (uint64_t)(((__uint128_t)(used - high) << HIGH_SHIFT) / (high ? high : 1));
	uint64_t delay;

	if (over > HIGH_OVER_MAX)
		over = HIGH_OVER_MAX;
	delay = (uint64_t)((__uint128_t)over * over * 1000 * MSEC >> 34);
	return delay < HIGH_DELAY_MAX ? delay : HIGH_DELAY_MAX;
}

static void check_high(struct memory_watch *w, uint64_t used, uint64_t now)
{
	const struct memory *m = memory_of(w->cg);
	struct holding h = { w, false };
	uint64_t delay;

	if (used <= m->high || used <= w->used)
		return;
	memory_event(w->cg, MEMORY_HIGH, 1);
	delay = high_delay(used, m->high);
	if (w->cg->emul->config.observe || delay < HIGH_DELAY_MIN)
		return;
	members_each(w->cg, hold_grown, &h);
	if (h.any)
		members_stall(w->cg, HOLD_HIGH, w->looked + 1);
	if (h.any && !w->let_go)
		w->let_go = now + delay;
}

static void check_swap(const struct memory_watch *w, uint64_t swap)
{
	const struct memory *m = memory_of(w->cg);

	if (swap <= w->swap)
		return;
	if (swap > m->swap_high)
		swap_event(w->cg, SWAP_HIGH, 1);
	if (swap > m->swap_max)
		swap_event(w->cg, SWAP_MAX, 1);
}

/* --- when to look --------------------------------------------------------------------------- */

static void let_go(struct memory_watch *w)
{
	if (w->let_go)
		members_release(w->cg, HOLD_HIGH);
	w->let_go = 0;
}

static uint64_t left_to(uint64_t limit, uint64_t used)
{
	return limit > used ? limit - used : UINT64_MAX; /* over it, nothing more is to come */
}

/* A millisecond for each MiB to the next limit: nobody fills more than that. */
static uint64_t pause_for(const struct memory_watch *w, const struct usage *u)
{
	const struct memory *m = memory_of(w->cg);
	uint64_t used = memory_used(u), left = left_to(m->max, used), pause;

	if (used > m->max && !w->hopeless)
		return PAUSE_MIN; /* somebody is dying */
	if (left_to(m->high, used) < left)
		left = left_to(m->high, used);
	pause = (left >> 20) > PAUSE_MAX / MSEC ? PAUSE_MAX : (left >> 20) * MSEC;
	return pause < PAUSE_MIN ? PAUSE_MIN : pause;
}

static void plan_next(struct memory_watch *w, const struct usage *u, uint64_t began)
{
	uint64_t cpu = u->user_ns + u->system_ns, now = emul_now(w->cg->emul);
	uint64_t pause = pause_for(w, u), cost = (now - began) * COST_FACTOR;

	if (cpu - w->cpu_ns < MSEC && 2 * w->pause > pause) /* at rest: it grows later, if ever */
		pause = 2 * w->pause < PAUSE_MAX ? 2 * w->pause : PAUSE_MAX;
	if (pause < cost)
		pause = cost;
	w->pause = pause;
	w->cpu_ns = cpu;
	if (w->let_go && w->let_go < now + pause)
		pause = w->let_go > now ? w->let_go - now : 0;
	timer_arm(w->cg->emul, &w->timer, now + pause);
}

static void watch_fire(struct emul *e, struct timer *t, uint64_t now)
{
	struct memory_watch *w = (struct memory_watch *)t; /* its first member */
	struct usage u;

	if (w->let_go && now >= w->let_go)
		let_go(w);
	if (emul_usage(w->cg, &u) < 0) {
		timer_arm(e, t, now + PAUSE_MAX);
		return;
	}
	if (!w->cg->populated)
		return;
	check_high(w, memory_used(&u), now);
	check_swap(w, u.swap);
	check_max(w, memory_used(&u));
	w->used = memory_used(&u);
	w->swap = u.swap;
	w->looked = emul_now(e);
	plan_next(w, &u, now);
}

void memory_watch(struct cgroup *cg)
{
	struct memory *m = memory_of(cg);
	struct emul *e = cg->emul;

	if (!cg->populated || !is_limited(m)) {
		if (m->watch) {
			let_go(m->watch);
			timer_cancel(e, &m->watch->timer);
		}
		return;
	}
	if (!m->watch)
		m->watch = calloc(1, sizeof *m->watch);
	if (!m->watch)
		return; /* not watched: the next change of cg tries again */
	m->watch->cg = cg;
	m->watch->timer.fire = watch_fire;
	m->watch->pause = PAUSE_MIN;
	timer_arm(e, &m->watch->timer, emul_now(e) + PAUSE_MIN);
}

void memory_watch_free(struct memory *m)
{
	if (!m->watch)
		return;
	let_go(m->watch);
	timer_cancel(m->watch->cg->emul, &m->watch->timer);
	free(m->watch);
	m->watch = NULL;
}
