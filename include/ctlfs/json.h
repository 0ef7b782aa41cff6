/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What little JSON (RFC 8259) is printed. */
#ifndef CTLFS_JSON_H
#define CTLFS_JSON_H

#include <stdbool.h>

#include "ctlfs/buf.h"

/* Appends len bytes of data as a JSON string, quotes included. Bytes that are no UTF-8 become
 * U+FFFD, control characters are escaped. */
void json_bytes(struct buf *out, const void *data, size_t len);
void json_string(struct buf *out, const char *text);
/* Whether text survives that: it is UTF-8. */
bool json_can(const char *text);
/* Appends text as it is if it is a JSON integer, else as a string. */
void json_value(struct buf *out, const char *text);

#endif
