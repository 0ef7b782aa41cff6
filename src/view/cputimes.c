/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Spreads CPU time over virtual CPUs. What was used before the first reading is split in equal
 * shares; from then on what is used between two readings fills CPU 0 up to the time that has
 * passed, then CPU 1 and so on, so that n busy threads show as n busy CPUs; the rest of the time is
 * idle. CPUs that the container loses keep their time, as those do that go offline in the kernel.
 */
#include "cputimes.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t busy(const struct cputime *t)
{
	return t->user + t->nice + t->system;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Share number i of n of a whole: they differ by 1 at most and add up. */
static uint64_t share(uint64_t whole, unsigned i, unsigned n)
{
	return whole / n + (i < whole % n);
}

static void begin(struct cputimes *t, const struct usage *u)
{
	uint64_t lived = u->alive && u->now > u->start ? u->now - u->start : 0;
	uint64_t all = lived * u->cpus;
	uint64_t used = busy(&u->used);
	uint64_t idle = all > used ? all - used : 0;

	for (unsigned i = 0; i < u->cpus; i++) {
		t->cpus[i].user = share(u->used.user, i, u->cpus);
		t->cpus[i].nice = share(u->used.nice, i, u->cpus);
		t->cpus[i].system = share(u->used.system, i, u->cpus);
		t->cpus[i].idle = share(idle, i, u->cpus);
	}
	t->seen = u->used;
	t->seen_at = u->now;
	t->started = true;
}

/* How far *seen rises to now; it never falls. */
static uint64_t rise(uint64_t *seen, uint64_t now)
{
	uint64_t by = now > *seen ? now - *seen : 0;

	*seen += by;
	return by;
}

/* Gives *counter what part of whole is due to it at done of all, beyond what was *given before. */
static void give(uint64_t *counter, uint64_t *given, uint64_t whole, uint64_t done, uint64_t all)
{
	uint64_t upto = all ? (uint64_t)((unsigned __int128)whole * done / all) : 0;

	*counter += upto - *given;
	*given = upto;
}

/* used in the time passed: CPUs are filled in order, what is more than all of them hold (the
 * container has just lost CPUs, or the two clocks differ) is spread equally. */
static void fill(struct cputimes *t, unsigned n, const struct cputime *used, uint64_t passed)
{
	uint64_t all = busy(used);
	uint64_t left = min_u64(all, passed * n);
	uint64_t over = all - left;
	uint64_t done = 0;
	struct cputime given = { 0 };

	for (unsigned i = 0; i < n; i++) {
		uint64_t filled = min_u64(left, passed);
		struct cputime *cpu = &t->cpus[i];

		left -= filled;
		done += filled + share(over, i, n);
		give(&cpu->user, &given.user, used->user, done, all);
		give(&cpu->nice, &given.nice, used->nice, done, all);
		give(&cpu->system, &given.system, used->system, done, all);
		cpu->idle += passed - filled;
	}
}

static int grow(struct cputimes *t, unsigned n)
{
	struct cputime *cpus;

	if (n <= t->n)
		return 0;
	cpus = reallocarray(t->cpus, n, sizeof *cpus);
	if (!cpus)
		return -ENOMEM;
	for (unsigned i = t->n; i < n; i++)
		cpus[i] = (struct cputime){ 0 };
	t->cpus = cpus;
	t->n = n;
	return 0;
}

int cputimes_update(struct cputimes *t, const struct usage *u)
{
	struct cputime used;
	uint64_t from = t->seen_at;
	int r = grow(t, u->cpus);

	if (r < 0)
		return r;
	if (!t->started) {
		begin(t, u);
		return 0;
	}
	used = (struct cputime){ .user = rise(&t->seen.user, u->used.user),
				 .nice = rise(&t->seen.nice, u->used.nice),
				 .system = rise(&t->seen.system, u->used.system) };
	/* A container without processes does not age. */
	if (u->alive && u->start > from)
		from = u->start;
	fill(t, u->cpus, &used, u->alive && u->now > from ? u->now - from : 0);
	rise(&t->seen_at, u->now);
	return 0;
}

void cputimes_free(struct cputimes *t)
{
	free(t->cpus);
	*t = (struct cputimes){ 0 };
}
