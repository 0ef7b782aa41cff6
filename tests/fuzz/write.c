/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One write to an interface file: "PATH=" and the bytes. What was taken must be readable, and a
 * setting that is written back as it was read must be taken and change nothing.
 */
#include "fuzz.h"

#include <fnmatch.h>

#include "tree/settings.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed);
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max);

static void setup(void)
{
	pid_t pid;

	fuzz_setup();
	make_dirs("a");
	fuzz_enable_all("");
	fuzz_enable_all("a");
	make_dirs("a/b", "t", "t/x");
	do_write("t/cgroup.subtree_control", "+cpu +pids");
	do_write("t/x/cgroup.type", "threaded");
	pid = spawn_in("a/b");
	fake_thread(fake, pid);
	fake_spawn(fake);
}

static const struct setting *setting_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	for (size_t i = 0; i < n_setting_rows; i++) {
		const struct setting *s = &setting_rows[i];

		if (s->form == FORM_WHOLE && fnmatch(s->pattern, slash ? slash + 1 : path, 0) == 0)
			return s;
	}
	return NULL;
}

static void check_write_back(const char *path)
{
	cleanup_buf struct buf text = { 0 }, again = { 0 };

	if (do_read(path, &text) < 0 || !setting_of(path))
		return;
	if (setting_of(path)->unless && text.len && *text.data == '0')
		return; /* cpu.weight of an idle one */
	ck_assert_msg(do_write(path, buf_text(&text)) == 0, "%s: \"%s\" is not taken back", path,
		      buf_text(&text));
	ck_assert_int_eq(do_read(path, &again), 0);
	ck_assert_str_eq(buf_text(&text), buf_text(&again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	char *value = memchr(text, '=', size);
	struct tree_file *file;
	int r;

	if (!value || value + 1 == text + size || value - text > 60)
		return 0;
	*value++ = '\0';
	setup();
	if (open_as(&TREE_SELF, text, &file) == 0) {
		cleanup_buf struct buf shown = { 0 };

		r = file->ops->write(file, &TREE_SELF, value, size - (size_t)(value - text));
		ck_assert_msg(r <= 0, "%d", r);
		if (r < 0)
			why_take();
		read_file_as(file, &TREE_SELF, &shown);
		file->ops->close(file);
		if (r == 0)
			check_write_back(text);
	}
	emul_teardown();
	return 0;
}

#define PATHS_MAX 512

static char paths[PATHS_MAX][64];
static size_t n_paths;

/* All writable files, with the '='. */
static void find_paths(void)
{
	static const char *const dirs[] = { "", "a", "a/b", "t", "t/x" };

	setup();
	for (size_t k = 0; k < ARRAY_SIZE(dirs); k++) {
		cleanup_tree_list struct tree_list list = { 0 };

		ck_assert_int_eq(tree->ops->list(tree, node_at(dirs[k]), &list), 0);
		for (size_t i = 0; i < list.n && n_paths < PATHS_MAX; i++) {
			struct stat st;

			tree->ops->stat(tree, list.entries[i].node, NULL, &st);
			if (S_ISREG(st.st_mode) && (st.st_mode & 0222))
				snprintf(paths[n_paths++], sizeof *paths, "%s%s%.40s=", dirs[k],
					 *dirs[k] ? "/" : "", list.entries[i].name);
		}
	}
	emul_teardown();
	ck_assert(n_paths > 0);
}

/* What is written is what is tried; now and then in another file. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max, unsigned seed)
{
	const uint8_t *equals = memchr(data, '=', size);
	size_t head = equals ? (size_t)(equals - data) + 1 : 0;

	if (!n_paths)
		find_paths();
	if (seed % 4 == 0 || !head) {
		const char *path = paths[seed / 4 % n_paths];
		size_t len = strlen(path), rest = size - head;

		if (len + rest <= max) {
			memmove(data + len, data + head, rest);
			memcpy(data, path, len);
			head = len;
			size = len + rest;
		}
	}
	return head + LLVMFuzzerMutate(data + head, size - head, max - head);
}
