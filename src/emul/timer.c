/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Timers: a binary heap by due time, and the thread that fires them. */
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "cgroup.h"
#include "ctlfs/clock.h"
#include "ctlfs/thread.h"

#define NSEC 1000000000ULL

static void put(struct timers *ts, struct timer *t, size_t place)
{
	ts->heap[place] = t;
	t->place = place;
}

static void sift_up(struct timers *ts, struct timer *t, size_t place)
{
	while (place > 1 && ts->heap[place / 2]->due > t->due) {
		put(ts, ts->heap[place / 2], place);
		place /= 2;
	}
	put(ts, t, place);
}

static void sift_down(struct timers *ts, struct timer *t, size_t place)
{
	for (;;) {
		size_t child = 2 * place;

		if (child < ts->n && ts->heap[child + 1]->due < ts->heap[child]->due)
			child++;
		if (child > ts->n || ts->heap[child]->due >= t->due)
			break;
		put(ts, ts->heap[child], place);
		place = child;
	}
	put(ts, t, place);
}

static int make_room(struct timers *ts)
{
	size_t cap = ts->cap ? 2 * ts->cap : 16;
	struct timer **grown;

	if (ts->n + 1 < ts->cap)
		return 0;
	grown = reallocarray(ts->heap, cap, sizeof *grown);
	if (!grown)
		return -ENOMEM;
	ts->heap = grown;
	ts->cap = cap;
	return 0;
}

int timer_arm(struct emul *e, struct timer *t, uint64_t due)
{
	struct timers *ts = &e->timers;

	timer_cancel(e, t);
	if (make_room(ts) < 0)
		return -ENOMEM;
	t->due = due;
	sift_up(ts, t, ++ts->n);
	if (t->place == 1 && e->ticker.running)
		pthread_cond_signal(&e->ticker.nearer);
	return 0;
}

void timer_cancel(struct emul *e, struct timer *t)
{
	struct timers *ts = &e->timers;
	size_t place = t->place;
	struct timer *last;

	if (!place)
		return;
	t->place = 0;
	last = ts->heap[ts->n--];
	if (last == t)
		return;
	if (place > 1 && ts->heap[place / 2]->due > last->due)
		sift_up(ts, last, place);
	else
		sift_down(ts, last, place);
}

/* Each timer at most once: one that arms itself for now must not keep the lock for ever. */
uint64_t timers_run(struct emul *e)
{
	struct timers *ts = &e->timers;
	uint64_t now = emul_now(e);

	if (ts->n && ts->heap[1]->due <= now) {
		e->moment++;
		e->sample++;
	}
	for (size_t most = ts->n; most && ts->n && ts->heap[1]->due <= now; most--) {
		struct timer *t = ts->heap[1];

		timer_cancel(e, t);
		t->fire(e, t, now);
	}
	return ts->n ? ts->heap[1]->due : UINT64_MAX;
}

void timers_free(struct emul *e)
{
	free(e->timers.heap);
	e->timers = (struct timers){ 0 };
}

/* By however long the emulator's clock needs, which need not be the one that is waited by. */
static void ticker_wait(struct emul *e, uint64_t next)
{
	uint64_t now = emul_now(e), pause = next > now ? next - now : 0;
	bool for_ever = next == UINT64_MAX || (e->ticker.held && pause);
	struct timespec ts;
	uint64_t until;

	if (e->n_due && (for_ever || pause > STOPS_NSEC)) {
		pause = STOPS_NSEC;
		for_ever = false;
	}
	until = monotonic_ns() + pause;
	ts = (struct timespec){ (time_t)(until / NSEC), (long)(until % NSEC) };
	if (for_ever)
		pthread_cond_wait(&e->ticker.nearer, &e->lock);
	else if (pause)
		pthread_cond_timedwait(&e->ticker.nearer, &e->lock, &ts);
}

void ticker_hurry(struct emul *e)
{
	if (e->ticker.running)
		pthread_cond_signal(&e->ticker.nearer);
}

static void *ticker_main(void *data)
{
	struct emul *e = data;

	pthread_mutex_lock(&e->lock);
	while (!e->ticker.stop) {
		uint64_t next;

		stops_look(e);
		next = e->ticker.busy ? UINT64_MAX : timers_run(e);
		if (!e->ticker.stop) /* a timer may have let go of the lock */
			ticker_wait(e, next);
	}
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

int ticker_start(struct emul *e)
{
	pthread_condattr_t attr;
	int r;

	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC); /* as in ticker_wait() */
	pthread_cond_init(&e->ticker.nearer, &attr);
	pthread_condattr_destroy(&attr);
	e->ticker.running = true;
	r = thread_start(NULL, ticker_main, e, &e->ticker.thread);
	if (r) {
		e->ticker.running = false;
		pthread_cond_destroy(&e->ticker.nearer);
	}
	return r;
}

void ticker_stop(struct emul *e)
{
	if (!e->ticker.running)
		return;
	pthread_mutex_lock(&e->lock);
	e->ticker.stop = true;
	pthread_cond_signal(&e->ticker.nearer);
	pthread_mutex_unlock(&e->lock);
	pthread_join(e->ticker.thread, NULL);
	pthread_cond_destroy(&e->ticker.nearer);
	e->ticker.running = false;
}
