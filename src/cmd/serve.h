/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Serving until somebody wants the end. */
#ifndef CTLFS_CMD_SERVE_H
#define CTLFS_CMD_SERVE_H

#include <stdbool.h>

struct server;

/* server_serve() until unmounted or SIGTERM, SIGINT or SIGHUP, also one that came while they were
 * blocked before. 0 or -errno; *ret_signalled: it was a signal. Once for each process. */
int serve_until_signal(struct server *s, const char *mountpoint, bool *ret_signalled);

/* Blocks those signals, so that none is lost before they are waited for. */
void serve_block_signals(void);

/* Puts /dev/null in the place of fds first to last. */
void serve_null_fds(int first, int last);

#endif
