/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of mountinfo, whose paths and sources are whatever somebody in a container has mounted: all
 * that is found in a line lies in it. */
#include "fuzz.h"

#include "ctlfs/mountinfo.h"

static void assert_within(const char *line, size_t size, const char *part)
{
	ck_assert(part >= line && part + strlen(part) <= line + size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	struct mountinfo m;

	if (!mountinfo_parse(text, &m))
		return 0;
	assert_within(text, size, m.device);
	assert_within(text, size, m.root);
	assert_within(text, size, m.point);
	assert_within(text, size, m.type);
	assert_within(text, size, m.flags);
	if (*m.options)
		assert_within(text, size, m.options);
	return 0;
}
