/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Choosing and opening what stands behind a mount: a tree, its views, and what they borrow. */
#ifndef CTLFS_CMD_BACKEND_H
#define CTLFS_CMD_BACKEND_H

#include <stdbool.h>

#include "ctlfs/buf.h"
#include "ctlfs/emul.h"
#include "ctlfs/tree.h"

struct policy;
struct tasks;
struct view;

enum backend_kind { BACKEND_AUTO, BACKEND_KERNEL, BACKEND_EMULATOR, BACKEND_V1 };

extern const char *const backend_words[]; /* of enum backend_kind */
#define BACKEND_EXPECTED "kernel, emulator, v1 or auto"

/* What of the emulator can be chosen. */
struct emulator_options {
	enum emul_version version;
	bool observe; /* act on nobody for a limit */
};

extern const char *const emulate_words[]; /* of enum emul_version */
#define EMULATE_EXPECTED "6.1, 6.12 or 6.18"

/* What auto wants of a cgroup before it takes the kernel. */
#define BACKEND_CONTROLLERS "cpu memory pids"

struct backend {
	const char *name; /* "kernel", "emulator" or "v1" */
	bool views_only; /* the tree is for the views alone */
	struct tree *tree;
	struct view *view;
	struct tasks *tasks; /* the emulator's */
};

/* They start threads: not before the last fork. On failure the reason is noted and nothing open.
 * The policy is taken over, also then. */
int backend_open_kernel(struct backend *b, const char *dir, struct policy *policy);
/* Appends to told what is read from where. */
int backend_open_v1(struct backend *b, struct buf *told);
/* For the one who calls. spread: its members stay on as many CPUs as cpu.max pays for. */
int backend_open_emulator(struct backend *b, const struct emulator_options *o, bool spread);
void backend_close(struct backend *b);

struct server_config;

/* What a server needs to know of it. */
void backend_describe(const struct backend *b, struct server_config *config);

/* Appends the directory that --root means: a cgroup's path below the mount of cgroup2, or an
 * absolute directory. NULL: the mount's top. -ENOENT, with the reason noted. */
int backend_directory(const char *root, struct buf *out);

/* 0 if dir is a cgroup that may be written and has the controllers (names with blanks between);
 * else -errno, with the reason noted. Changes nothing. */
int backend_usable(const char *dir, const char *controllers);

#endif
