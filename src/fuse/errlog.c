/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ring of refused operations. */
#include "errlog.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/cleanup.h"

void errlog_init(struct errlog *log)
{
	*log = (struct errlog){ 0 };
	pthread_mutex_init(&log->lock, NULL);
}

static void entry_free(struct errlog_entry *e)
{
	free(e->where);
	free(e->why);
	*e = (struct errlog_entry){ 0 };
}

void errlog_free(struct errlog *log)
{
	for (size_t i = 0; i < ERRLOG_KEPT; i++)
		entry_free(&log->ring[i]);
	pthread_mutex_destroy(&log->lock);
}

void errlog_add(struct errlog *log, const char *where, int errnum, const char *why)
{
	struct errlog_entry e = { .where = strdup(where), .errnum = errnum, .why = strdup(why) };

	if (!e.where || !e.why) {
		entry_free(&e);
		return;
	}
	clock_gettime(CLOCK_REALTIME, &e.when);

	guard_mutex(&log->lock);
	struct errlog_entry *slot = &log->ring[log->next++ % ERRLOG_KEPT];

	entry_free(slot);
	*slot = e;
}

static bool below(const char *path, const char *prefix)
{
	size_t len = strlen(prefix);

	if (!strcmp(prefix, "/"))
		return true;
	return !strncmp(path, prefix, len) && (path[len] == '\0' || path[len] == '/');
}

/* A path may hold any byte but these lines are for terminals. */
static void add_printable(struct buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < ' ' || c == 0x7f)
			buf_addf(out, "\\x%02x", c);
		else
			buf_add(out, text, 1);
	}
}

static void show(const struct errlog_entry *e, struct buf *out)
{
	char when[32];
	struct tm tm;

	strftime(when, sizeof when, "%FT%TZ", gmtime_r(&e->when.tv_sec, &tm));
	buf_addf(out, "%s ", when);
	add_printable(out, e->where);
	buf_addf(out, ": %s", strerrorname_np(e->errnum) ?: "unknown error");
	if (*e->why) {
		buf_adds(out, ": ");
		add_printable(out, e->why);
	}
	buf_adds(out, "\n");
}

void errlog_show(struct errlog *log, const char *prefix, struct buf *out)
{
	guard_mutex(&log->lock);
	size_t first = log->next > ERRLOG_KEPT ? log->next - ERRLOG_KEPT : 0;

	for (size_t i = first; i < log->next; i++) {
		const struct errlog_entry *e = &log->ring[i % ERRLOG_KEPT];

		if (below(e->where, prefix))
			show(e, out);
	}
}
