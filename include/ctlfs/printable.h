/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bytes of a stranger in one line for a terminal or a log: nothing in them acts, none is lost. */
#ifndef CTLFS_PRINTABLE_H
#define CTLFS_PRINTABLE_H

#include "ctlfs/buf.h"

/* Appends text; control characters and bytes that are no UTF-8 become \xNN. */
void printable_text(struct buf *out, const char *text);
/* The same in quotes, where a newline is \n, and quotes and backslashes are escaped: what follows
 * cannot be taken for a part of it. */
void printable_quoted(struct buf *out, const void *data, size_t len);

#endif
