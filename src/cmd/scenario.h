/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The file of --scenario: commands for the emulator (docs/inject.md), read with the options. */
#ifndef CTLFS_CMD_SCENARIO_H
#define CTLFS_CMD_SCENARIO_H

#include "ctlfs/buf.h"
#include "options.h"

struct backend;

struct scenario {
	const char *path; /* NULL: none */
	struct buf text;
};

option_parse option_scenario; /* struct scenario: reads the file */
#define SCENARIO_EXPECTED "a file of commands for the emulator"
#define SCENARIO_HELP \
	"emulator: do what FILE says, line by line: usage, events, faults, synthetic processes"

/* Applies it, if there is one, to an emulator. 0, or -errno with the reason noted. */
int scenario_start(const struct scenario *s, const struct backend *b);
void scenario_free(struct scenario *s);

#endif
