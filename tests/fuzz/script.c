/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Many operations on one tree, a line each: mkdir PATH, rmdir PATH, write PATH TEXT, read PATH,
 * open PATH (kept open to the end), spawn, fork N, thread N, exit N, move N PATH, time NS. N counts
 * processes. At the end all is given back, which the sanitizers and the fixture check.
 */
#include "fuzz.h"

#define OPEN_MAX 8
#define TIME_MAX 1000000000ULL

static struct tree_file *kept[OPEN_MAX];
static unsigned n_kept;

static pid_t process(const char *number)
{
	return fake->n ? fake->task[strtoul(number, NULL, 10) % fake->n].pid : 0;
}

static bool is_live(pid_t pid)
{
	const struct fake_task *t = pid ? fake_find(fake, pid) : NULL;

	return t && !t->exited;
}

static void do_tasks(const char *verb, const char *number)
{
	pid_t pid = process(number);
	bool room = fake->n < FAKE_TASKS;

	if (!strcmp(verb, "spawn") && room)
		fake_spawn(fake);
	if (!is_live(pid))
		return;
	if (!strcmp(verb, "fork") && room)
		fake_fork(fake, pid);
	if (!strcmp(verb, "thread") && fake_find(fake, pid)->n_tids < FAKE_THREADS)
		fake_thread(fake, pid);
	if (!strcmp(verb, "exit"))
		fake_end(fake, pid);
}

static void do_open(const char *path)
{
	if (n_kept < OPEN_MAX && open_as(&TREE_SELF, path, &kept[n_kept]) == 0)
		n_kept++;
}

static void do_line(char *line)
{
	char *verb = strsep(&line, " ");
	char *what = line ? strsep(&line, " ") : verb + strlen(verb);
	cleanup_buf struct buf text = { 0 };

	changes_forget();
	if (!strcmp(verb, "mkdir"))
		do_mkdir(what);
	else if (!strcmp(verb, "rmdir"))
		do_rmdir(what);
	else if (!strcmp(verb, "write") && line && *line)
		do_write(what, line);
	else if (!strcmp(verb, "read"))
		do_read(what, &text);
	else if (!strcmp(verb, "open"))
		do_open(what);
	else if (!strcmp(verb, "move") && line)
		write_pid(line, process(what));
	else if (!strcmp(verb, "time"))
		fake->now += strtoull(what, NULL, 10) % TIME_MAX;
	else
		do_tasks(verb, what);
	emul_run_due(tree);
}

/* What was opened acts to the end, gone or not. */
static void use_kept(void)
{
	for (unsigned i = 0; i < n_kept; i++) {
		cleanup_buf struct buf text = { 0 };

		read_file_as(kept[i], &TREE_SELF, &text);
		write_file_as(kept[i], &TREE_SELF, "1");
		if (kept[i]->ops->poll)
			kept[i]->ops->poll(kept[i]);
		kept[i]->ops->close(kept[i]);
	}
	n_kept = 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	cleanup_free char *text = fuzz_text(data, size);
	char *rest = text;
	char *line;

	fuzz_setup();
	while ((line = strsep(&rest, "\n")))
		do_line(line);
	changes_forget();
	use_kept();
	emul_teardown();
	return 0;
}
