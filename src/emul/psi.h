/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure stall information: what psi.c (time and averages), psi_trigger.c and pressure.c (the
 * files) share. emul->lock is held in all of it.
 */
#ifndef EMUL_PSI_H
#define EMUL_PSI_H

#include "emul.h"

#define PSI_STATES (2 * PSI_RESOURCES) /* some and full of each resource */
#define PSI_PERIOD 2000000000ULL /* ns between two samples of the averages */
#define PSI_NEVER UINT64_MAX

static inline unsigned psi_state(enum psi_resource resource, bool full)
{
	return 2 * (unsigned)resource + full;
}

struct psi_trigger;

/* Of one state of a cgroup. */
struct psi_stall {
	uint32_t by[PSI_SOURCES]; /* parts in a million: what was said of the cgroup itself ... */
	uint32_t own; /* ... the most of that ... */
	uint32_t rate; /* ... and what it has: the most of its own and its children's */
	uint32_t rest; /* of total: parts in a million of a ns */
	uint64_t total; /* ns */
	uint64_t avg_total; /* what of total is in the averages */
	uint64_t avg[3]; /* over 10, 60, 300 s; 2048 is 1 % */
	uint64_t polled; /* total when triggers were last looked at */
};

/* Of a cgroup; made when it first stalls or gets a trigger. */
struct psi {
	struct cgroup *cg;
	uint64_t at; /* totals are those of this moment */
	struct psi_stall stall[PSI_STATES];

	/* The kernel's avgs_work, which is run late, when somebody looks, as if it had been in
	 * time. A timer is behind it only where there are triggers that depend on it. */
	uint64_t avg_last, avg_next; /* update */
	uint64_t work_due;
	bool stalled; /* in some state, since avgs_work last ran */
	struct timer avgs_timer;

	/* Triggers, and the kernel's rtpoll of those that may look more often than that. */
	struct psi_trigger *triggers;
	unsigned n_avgs; /* of them looked at by avgs_work */
	uint64_t poll_period, poll_next, poll_until;
	struct timer poll_timer;
};

/* --- psi.c --- */

/* cg's, made if need be; NULL if there is no memory. */
struct psi *psi_get(struct cgroup *cg);
/* Brings totals and averages up to now. */
void psi_advance(struct psi *psi, uint64_t now);
/* Arms what psi's triggers and stalls demand, no more. */
void psi_arm_avgs(struct psi *psi);
/* The text of a pressure file. */
void psi_show(struct cgroup *cg, enum psi_resource resource, struct buf *out);

/* --- psi_trigger.c --- */

/* What is written to a pressure file. */
struct psi_spec {
	bool full; /* else some */
	uint32_t threshold, window; /* us: stalled for threshold within window */
};

/* One per open file. */
struct psi_trigger {
	struct psi *psi; /* NULL: its files were hidden or removed */
	struct psi_trigger *next, *prev;
	uint64_t node; /* of the file */
	unsigned state;
	bool avgs; /* an unprivileged user's: looked at whenever the averages are made */
	uint64_t threshold, window; /* ns */
	uint64_t start, start_value, growth_before; /* the window that is open */
	uint64_t last_event;
	bool fired; /* ever: last_event means something */
	bool pending; /* the threshold was crossed, to be told when the window is over */
	bool event; /* to be taken by poll() */
};

/* Pure: no more than sscanf() and bounds. -EINVAL, and says why. */
int psi_spec_parse(const char *text, enum emul_version version, bool privileged,
		   struct psi_spec *ret_spec);
int psi_trigger_new(struct cgroup *cg, enum psi_resource resource, const struct psi_spec *spec,
		    bool privileged, struct psi_trigger **ret_trigger);
void psi_trigger_free(struct psi_trigger *t); /* wakes who polls the file; NULL is fine */
void psi_triggers_drop(struct psi *psi); /* their files are gone: who polls is told */
/* Looks at those of avgs_work, or at the others. */
void psi_triggers_update(struct psi *psi, uint64_t now, bool avgs);
void psi_poll_fire(struct emul *e, struct timer *t, uint64_t now);
/* Something began to stall, or is to be watched. */
void psi_poll_kick(struct psi *psi, uint64_t now);

#endif
