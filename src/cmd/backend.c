/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Opening a backend with its views, and finding out whether the kernel's may be used. */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <unistd.h>

#include "ctlfs/cleanup.h"
#include "ctlfs/emul.h"
#include "ctlfs/host.h"
#include "ctlfs/kernel.h"
#include "ctlfs/parse.h"
#include "ctlfs/server.h"
#include "ctlfs/tasks.h"
#include "ctlfs/v1.h"
#include "ctlfs/view.h"
#include "ctlfs/why.h"

const char *const backend_words[] = {
	[BACKEND_AUTO] = "auto", [BACKEND_KERNEL] = "kernel",
	[BACKEND_EMULATOR] = "emulator", [BACKEND_V1] = "v1", NULL,
};

const char *const emulate_words[] = {
	[EMUL_6_12] = "6.12", [EMUL_6_1] = "6.1", [EMUL_6_18] = "6.18", NULL,
};

static int open_view(struct backend *b)
{
	int r = view_new(b->tree, &b->view);

	if (r < 0)
		backend_close(b);
	return r;
}

/* Long enough for what one view reads to be of one moment, too short for anybody to use memory and
 * look for it. */
#define SAMPLE_NS (200 * 1000)

/* A descriptor for each member that is watched, each open file, each directory that is known. */
static void allow_descriptors(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

int backend_open_kernel(struct backend *b, const char *dir, struct policy *policy)
{
	int r;

	*b = (struct backend){ .name = "kernel" };
	allow_descriptors();
	r = kernel_new(dir, policy, &b->tree);
	return r < 0 ? r : open_view(b);
}

int backend_open_v1(struct backend *b, struct buf *told)
{
	int r;

	*b = (struct backend){ .name = "v1", .views_only = true };
	allow_descriptors();
	r = v1_new(told, &b->tree);
	return r < 0 ? r : open_view(b);
}

int backend_open_emulator(struct backend *b, const struct emulator_options *o, bool spread)
{
	cleanup_buf struct buf devices = { 0 };
	struct emul_config config = {
		.version = o->version, .observe = o->observe, .clock = true, .uid = geteuid(),
		.gid = getegid(), .sample_ns = SAMPLE_NS, .spread = spread && !o->observe,
	};
	int r;

	*b = (struct backend){ .name = "emulator" };
	allow_descriptors();
	r = host_devices(&devices);
	if (r < 0)
		return r;
	config.devices = buf_text(&devices);
	r = tasks_new(&b->tasks);
	if (r < 0)
		return r;
	config.tasks = b->tasks;
	r = emul_new(&config, &b->tree);
	if (r < 0) {
		backend_close(b);
		return r;
	}
	return open_view(b);
}

void backend_describe(const struct backend *b, struct server_config *config)
{
	config->tree = b->tree;
	config->view = b->view;
	config->backend = b->name;
	config->views_only = b->views_only;
	if (b->tasks) {
		config->inject = emul_inject;
		config->inject_show = emul_inject_show;
	}
}

void backend_close(struct backend *b)
{
	view_free(b->view);
	tree_destroy(b->tree);
	tasks_free(b->tasks);
	*b = (struct backend){ 0 };
}

static bool is_directory(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

int backend_directory(const char *root, struct buf *out)
{
	size_t start = out->len;
	int r = kernel_mountpoint(out);

	if (r < 0)
		return refuse(-r, "no cgroup2 file system is mounted "
				  "(mount -t cgroup2 none /sys/fs/cgroup)");
	if (!root)
		return buf_error(out);
	buf_addf(out, "/%s", root + strspn(root, "/"));
	if (buf_error(out) == 0 && !is_directory(buf_text(out) + start) && *root == '/') {
		buf_cut(out, start);
		buf_adds(out, root);
	}
	if (buf_error(out) == 0 && !is_directory(buf_text(out) + start))
		return refuse(ENOENT, "there is no cgroup %s", root);
	return buf_error(out);
}

static int check_controllers(const char *dir, const char *have, const char *controllers)
{
	cleanup_free char *copy = strdup(controllers);
	char *rest = copy;

	if (!copy)
		return -ENOMEM;
	for (char *word; (word = strsep(&rest, " ")) != NULL;) {
		if (*word && !parse_has_word(have, word, " \n"))
			return refuse(ENOENT, "the cgroup %s does not have the controller %s", dir,
				      word);
	}
	return 0;
}

int backend_usable(const char *dir, const char *controllers)
{
	cleanup_close int fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	cleanup_buf struct buf have = { 0 };
	int r;

	if (fd < 0)
		return refuse(errno, "%s: %s", dir, strerror(errno));
	r = buf_readat(&have, fd, "cgroup.controllers", 1 << 16);
	if (r < 0)
		return refuse(-r, "%s is not a directory of cgroup2", dir);
	r = check_controllers(dir, buf_text(&have), controllers);
	if (r < 0)
		return r;
	if (faccessat(fd, ".", W_OK, AT_EACCESS) < 0 ||
	    faccessat(fd, "cgroup.subtree_control", W_OK, AT_EACCESS) < 0)
		return refuse(errno, "the cgroup %s cannot be written: %s", dir, strerror(errno));
	return 0;
}
