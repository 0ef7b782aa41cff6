/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ctlfs mount: serve the tree and the views at a directory, as a daemon or in the foreground. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "backend.h"
#include "cmd.h"
#include "config.h"
#include "ctlfs/audit.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/export.h"
#include "ctlfs/log.h"
#include "ctlfs/policy.h"
#include "ctlfs/server.h"
#include "ctlfs/v1.h"
#include "ctlfs/why.h"
#include "mount.h"
#include "mounts.h"
#include "notify.h"
#include "serve.h"

#define FIELD(member) .offset = offsetof(struct mount_options, member)

#define SPIN_ROW_END \
	FIELD(spin), .max = 10000, .expected = "a number of microseconds up to 10000"
#define BACKEND_ROW_END \
	FIELD(backend), .words = backend_words, .expected = BACKEND_EXPECTED
#define EMULATE_ROW_END \
	FIELD(emulator.version), .words = emulate_words, .expected = EMULATE_EXPECTED
#define CONFIG_ROW_END FIELD(config), .expected = "a file"
#define ROOT_ROW_END FIELD(root), .expected = "a cgroup such as /system.slice"

/* The words of -o. Those without a parser mean something to mount(8), or to nobody any more. */
static const struct option_row list_rows[] = {
	{ "allow_other", .parse = option_switch, FIELD(allow_other), .help = "" },
	{ "ro", .parse = option_switch, FIELD(read_only), .help = "" },
	{ "rw", .parse = option_off, FIELD(read_only) },
	{ "debug", .parse = option_switch, FIELD(debug), .help = "" },
	{ "spin", 0, "USEC", option_number, SPIN_ROW_END, .help = "" },
	{ "threads", 0, "N", option_number, FIELD(threads), .max = 64,
	  .expected = "a number up to 64 (0: by the number of CPUs)", .help = "" },
	{ "backend", 0, "KIND", option_word, BACKEND_ROW_END, .help = "" },
	{ "root", 0, "CGROUP", option_text, ROOT_ROW_END, .help = "" },
	{ "config", 0, "FILE", option_text, CONFIG_ROW_END, .help = "" },
	{ "emulate", 0, "VERSION", option_word, EMULATE_ROW_END, .help = "" },
	{ "no-enforce", .parse = option_switch, FIELD(emulator.observe), .help = "" },
	{ "audit", 0, "TARGET", option_text, FIELD(audit),
	  .expected = "syslog, journal or the absolute path of a file", .help = "" },
	{ "log-refusals", .parse = option_switch, FIELD(log_refusals), .help = "" },
	{ "scenario", 0, "FILE", option_scenario, FIELD(scenario), .expected = SCENARIO_EXPECTED,
	  .help = "" },
	{ "defaults" }, { "auto" }, { "noauto" }, { "nofail" }, { "_netdev" }, { "comment" },
	{ "user" }, { "nouser" }, { "users" }, { "owner" }, { "group" }, { "nonempty" },
	{ "suid" }, { "nosuid" }, { "dev" }, { "nodev" }, { "exec" }, { "noexec" },
	{ "atime" }, { "noatime" }, { "relatime" }, { "norelatime" }, { "strictatime" },
	{ "diratime" }, { "nodiratime" }, { "sync" }, { "async" }, { "dirsync" },
	{ "default_permissions" }, { "fsname" }, { "subtype" }, { "silent" }, { "loud" },
	{ NULL },
};

static int option_list(const struct option_row *row, const char *text, void *options)
{
	struct mount_options *o = options;
	char **grown = reallocarray(o->copies, o->n_copies + 1, sizeof *grown);

	(void)row;
	if (!grown)
		return refuse(ENOMEM, "out of memory");
	o->copies = grown;
	return options_parse_list(list_rows, text, o, &o->copies[o->n_copies++]);
}

static const struct option_row rows[] = {
	{ "backend", 0, "KIND", option_word, BACKEND_ROW_END, .preset = "auto",
	  .help = "kernel: an existing cgroup v2; emulator: a new tree over real processes; v1: no "
		  "tree, views of the limits of cgroup v1; auto: the kernel if its cgroup v2 may "
		  "be written and has cpu, memory and pids, else v1 if that is mounted, else the "
		  "emulator" },
	{ "root", 0, "CGROUP", option_text, ROOT_ROW_END,
	  .help = "kernel backend: show the tree below this cgroup (its path below the mount of "
		  "cgroup2, or an absolute directory) instead of the whole" },
	{ "config", 0, "FILE", option_text, CONFIG_ROW_END,
	  .help = "kernel backend: read what containers may do to their own cgroup from this file "
		  "instead of /etc/ctlfs/ctlfs.conf and /etc/ctlfs/conf.d/*.conf" },
	{ "emulate", 0, "VERSION", option_word, EMULATE_ROW_END, .preset = "6.12",
	  .help = "emulator: which Linux the files are those of, " EMULATE_EXPECTED },
	{ "import", 0, "DIRECTORY", option_text, FIELD(import), .expected = "a directory",
	  .help = "emulator: begin with the cgroups and settings of a snapshot that 'ctlfs export' "
		  "wrote, or of any directory of a cgroup v2 tree" },
	{ "no-enforce", 0, NULL, option_switch, FIELD(emulator.observe),
	  .help = "emulator: account and count, but never kill or stop a process for a limit" },
	{ "scenario", 0, "FILE", option_scenario, FIELD(scenario), .expected = SCENARIO_EXPECTED,
	  .help = SCENARIO_HELP },
	{ "foreground", 'f', NULL, option_switch, FIELD(foreground),
	  .help = "stay in the foreground" },
	{ "options", 'o', "LIST", option_list, 0, .expected = "a list such as ro,spin=0",
	  .help = "allow_other (the default for root), ro, spin=USEC (how long a worker waits "
		  "awake after a reply, 50), threads=N, debug, backend=KIND, root=CGROUP, "
		  "config=FILE, emulate=VERSION, no-enforce, audit=syslog|journal|FILE (a "
		  "line for every change), log-refusals (refusals on standard error, too, so "
		  "many for each container); generic options of mount(8) are accepted" },
	{ NULL },
};

const struct command_line mount_line = {
	"mount", "DIRECTORY",
	"Serves the cgroup tree and the views at DIRECTORY, until it is unmounted.", rows, 1, 1,
	false,
};

void mount_options_free(struct mount_options *o)
{
	for (size_t i = 0; i < o->n_copies; i++)
		free(o->copies[i]);
	free(o->copies);
	scenario_free(&o->scenario);
}

/* What to serve at path; dir is the kernel's cgroup. */
struct plan {
	const struct mount_options *o;
	enum backend_kind kind; /* not auto */
	const char *path, *dir;
	const char *from; /* a snapshot to import, or NULL */
	struct audit *audit; /* or NULL */
	struct policy *policy; /* of the kernel's; given to the backend */
	int ready; /* a byte written here tells that requests are served; or -1 */
};

/* 0 with the kind, and the kernel's directory in dir; -errno with the reason noted. */
static int choose(const struct mount_options *o, enum backend_kind *ret_kind, struct buf *dir)
{
	char why[256];
	int r;

	*ret_kind = BACKEND_EMULATOR;
	if (o->backend == BACKEND_EMULATOR || o->import || o->scenario.path)
		return 0;
	*ret_kind = o->backend == BACKEND_V1 ? BACKEND_V1 : BACKEND_KERNEL;
	if (o->backend == BACKEND_V1)
		return 0;
	r = backend_directory(o->root, dir);
	if (o->backend == BACKEND_KERNEL || o->root)
		return r;
	if (r == 0)
		r = backend_usable(buf_text(dir), BACKEND_CONTROLLERS);
	if (r == 0) {
		log_error("mount: backend kernel, %s", buf_text(dir));
		return 0;
	}
	buf_reset(dir);
	snprintf(why, sizeof why, "%s", why_take());
	*ret_kind = v1_usable() == 0 ? BACKEND_V1 : BACKEND_EMULATOR;
	if (*ret_kind == BACKEND_V1)
		log_error("mount: backend v1: %s", why);
	else
		log_error("mount: backend emulator: %s; %s", why, why_take());
	return 0;
}

static int complain(const char *path, int r)
{
	return command_failed(r, "mount: %s", path);
}

/* The device number of what is mounted at path, "" if it is not ours. */
static void read_device(const char *path, char (*ret_device)[32])
{
	cleanup_mounttable struct mounttable m = { 0 };
	const struct mountinfo *found = NULL;

	if (mounts_read(&m) == 0)
		found = mounts_find(&m, path);
	snprintf(*ret_device, sizeof *ret_device, "%s", found ? found->device : "");
}

/* Unmounts what was mounted as device, and nothing that somebody put in its place. */
static int unmount(const char *path, const char *device)
{
	char now[32];
	int r;

	read_device(path, &now);
	if (!*now || strcmp(now, device) != 0)
		return 0;
	r = server_unmount(path);
	return r < 0 ? complain(path, r) : 0;
}

static void tell_ready(const struct plan *plan)
{
	if (plan->o->foreground)
		notify_manager("READY=1");
	if (plan->ready < 0)
		return;
	if (write(plan->ready, "", 1) != 1)
		log_error("mount: %s: nobody waits for the mount", plan->path);
	close(plan->ready);
	serve_null_fds(0, plan->o->debug ? 1 : 2);
}

static int serve_mounted(const struct plan *plan, const struct backend *b, int fd)
{
	struct server_config config = {
		.threads = plan->o->threads, .spin_usec = plan->o->spin, .debug = plan->o->debug,
		.log_refusals = plan->o->log_refusals, .audit = plan->audit,
	};
	struct server *server;
	char device[32];
	bool signalled;
	int r, status;

	backend_describe(b, &config);
	read_device(plan->path, &device);
	r = server_new(&config, fd, &server);
	if (r < 0) {
		status = complain(plan->path, r);
		unmount(plan->path, device);
		return status;
	}
	tell_ready(plan);
	r = serve_until_signal(server, plan->path, &signalled);
	status = r < 0 ? complain(plan->path, r) : 0;
	if (plan->o->foreground)
		notify_manager("STOPPING=1");
	/* Before the device is closed: who comes now finds the directory, not a dead mount. */
	if ((signalled || r < 0) && unmount(plan->path, device) != 0)
		status = STATUS_FAILED;
	server_free(server);
	return status;
}

static void tell_left_out(void *data, const char *text)
{
	(void)data;
	log_error("mount: import: %s", text);
}

static int import(const struct plan *plan, struct tree *tree)
{
	struct tree *from;
	int r = plan->from ? plain_new(plan->from, &from) : 0;

	if (r < 0 || !plan->from)
		return r;
	r = tree_import(tree, from, tell_left_out, NULL);
	tree_destroy(from);
	return r;
}

/* What the tree has before anybody sees it; what went wrong has been told. */
static int begin(const struct plan *plan, const struct backend *b)
{
	int r = import(plan, b->tree);

	if (r < 0) {
		complain(plan->from, r);
		return r;
	}
	r = scenario_start(&plan->o->scenario, b);
	if (r < 0)
		complain("--scenario", r);
	return r;
}

static int open_v1(struct backend *b)
{
	cleanup_buf struct buf told = { 0 };
	int r = backend_open_v1(b, &told);

	if (r == 0)
		log_error("mount: this host's limits are on cgroup v1: there is no tree, views are "
			  "served: %s", buf_text(&told));
	return r;
}

/* What could not be opened has been told. */
static int open_backend(const struct plan *plan, struct backend *b)
{
	int r;

	switch (plan->kind) {
	case BACKEND_KERNEL:
		r = backend_open_kernel(b, plan->dir, plan->policy);
		break;
	case BACKEND_V1:
		r = open_v1(b);
		break;
	default:
		r = backend_open_emulator(b, &plan->o->emulator, false);
	}
	if (r < 0)
		complain(plan->dir ? plan->dir : plan->kind == BACKEND_V1 ? "v1" : "emulator", r);
	return r;
}

static int serve_tree(const struct plan *plan)
{
	struct mount_config config = { plan->path, plan->o->allow_other, plan->o->read_only };
	struct backend b;
	int fd, status, r;

	r = open_backend(plan, &b);
	if (r < 0)
		return STATUS_FAILED;
	r = begin(plan, &b);
	if (r < 0) {
		backend_close(&b);
		return STATUS_FAILED;
	}
	r = server_mount(&config, &fd);
	status = r < 0 ? complain(plan->path, r) : serve_mounted(plan, &b, fd);
	backend_close(&b);
	return status;
}

static int serve(struct plan *plan)
{
	int r = 0, status;

	serve_block_signals();
	/* Before the mount, which a file's path must not lead into. */
	if (plan->o->audit)
		r = audit_new(plan->o->audit, &plan->audit);
	if (r < 0)
		return complain("-o audit", r);
	status = serve_tree(plan);
	audit_free(plan->audit);
	return status;
}

/* The daemon said that it serves: it does once it answers. */
static int check_served(const char *path)
{
	cleanup_buf struct buf name = { 0 };
	cleanup_buf struct buf text = { 0 };
	int r;

	buf_addf(&name, "%s/ctl/version", path);
	r = buf_readat(&text, AT_FDCWD, buf_text(&name), 4096);
	return r < 0 ? complain(buf_text(&name), r) : 0;
}

/* The parent's side: the exit status. */
static int wait_for_daemon(pid_t daemon, int ready, const char *path)
{
	int status;
	ssize_t n;
	char byte;

	do {
		n = read(ready, &byte, 1);
	} while (n < 0 && errno == EINTR);
	if (n == 1)
		return check_served(path);
	if (waitpid(daemon, &status, 0) < 0)
		return complain(path, -errno);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	log_error("mount: the daemon was killed by signal %d", WTERMSIG(status));
	return STATUS_FAILED;
}

static int serve_as_daemon(struct plan *plan)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return complain(plan->path, -errno);
	pid = fork();
	if (pid != 0)
		policy_free(plan->policy);
	if (pid < 0)
		return complain(plan->path, -errno);
	if (pid > 0) {
		close(ends[1]);
		return wait_for_daemon(pid, ends[0], plan->path);
	}
	close(ends[0]);
	plan->ready = ends[1];
	setsid();
	if (chdir("/") < 0)
		return complain("/", -errno);
	return serve(plan);
}

static int check_options(const struct mount_options *o)
{
	bool real = o->backend == BACKEND_KERNEL || o->backend == BACKEND_V1;

	if (o->root && o->backend == BACKEND_EMULATOR)
		log_error("mount: --root: the emulator starts with an empty tree: expected "
			  "--backend kernel");
	else if (o->root && o->backend == BACKEND_V1)
		log_error("mount: --root: expected --backend kernel");
	else if (o->config && (o->backend == BACKEND_EMULATOR || o->backend == BACKEND_V1))
		log_error("mount: --config: only the kernel's tree keeps containers in: expected "
			  "--backend kernel");
	else if (o->import && real)
		log_error("mount: --import: expected --backend emulator");
	else if (o->scenario.path && (o->root || real))
		log_error("mount: --scenario: the kernel does not play one: expected --backend "
			  "emulator");
	else
		return OPTIONS_GO_ON;
	return STATUS_USAGE;
}

int cmd_mount(int argc, char **argv)
{
	__attribute__((cleanup(mount_options_free))) struct mount_options o = {
		.spin = SERVER_SPIN_USEC, .allow_other = geteuid() == 0,
	};
	cleanup_operands struct operands operands = { 0 };
	cleanup_buf struct buf dir = { 0 };
	cleanup_free char *path = NULL, *from = NULL;
	struct plan plan = { .o = &o, .ready = -1 };
	int r, status = options_parse(&mount_line, argc, argv, &o, &operands);

	if (status != OPTIONS_GO_ON)
		return status;
	status = check_options(&o);
	if (status != OPTIONS_GO_ON)
		return status;
	plan.path = path = realpath(operands.v[0], NULL);
	if (!path)
		return complain(operands.v[0], -errno);
	plan.from = from = o.import ? realpath(o.import, NULL) : NULL;
	if (o.import && !from)
		return complain(o.import, -errno);
	r = choose(&o, &plan.kind, &dir);
	if (r < 0)
		return complain(o.root ? o.root : "backend kernel", r);
	plan.dir = dir.len ? buf_text(&dir) : NULL;
	if (plan.dir && config_load("mount", o.config, &plan.policy) < 0)
		return STATUS_FAILED;
	return o.foreground ? serve(&plan) : serve_as_daemon(&plan);
}
