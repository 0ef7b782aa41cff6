/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operations that fail because somebody asked for it: ctl/inject's "fail". */
#ifndef EMUL_FAULT_H
#define EMUL_FAULT_H

#include <stdint.h>

struct buf;
struct cgroup;
struct emul;

enum fault_op { FAULT_MKDIR, FAULT_RMDIR, FAULT_LIST, FAULT_SETATTR, FAULT_OPEN, FAULT_READ,
		FAULT_WRITE, FAULT_OPS };

extern const char *const fault_op_names[FAULT_OPS];

struct fault {
	const char *path; /* of the cgroup; "*": every one */
	const char *file; /* the file's name, for mkdir the new cgroup's; NULL: any */
	enum fault_op op;
	int errnum;
	uint64_t times; /* left; 0: always */
	struct fault *next; /* emul->faults: in the order given, the first that fits is taken */
};

/* With emul->lock held. */
int fault_add(struct emul *e, const struct fault *fault); /* copies it; -ENOMEM, -ENOSPC */
void fault_clear(struct emul *e);
void fault_show(const struct emul *e, struct buf *out);
/* 0, or the -errno of the fault that op on cg (and its file, or NULL) meets. Ask by fault_check().
 */
int fault_meet(struct emul *e, enum fault_op op, const struct cgroup *cg, const char *file);

#define fault_check(e, op, cg, file) ((e)->faults ? fault_meet(e, op, cg, file) : 0)

#endif
