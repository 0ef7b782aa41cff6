/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * nullfs MNT NAME=SIZE...: a FUSE file system that does nothing: files of the given sizes in one
 * directory, served by libfuse's own multi-threaded loop. What it costs to read from it is the
 * floor of an ordinary FUSE server, against which the bench measures. Serves until SIGTERM.
 */
#define FUSE_USE_VERSION 314

#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FOREVER 1e9
#define LINE "nothing, served as fast as FUSE goes\n"

struct file {
	const char *name;
	char *text;
	size_t size;
};

/* File n is node n + 2; the root is node 1. */
struct nullfs {
	struct file *files;
	size_t n;
};

static const struct file *file_of(fuse_req_t req, fuse_ino_t node)
{
	const struct nullfs *fs = fuse_req_userdata(req);

	if (node <= FUSE_ROOT_ID || node - FUSE_ROOT_ID > fs->n)
		return NULL;
	return &fs->files[node - FUSE_ROOT_ID - 1];
}

static void fill_attr(const struct file *file, fuse_ino_t node, struct stat *ret_attr)
{
	*ret_attr = (struct stat){
		.st_ino = node,
		.st_mode = file ? S_IFREG | 0444 : S_IFDIR | 0555,
		.st_nlink = file ? 1 : 2,
		.st_size = file ? (off_t)file->size : 0,
	};
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name)
{
	const struct nullfs *fs = fuse_req_userdata(req);
	struct fuse_entry_param e = { .attr_timeout = FOREVER, .entry_timeout = FOREVER };

	for (size_t i = 0; parent == FUSE_ROOT_ID && i < fs->n; i++) {
		if (strcmp(fs->files[i].name, name) != 0)
			continue;
		e.ino = i + FUSE_ROOT_ID + 1;
		fill_attr(&fs->files[i], e.ino, &e.attr);
		fuse_reply_entry(req, &e);
		return;
	}
	fuse_reply_err(req, ENOENT);
}

static void op_getattr(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	const struct file *file = file_of(req, node);
	struct stat attr;

	(void)fi;
	if (!file && node != FUSE_ROOT_ID) {
		fuse_reply_err(req, ENOENT);
		return;
	}
	fill_attr(file, node, &attr);
	fuse_reply_attr(req, &attr, FOREVER);
}

static void op_open(fuse_req_t req, fuse_ino_t node, struct fuse_file_info *fi)
{
	(void)node;
	fi->direct_io = 1;
	fi->noflush = 1;
	fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t node, size_t size, off_t off,
		    struct fuse_file_info *fi)
{
	const struct file *file = file_of(req, node);
	size_t from = (size_t)off;

	(void)fi;
	if (!file)
		fuse_reply_err(req, EISDIR);
	else if (from >= file->size)
		fuse_reply_buf(req, NULL, 0);
	else
		fuse_reply_buf(req, file->text + from,
			       size < file->size - from ? size : file->size - from);
}

static const struct fuse_lowlevel_ops nullfs_ops = {
	.lookup = op_lookup,
	.getattr = op_getattr,
	.open = op_open,
	.read = op_read,
};

/* "meminfo=1500": splits argument and makes the text. */
static int file_init(struct file *file, char *argument)
{
	char *equals = strchr(argument, '=');
	char *end;

	if (!equals || equals == argument)
		return -EINVAL;
	*equals = '\0';
	file->name = argument;
	file->size = strtoul(equals + 1, &end, 10);
	if (end == equals + 1 || *end || file->size > 1 << 24)
		return -EINVAL;
	file->text = malloc(file->size + 1);
	if (!file->text)
		return -ENOMEM;
	for (size_t i = 0; i < file->size; i++)
		file->text[i] = LINE[i % (sizeof LINE - 1)];
	return 0;
}

static int serve(struct fuse_session *se, const char *mountpoint)
{
	struct fuse_loop_config *config = fuse_loop_cfg_create();
	int r = -1;

	fuse_loop_cfg_set_clone_fd(config, 1);
	if (fuse_set_signal_handlers(se) == 0) {
		if (fuse_session_mount(se, mountpoint) == 0) {
			r = fuse_session_loop_mt(se, config);
			fuse_session_unmount(se);
		}
		fuse_remove_signal_handlers(se);
	}
	fuse_loop_cfg_destroy(config);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void nullfs_free(struct nullfs *fs)
{
	for (size_t i = 0; i < fs->n; i++)
		free(fs->files[i].text);
	free(fs->files);
}

int main(int argc, char **argv)
{
	char *fuse_argv[] = { argv[0], (char *)"-ofsname=nullfs,allow_other", NULL };
	struct fuse_args args = FUSE_ARGS_INIT(2, fuse_argv);
	struct nullfs fs = { 0 };
	struct fuse_session *se;
	int status = EXIT_FAILURE;

	if (argc < 3) {
		fprintf(stderr, "usage: nullfs MNT NAME=SIZE...\n");
		return 2;
	}
	fs.files = calloc((size_t)argc, sizeof *fs.files);
	if (!fs.files)
		return EXIT_FAILURE;
	for (; fs.n < (size_t)argc - 2; fs.n++) {
		if (file_init(&fs.files[fs.n], argv[fs.n + 2]) < 0) {
			fprintf(stderr, "nullfs: not NAME=SIZE: %s\n", argv[fs.n + 2]);
			nullfs_free(&fs);
			return 2;
		}
	}
	se = fuse_session_new(&args, &nullfs_ops, sizeof nullfs_ops, &fs);
	if (se) {
		status = serve(se, argv[1]);
		fuse_session_destroy(se);
	}
	nullfs_free(&fs);
	return status;
}
