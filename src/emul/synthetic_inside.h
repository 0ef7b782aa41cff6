/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the two files of the synthetic task source share: the processes, and what they have used. */
#ifndef EMUL_SYNTHETIC_INSIDE_H
#define EMUL_SYNTHETIC_INSIDE_H

#include <pthread.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "synthetic.h"

struct process;

struct thread {
	pid_t tid;
	unsigned cpus; /* how many it may run on; 0: all */
	struct process *process;
	struct thread *prev, *next; /* in process->threads, the first thread first */
	UT_hash_handle hh; /* source->threads */
};

struct process {
	char *name;
	pid_t pid; /* never used again, so it is the start, too */
	struct synthetic_spec spec; /* as of since */
	uint64_t since, user_ns, system_ns; /* when something last changed, and used by then */
	uint64_t tag; /* 0: none */
	bool stopped, exited, watched, told;
	struct thread *threads;
	struct process *prev, *next; /* in source->processes */
};

struct source {
	struct tasks tasks;
	struct tasks *base; /* or NULL */
	void (*died)(void *data);
	void *died_data;
	/* Held while exits are told, taken before whatever lock the called takes. */
	pthread_mutex_t telling;
	task_exited *exited;
	void *exited_data;
	pthread_mutex_t lock; /* of all below */
	struct process *processes;
	struct thread *threads; /* uthash on tid */
	pid_t next_tid;
	uint64_t births;
	unsigned n_live, n_untold;
	bool frozen; /* the clock stands at frozen_at; else it is the base's plus shift */
	uint64_t frozen_at, shift;
};

static inline struct source *source_of(struct tasks *t)
{
	return (struct source *)t; /* its first member */
}

static inline bool is_synthetic(pid_t tid)
{
	return tid >= SYNTHETIC_FIRST;
}

/* --- synthetic.c: with the lock ------------------------------------------------------------- */

uint64_t synthetic_now(const struct source *s);
/* p as it is by now. */
void synthetic_used(const struct process *p, uint64_t now, struct process *ret);
/* Before anything changes that decides on what it uses. */
void synthetic_settle(const struct source *s, struct process *p);
struct process *synthetic_live(const struct source *s, pid_t tid); /* the one of a live thread */
struct process *synthetic_any(const struct source *s, pid_t tid); /* also a zombie */
void synthetic_end(struct source *s, struct process *p); /* it exits */
void synthetic_free(struct source *s, struct process *p);

#endif
