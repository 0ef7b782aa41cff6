/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What is remembered of containers. Everything below states->lock is guarded by it; nothing else is
 * locked inside.
 */
#include "states.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "ctlfs/cleanup.h"

#define NSEC 1000000000ULL

struct state {
	uint64_t id; /* of the container: never reused */
	uint64_t start;
	uint64_t btime; /* 0: not yet known */
	struct cputimes times;
	struct load load;
	struct tally tally;
	uint64_t tally_until; /* 0: none */
	uint64_t forks;
	UT_hash_handle hh; /* in the order of use, the oldest first */
};

struct states {
	pthread_mutex_t lock;
	struct state *table;
	size_t max;
};

int states_new(size_t max, struct states **ret_states)
{
	struct states *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	pthread_mutex_init(&s->lock, NULL);
	s->max = max;
	*ret_states = s;
	return 0;
}

static void drop(struct states *s, struct state *state)
{
	HASH_DEL(s->table, state);
	cputimes_free(&state->times);
	free(state);
}

void states_free(struct states *s)
{
	if (!s)
		return;
	while (s->table)
		drop(s, s->table);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* Puts state at the end of the order. */
static bool add(struct states *s, struct state *state)
{
	unsigned before = HASH_COUNT(s->table);

	HASH_ADD(hh, s->table, id, sizeof state->id, state);
	return HASH_COUNT(s->table) > before;
}

/* The container's state, now the last to be dropped. NULL: no memory. */
static struct state *state_of(struct states *s, uint64_t id)
{
	struct state *state;

	HASH_FIND(hh, s->table, &id, sizeof id, state);
	if (state) {
		if (!state->hh.next)
			return state;
		HASH_DEL(s->table, state);
	} else {
		if (HASH_COUNT(s->table) >= s->max)
			drop(s, s->table);
		state = calloc(1, sizeof *state);
		if (!state)
			return NULL;
		state->id = id;
		state->start = START_UNKNOWN;
	}
	if (add(s, state))
		return state;
	cputimes_free(&state->times);
	free(state);
	return NULL;
}

int states_start(struct states *s, uint64_t id, uint64_t start, uint64_t *ret_start)
{
	struct state *state;

	guard_mutex(&s->lock);
	state = state_of(s, id);
	if (!state)
		return -ENOMEM;
	if (start < state->start)
		state->start = start;
	*ret_start = state->start;
	return 0;
}

int states_btime(struct states *s, uint64_t id, uint64_t btime_ns, uint64_t *ret_btime)
{
	uint64_t btime = btime_ns / NSEC;
	struct state *state;

	guard_mutex(&s->lock);
	state = state_of(s, id);
	if (!state)
		return -ENOMEM;
	if (btime + 1 < state->btime || btime > state->btime + 1)
		state->btime = btime;
	*ret_btime = state->btime;
	return 0;
}

int states_times(struct states *s, uint64_t id, const struct usage *u, struct times *ret_times)
{
	struct cputime *copy;
	struct state *state;
	int r;

	guard_mutex(&s->lock);
	state = state_of(s, id);
	if (!state)
		return -ENOMEM;
	r = cputimes_update(&state->times, u);
	if (r < 0)
		return r;
	copy = calloc(state->times.n, sizeof *copy);
	if (!copy)
		return -ENOMEM;
	memcpy(copy, state->times.cpus, state->times.n * sizeof *copy);
	*ret_times = (struct times){ .cpus = copy, .n = state->times.n, .shown = u->cpus };
	return 0;
}

bool states_tally(struct states *s, uint64_t id, uint64_t now, struct tally *ret_tally)
{
	struct state *state;

	guard_mutex(&s->lock);
	state = state_of(s, id);
	if (!state || now >= state->tally_until)
		return false;
	*ret_tally = state->tally;
	return true;
}

int states_tallied(struct states *s, uint64_t id, const struct tally *tally, uint64_t begun,
		   uint64_t now)
{
	struct state *state;

	guard_mutex(&s->lock);
	state = state_of(s, id);
	if (!state)
		return -ENOMEM;
	state->tally = *tally;
	state->tally_until = now + 10 * (now - begun);
	if (tally->threads > state->forks)
		state->forks = tally->threads;
	return 0;
}

int states_forks(struct states *s, uint64_t id, uint64_t *ret_forks)
{
	struct state *state;

	guard_mutex(&s->lock);
	state = state_of(s, id);
	if (!state)
		return -ENOMEM;
	*ret_forks = state->forks;
	return 0;
}

int states_load(struct states *s, uint64_t id, const struct tally *tally, uint64_t now,
		struct load *ret_load)
{
	struct state *state;

	guard_mutex(&s->lock);
	state = state_of(s, id);
	if (!state)
		return -ENOMEM;
	load_update(&state->load, tally->running + tally->blocked, state->start, now);
	*ret_load = state->load;
	return 0;
}
