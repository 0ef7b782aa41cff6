/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A directory that is imported: "PATH=TEXT" for each file, with a NUL between them; directories are
 * made on the way. What was imported is exported and imported again, which must give the same
 * number of cgroups.
 */
#include "fuzz.h"

#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctlfs/export.h"

#define FILES_MAX 32

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st, (void)kind, (void)at;
	return remove(path);
}

static void remove_all(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The path of a file below dir; nothing leaves dir, so names of dots are none. */
static void put(const char *dir, char *name, const char *text)
{
	cleanup_buf struct buf path = { 0 };
	cleanup_close int fd = -1;
	char *part;

	buf_adds(&path, dir);
	while ((part = strsep(&name, "/"))) {
		if (!*part || !strcmp(part, ".") || !strcmp(part, ".."))
			return;
		buf_addf(&path, "/%s", part);
		if (name && mkdir(buf_text(&path), 0755) < 0 && errno != EEXIST)
			return;
	}
	fd = open(buf_text(&path), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0644);
	if (fd >= 0)
		ck_assert_int_eq(write(fd, text, strlen(text)), strlen(text));
}

static void fill(const char *dir, char *text, const char *end)
{
	for (int i = 0; i < FILES_MAX && text < end; i++) {
		char *next = text + strlen(text) + 1, *value = strchr(text, '=');

		if (value) {
			*value = '\0';
			put(dir, text, value + 1);
		}
		text = next;
	}
}

static void count(void *data, const char *text)
{
	sscanf(text, "%lu cgroups", (unsigned long *)data);
}

/* Into the fixture's tree. */
static int import(const char *dir, unsigned long *ret_n)
{
	struct tree *from;
	int r = plain_new(dir, &from);

	if (r < 0)
		return r;
	r = tree_import(tree, from, count, ret_n);
	tree_destroy(from);
	return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	char in[] = "/dev/shm/ctlfs-fuzz-XXXXXX", out[64];
	unsigned long first = 0, second = 0;
	int r;

	ck_assert_ptr_nonnull(mkdtemp(in));
	snprintf(out, sizeof out, "%s/.out", in);
	fill(in, text, text + size);
	fuzz_setup();
	r = import(in, &first);
	if (r == 0) {
		ck_assert_int_eq(tree_export(tree, out), 0);
		emul_teardown();
		fuzz_setup();
		ck_assert_msg(import(out, &second) == 0, "%s", why_take());
		ck_assert_uint_eq(first, second);
	}
	emul_teardown();
	remove_all(in);
	return 0;
}
