/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The state that a container runtime gives to a hook: what is taken of it makes sense, and what is
 * not has a reason. */
#include "fuzz.h"

#include "cmd/ocistate.h"
#include "ctlfs/why.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	cleanup_oci_state struct oci_state s = { 0 };
	int r = oci_state_parse(text, &s);

	ck_assert(r <= 0);
	if (r < 0) {
		ck_assert(*why_take());
		return 0;
	}
	ck_assert_int_ge(s.pid, 0);
	if (s.rootfs)
		ck_assert(*s.rootfs == '/');
	return 0;
}
