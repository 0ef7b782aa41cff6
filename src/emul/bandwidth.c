/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * cpu.max: the CPU time of a cgroup's members is held to a quota in each period, as the kernel's
 * CFS bandwidth control does it, from outside. It is looked at when it can be used up at the pace
 * of the last look, at least once a period; when it is, the members that ran in this period are
 * stopped until a period brings time again, and looked for are those who begin to run meanwhile.
 * What was used beyond the quota by then is paid back in the next periods, so that the mean is
 * exact. A period shorter than 10 ms is kept over several.
 *
 * While nobody runs the clock of periods stands still, as the kernel's, and it is only looked
 * whether somebody runs again, at most every 250 ms: time used until then is paid back, too.
 *
 * A process is stopped by SIGSTOP, which its parent may see; a shell would take a job of its own
 * for suspended, so jobs of a shell on a terminal are not stopped, only what they start is.
 * With config.observe periods and those over the quota are counted, and nobody is stopped.
 */
#include <stdlib.h>

#include "cgroup.h"
#include "cpu.h"

#define MSEC 1000000ULL

#define SPAN_MIN (10 * MSEC) /* the shortest time over which a quota is kept */
#define LOOK_MIN MSEC
#define PROBE_MAX (250 * MSEC)
#define DEBT_MAX 10 /* quotas that are paid back at most */
#define PACE_ONE 1024 /* one CPU */
#define RAN_MIN (MSEC / 5) /* who used less, such as to wake up, is not stopped */

struct bandwidth {
	struct timer timer;
	struct cgroup *cg;
	int64_t runtime; /* left in this span; below 0: used too much */
	int64_t snap; /* runtime when the span began */
	uint64_t used; /* charged since the last look */
	uint64_t began; /* the span */
	uint64_t looked;
	uint64_t births; /* of the task source when it last looked for them */
	uint64_t pace; /* CPUs that were used between the last looks, in 1024ths */
	uint64_t probe; /* time between looks while nobody runs; 0: somebody does */
	bool ran; /* in this span */
	bool throttled;
	uint64_t throttled_at;
	unsigned stopped; /* CPUs that those stopped used */
	uint64_t local_until; /* throttled time of its own members is counted until then */
	struct bandwidth_stat stat;
};

/* Quota and period, over as many periods as make a span. */
struct span {
	uint64_t periods, quota, length;
};

static struct span span_of(const struct cpu *cpu)
{
	uint64_t periods = (SPAN_MIN + cpu->period - 1) / cpu->period;

	return (struct span){ periods, cpu->quota * periods, cpu->period * periods };
}

static struct bandwidth *bandwidth_of(const struct cgroup *cg)
{
	return cpu_of(cg) ? cpu_of(cg)->bandwidth : NULL;
}

/* --- what is used --- */

void bandwidth_charge(struct member *m, uint64_t ran)
{
	m->ran_little += ran;
	if (m->ran_little >= RAN_MIN) {
		m->ran_little = 0;
		m->ran_at = emul_now(m->cg->emul);
	}
	for (struct cgroup *cg = m->cg; cg; cg = cg->parent) {
		if (bandwidth_of(cg))
			bandwidth_of(cg)->used += ran;
	}
}

void bandwidth_ran(struct member *m, uint64_t total_ns)
{
	if (total_ns <= m->ran_ns)
		return;
	bandwidth_charge(m, total_ns - m->ran_ns);
	m->ran_ns = total_ns;
}

/* Also what children used that it has waited for. */
static int sample_at(struct member *m, void *data)
{
	(void)data;
	usage_sample(m);
	return 0;
}

static int look_at(struct member *m, void *data)
{
	struct tasks *t = data;
	struct task_sample s;
	uint64_t ns;

	if (t->ops->cpu_time) {
		if (t->ops->cpu_time(t, m->pid, &ns) == 0)
			bandwidth_ran(m, ns);
	} else if (t->ops->sample(t, m->pid, &s) == 0) {
		bandwidth_ran(m, s.user_ns + s.system_ns);
	}
	return 0;
}

static void look(struct bandwidth *b, uint64_t now)
{
	members_each(b->cg, look_at, b->cg->emul->config.tasks);
	b->runtime -= (int64_t)b->used;
	b->ran |= b->used > 0;
	if (now > b->looked)
		b->pace = b->used * PACE_ONE / (now - b->looked);
	b->used = 0;
	b->looked = now;
}

/* --- throttling --- */

/* Counts in m's own cgroup, once for all of its members. */
static void count_local(const struct member *m, const struct bandwidth *b, uint64_t now)
{
	struct bandwidth *own = bandwidth_of(m->cg);
	uint64_t from = b->throttled_at;

	if (!own && cpu_of(m->cg))
		own = cpu_of(m->cg)->bandwidth = calloc(1, sizeof *own);
	if (!own)
		return;
	own->cg = m->cg;
	if (from < own->local_until)
		from = own->local_until;
	if (now > from)
		own->stat.local_ns += now - from;
	own->local_until = now;
}

static int count_one(struct member *m, void *data)
{
	const struct bandwidth *b = data;

	if (m->held_by[HOLD_CPU] == b->cg)
		count_local(m, b, emul_now(m->cg->emul));
	return 0;
}

/* The time for which those held so far were stopped, since it was counted last. */
static void count_throttled(struct bandwidth *b, uint64_t now)
{
	members_each(b->cg, count_one, b);
	b->stat.throttled_ns += (now - b->throttled_at) * b->stopped;
	b->throttled_at = now;
}

struct throttling {
	struct bandwidth *b;
	unsigned stopped;
};

static int throttle_one(struct member *m, void *data)
{
	struct throttling *t = data;

	if (m->ran_at >= t->b->began && member_hold(m, HOLD_CPU, t->b->cg))
		t->stopped++;
	return 0;
}

/* Also again: who was at rest, or was born since, may have begun to run. */
static void throttle(struct bandwidth *b, uint64_t now)
{
	struct throttling t = { b, 0 };
	uint64_t cpus = (b->pace + PACE_ONE / 2) / PACE_ONE;

	if (b->throttled)
		count_throttled(b, now);
	members_each(b->cg, throttle_one, &t);
	if (!t.stopped)
		return;
	members_stall(b->cg, HOLD_CPU, b->began);
	if (!b->throttled)
		b->stopped = 0;
	b->throttled = true;
	b->throttled_at = now;
	b->stopped += t.stopped < cpus ? t.stopped : cpus ? (unsigned)cpus : 1;
}

/* An ancestor's quota may still be used up: then it is that one that holds. */
static struct cgroup *next_holder(const struct cgroup *cg)
{
	for (cg = cg->parent; cg; cg = cg->parent) {
		if (bandwidth_of(cg) && bandwidth_of(cg)->throttled)
			return (struct cgroup *)cg;
	}
	return NULL;
}

static int unthrottle_one(struct member *m, void *data)
{
	const struct bandwidth *b = data;
	struct cgroup *next;

	if (m->held_by[HOLD_CPU] != b->cg)
		return 0;
	next = next_holder(b->cg);
	if (next)
		m->held_by[HOLD_CPU] = next;
	else
		member_release(m, HOLD_CPU);
	return 0;
}

static void unthrottle(struct bandwidth *b)
{
	if (!b->throttled)
		return;
	count_throttled(b, emul_now(b->cg->emul));
	members_each(b->cg, unthrottle_one, b);
	b->throttled = false;
}

/* --- periods --- */

/* __refill_cfs_bandwidth_runtime(), over spans spans. What was used beyond what there was is a debt
 * and no burst. */
static void refill(struct bandwidth *b, const struct span *span, uint64_t spans)
{
	int64_t quota = (int64_t)span->quota, most = quota + (int64_t)cpu_of(b->cg)->burst;
	int64_t debt = b->cg->emul->config.observe ? 0 : -DEBT_MAX * quota;
	int64_t left = b->runtime > 0 ? b->runtime : 0, over = b->snap - quota - left;

	if (spans == 1 && over > 0) {
		b->stat.nr_bursts++;
		b->stat.burst_ns += (uint64_t)over;
	}
	if (b->runtime < debt)
		b->runtime = debt;
	if ((uint64_t)(most - b->runtime) / span->quota < spans)
		b->runtime = most;
	else
		b->runtime += (int64_t)spans * quota;
	if (b->runtime > most)
		b->runtime = most;
	b->snap = b->runtime;
}

static void count_periods(struct bandwidth *b, const struct span *span, uint64_t spans)
{
	bool over = b->throttled || (b->cg->emul->config.observe && b->runtime <= 0);

	if (b->probe && !b->ran)
		return;
	if (b->probe) /* it began to run some time in the last one */
		spans = 1;
	b->stat.nr_periods += spans * span->periods;
	if (over)
		b->stat.nr_throttled += spans * span->periods;
}

/* The timer of periods stops after one in which nobody ran. */
static void end_spans(struct bandwidth *b, const struct span *span, uint64_t now)
{
	uint64_t spans = (now - b->began) / span->length;

	count_periods(b, span, spans);
	refill(b, span, spans);
	b->began += spans * span->length;
	if (b->ran || b->throttled)
		b->probe = 0;
	else if (!b->probe)
		b->probe = span->length;
	else
		b->probe = 2 * b->probe < PROBE_MAX ? 2 * b->probe : PROBE_MAX;
	if (b->probe) /* the clock stands still */
		b->began = now;
	b->ran = false;
	if (b->runtime > 0)
		unthrottle(b);
}

static uint64_t next_look(const struct bandwidth *b, const struct span *span, uint64_t now)
{
	uint64_t end = b->began + span->length, due;

	if (b->probe > span->length)
		return now + b->probe;
	if (b->runtime <= 0 && b->cg->emul->config.observe)
		return end;
	if (b->throttled || b->runtime <= 0) /* others may begin to run */
		return now + SPAN_MIN < end ? now + SPAN_MIN : end;
	due = (uint64_t)b->runtime * PACE_ONE / (b->pace > PACE_ONE ? b->pace : PACE_ONE);
	due = now + (due < LOOK_MIN ? LOOK_MIN : due);
	return due < end ? due : end;
}

/* Where processes were born some may have ended, too. */
static void look_for_births(struct bandwidth *b)
{
	struct emul *e = b->cg->emul;

	if (e->fresh != e->moment)
		members_refresh(e, false);
	if (b->births != e->births)
		members_each(b->cg, sample_at, NULL);
	b->births = e->births;
}

static void bandwidth_fire(struct emul *e, struct timer *t, uint64_t now)
{
	struct bandwidth *b = (struct bandwidth *)t; /* its first member */
	struct span span = span_of(cpu_of(b->cg));

	if (now >= b->began + span.length)
		look_for_births(b);
	if (!b->cg->populated)
		return;
	look(b, now);
	if (now >= b->began + span.length)
		end_spans(b, &span, now);
	if (b->runtime <= 0 && !e->config.observe)
		throttle(b, now);
	timer_arm(e, t, next_look(b, &span, now));
}

/* As the kernel does when a quota is set: a new period begins, with all of it. */
static void start(struct bandwidth *b)
{
	struct span span = span_of(cpu_of(b->cg));
	uint64_t now = emul_now(b->cg->emul);

	unthrottle(b);
	look(b, now);
	b->runtime = b->snap = (int64_t)span.quota;
	b->began = now;
	b->probe = 0;
	b->pace = PACE_ONE;
	b->ran = false;
	timer_arm(b->cg->emul, &b->timer, next_look(b, &span, now));
}

static void stop(struct bandwidth *b)
{
	timer_cancel(b->cg->emul, &b->timer);
	unthrottle(b);
}

void bandwidth_set_up(struct cgroup *cg)
{
	struct cpu *cpu = cpu_of(cg);

	if (!cg->populated || cpu->quota == NO_QUOTA) {
		if (cpu->bandwidth)
			stop(cpu->bandwidth);
		return;
	}
	if (!cpu->bandwidth)
		cpu->bandwidth = calloc(1, sizeof *cpu->bandwidth);
	if (!cpu->bandwidth)
		return; /* not kept: the next change of cg tries again */
	cpu->bandwidth->cg = cg;
	cpu->bandwidth->timer.fire = bandwidth_fire;
	start(cpu->bandwidth);
}

void bandwidth_read(const struct cgroup *cg, struct bandwidth_stat *ret_stat)
{
	const struct bandwidth *b = bandwidth_of(cg);

	*ret_stat = b ? b->stat : (struct bandwidth_stat){ 0 };
	if (b && b->throttled)
		ret_stat->throttled_ns += (emul_now(cg->emul) - b->throttled_at) * b->stopped;
}

void bandwidth_free(struct cgroup *cg)
{
	if (!bandwidth_of(cg))
		return;
	stop(bandwidth_of(cg));
	free(bandwidth_of(cg));
	cpu_of(cg)->bandwidth = NULL;
}
