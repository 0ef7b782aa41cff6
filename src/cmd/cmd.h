/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The subcommands of ctlfs: argv[0] is the subcommand's name, the result an exit status. */
#ifndef CTLFS_CMD_H
#define CTLFS_CMD_H

#include "options.h"

#define STATUS_FAILED 1
#define STATUS_USAGE 2
/* What `run` answers where no status of the command's own is to be had, as env(1) and others do. */
#define STATUS_RUN_FAILED 125
#define STATUS_NOT_EXECUTABLE 126
#define STATUS_NOT_FOUND 127

/* Tells what failed, and the reason that was noted or else what r (-errno) means: STATUS_FAILED. */
int command_failed(int r, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Writes what is left of standard output: status, or STATUS_FAILED where it was 0. */
int command_end(int status);

int cmd_mount(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_explain(int argc, char **argv);
int cmd_errors(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_inject(int argc, char **argv);
int cmd_check_config(int argc, char **argv);
int cmd_binds(int argc, char **argv);
int cmd_oci_hook(int argc, char **argv);
int cmd_lxc_hook(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);

extern const struct command_line mount_line; /* into struct mount_options */
extern const struct command_line run_line; /* into struct run_options */
extern const struct command_line inject_line;

#endif
