/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the emulator has to do at a later time, on the clock of its task source. */
#ifndef EMUL_TIMER_H
#define EMUL_TIMER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct emul;

/* Part of whatever is to be done; must be cancelled before that is freed. */
struct timer {
	/* With emul->lock held and the timer no longer armed; may arm it again. May let go of the
	 * lock meanwhile if the timer outlives that. */
	void (*fire)(struct emul *e, struct timer *t, uint64_t now);
	uint64_t due; /* ns */
	size_t place; /* in the heap from 1 on; 0: not armed */
};

struct timers {
	struct timer **heap; /* from 1 on: the next that is due comes first */
	size_t n, cap;
};

/* The thread that fires them where config.clock asks for it: asleep while none is armed, and no
 * stop is due (hold.c). */
struct ticker {
	pthread_t thread;
	pthread_cond_t nearer; /* a timer is due sooner than the thread thinks, or stop */
	bool running, stop;
	bool held; /* the clock stands still: waiting makes nothing due */
	bool busy; /* somebody moves the clock, and fires timers himself */
};

/* Lock held in all of these. Arming an armed timer moves it. -ENOMEM: it is not armed. */
int timer_arm(struct emul *e, struct timer *t, uint64_t due);
void timer_cancel(struct emul *e, struct timer *t); /* one that is not armed is fine */
uint64_t timers_run(struct emul *e); /* fires what is due; when the next is, UINT64_MAX: none */
void timers_free(struct emul *e);

#define STOPS_NSEC 200000ULL /* between looks: who sleeps takes a SIGSTOP within that */

/* Lock held: stops_look() is to be called soon, whatever the emulator's clock says. */
void ticker_hurry(struct emul *e);

/* Without the lock. */
int ticker_start(struct emul *e);
void ticker_stop(struct emul *e); /* one that was not started is fine */

#endif
