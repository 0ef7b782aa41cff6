/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What becomes of an operation that was refused, or that changed something: its record goes to
 * ctl/errors and the log, or to the audit. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "audit.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "ctlfs/log.h"
#include "ctlfs/why.h"
#include "session.h"

static bool may_log(struct server *s, const struct record *r, uint64_t *ret_suppressed)
{
	guard_mutex(&s->log_lock);
	return rate_by_cgroup(&s->log_rates, &r->who, r->level, monotonic_ns(), ret_suppressed);
}

/* A line for the log of the daemon, or one more that was too much. */
static void log_refusal(struct server *s, const struct record *r)
{
	cleanup_buf struct buf line = { 0 };
	uint64_t suppressed;

	if (!s->config.log_refusals)
		return;
	if (!may_log(s, r, &suppressed)) {
		count(s, STAT_LOG_SUPPRESSED);
		return;
	}
	record_text(r, r->pid, &line);
	if (suppressed)
		buf_addf(&line, " (%llu more of this container suppressed before it)",
			 (unsigned long long)suppressed);
	log_error("refused: %s", buf_text(&line));
}

void reply_refused(fuse_req_t req, int r, const struct attempt *a)
{
	struct server *s = server_of(req);
	struct caller caller = caller_of(req);
	const char *said = why_take();
	/* A copy, since what follows may note reasons of its own. */
	char *why = strdup(*said ? said : strerrordesc_np(-r) ?: "");
	struct record *record = why ? witness(s, &caller, a) : NULL;

	count(s, STAT_ERRORS);
	if (record) {
		record->errnum = -r;
		free(record->why);
		record->why = steal_ptr(&why);
		log_refusal(s, record);
		errlog_add(&s->errors, record);
	}
	free(why);
	fuse_reply_err(req, -r);
}

void reply_error(fuse_req_t req, int r, const struct attempt *a)
{
	if (r == -ENOENT || r == -ENODEV || r == -ENOTDIR || r == -ENODATA || r == -ERANGE)
		fuse_reply_err(req, -r);
	else
		reply_refused(req, r, a);
}

void note_done(fuse_req_t req, const struct attempt *a)
{
	struct server *s = server_of(req);
	struct caller caller = caller_of(req);

	if (s->config.audit)
		audit_add(s->config.audit, witness(s, &caller, a));
}
