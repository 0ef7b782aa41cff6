/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* UTF-8 (RFC 3629): which bytes of a stranger's text are characters. */
#ifndef CTLFS_UTF8_H
#define CTLFS_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* The length of the character at p, of which left bytes are there (no overlong forms, no
 * surrogates); 0 if there is none. */
size_t utf8_length(const unsigned char *p, size_t left);
/* Whether the character at p is a control character: C0, DEL or C1. */
bool utf8_control(const unsigned char *p, size_t left);

#endif
