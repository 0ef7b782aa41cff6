/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Faults: kept in a list, looked for at the entries of emul.c and file.c. */
#include "fault.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cgroup.h"
#include "ctlfs/why.h"

#define FAULTS_MAX 1024

const char *const fault_op_names[FAULT_OPS] = {
	[FAULT_MKDIR] = "mkdir",	 [FAULT_RMDIR] = "rmdir", [FAULT_LIST] = "list",
	[FAULT_SETATTR] = "setattr", [FAULT_OPEN] = "open",	 [FAULT_READ] = "read",
	[FAULT_WRITE] = "write",
};

static void fault_free(struct fault *f)
{
	free((char *)f->path);
	free((char *)f->file);
	free(f);
}

int fault_add(struct emul *e, const struct fault *fault)
{
	struct fault **link = &e->faults;
	struct fault *f;

	for (unsigned n = 0; *link; link = &(*link)->next) {
		if (++n >= FAULTS_MAX)
			return refuse(ENOSPC, "there are %u faults already", n);
	}
	f = malloc(sizeof *f);
	if (!f)
		return -ENOMEM;
	*f = *fault;
	f->next = NULL;
	f->path = strdup(fault->path);
	f->file = fault->file ? strdup(fault->file) : NULL;
	if (!f->path || (fault->file && !f->file)) {
		fault_free(f);
		return -ENOMEM;
	}
	*link = f;
	return 0;
}

void fault_clear(struct emul *e)
{
	while (e->faults) {
		struct fault *f = e->faults;

		e->faults = f->next;
		fault_free(f);
	}
}

static void show_one(const struct fault *f, struct buf *out)
{
	buf_addf(out, "fail %s %s", f->path, fault_op_names[f->op]);
	if (f->file)
		buf_addf(out, ":%s", f->file);
	buf_addf(out, " %s ", strerrorname_np(f->errnum));
	if (!f->times)
		buf_adds(out, "always");
	else if (f->times == 1)
		buf_adds(out, "once");
	else
		buf_addf(out, "%" PRIu64 " times", f->times);
}

void fault_show(const struct emul *e, struct buf *out)
{
	for (const struct fault *f = e->faults; f; f = f->next) {
		show_one(f, out);
		buf_adds(out, "\n");
	}
}

/* From the end of the path, a name for each level. */
static bool lies_at(const struct cgroup *cg, const char *path)
{
	const char *end = path + strlen(path);

	for (; cg->parent; cg = cg->parent) {
		size_t len = strlen(cg->name);

		if ((size_t)(end - path) < len + 1 || memcmp(end - len, cg->name, len) != 0 ||
		    end[-(ptrdiff_t)len - 1] != '/')
			return false;
		end -= len + 1;
	}
	return end == path || (end == path + 1 && *path == '/' && !path[1]);
}

int fault_meet(struct emul *e, enum fault_op op, const struct cgroup *cg, const char *file)
{
	cleanup_buf struct buf text = { 0 };
	struct fault **link = &e->faults;
	struct fault *f;
	int r;

	for (; (f = *link); link = &f->next) {
		if (f->op == op && (!f->file || (file && !strcmp(f->file, file))) &&
		    (!strcmp(f->path, "*") || lies_at(cg, f->path)))
			break;
	}
	if (!f)
		return 0;
	show_one(f, &text);
	r = refuse(f->errnum, "injected: %s", buf_text(&text));
	if (f->times && --f->times == 0) {
		*link = f->next;
		fault_free(f);
	}
	return r;
}
