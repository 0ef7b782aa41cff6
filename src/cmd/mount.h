/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the options of ctlfs mount fill. */
#ifndef CTLFS_CMD_MOUNT_H
#define CTLFS_CMD_MOUNT_H

#include <stdbool.h>
#include <stddef.h>

#include "backend.h"
#include "scenario.h"

struct mount_options {
	enum backend_kind backend;
	const char *root;
	const char *config; /* the policy's file */
	struct emulator_options emulator;
	const char *import; /* a snapshot */
	struct scenario scenario;
	bool foreground;
	bool allow_other, read_only, debug, log_refusals;
	const char *audit; /* as audit_new() takes it; NULL: none */
	unsigned spin, threads;
	char **copies; /* lists of -o that fields point into */
	size_t n_copies;
};

void mount_options_free(struct mount_options *o);

#endif
