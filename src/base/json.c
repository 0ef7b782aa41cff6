/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON strings and numbers. */
#include "ctlfs/json.h"

#include <string.h>

#include "ctlfs/utf8.h"

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* The character at p of len bytes, 0 for a byte that is none. */
static void add_character(struct buf *out, const unsigned char *p, size_t len, bool control)
{
	/* The code of a C1 character is its second byte. */
	if (len && *p == '\n')
		buf_adds(out, "\\n");
	else if (control)
		buf_addf(out, "\\u%04x", p[len - 1]);
	else if (*p == '"' || *p == '\\')
		buf_addf(out, "\\%c", *p);
	else if (len)
		buf_add(out, p, len);
	else
		buf_adds(out, REPLACEMENT);
}

void json_bytes(struct buf *out, const void *data, size_t len)
{
	const unsigned char *p = data;

	buf_adds(out, "\"");
	for (size_t at = 0, step; at < len; at += step ? step : 1) {
		step = utf8_length(p + at, len - at);
		add_character(out, p + at, step, step && utf8_control(p + at, len - at));
	}
	buf_adds(out, "\"");
}

void json_string(struct buf *out, const char *text)
{
	json_bytes(out, text, strlen(text));
}

bool json_can(const char *text)
{
	size_t len = strlen(text);

	for (size_t at = 0, step; at < len; at += step) {
		step = utf8_length((const unsigned char *)text + at, len - at);
		if (!step)
			return false;
	}
	return true;
}

void json_value(struct buf *out, const char *text)
{
	const char *digits = text + (*text == '-');
	bool number = *digits && !digits[strspn(digits, "0123456789")] &&
		      (*digits != '0' || !digits[1]);

	if (number)
		buf_adds(out, text);
	else
		json_string(out, text);
}
