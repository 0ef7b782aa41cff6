/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The host's policy for containers, as commands get it. */
#ifndef CTLFS_CMD_CONFIG_H
#define CTLFS_CMD_CONFIG_H

struct policy;

/* The policy of the file at path, or where that is NULL of /etc/ctlfs. 0, or -errno if there is an
 * error in it; either way all errors have been told. A ctlfs without libinih takes the default
 * policy, and says so, unless a file was asked for. */
int config_load(const char *command, const char *path, struct policy **ret_policy);

#endif
