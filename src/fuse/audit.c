/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The audit: a fair queue of records, and the thread that writes them to a sink. */
#include "audit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "ctlfs/log.h"
#include "ctlfs/rate.h"
#include "ctlfs/thread.h"
#include "ctlfs/why.h"
#include "record.h"

#define STOP_SECONDS 5
#define MINUTE_NS 60000000000ULL

struct audit {
	struct sink *sink;
	pthread_t thread;
	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t more;
	struct fair waiting;
	uint64_t untold; /* lost, and the audit has no line about them yet */
	uint64_t written, lost;
	bool stop;
	struct rate complaints; /* the thread's alone */
};

static void lose(struct audit *a, struct record *r)
{
	record_free(r);
	a->untold++;
	a->lost++;
}

void audit_add(struct audit *a, struct record *r)
{
	struct record *gone;

	guard_mutex(&a->lock);
	if (!r) {
		lose(a, NULL);
		return;
	}
	gone = (struct record *)fair_add(&a->waiting, &r->who, &r->item);
	if (gone)
		lose(a, gone);
	pthread_cond_signal(&a->more);
}

struct audit_counts audit_count(struct audit *a)
{
	guard_mutex(&a->lock);
	return (struct audit_counts){ a->written, a->lost, a->waiting.n };
}

static int put_lost(struct audit *a, uint64_t n)
{
	cleanup_buf struct buf line = { 0 };

	record_lost_json(n, &line);
	return a->sink->ops->put(a->sink, NULL, &line);
}

static int put(struct audit *a, const struct record *r)
{
	cleanup_buf struct buf line = { 0 };

	record_json(r, r->pid, &line);
	return buf_error(&line) < 0 ? -ENOMEM : a->sink->ops->put(a->sink, r, &line);
}

/* Without the lock. */
static void complain(struct audit *a, int r)
{
	struct audit_counts now = audit_count(a);

	if (rate_take(&a->complaints, 1, MINUTE_NS, monotonic_ns()))
		log_error("audit: %s: %s: %llu lines wait, %llu are lost", a->sink->name,
			  strerror(-r), (unsigned long long)now.waiting,
			  (unsigned long long)now.lost);
}

/* A second, or until the end; the lock is held. */
static void pause_writing(struct audit *a)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec++;
	while (!a->stop && pthread_cond_timedwait(&a->more, &a->lock, &until) != ETIMEDOUT)
		;
}

/* Writes one record, first of all what has been lost before it; the lock is held at both ends. */
static int write_one(struct audit *a, const struct record *r)
{
	uint64_t untold = a->untold;
	int error = 0;

	pthread_mutex_unlock(&a->lock);
	if (untold)
		error = put_lost(a, untold);
	if (error < 0)
		untold = 0;
	else if (r)
		error = put(a, r);
	if (error < 0)
		complain(a, error);
	pthread_mutex_lock(&a->lock);
	a->untold -= untold;
	return error;
}

/* Until it is written or there is no hope: the lock is held at both ends. */
static void write_or_lose(struct audit *a, struct record *r)
{
	for (;;) {
		int error = write_one(a, r);

		if (error == 0) {
			a->written++;
			record_free(r);
			return;
		}
		if (error == -EMSGSIZE || a->stop) {
			lose(a, r);
			return;
		}
		pause_writing(a);
	}
}

static void *audit_main(void *data)
{
	struct audit *a = data;

	guard_mutex(&a->lock);
	for (;;) {
		struct record *r = (struct record *)a->waiting.first;

		if (r) {
			fair_remove(&a->waiting, &r->item);
			write_or_lose(a, r);
		} else if (a->stop) {
			break;
		} else {
			pthread_cond_wait(&a->more, &a->lock);
		}
	}
	if (a->untold)
		write_one(a, NULL);
	return NULL;
}

static void release(struct audit *a)
{
	a->sink->ops->close(a->sink);
	pthread_cond_destroy(&a->more);
	pthread_mutex_destroy(&a->lock);
	free(a);
}

int audit_new_over(struct sink *sink, struct audit **ret_audit)
{
	struct audit *a = calloc(1, sizeof *a);
	pthread_condattr_t attr;
	int r;

	if (!a) {
		sink->ops->close(sink);
		return -ENOMEM;
	}
	a->sink = sink;
	fair_init(&a->waiting, AUDIT_WAITING);
	pthread_mutex_init(&a->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&a->more, &attr);
	pthread_condattr_destroy(&attr);
	r = thread_start(NULL, audit_main, a, &a->thread);
	if (r < 0) {
		release(a);
		return refuse(-r, "no thread can be started");
	}
	*ret_audit = a;
	return 0;
}

int audit_new(const char *target, struct audit **ret_audit)
{
	struct sink *sink;
	int r;

	if (strcmp(target, "syslog") == 0)
		r = sink_syslog(SINK_SYSLOG_SOCKET, &sink);
	else if (strcmp(target, "journal") == 0)
		r = sink_journal(&sink);
	else
		r = sink_file(target, &sink);
	return r < 0 ? r : audit_new_over(sink, ret_audit);
}

void audit_free(struct audit *a)
{
	struct timespec until;

	if (!a)
		return;
	pthread_mutex_lock(&a->lock);
	a->stop = true;
	pthread_cond_signal(&a->more);
	pthread_mutex_unlock(&a->lock);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += STOP_SECONDS;
	if (pthread_timedjoin_np(a->thread, NULL, &until) != 0) {
		/* Somewhere in the sink, which must not be taken from under it. */
		log_error("audit: %s does not take the last lines", a->sink->name);
		return;
	}
	if (a->lost)
		log_error("audit: %s: %llu lines are lost", a->sink->name,
			  (unsigned long long)a->lost);
	release(a);
}
