/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the fuzz targets share. A target is one file of this directory: found, built and run by its
 * name, with the seeds in corpus/NAME and, if there is one, NAME.dict. The emulator is that of
 * the unit tests, over fake tasks in virtual time; what their fixture checks ends the program.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FAKE_TASKS 64 /* each input gets an emulator of its own */

#include "check.h"
#include "emul_fixture.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The fixture with all controllers that there are, and things for them to know. */
static inline void fuzz_setup(void)
{
	emul_setup_config((struct emul_config){
		.version = EMUL_6_18, .devices = "8:0 253:0/mq", .misc = "res_a=10",
		.rdma = "mlx5_0", .dmem = "drm/0000:03:00.0/vram0=8589934592",
	});
}

/* A copy that ends with a NUL; what is behind the first NUL of data is still there. */
static inline char *fuzz_text(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	ck_assert_ptr_nonnull(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

/* Enables in dir all that it may. */
static inline void fuzz_enable_all(const char *dir)
{
	cleanup_buf struct buf have = { 0 }, line = { 0 }, path = { 0 };
	char *rest, *name;

	buf_addf(&path, "%s/cgroup.controllers", dir);
	ck_assert_int_eq(do_read(buf_text(&path), &have), 0);
	rest = have.data;
	while ((name = strsep(&rest, " \n"))) {
		if (*name)
			buf_addf(&line, "+%s ", name);
	}
	buf_reset(&path);
	buf_addf(&path, "%s/cgroup.subtree_control", dir);
	ck_assert_int_eq(do_write(buf_text(&path), buf_text(&line)), 0);
}

#endif
