/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Telling a service manager how we are: the protocol of sd_notify(3), without a library. */
#ifndef CTLFS_CMD_NOTIFY_H
#define CTLFS_CMD_NOTIFY_H

/* Sends state ("READY=1") to $NOTIFY_SOCKET, if there is one. A failure is told, and is no more
 * than that: the manager will notice. */
void notify_manager(const char *state);

#endif
