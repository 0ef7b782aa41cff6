/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What one container may have of the daemon: open files, each of which may be a descriptor; memory
 * for what is being read; workers that wait. Who asks is found out only when there is not plenty.
 */
#include <errno.h>
#include <sys/resource.h>

#include "ctlfs/why.h"
#include "session.h"

#define FILES_MAX 65536
#define FILES_FREE 1024
#define DESCRIPTORS_SPARED 1024 /* for directories that are kept, workers, one request each */
#define PAGES_MAX 32768
#define PAGES_FREE 1024
#define WAITING_MAX 24 /* more at a time only wait for each other in the kernel */
#define WAITING_FREE 2

static size_t choose_files(void)
{
	struct rlimit limit;
	size_t max = FILES_MAX + DESCRIPTORS_SPARED;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < max)
		max = limit.rlim_cur;
	return max > 2 * DESCRIPTORS_SPARED ? max - DESCRIPTORS_SPARED : max / 2;
}

void bounds_init(struct server *s)
{
	size_t files = choose_files();

	quota_init(&s->bounds[BOUND_FILES], files,
		   files / 4 < FILES_FREE ? files / 4 : FILES_FREE);
	quota_init(&s->bounds[BOUND_PAGES], PAGES_MAX, PAGES_FREE);
	quota_init(&s->bounds[BOUND_WAITING], WAITING_MAX, WAITING_FREE);
}

void bounds_free(struct server *s)
{
	for (int kind = 0; kind < BOUNDS; kind++)
		quota_destroy(&s->bounds[kind]);
}

/* Those whose place is not known share one. */
void bounds_who(struct server *s, pid_t tid, struct lineage *who)
{
	struct tree *t = s->config.tree;
	uint64_t own = 0;

	if (tid > 0 && t->ops->locate(t, tid, &own) == 0)
		lineage_of(t, own, who);
	if (own != TREE_ROOT && (!own || who->n == 1))
		*who = (struct lineage){ .n = 2, .id = { TREE_ROOT, 0 } };
}

static int refuse_bound(enum bound kind)
{
	switch (kind) {
	case BOUND_FILES:
		return refuse(EMFILE, "the container has as many files of this mount open as one "
				      "may");
	default:
		return refuse(ENOMEM, "the container holds as much as one may of what it has "
				      "begun to read, and of calls that wait");
	}
}

bool bounds_try(struct server *s, enum bound kind, const struct lineage *who, size_t amount,
		struct quota_claim *claim)
{
	return quota_take(&s->bounds[kind], NULL, amount, claim) ||
	       (who && quota_take(&s->bounds[kind], who, amount, claim));
}

int bounds_take(struct server *s, enum bound kind, pid_t tid, size_t amount,
		struct quota_claim *claim)
{
	struct lineage who;

	if (bounds_try(s, kind, NULL, amount, claim))
		return 0;
	bounds_who(s, tid, &who);
	return bounds_try(s, kind, &who, amount, claim) ? 0 : refuse_bound(kind);
}

int bounds_resize(struct server *s, enum bound kind, pid_t tid, size_t amount,
		  struct quota_claim *claim)
{
	if (amount <= claim->amount)
		return 0;
	quota_drop(&s->bounds[kind], claim);
	return bounds_take(s, kind, tid, amount, claim);
}

void bounds_drop(struct server *s, enum bound kind, struct quota_claim *claim)
{
	quota_drop(&s->bounds[kind], claim);
}
