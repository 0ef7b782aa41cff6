/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pids controller.
 *
 * pids.current counts the live threads of the members and of their descendants, and processes that
 * have ended since the controller came and are not reaped. pids.peak is the most that was
 * seen when somebody read a file of the cgroup or of one below it, or when tasks were counted for
 * pids.max. A fork is refused for pids.max if whoever asks emul_may_fork() refuses it; others are
 * only counted. Tasks are counted only when so many forks were allowed since the last time that a
 * limit could have been reached.
 */
#include <errno.h>
#include <string.h>

#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "emul.h"

/* The most pids.max can be: PID_MAX_LIMIT of 64-bit kernels. */
#define PIDS_MAX 4194304
#define NO_LIMIT (PIDS_MAX + 1)

struct pids {
	struct css css;
	int64_t limit;
	uint64_t peak;
	uint64_t events, events_local;
	uint64_t most; /* tasks that there may be, if the emulator's moves are still these */
	uint64_t most_moves; /* ... plus 1; 0: not known */
};

static struct pids *pids_of(const struct cgroup *cg)
{
	return (struct pids *)cgroup_css(cg, CTRL_PIDS);
}

static void pids_init(struct cgroup *cg, struct css *css)
{
	(void)cg;
	((struct pids *)css)->limit = NO_LIMIT;
}

static uint64_t counted(const struct cgroup *cg, const struct usage *now)
{
	uint64_t before = cg->emul->n_dead ? dead_before(cg, &pids_of(cg)->css) : 0;

	/* Those that ended are noticed one by one: never fewer than none. */
	return now->threads > before ? now->threads - before : 0;
}

static void pids_sampled(struct cgroup *cg, struct css *css, const struct usage *now)
{
	struct pids *pids = (struct pids *)css;

	if (counted(cg, now) > pids->peak)
		pids->peak = counted(cg, now);
}

static int max_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	int64_t limit = pids_of(f->cg)->limit;

	(void)reader;
	if (limit == NO_LIMIT)
		buf_adds(out, "max\n");
	else
		buf_addf(out, "%lld\n", (long long)limit);
	return 0;
}

/* What is present may exceed the limit. */
static int max_write(struct emul_open *f, const struct caller *writer, char *text)
{
	int64_t limit = NO_LIMIT;

	(void)writer;
	text = parse_strip(text);
	if (strcmp(text, "max")) {
		int error = parse_s64(text, 0, &limit);

		if (error)
			return refuse(-error, "pids.max takes \"max\" or a number");
		if (limit < 0 || limit > PIDS_MAX)
			return refuse(EINVAL, "pids.max is from 0 to %d", PIDS_MAX);
	}
	pids_of(f->cg)->limit = limit;
	return 0;
}

static uint64_t current_read(struct cgroup *cg, const struct usage *now)
{
	return counted(cg, now);
}

static uint64_t peak_read(struct cgroup *cg, const struct usage *now)
{
	(void)now;
	return pids_of(cg)->peak;
}

void pids_event(struct cgroup *cg, uint64_t count)
{
	pids_refused(cg, cg, count);
}

/* The cgroup whose limit it is, and those above, count the event; before 6.12 it was the one of
 * the task, alone. */
void pids_refused(struct cgroup *forking, struct cgroup *limiting, uint64_t count)
{
	struct cgroup *cg = emul_is(forking->emul, EMUL_6_1) ? forking : limiting;

	if (!pids_of(cg))
		return;
	if (emul_is(cg->emul, EMUL_6_1)) {
		pids_of(cg)->events += count;
		emul_notify(cg, SLOT_PIDS_EVENTS);
		return;
	}
	pids_of(cg)->events_local += count;
	emul_notify(cg, SLOT_PIDS_EVENTS + 1);
	for (; cg && pids_of(cg); cg = cg->parent) {
		pids_of(cg)->events += count;
		if (!cgroup_is_root(cg))
			emul_notify(cg, SLOT_PIDS_EVENTS);
	}
}

/* --- forks ---------------------------------------------------------------------------------- */

static bool is_far(const struct cgroup *cg)
{
	for (; cg && pids_of(cg); cg = cg->parent) {
		const struct pids *pids = pids_of(cg);

		if (pids->limit != NO_LIMIT && (pids->most_moves != cg->emul->moves + 1 ||
						(int64_t)pids->most >= pids->limit))
			return false;
	}
	return true;
}

/* pids_try_charge(): the first limit from below that is in the way. */
static int count_tasks(struct cgroup *from, unsigned pending)
{
	int r = 0;

	for (struct cgroup *cg = from; cg && pids_of(cg); cg = cg->parent) {
		struct pids *pids = pids_of(cg);
		struct usage now;

		if (pids->limit == NO_LIMIT)
			continue;
		if (emul_usage(cg, &now) < 0)
			return -EAGAIN;
		if ((int64_t)now.threads >= pids->limit) {
			pids_refused(from, cg, 1);
			return -EAGAIN;
		}
		if ((int64_t)now.threads + pending >= pids->limit)
			r = -EBUSY;
		pids->most = now.threads + pending;
		pids->most_moves = cg->emul->moves + 1;
	}
	return r;
}

int pids_may_fork(struct cgroup *from, unsigned pending, bool count)
{
	int r = 0;

	while (from && !pids_of(from)) /* charged to the nearest that has the controller */
		from = from->parent;
	if (!count && !is_far(from))
		return -EAGAIN;
	if (count)
		r = count_tasks(from, pending);
	for (struct cgroup *cg = from; r == 0 && cg && pids_of(cg); cg = cg->parent) {
		struct pids *pids = pids_of(cg);

		pids->most++;
		if (count && pids->limit != NO_LIMIT && !pending && pids->most > pids->peak)
			pids->peak = pids->most;
	}
	return r;
}

int pids_may_add(struct cgroup *cg, unsigned tasks)
{
	for (struct cgroup *at = cg; at; at = at->parent) {
		const struct pids *pids = pids_of(at);

		if (!pids || pids->limit == NO_LIMIT ||
		    at->usage.threads + tasks <= (uint64_t)pids->limit)
			continue;
		pids_refused(cg, at, 1);
		return refuse(EAGAIN, "pids.max of \"%s\" is %lld",
			      cgroup_is_root(at) ? "/" : at->name, (long long)pids->limit);
	}
	return 0;
}

static int events_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_addf(out, "max %llu\n", (unsigned long long)pids_of(f->cg)->events);
	return 0;
}

static int events_local_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	buf_addf(out, "max %llu\n", (unsigned long long)pids_of(f->cg)->events_local);
	return 0;
}

const struct emul_file pids_files[] = {
	{ .name = "pids.max",
	  .mode = 0644,
	  .flags = ROW_NOT_ON_ROOT,
	  .show = max_show,
	  .write = max_write },
	{ .name = "pids.current",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT | EMUL_MEMBERS,
	  .read_usage = current_read },
	{ .name = "pids.peak",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT | EMUL_MEMBERS,
	  .read_usage = peak_read },
	{ .name = "pids.events",
	  .mode = 0444,
	  .flags = ROW_NOT_ON_ROOT | ROW_NOTIFIES,
	  .show = events_show },
	{ .name = "pids.events.local",
	  .mode = 0444,
	  .not_in = EMUL_BIT(EMUL_6_1),
	  .flags = ROW_NOT_ON_ROOT | ROW_NOTIFIES,
	  .show = events_local_show },
	{ 0 },
};

const struct controller pids_controller = {
	.name = "pids",
	.id = CTRL_PIDS,
	.threaded = true,
	.css_size = sizeof(struct pids),
	.css_init = pids_init,
	.sampled = pids_sampled,
};
