/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON strings and numbers. */
#include "json.h"

#include <string.h>

/* The length of the UTF-8 sequence at p (no overlong forms, no surrogates), 0 if it is none. */
static size_t utf8_length(const unsigned char *p)
{
	static const struct {
		unsigned char first, last, second_min, second_max;
		size_t len;
	} forms[] = {
		{ 0x01, 0x7f, 0, 0, 1 },	{ 0xc2, 0xdf, 0x80, 0xbf, 2 },
		{ 0xe0, 0xe0, 0xa0, 0xbf, 3 },	{ 0xe1, 0xec, 0x80, 0xbf, 3 },
		{ 0xed, 0xed, 0x80, 0x9f, 3 },	{ 0xee, 0xef, 0x80, 0xbf, 3 },
		{ 0xf0, 0xf0, 0x90, 0xbf, 4 },	{ 0xf1, 0xf3, 0x80, 0xbf, 4 },
		{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
	};

	for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
		if (p[0] < forms[i].first || p[0] > forms[i].last)
			continue;
		if (forms[i].len > 1 && (p[1] < forms[i].second_min || p[1] > forms[i].second_max))
			return 0;
		for (size_t k = 2; k < forms[i].len; k++) {
			if ((p[k] & 0xc0) != 0x80)
				return 0;
		}
		return forms[i].len;
	}
	return 0;
}

void json_string(struct buf *out, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	buf_adds(out, "\"");
	while (*p) {
		size_t len = utf8_length(p);

		if (*p == '"' || *p == '\\')
			buf_addf(out, "\\%c", *p);
		else if (*p == '\n')
			buf_adds(out, "\\n");
		else if (*p < 0x20)
			buf_addf(out, "\\u%04x", *p);
		else if (len)
			buf_add(out, p, len);
		else
			buf_adds(out, "\xef\xbf\xbd");
		p += len ? len : 1;
	}
	buf_adds(out, "\"");
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
