/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CPU time of a container, spread over the CPUs that it is shown. Nothing in it ever falls. */
#ifndef VIEW_CPUTIMES_H
#define VIEW_CPUTIMES_H

#include <stdbool.h>

#include "snapshot.h"

struct cputimes {
	bool started;
	struct cputime seen; /* the most that was seen used; idle is not in use */
	uint64_t seen_at; /* us since boot */
	struct cputime *cpus; /* owned */
	unsigned n;
};

/* What was read of the container: microseconds, since boot or in sum. */
struct usage {
	struct cputime used; /* without idle */
	unsigned cpus; /* that it has now */
	bool alive; /* start is known */
	uint64_t start;
	uint64_t now;
};

/* Brings t up to date: -ENOMEM. */
int cputimes_update(struct cputimes *t, const struct usage *u);
void cputimes_free(struct cputimes *t);

#endif
