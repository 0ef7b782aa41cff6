/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What little JSON (RFC 8259) the commands print. */
#ifndef CTLFS_CMD_JSON_H
#define CTLFS_CMD_JSON_H

#include "ctlfs/buf.h"

/* Appends text as a JSON string, quotes included. Bytes that are no UTF-8 become U+FFFD. */
void json_string(struct buf *out, const char *text);
/* Appends text as it is if it is a JSON integer, else as a string. */
void json_value(struct buf *out, const char *text);

#endif
