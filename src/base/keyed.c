/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Flat-keyed text: "KEY VALUE" and "Key:   VALUE kB". */
#include "ctlfs/keyed.h"

#include <stdbool.h>
#include <string.h>

static const char *blanks(const char *s)
{
	while (*s == ' ' || *s == '\t')
		s++;
	return s;
}

/* The value of the line if it is key's: false for other keys and for what is not a number. */
static bool line_value(const char *line, const char *key, uint64_t *ret_value)
{
	size_t len = strlen(key);
	uint64_t value = 0;
	const char *s;

	if (strncmp(line, key, len) != 0)
		return false;
	s = blanks(line + len);
	if (s == line + len || *s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		value = value * 10 + (uint64_t)(*s - '0');
	*ret_value = value;
	return true;
}

size_t keyed_read(const char *text, const struct keyed *keys, size_t n)
{
	size_t found = 0, guess = 0;

	/* Keys mostly come in the order of the file: the one after the last hit is tried first. */
	while (*text && found < n) {
		const char *end;

		for (size_t i = 0; i < n; i++) {
			size_t k = (guess + i) % n;

			if (line_value(text, keys[k].key, keys[k].value)) {
				found++;
				guess = k + 1;
				break;
			}
		}
		end = strchr(text, '\n');
		if (!end)
			break;
		text = end + 1;
	}
	return found;
}
