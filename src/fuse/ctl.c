/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* MNT/ctl: the daemon's own files, one row each. Text is "key value" lines. */
#include <errno.h>

#include "audit.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/clock.h"
#include "ctlfs/version.h"
#include "session.h"

static int show_version(struct server *s, const struct caller *reader, struct buf *out)
{
	(void)s, (void)reader;
	buf_adds(out, CTLFS_VERSION "\n");
	return 0;
}

static void show_audit(struct server *s, struct buf *out)
{
	struct audit_counts now;

	if (!s->config.audit)
		return;
	now = audit_count(s->config.audit);
	buf_addf(out, "audit_written %llu\n", (unsigned long long)now.written);
	buf_addf(out, "audit_waiting %llu\n", (unsigned long long)now.waiting);
	buf_addf(out, "audit_lost %llu\n", (unsigned long long)now.lost);
}

static int show_stats(struct server *s, const struct caller *reader, struct buf *out)
{
	static const char *const names[STAT_COUNTERS] = {
		[STAT_LOOKUPS] = "lookups", [STAT_OPENS] = "opens",
		[STAT_READS] = "reads", [STAT_WRITES] = "writes", [STAT_ERRORS] = "errors",
		[STAT_REQUESTS] = "requests", [STAT_EVENTS] = "events",
		[STAT_LOG_SUPPRESSED] = "log_suppressed",
	};

	(void)reader;
	buf_addf(out, "backend %s\n", s->config.backend);
	if (s->config.views_only)
		buf_adds(out, "tree absent\n");
	buf_addf(out, "uptime_usec %llu\n",
		 (unsigned long long)(monotonic_ns() - s->started_ns) / 1000);
	buf_addf(out, "threads %u\n", s->n_workers);
	buf_addf(out, "waiting %u\n", s->turns.waiting);
	buf_addf(out, "spin_usec %u\n", s->config.spin_usec);
	for (int i = 0; i < STAT_COUNTERS; i++)
		buf_addf(out, "%s %llu\n", names[i],
			 (unsigned long long)atomic_load_explicit(&s->counters[i],
								  memory_order_relaxed));
	show_audit(s, out);
	return 0;
}

static int show_inject(struct server *s, const struct caller *reader, struct buf *out)
{
	(void)reader;
	return s->config.inject_show(s->config.tree, out);
}

static int write_inject(struct server *s, const char *text)
{
	return s->config.inject(s->config.tree, text);
}

/* The reader's own /proc/self/cgroup, as the tree has it: whoever is no member is in its root. */
static int show_cgroup(struct server *s, const struct caller *reader, struct buf *out)
{
	struct tree *t = s->config.tree;
	uint64_t dir = TREE_ROOT;
	int r = t->ops->locate(t, reader->pid, &dir);

	if (r < 0 && r != -ENOENT && r != -ESRCH)
		return r;
	buf_adds(out, "0::");
	r = tree_path(t, dir, out);
	buf_adds(out, "\n");
	return r;
}

/* Those that can be written belong to who serves, and are nobody else's business. */
static const struct {
	const char *name;
	int (*show)(struct server *s, const struct caller *reader, struct buf *out);
	int (*write)(struct server *s, const char *text); /* NULL: cannot be written */
	enum ctl_log log; /* instead of show: file.c reads it */
} ctl_rows[] = {
	{ "version", show_version },
	{ "stats", show_stats },
	{ "errors", .log = CTL_LOG_TEXT },
	{ "errors.json", .log = CTL_LOG_JSON },
	/* The last ones: not every tree has them. */
	{ "cgroup", show_cgroup },
	{ "inject", show_inject, write_inject },
};

const char *ctl_name(const struct server *s, size_t row)
{
	size_t n = ARRAY_SIZE(ctl_rows) - !s->config.inject - s->config.views_only;

	return row < n ? ctl_rows[row].name : NULL;
}

mode_t ctl_mode(size_t row)
{
	return ctl_rows[row].write ? 0600 : 0444;
}

enum ctl_log ctl_log(size_t row)
{
	return ctl_rows[row].log;
}

int ctl_write(struct server *s, size_t row, const char *text)
{
	return ctl_rows[row].write(s, text);
}

int ctl_render(struct server *s, size_t row, const struct caller *reader, struct buf *out)
{
	int r = ctl_rows[row].show(s, reader, out);

	return r < 0 ? r : buf_error(out);
}
