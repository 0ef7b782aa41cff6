/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of fields says what the renderers print: no field more, none less, in their order. */
#include "test_view.h"

#include "ctlfs/viewfield.h"
#include "suite.h"

static uint64_t a;

static void setup(void)
{
	static const char *const pressure[] = { "cpu.pressure", "io.pressure", "irq.pressure",
						"memory.pressure" };

	a = fake_cgroup(TREE_ROOT, "a");
	fake_set(&tree, a, "memory.current", "1\n");
	fake_set(&tree, a, "memory.max", "max\n");
	fake_set(&tree, a, "memory.stat", "anon 1\n");
	for (size_t i = 0; i < ARRAY_SIZE(pressure); i++)
		fake_set(&tree, TREE_ROOT, pressure[i], "some\n");
}

/* Every file that is named is there. */
START_TEST(files_are_there)
{
	setup();
	for (size_t i = 0; i < view_fields_count; i++)
		ck_assert_uint_ne(slot_at(a, view_fields[i].file), VIEW_TOP);
}
END_TEST

/* Lines of a file with a key each, those that begin with except left out. */
static void check_keys(const char *file, const char *except)
{
	const char *line;
	size_t i = 0;

	setup();
	for (line = text_at(a, file); *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, ": ");

		if (except && strncmp(line, except, strlen(except)) == 0)
			continue;
		while (i < view_fields_count && (strcmp(view_fields[i].file, file) != 0 ||
						 view_fields[i].place != FIELD_KEY))
			i++;
		ck_assert_msg(i < view_fields_count, "%.*s has no row", (int)len, line);
		ck_assert_msg(strlen(view_fields[i].name) == len &&
			      memcmp(view_fields[i].name, line, len) == 0,
			      "%.*s is in the place of %s", (int)len, line, view_fields[i].name);
		i++;
	}
	for (; i < view_fields_count; i++)
		ck_assert_msg(strcmp(view_fields[i].file, file) != 0, "no line %s",
			      view_fields[i].name);
}

START_TEST(keys)
{
	check_keys("proc/meminfo", NULL);
}
END_TEST

static unsigned words_of(const char *line)
{
	unsigned n = 0;

	for (size_t len; *line && *line != '\n'; line += len + strspn(line + len, " "), n++)
		len = strcspn(line, " \n");
	return n;
}

/* As many columns as there are words: of stat's first line, uptime and loadavg. */
START_TEST(columns)
{
	static const struct {
		const char *file;
		unsigned first;
	} files[] = { { "proc/stat", 1 }, { "proc/uptime", 0 }, { "proc/loadavg", 0 } };

	setup();
	for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
		unsigned next = files[f].first;

		for (size_t i = 0; i < view_fields_count; i++) {
			if (strcmp(view_fields[i].file, files[f].file) == 0 &&
			    view_fields[i].place == FIELD_COLUMN)
				ck_assert_uint_eq(view_fields[i].column, next++);
		}
		ck_assert_uint_eq(words_of(text_at(a, files[f].file)), next);
	}
}
END_TEST

/* "how file [key]", known words, each. */
START_TEST(inputs)
{
	for (size_t i = 0; i < view_fields_count; i++) {
		const char *at = view_fields[i].inputs;

		ck_assert_uint_gt(strlen(view_fields[i].rule), 0);
		while (at) {
			char how[16], file[64];

			ck_assert_int_eq(sscanf(at, "%15[a-z] %63[^ ;]", how, file), 2);
			ck_assert_msg(!strcmp(how, "nearest") || !strcmp(how, "smallest") ||
				      !strcmp(how, "host"), "%s", at);
			ck_assert_int_eq(*file == '/', !strcmp(how, "host"));
			at = strstr(at, "; ");
			at = at ? at + 2 : NULL;
		}
	}
}
END_TEST

int main(void)
{
	const TTest *tests[] = { files_are_there, keys, columns, inputs };

	return run_suite("view_fields", tests, ARRAY_SIZE(tests));
}
