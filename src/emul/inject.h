/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Made for tests: what ctl/inject and scenarios do to an emulator. inject.c takes texts apart and
 * keeps the clock and what is to be done later; inject_apply.c does what a line says.
 *
 * Locks: inject->lock is taken before emul->lock and held over a whole text, so that texts follow
 * one another; recursive, since a line may move the clock on to others. Lines use the tree as
 * anybody does: emul->lock is held inside their parts only.
 */
#ifndef EMUL_INJECT_H
#define EMUL_INJECT_H

#include "emul.h"
#include "inject_parse.h"

#define INJECT_FAILED 32 /* failures of later lines that are kept */

struct injected; /* inject_apply.c: what lines added to a cgroup */
struct pending;

struct inject {
	struct emul *emul;
	pthread_mutex_t lock; /* of pending and failed */
	struct pending *pending; /* by time, then as given */
	unsigned n_pending;
	char *failed[INJECT_FAILED]; /* a ring */
	unsigned n_failed; /* ever */
	/* Of emul->lock. */
	struct timer due; /* the first pending line */
	struct timer exits; /* a synthetic process was killed: somebody must be told */
	struct injected *injected; /* uthash on the cgroup's id */
};

/* Puts synthetic processes in front of base (or NULL): *ret_tasks, owned by the caller. */
int inject_new(struct emul *e, struct tasks *base, struct inject **ret_inject,
	       struct tasks **ret_tasks);
void inject_free(struct inject *in);

/* --- inject.c: with inject->lock --- */

int inject_advance(struct inject *in, uint64_t ns);
int inject_set_virtual(struct inject *in, bool on);

/* --- inject_apply.c --- */

int inject_apply(struct inject *in, const struct inject_line *l); /* with inject->lock */
void inject_forget(struct cgroup *cg); /* with emul->lock: it is being removed */
void inject_forget_all(struct inject *in);

#endif
