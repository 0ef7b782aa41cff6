/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Triggers of pressure files: what is written, and when one fires. As in the kernel, growth is
 * measured over a window that slides by interpolation, ten times a window, and no trigger fires
 * twice within one. Nothing runs while nothing that is watched stalls.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "psi.h"

#define WINDOW_MAX 10000000U /* us */
#define WINDOW_MIN_6_1 500000U
#define WINDOW_UNPRIVILEGED 2000000U /* whole samples of the averages */
#define UPDATES_PER_WINDOW 10
#define JIFFY 4000000U /* ns: the kernel's timers know no less */
#define LATE_MAX 1000 /* updates that are caught up with one by one */

/* --- parsing ------------------------------------------------------------------------------ */

static int check_window(uint32_t window, enum emul_version version, bool privileged)
{
	uint32_t min = version == EMUL_6_1 ? WINDOW_MIN_6_1 : 1;

	if (window < min || window > WINDOW_MAX)
		return refuse(EINVAL, "the window of a trigger is from %u to %u us", min,
			      WINDOW_MAX);
	if (version != EMUL_6_1 && !privileged && window % WINDOW_UNPRIVILEGED)
		return refuse(EINVAL, "without CAP_SYS_RESOURCE a window is a multiple of %u us",
			      WINDOW_UNPRIVILEGED);
	return 0;
}

/* sscanf("some %u %u") or the same with full: what follows is ignored, numbers are mod 2^32. */
int psi_spec_parse(const char *text, enum emul_version version, bool privileged,
		   struct psi_spec *ret_spec)
{
	const char *rest = text + strlen("some");
	uint64_t threshold, window;
	bool full = !strncmp(text, "full", 4);
	int r;

	if ((!full && strncmp(text, "some", 4)) || parse_scan(&rest, &threshold) ||
	    parse_scan(&rest, &window))
		return refuse(EINVAL, "a trigger is \"some\" or \"full\", a threshold and a window "
				      "in us");
	r = check_window((uint32_t)window, version, privileged);
	if (r < 0)
		return r;
	if (!(uint32_t)threshold || (uint32_t)threshold > (uint32_t)window)
		return refuse(EINVAL, "the threshold of a trigger is from 1 us to its window");
	*ret_spec = (struct psi_spec){ full, (uint32_t)threshold, (uint32_t)window };
	return 0;
}

/* --- life --------------------------------------------------------------------------------- */

static void window_open(struct psi_trigger *t, uint64_t now, uint64_t value, uint64_t before)
{
	t->start = now;
	t->start_value = value;
	t->growth_before = before;
}

/* How often the shortest window that is not avgs_work's wants a look. */
static void set_period(struct psi *psi)
{
	psi->poll_period = PSI_NEVER;
	for (const struct psi_trigger *t = psi->triggers; t; t = t->next) {
		uint64_t period = t->window / UPDATES_PER_WINDOW;

		if (!t->avgs && period < psi->poll_period)
			psi->poll_period = period < JIFFY ? JIFFY : period;
	}
}

static void link_trigger(struct psi *psi, struct psi_trigger *t)
{
	t->psi = psi;
	t->next = psi->triggers;
	if (t->next)
		t->next->prev = t;
	psi->triggers = t;
	psi->n_avgs += t->avgs;
	set_period(psi);
}

static void unlink_trigger(struct psi *psi, struct psi_trigger *t)
{
	if (t->prev)
		t->prev->next = t->next;
	else
		psi->triggers = t->next;
	if (t->next)
		t->next->prev = t->prev;
	psi->n_avgs -= t->avgs;
	t->psi = NULL;
	t->next = t->prev = NULL;
	set_period(psi);
	psi_arm_avgs(psi);
	if (psi->poll_period == PSI_NEVER) {
		timer_cancel(psi->cg->emul, &psi->poll_timer);
		psi->poll_next = PSI_NEVER;
	}
}

static void tell(const struct psi *psi, const struct psi_trigger *t)
{
	tree_changed(&psi->cg->emul->tree, t->node);
}

int psi_trigger_new(struct cgroup *cg, enum psi_resource resource, const struct psi_spec *spec,
		    bool privileged, struct psi_trigger **ret_trigger)
{
	struct psi *psi = psi_get(cg);
	struct psi_trigger *t = calloc(1, sizeof(*t));
	uint64_t now = emul_now(cg->emul);

	if (!psi || !t) {
		free(t);
		return -ENOMEM;
	}
	t->node = cgroup_node(cg) + SLOT_PRESSURE + resource;
	t->state = psi_state(resource, spec->full);
	t->avgs = !privileged && cg->emul->config.version != EMUL_6_1;
	t->threshold = spec->threshold * 1000ULL;
	t->window = spec->window * 1000ULL;
	psi_advance(psi, now);
	window_open(t, now, psi->stall[t->state].total, 0);
	link_trigger(psi, t);
	psi_arm_avgs(psi);
	psi_poll_kick(psi, now);
	*ret_trigger = t;
	return 0;
}

static void detach(struct psi *psi, struct psi_trigger *t)
{
	unlink_trigger(psi, t);
	tell(psi, t);
}

void psi_trigger_free(struct psi_trigger *t)
{
	if (t && t->psi)
		detach(t->psi, t);
	free(t);
}

void psi_triggers_drop(struct psi *psi)
{
	while (psi->triggers)
		detach(psi, psi->triggers);
}

/* --- firing ------------------------------------------------------------------------------- */

/* How much value grew within the last window: what is missing of it goes by the one before, in the
 * kernel's 32 bits: a window over 4.29 s counts less of that. */
static uint64_t window_update(struct psi_trigger *t, uint64_t now, uint64_t value)
{
	uint64_t elapsed = now - t->start;
	uint64_t growth = value - t->start_value;

	if (elapsed > t->window)
		window_open(t, now, value, growth);
	else
		growth += t->growth_before * (uint32_t)(t->window - elapsed) / t->window;
	return growth;
}

static void trigger_update(struct psi *psi, struct psi_trigger *t, uint64_t now, bool grown)
{
	if (grown && window_update(t, now, psi->stall[t->state].total) >= t->threshold)
		t->pending = true;
	if (!t->pending || (t->fired && now < t->last_event + t->window))
		return;
	if (!t->event)
		tell(psi, t);
	t->event = t->fired = true;
	t->last_event = now;
	t->pending = false;
}

void psi_triggers_update(struct psi *psi, uint64_t now, bool avgs)
{
	for (struct psi_trigger *t = psi->triggers; t; t = t->next) {
		const struct psi_stall *st = &psi->stall[t->state];

		if (t->avgs == avgs)
			trigger_update(psi, t, now,
				       st->total != (avgs ? st->avg_total : st->polled));
	}
}

/* Whether a state that is watched stalls, or has since the last look. */
static bool watched(const struct psi *psi, bool now)
{
	for (const struct psi_trigger *t = psi->triggers; t; t = t->next) {
		const struct psi_stall *st = &psi->stall[t->state];

		if (!t->avgs && (now ? psi->cg->pressure && st->rate : st->total != st->polled))
			return true;
	}
	return false;
}

static void keep_polled(struct psi *psi)
{
	for (unsigned s = 0; s < PSI_STATES; s++)
		psi->stall[s].polled = psi->stall[s].total;
}

/* The kernel goes on looking for a while after the last stall; nothing is found then, so only the
 * moments are kept, in case that it begins anew before that is over. */
void psi_poll_kick(struct psi *psi, uint64_t now)
{
	if (psi->poll_timer.place || !watched(psi, true))
		return;
	if (psi->poll_next == PSI_NEVER || now > psi->poll_until) {
		for (struct psi_trigger *t = psi->triggers; t; t = t->next) {
			if (!t->avgs)
				window_open(t, now, psi->stall[t->state].total, 0);
		}
		keep_polled(psi);
		psi->poll_until = now + UPDATES_PER_WINDOW * psi->poll_period;
		psi->poll_next = now + psi->poll_period;
	} else if (psi->poll_next <= now) {
		uint64_t late = now - psi->poll_next;

		psi->poll_next += (late / psi->poll_period + 1) * psi->poll_period;
	}
	timer_arm(psi->cg->emul, &psi->poll_timer, psi->poll_next);
}

/* A late look counts as one in time, so that nothing depends on who ran when. */
void psi_poll_fire(struct emul *e, struct timer *timer, uint64_t now)
{
	struct psi *psi = (struct psi *)((char *)timer - offsetof(struct psi, poll_timer));
	uint64_t at = timer->due;

	if (now - at > LATE_MAX * psi->poll_period)
		at = now;
	if (at < psi->at)
		at = psi->at;
	psi_advance(psi, at);
	if (watched(psi, false)) {
		psi_triggers_update(psi, at, false);
		keep_polled(psi);
		psi->poll_until = at + UPDATES_PER_WINDOW * psi->poll_period;
	}
	psi->poll_next = at + psi->poll_period;
	if (watched(psi, true))
		timer_arm(e, &psi->poll_timer, psi->poll_next);
}
