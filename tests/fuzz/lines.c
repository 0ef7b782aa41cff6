/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines about what strangers wrote: whatever bytes those are, a line is one line of well-formed
 * UTF-8 without control characters, and the JSON is what it was made from. */
#include "fuzz.h"

#include "ctlfs/utf8.h"
#include "make_record.h"

static void assert_line(const struct buf *line)
{
	const unsigned char *p = (const unsigned char *)buf_text(line);

	ck_assert_int_eq(buf_error(line), 0);
	for (size_t at = 0, len; at < line->len; at += len) {
		len = utf8_length(p + at, line->len - at);
		ck_assert(len > 0);
		ck_assert(!utf8_control(p + at, line->len - at));
	}
}

/* Behind the JSON string at p, which ends. */
static const char *skip_string(const char *p)
{
	ck_assert(*p == '"');
	for (p++; *p != '"'; p++) {
		ck_assert(*p);
		if (*p != '\\')
			continue;
		p++;
		ck_assert(*p && strchr("\"\\nu", *p));
		if (*p != 'u')
			continue;
		ck_assert_uint_eq(strspn(p + 1, "0123456789abcdef") >= 4, 1);
		p += 4;
	}
	return p + 1;
}

/* An object of strings and numbers: how many members it has. */
static unsigned assert_object(const char *p)
{
	unsigned n = 0;

	ck_assert(*p == '{');
	do {
		p = skip_string(p + 1 + (n > 0));
		ck_assert(p[0] == ':' && p[1] == ' ');
		p += 2;
		p = *p == '"' ? skip_string(p) : p + strspn(p, "-0123456789");
		n++;
	} while (p[0] == ',' && p[1] == ' ');
	ck_assert(p[0] == '}' && !p[1]);
	return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	struct record *r = make_record(IDS(1), text);
	cleanup_buf struct buf line = { 0 };
	size_t len = size < RECORD_TEXT_MAX ? size : RECORD_TEXT_MAX;

	r->seq = 1;
	record_write(r, text, len);
	r->size = size;
	free(r->why);
	r->why = strdup(text);
	snprintf(r->comm, sizeof r->comm, "%s", text);
	record_text(r, 1, &line);
	assert_line(&line);
	buf_reset(&line);
	record_json(r, 1, &line);
	assert_line(&line);
	ck_assert_uint_eq(assert_object(buf_text(&line)), 13);
	record_free(r);
	return 0;
}
