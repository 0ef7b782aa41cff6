/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts of strangers made harmless for people's eyes. */
#include "ctlfs/printable.h"

#include <stdbool.h>
#include <string.h>

#include "ctlfs/utf8.h"

static void add(struct buf *out, const unsigned char *p, size_t left, bool quoted)
{
	for (size_t len; left; p += len, left -= len) {
		size_t character = utf8_length(p, left);

		len = character ? character : 1;
		if (quoted && *p == '\n')
			buf_adds(out, "\\n");
		else if (quoted && (*p == '"' || *p == '\\'))
			buf_addf(out, "\\%c", *p);
		else if (character && !utf8_control(p, left))
			buf_add(out, p, len);
		else
			for (size_t i = 0; i < len; i++)
				buf_addf(out, "\\x%02x", p[i]);
	}
}

void printable_text(struct buf *out, const char *text)
{
	add(out, (const unsigned char *)text, strlen(text), false);
}

void printable_quoted(struct buf *out, const void *data, size_t len)
{
	buf_adds(out, "\"");
	add(out, data, len, true);
	buf_adds(out, "\"");
}
