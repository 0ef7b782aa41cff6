/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of ctl/inject, parsed and done in an emulator that has nothing but what they bring. Time is
 * advanced here alone: lines could make it last. */
#include "fuzz.h"

#include "emul/inject_parse.h"

static bool moves_time(const char *line, size_t len)
{
	cleanup_inject_line struct inject_line l = { 0 };

	return inject_parse(line, len, &l) == 0 && l.verb == INJECT_ADVANCE;
}

/* What is refused has a reason, unless memory ran out. */
static void do_line(char *line)
{
	int r;

	why_take();
	if (moves_time(line, strlen(line)))
		return;
	why_take();
	r = emul_inject(tree, line);
	if (r < 0)
		ck_assert_str_ne(why_take(), "");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct emul_config config = { .devices = "8:0" };
	cleanup_free char *text = fuzz_text(data, size);
	cleanup_buf struct buf state = { 0 };
	char *rest = text, *line;

	ck_assert_int_eq(emul_new(&config, &tree), 0);
	fuzz_enable_all("");
	make_dirs("a", "b");
	while ((line = strsep(&rest, "\n")))
		do_line(line);
	ck_assert_int_eq(emul_inject(tree, "time virtual\nadvance 300ms"), 0);
	ck_assert_int_eq(emul_inject_show(tree, &state), 0);
	tree_destroy(tree);
	return 0;
}
