/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts of ctl/inject and scenarios: line by line, now or later, and the clock they go by. */
#include "inject.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <utlist.h>

#include "cgroup.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/why.h"
#include "synthetic.h"

#define NSEC 1000000000ULL
#define PENDING_MAX 65536
#define ROUNDS_MAX 64 /* of timers that arm themselves for now */
#define CLOCK_MOST (UINT64_MAX / 2)
/* Virtual time begins at a multiple of this, so that whatever goes by periods finds them the same
 * in each run. */
#define CLOCK_GRID (10 * NSEC)

/* A line that waits. */
struct pending {
	struct inject_line line;
	uint64_t due;
	char *where; /* "FILE:LINE", or "" */
	char *text; /* as given */
	struct pending *prev, *next;
};

static void pending_free(struct pending *p)
{
	inject_line_free(&p->line);
	free(p->where);
	free(p->text);
	free(p);
}

/* --- later ---------------------------------------------------------------------------------- */

/* The new one goes behind those of the same time. */
static int by_due(const struct pending *old, const struct pending *new)
{
	return old->due <= new->due ? -1 : 1;
}

static void arm(struct inject *in)
{
	struct emul *e = in->emul;

	guard_mutex(&e->lock);
	if (in->pending)
		timer_arm(e, &in->due, in->pending->due);
	else
		timer_cancel(e, &in->due);
}

/* Takes what line holds. */
static int pending_add(struct inject *in, struct inject_line *line, const char *where,
		       const char *text)
{
	struct pending *p;

	if (in->n_pending >= PENDING_MAX)
		return refuse(ENOSPC, "%u lines wait already", in->n_pending);
	p = calloc(1, sizeof *p);
	if (!p)
		return -ENOMEM;
	p->where = strdup(where);
	p->text = strdup(text);
	if (!p->where || !p->text) {
		pending_free(p);
		return -ENOMEM;
	}
	p->due = emul_now(in->emul) + line->at_ns;
	p->line = *line;
	line->text = NULL;
	DL_INSERT_INORDER(in->pending, p, by_due);
	in->n_pending++;
	arm(in);
	return 0;
}

/* Also for lines that were given before, whose answer nobody waits for. */
static void note_failure(struct inject *in, const char *where, int r)
{
	cleanup_buf struct buf text = { 0 };
	char **slot = &in->failed[in->n_failed % INJECT_FAILED];
	const char *why = why_take();

	if (*where)
		buf_addf(&text, "%s: ", where);
	buf_addf(&text, "%s: %s", strerrorname_np(-r) ?: "unknown error",
		 *why ? why : strerror(-r));
	free(*slot);
	*slot = strdup(buf_text(&text));
	in->n_failed++;
}

static void run_pending(struct inject *in)
{
	while (in->pending && in->pending->due <= emul_now(in->emul)) {
		struct pending *p = in->pending;
		int r;

		DL_DELETE(in->pending, p);
		in->n_pending--;
		why_take();
		r = inject_apply(in, &p->line);
		if (r < 0)
			note_failure(in, p->where, r);
		pending_free(p);
	}
	arm(in);
}

static struct inject *inject_of(struct timer *t, size_t offset)
{
	return (struct inject *)((char *)t - offset);
}

/* The tree is used as from outside, so without the lock. */
static void on_due(struct emul *e, struct timer *t, uint64_t now)
{
	struct inject *in = inject_of(t, offsetof(struct inject, due));

	(void)now;
	pthread_mutex_unlock(&e->lock);
	pthread_mutex_lock(&in->lock);
	run_pending(in);
	pthread_mutex_unlock(&in->lock);
	pthread_mutex_lock(&e->lock);
}

static void on_exits(struct emul *e, struct timer *t, uint64_t now)
{
	(void)t, (void)now;
	pthread_mutex_unlock(&e->lock);
	e->config.tasks->ops->settle(e->config.tasks);
	pthread_mutex_lock(&e->lock);
}

/* Killed by the emulator, with the lock held. */
static void on_died(void *data)
{
	struct inject *in = data;

	timer_arm(in->emul, &in->exits, emul_now(in->emul));
}

/* --- the clock ------------------------------------------------------------------------------ */

static void set_busy(struct emul *e, bool busy)
{
	guard_mutex(&e->lock);
	e->ticker.busy = busy;
	if (!busy && e->ticker.running)
		pthread_cond_signal(&e->ticker.nearer);
}

/* All that is due now, also what that makes due. */
static uint64_t run_due(struct inject *in, uint64_t now)
{
	uint64_t next = 0;

	for (int i = 0; i < ROUNDS_MAX && next <= now; i++) {
		run_pending(in);
		next = emul_run_due(&in->emul->tree);
	}
	return next;
}

/* From one due time to the next, so that each timer finds the time it was armed for. */
static void move_clock(struct inject *in, uint64_t to)
{
	struct emul *e = in->emul;
	uint64_t now = emul_now(e);

	set_busy(e, true);
	while (now < to) {
		uint64_t next = run_due(in, now);

		if (next <= now)
			next = now + 1;
		now = next < to ? next : to;
		synthetic_set_clock(e->config.tasks, now);
	}
	run_due(in, now);
	set_busy(e, false);
}

int inject_advance(struct inject *in, uint64_t ns)
{
	struct emul *e = in->emul;
	uint64_t now = emul_now(e);

	if (!e->ticker.held)
		return refuse(EINVAL, "only virtual time can be advanced (time virtual)");
	if (ns > CLOCK_MOST - now)
		return refuse(ERANGE, "the clock would run over");
	move_clock(in, now + ns);
	return 0;
}

static void hold_clock(struct emul *e, bool on)
{
	guard_mutex(&e->lock);
	synthetic_freeze_clock(e->config.tasks, on);
	e->ticker.held = on;
	if (!on && e->ticker.running)
		pthread_cond_signal(&e->ticker.nearer);
}

int inject_set_virtual(struct inject *in, bool on)
{
	struct emul *e = in->emul;

	if (on == e->ticker.held)
		return 0;
	hold_clock(e, on);
	if (on)
		move_clock(in, (emul_now(e) + CLOCK_GRID - 1) / CLOCK_GRID * CLOCK_GRID);
	return 0;
}

/* --- texts ---------------------------------------------------------------------------------- */

/* Where in which text we are. */
struct cursor {
	const char *name; /* of the file, NULL: none */
	const char *next; /* the rest of the text */
	const char *line;
	size_t len;
	unsigned number;
	bool single; /* the text has one line only */
};

static struct cursor cursor_at(const char *name, const char *text)
{
	const char *end = strchr(text, '\n');

	return (struct cursor){ .name = name, .next = text, .single = !end || !end[1] };
}

static bool next_line(struct cursor *c)
{
	if (!*c->next)
		return false;
	c->line = c->next;
	c->len = strcspn(c->line, "\n");
	c->next += c->len + (c->line[c->len] == '\n');
	c->number++;
	return true;
}

/* Says where what was refused stands. */
static int refuse_line(const struct cursor *c, int r)
{
	char why[200];
	const char *noted = why_take();

	snprintf(why, sizeof why, "%.199s", *noted ? noted : strerror(-r));
	if (c->name)
		return refuse(-r, "%.100s:%u: %s", c->name, c->number, why);
	if (!c->single)
		return refuse(-r, "line %u: %s", c->number, why);
	return refuse(-r, "%s", why);
}

static int add_later(struct inject *in, const struct cursor *c, struct inject_line *line)
{
	cleanup_free char *text = strndup(c->line, c->len);
	cleanup_buf struct buf where = { 0 };

	if (!text)
		return -ENOMEM;
	if (c->name)
		buf_addf(&where, "%s:%u", c->name, c->number);
	return pending_add(in, line, buf_text(&where), text);
}

static int apply_line(struct inject *in, const struct cursor *c)
{
	cleanup_inject_line struct inject_line line = { 0 };
	int r = inject_parse(c->line, c->len, &line);

	if (r < 0)
		return r;
	return line.at_ns ? add_later(in, c, &line) : inject_apply(in, &line);
}

static int apply_text(struct inject *in, const char *name, const char *text)
{
	struct cursor c = cursor_at(name, text);
	int r = 0;

	guard_mutex(&in->lock);
	while (r == 0 && next_line(&c)) {
		why_take();
		r = apply_line(in, &c);
	}
	return r < 0 ? refuse_line(&c, r) : 0;
}

static int check_text(const char *name, const char *text)
{
	struct cursor c = cursor_at(name, text);

	while (next_line(&c)) {
		cleanup_inject_line struct inject_line line = { 0 };
		int r;

		why_take();
		r = inject_parse(c.line, c.len, &line);
		if (r < 0)
			return refuse_line(&c, r);
	}
	return 0;
}

int emul_inject(struct tree *t, const char *text)
{
	struct inject *in = emul_of(t)->inject;
	char why[256];
	int r;

	guard_mutex(&in->lock);
	r = apply_text(in, NULL, text);
	if (r == 0)
		return 0;
	snprintf(why, sizeof why, "%s", why_take());
	refuse(-r, "%s", why);
	note_failure(in, "", r);
	return refuse(-r, "%s", why);
}

int emul_scenario(struct tree *t, const char *name, const char *text)
{
	int r = check_text(name, text);

	return r < 0 ? r : apply_text(emul_of(t)->inject, name, text);
}

/* --- what stands ---------------------------------------------------------------------------- */

static void add_path(const struct cgroup *cg, struct buf *out)
{
	if (!cg->parent)
		return;
	add_path(cg->parent, out);
	buf_addf(out, "/%s", cg->name);
}

struct showing {
	const struct emul *e;
	struct buf *out;
};

static void show_process(void *data, const char *name, pid_t pid)
{
	const struct showing *s = data;
	const struct member *m = member_find(s->e, pid, (uint64_t)pid);

	buf_addf(s->out, "process %s %d ", name, (int)pid);
	if (!m || !m->cg->parent)
		buf_adds(s->out, m ? "/" : "-");
	else
		add_path(m->cg, s->out);
	buf_adds(s->out, "\n");
}

static void show_seconds(uint64_t ns, struct buf *out)
{
	buf_addf(out, "%llu.%09llu", (unsigned long long)(ns / NSEC),
		 (unsigned long long)(ns % NSEC));
}

static void show_state(struct emul *e, struct buf *out)
{
	struct showing s = { e, out };

	buf_adds(out, e->ticker.held ? "time virtual\n" : "time real\n");
	synthetic_each(e->config.tasks, show_process, &s);
	fault_show(e, out);
}

int emul_inject_show(struct tree *t, struct buf *out)
{
	struct emul *e = emul_of(t);
	struct inject *in = e->inject;
	const struct pending *p;
	unsigned first;
	int r;

	guard_mutex(&in->lock);
	r = emul_enter(e, true);
	if (r < 0)
		return r;
	show_state(e, out);
	emul_leave(e);
	DL_FOREACH(in->pending, p) {
		uint64_t now = emul_now(e);

		buf_adds(out, "in ");
		show_seconds(p->due > now ? p->due - now : 0, out);
		buf_addf(out, "s: %s\n", p->text);
	}
	first = in->n_failed > INJECT_FAILED ? in->n_failed - INJECT_FAILED : 0;
	for (unsigned i = first; i < in->n_failed; i++)
		buf_addf(out, "failed: %s\n", in->failed[i % INJECT_FAILED] ?: "");
	return buf_error(out);
}

/* --- life ----------------------------------------------------------------------------------- */

int inject_new(struct emul *e, struct tasks *base, struct inject **ret_inject,
	       struct tasks **ret_tasks)
{
	struct inject *in = calloc(1, sizeof *in);
	pthread_mutexattr_t attr;
	int r;

	if (!in)
		return -ENOMEM;
	in->emul = e;
	in->due.fire = on_due;
	in->exits.fire = on_exits;
	r = synthetic_new(base, on_died, in, ret_tasks);
	if (r < 0) {
		free(in);
		return r;
	}
	e->ticker.held = !base;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&in->lock, &attr);
	pthread_mutexattr_destroy(&attr);
	*ret_inject = in;
	return 0;
}

/* Timers go with the tree. */
void inject_free(struct inject *in)
{
	struct pending *p, *next;

	DL_FOREACH_SAFE(in->pending, p, next)
		pending_free(p);
	for (unsigned i = 0; i < INJECT_FAILED; i++)
		free(in->failed[i]);
	inject_forget_all(in);
	pthread_mutex_destroy(&in->lock);
	free(in);
}
