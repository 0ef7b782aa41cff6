/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure stall information: stall time and its averages, by the kernel's arithmetic.
 *
 * Who knows that a cgroup stalls says at what rate (psi_stall()); from then on time adds up by
 * itself, and nothing runs: samples that were due meanwhile are taken when somebody looks. What
 * siblings stall at the same time cannot be told from when they do: it is taken to coincide, and
 * who does not stall to be idle. So an ancestor has the most that any of them has, for some and for
 * full alike.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/decay.h"
#include "psi.h"

#define MILLION 1000000U

/* 1/exp(2s/10s), 1/exp(2s/60s), 1/exp(2s/300s) */
static const uint64_t decay[3] = { 1677, 1981, 2034 };

/* --- the kernel's arithmetic -------------------------------------------------------------- */

static void average(uint64_t avg[3], uint64_t missed, uint64_t sample, uint64_t period)
{
	uint64_t percent = sample * 100 / period * DECAY_ONE;

	for (int i = 0; i < 3; i++) {
		if (missed)
			avg[i] = decay_step(avg[i], decay_power(decay[i], missed), 0);
		avg[i] = decay_step(avg[i], decay[i], percent);
	}
}

/* --- time --------------------------------------------------------------------------------- */

static bool stalls(const struct psi *psi)
{
	if (!psi->cg->pressure)
		return false;
	for (unsigned s = 0; s < PSI_STATES; s++) {
		if (psi->stall[s].rate)
			return true;
	}
	return false;
}

static void add_time(struct psi_stall *st, uint64_t ns)
{
	uint64_t rest = ns % MILLION * st->rate + st->rest;

	st->total += ns / MILLION * st->rate + rest / MILLION;
	st->rest = (uint32_t)(rest % MILLION);
}

static void integrate(struct psi *psi, uint64_t to)
{
	if (to <= psi->at)
		return;
	if (stalls(psi)) {
		for (unsigned s = 0; s < PSI_STATES; s++)
			add_time(&psi->stall[s], to - psi->at);
		psi->stalled = true;
	}
	psi->at = to;
}

/* True if no average moved. */
static bool update_averages(struct psi *psi, uint64_t now)
{
	uint64_t late = now - psi->avg_next;
	uint64_t missed = late / PSI_PERIOD;
	uint64_t period = now - (psi->avg_last + missed * PSI_PERIOD);
	bool same = true;

	psi->avg_next += (1 + missed) * PSI_PERIOD;
	psi->avg_last = now;
	for (unsigned s = 0; s < PSI_STATES; s++) {
		struct psi_stall *st = &psi->stall[s];
		uint64_t sample = st->total - st->avg_total;
		uint64_t before[3];

		memcpy(before, st->avg, sizeof(before));
		if (sample > period)
			sample = period;
		st->avg_total += sample;
		average(st->avg, missed, sample, period);
		same = same && st->avg_total == st->total &&
		       !memcmp(before, st->avg, sizeof(before));
	}
	return same;
}

/* The kernel's avgs_work, at the moment it was due: it goes on as long as something stalls. */
static bool avgs_work(struct psi *psi)
{
	uint64_t now = psi->work_due;
	bool same = false;

	integrate(psi, now);
	if (now >= psi->avg_next) {
		psi_triggers_update(psi, now, true);
		same = update_averages(psi, now);
	}
	psi->work_due = psi->stalled ? psi->avg_next : PSI_NEVER;
	psi->stalled = false;
	return same;
}

/* Whole periods of a stall that moves the averages no more. */
static void skip_periods(struct psi *psi, uint64_t n)
{
	integrate(psi, psi->at + n * PSI_PERIOD);
	for (unsigned s = 0; s < PSI_STATES; s++)
		psi->stall[s].avg_total = psi->stall[s].total;
	psi->avg_last += n * PSI_PERIOD;
	psi->avg_next += n * PSI_PERIOD;
	psi->work_due = psi->avg_next;
}

void psi_advance(struct psi *psi, uint64_t now)
{
	unsigned same = 0; /* samples in a row that moved nothing, at one rate from the second on */

	while (psi->work_due <= now) {
		same = avgs_work(psi) ? same + 1 : 0;
		if (same > 2 && stalls(psi) && psi->work_due < now && !psi->n_avgs)
			skip_periods(psi, (now - psi->work_due) / PSI_PERIOD);
	}
	integrate(psi, now);
}

/* --- rates -------------------------------------------------------------------------------- */

static void avgs_fire(struct emul *e, struct timer *t, uint64_t now)
{
	struct psi *psi = (struct psi *)((char *)t - offsetof(struct psi, avgs_timer));

	(void)e;
	psi_advance(psi, now);
	psi_arm_avgs(psi);
}

struct psi *psi_get(struct cgroup *cg)
{
	struct psi *psi = cg->psi;

	if (psi)
		return psi;
	psi = calloc(1, sizeof(*psi));
	if (!psi)
		return NULL;
	psi->cg = cg;
	psi->at = psi->avg_last = emul_now(cg->emul);
	psi->avg_next = psi->avg_last + PSI_PERIOD;
	psi->work_due = psi->poll_next = psi->poll_period = PSI_NEVER;
	psi->avgs_timer.fire = avgs_fire;
	psi->poll_timer.fire = psi_poll_fire;
	cg->psi = psi;
	return psi;
}

void psi_arm_avgs(struct psi *psi)
{
	struct emul *e = psi->cg->emul;

	if (psi->n_avgs && psi->work_due != PSI_NEVER)
		timer_arm(e, &psi->avgs_timer, psi->work_due);
	else
		timer_cancel(e, &psi->avgs_timer);
}

/* Something may have begun to stall. */
static void start(struct psi *psi, uint64_t now)
{
	if (stalls(psi) && psi->work_due == PSI_NEVER)
		psi->work_due = now + PSI_PERIOD;
	psi_arm_avgs(psi);
	psi_poll_kick(psi, now);
}

static uint32_t most(const struct cgroup *cg, unsigned state)
{
	uint32_t rate = cg->psi ? cg->psi->stall[state].own : 0;

	for (const struct cgroup *child = cg->children; child; child = child->hh.next) {
		if (child->psi && child->psi->stall[state].rate > rate)
			rate = child->psi->stall[state].rate;
	}
	return rate;
}

/* One of those that make up the rate of cg was `was` and is `is` now. */
static void propagate(struct cgroup *cg, unsigned state, uint32_t was, uint32_t is)
{
	uint64_t now = emul_now(cg->emul);

	for (; cg; cg = cg->parent) {
		uint32_t old = cg->psi ? cg->psi->stall[state].rate : 0;
		uint32_t rate = old;
		struct psi *psi;

		if (cgroup_is_root(cg) && state == psi_state(PSI_CPU, true))
			return; /* undefined there */
		if (is >= old)
			rate = is;
		else if (was == old)
			rate = most(cg, state);
		if (rate == old)
			return;
		psi = psi_get(cg);
		if (!psi)
			return;
		psi_advance(psi, now);
		psi->stall[state].rate = rate;
		start(psi, now);
		was = old;
		is = rate;
	}
}

static void stall_state(struct cgroup *cg, unsigned state, enum psi_source source, uint32_t rate)
{
	struct psi *psi = rate ? psi_get(cg) : cg->psi;
	uint32_t was;

	if (!psi)
		return;
	psi->stall[state].by[source] = rate;
	for (unsigned i = 0; i < PSI_SOURCES; i++) {
		if (psi->stall[state].by[i] > rate)
			rate = psi->stall[state].by[i];
	}
	was = psi->stall[state].own;
	psi->stall[state].own = rate;
	propagate(cg, state, was, rate);
}

void psi_stall_by(struct cgroup *cg, enum psi_source source, enum psi_resource resource,
		  struct psi_rate rate)
{
	if (cg->dead)
		return;
	if (rate.some_ppm > MILLION)
		rate.some_ppm = MILLION;
	if (rate.full_ppm > rate.some_ppm)
		rate.full_ppm = rate.some_ppm;
	stall_state(cg, psi_state(resource, false), source, rate.some_ppm);
	stall_state(cg, psi_state(resource, true), source, rate.full_ppm);
}

void psi_stall(struct cgroup *cg, enum psi_resource resource, unsigned some_ppm, unsigned full_ppm)
{
	psi_stall_by(cg, PSI_TOLD, resource, (struct psi_rate){ some_ppm, full_ppm });
}

void psi_enable(struct cgroup *cg, bool on)
{
	struct psi *psi = cg->psi;
	uint64_t now = emul_now(cg->emul);

	if (cg->pressure == on)
		return;
	if (psi)
		psi_advance(psi, now);
	cg->pressure = on;
	if (!on)
		cg->pressure_lives++; /* what is open now stays dead */
	if (psi && on)
		start(psi, now);
	else if (psi)
		psi_triggers_drop(psi);
}

void psi_remove(struct cgroup *cg)
{
	struct psi *psi = cg->psi;

	if (!psi)
		return;
	for (unsigned i = 0; i < PSI_RESOURCES * PSI_SOURCES; i++)
		psi_stall_by(cg, (enum psi_source)(i / PSI_RESOURCES),
			     (enum psi_resource)(i % PSI_RESOURCES), (struct psi_rate){ 0 });
	psi_triggers_drop(psi);
	psi_free(cg);
}

void psi_free(struct cgroup *cg)
{
	struct psi *psi = cg->psi;

	if (!psi)
		return;
	timer_cancel(cg->emul, &psi->avgs_timer);
	timer_cancel(cg->emul, &psi->poll_timer);
	free(psi);
	cg->psi = NULL;
}

/* --- text --------------------------------------------------------------------------------- */

static void show_line(const char *what, const struct psi_stall *st, struct buf *out)
{
	static const unsigned spans[3] = { 10, 60, 300 };

	buf_adds(out, what);
	for (int i = 0; i < 3; i++)
		buf_addf(out, " avg%u=%" PRIu64 ".%02" PRIu64, spans[i], st->avg[i] >> DECAY_SHIFT,
			 ((st->avg[i] & (DECAY_ONE - 1)) * 100) >> DECAY_SHIFT);
	buf_addf(out, " total=%" PRIu64 "\n", st->total / 1000);
}

void psi_show(struct cgroup *cg, enum psi_resource resource, struct buf *out)
{
	static const struct psi_stall none[2];
	const struct psi_stall *st = none;
	uint64_t now = emul_now(cg->emul);

	if (cg->psi) {
		psi_advance(cg->psi, now);
		if (now >= cg->psi->avg_next)
			update_averages(cg->psi, now);
		st = &cg->psi->stall[psi_state(resource, false)];
	}
	show_line("some", &st[0], out);
	show_line("full", &st[1], out);
}
