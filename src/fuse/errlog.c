/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The log of refusals. A reader counts what he was shown, and an audience what was added for it, so
 * that the difference beyond what is still there has been lost to him.
 */
#include "errlog.h"

#include <errno.h>
#include <stdlib.h>

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/pidns.h"
#include "ctlfs/why.h"
#include "record.h"

struct errlog_audience {
	uint64_t container;
	uint64_t added; /* records that belong to it, since it is there */
	struct errlog_reader *readers;
	unsigned n;
	UT_hash_handle hh;
};

struct errlog_reader {
	struct errlog *log;
	struct errlog_audience *audience;
	struct errlog_want want;
	uint64_t cursor; /* seq of the last record he was shown */
	uint64_t limit; /* ... and where he is told that this was all */
	bool reading; /* limit holds */
	uint64_t seen; /* of what audience->added counts: shown, told to be lost, or from before */
	struct errlog_reader *prev, *next;
};

void errlog_init(struct errlog *log)
{
	*log = (struct errlog){ 0 };
	pthread_mutex_init(&log->lock, NULL);
	fair_init(&log->kept, ERRLOG_KEPT);
	pidns_id(getpid(), &log->pidns);
}

static struct record *first_of(const struct errlog *log)
{
	return (struct record *)log->kept.first;
}

static struct record *next_of(const struct record *r)
{
	return (struct record *)r->item.next;
}

void errlog_free(struct errlog *log)
{
	while (log->kept.first) {
		struct record *r = first_of(log);

		fair_remove(&log->kept, &r->item);
		record_free(r);
	}
	pthread_mutex_destroy(&log->lock);
}

static void tell_readers(struct errlog *log, uint64_t container)
{
	struct errlog_audience *a;
	struct errlog_reader *reader;

	HASH_FIND(hh, log->audiences, &container, sizeof container, a);
	if (!a)
		return;
	a->added++;
	DL_FOREACH(a->readers, reader)
		reader->want.wake(reader->want.data);
}

void errlog_add(struct errlog *log, struct record *r)
{
	struct lineage who = r->who;
	unsigned level = r->level;

	guard_mutex(&log->lock);
	r->seq = ++log->seq;
	/* From here on r may be gone. */
	record_free((struct record *)fair_add(&log->kept, &who, &r->item));
	for (unsigned i = 0; i <= level; i++)
		tell_readers(log, who.id[i]);
}

static struct errlog_audience *audience_get(struct errlog *log, uint64_t container)
{
	struct errlog_audience *a;

	HASH_FIND(hh, log->audiences, &container, sizeof container, a);
	if (a)
		return a;
	a = calloc(1, sizeof *a);
	if (!a)
		return NULL;
	a->container = container;
	HASH_ADD(hh, log->audiences, container, sizeof a->container, a);
	if (a->hh.tbl)
		return a;
	free(a);
	return NULL;
}

/* How many records reader may see that come after the one he was shown last. */
static uint64_t count_unread(const struct errlog_reader *reader)
{
	uint64_t n = 0;

	for (const struct record *r = first_of(reader->log); r; r = next_of(r))
		n += r->seq > reader->cursor && record_within(r, reader->want.container);
	return n;
}

static void begin(struct errlog_reader *reader)
{
	reader->cursor = 0;
	reader->reading = false;
	reader->seen = reader->audience->added - count_unread(reader);
}

int errlog_open(struct errlog *log, const struct errlog_want *want,
		struct errlog_reader **ret_reader)
{
	struct errlog_reader *reader = calloc(1, sizeof *reader);
	struct errlog_audience *a;

	guard_mutex(&log->lock);
	a = reader ? audience_get(log, want->container) : NULL;
	if (!a || a->n == ERRLOG_READERS) {
		free(reader);
		return a ? refuse(EMFILE, "this container has the errors open %u times", a->n)
			 : -ENOMEM;
	}
	reader->log = log;
	reader->audience = a;
	reader->want = *want;
	DL_APPEND(a->readers, reader);
	a->n++;
	begin(reader);
	*ret_reader = reader;
	return 0;
}

void errlog_close(struct errlog_reader *reader)
{
	if (!reader)
		return;
	struct errlog_audience *a = reader->audience;
	struct errlog *log = reader->log;

	guard_mutex(&log->lock);
	DL_DELETE(a->readers, reader);
	free(reader);
	if (--a->n > 0)
		return;
	HASH_DEL(log->audiences, a);
	free(a);
}

static void show_lost(struct errlog_reader *reader, struct buf *out)
{
	uint64_t lost = reader->audience->added - reader->seen - count_unread(reader);

	if (!lost)
		return;
	if (reader->want.json)
		record_lost_json(lost, out);
	else
		buf_addf(out, "%llu earlier refusals are not kept any more",
			 (unsigned long long)lost);
	buf_adds(out, "\n");
	reader->seen += lost;
}

static void show(struct errlog_reader *reader, const struct record *r, uint64_t pidns,
		 struct buf *out)
{
	pid_t pid = record_pid(r, pidns, reader->log->pidns);

	if (reader->want.json)
		record_json(r, pid, out);
	else
		record_text(r, pid, out);
	buf_adds(out, "\n");
	reader->cursor = r->seq;
	reader->seen++;
}

/* From r on, within the limit; or NULL. */
static const struct record *next_unread(const struct errlog_reader *reader, const struct record *r)
{
	for (; r && r->seq <= reader->limit; r = next_of(r)) {
		if (r->seq > reader->cursor && record_within(r, reader->want.container))
			return r;
	}
	return NULL;
}

int errlog_read(struct errlog_reader *reader, uint64_t pidns, struct buf *out)
{
	struct errlog *log = reader->log;
	size_t before = out->len;
	const struct record *r;

	guard_mutex(&log->lock);
	if (!reader->reading)
		reader->limit = log->seq;
	r = next_unread(reader, first_of(log));
	/* Not for ever, however fast others are: where nothing is left to show it is the end. */
	if (r || !reader->reading)
		show_lost(reader, out);
	for (; r && out->len - before < ERRLOG_CHUNK; r = next_unread(reader, next_of(r)))
		show(reader, r, pidns, out);
	reader->reading = out->len > before;
	return buf_error(out);
}

void errlog_rewind(struct errlog_reader *reader)
{
	guard_mutex(&reader->log->lock);
	begin(reader);
}

bool errlog_unread(struct errlog_reader *reader)
{
	guard_mutex(&reader->log->lock);
	return reader->audience->added != reader->seen;
}
