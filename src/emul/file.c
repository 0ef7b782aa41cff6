/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Open interface files: a row's functions between the front end and a cgroup that may be gone. */
#include <errno.h>
#include <inttypes.h>
#include <poll.h>

#include "cgroup.h"
#include "ctlfs/cleanup.h"
#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "fault.h"

#define WRITE_MAX 4096
#define POLL_GONE (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM | POLLERR | POLLPRI)

static struct emul_open *open_of(struct tree_file *file)
{
	return (struct emul_open *)file; /* its first member */
}

/* The file is what it was when it was opened: a controller switched off and on again is another. */
static int check_alive(const struct emul_open *f)
{
	const struct cgroup *cg = f->cg;

	if (cg->dead)
		return refuse(ENODEV, "the cgroup has been removed");
	if (f->ctrl != CTRL_NONE &&
	    (!cg->css[f->ctrl] || cg->css[f->ctrl]->serial != f->css_serial))
		return refuse(ENODEV, "%s was disabled after the file had been opened",
			      emul_ctrl_names[f->ctrl]);
	if ((f->row->flags & ROW_PRESSURE) &&
	    (!cg->pressure || f->css_serial != cg->pressure_lives))
		return refuse(ENODEV, "cgroup.pressure became 0 after the file had been opened");
	return 0;
}

static int show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	const struct emul_file *row = f->row;
	struct usage now;
	uint64_t value;

	if (row->show)
		return row->show(f, reader, out);
	if (row->read_usage) {
		int r = emul_usage(f->cg, &now);

		if (r < 0)
			return r;
		buf_addf(out, "%" PRIu64 "\n", row->read_usage(f->cg, &now));
		return 0;
	}
	if (row->read_s64) {
		buf_addf(out, "%" PRId64 "\n", row->read_s64(f->cg));
		return 0;
	}
	if (!row->read_u64 && !row->read_max)
		return refuse(EINVAL, "%s can only be written", row->name);
	value = row->read_u64 ? row->read_u64(f->cg) : row->read_max(f->cg);
	if (row->read_max && value == UINT64_MAX)
		buf_adds(out, "max");
	else
		buf_addu(out, value);
	buf_adds(out, "\n");
	return 0;
}

static int file_read(struct tree_file *file, const struct caller *reader, struct buf *out)
{
	struct emul_open *f = open_of(file);
	struct emul *e = emul_of(file->tree);
	int r = f->row->flags & EMUL_USAGE ? emul_enter_usage(e) :
					     emul_enter(e, f->row->flags & EMUL_MEMBERS);

	if (r < 0)
		return r;
	r = check_alive(f);
	if (r == 0)
		r = fault_check(e, FAULT_READ, f->cg, f->row->name);
	if (r == 0)
		r = show(f, reader, out);
	if (r == 0)
		r = buf_error(out);
	emul_leave(e);
	return r;
}

static int refuse_number(int r, const struct emul_file *row)
{
	if (r == -ERANGE)
		return refuse(ERANGE, "%s: the number is too large", row->name);
	return refuse(-r, "%s: not a number", row->name);
}

static int write_slot(struct emul_open *f, char *text)
{
	const struct emul_file *row = f->row;
	uint64_t u;
	int64_t s;
	int r;

	if (row->write_u64) {
		r = parse_u64(text, 0, &u);
		return r < 0 ? refuse_number(r, row) : row->write_u64(f->cg, u);
	}
	if (row->write_s64) {
		r = parse_s64(text, 0, &s);
		return r < 0 ? refuse_number(r, row) : row->write_s64(f->cg, s);
	}
	if (row->write_max) {
		r = parse_memory(parse_strip(text), &u);
		return r < 0 ? refuse(-r, "%s: neither \"max\" nor a number of bytes", row->name) :
			       row->write_max(f->cg, u);
	}
	return refuse(EINVAL, "%s can only be read", row->name);
}

static int file_write(struct tree_file *file, const struct caller *writer, char *text, size_t len)
{
	struct emul_open *f = open_of(file);
	struct emul *e = emul_of(file->tree);
	int r;

	if (len > WRITE_MAX && !(f->row->flags & EMUL_LONG))
		return refuse(E2BIG, "a write takes at most %d bytes", WRITE_MAX);
	r = emul_enter(e, f->row->flags & (EMUL_MEMBERS | EMUL_MEMBERS_WRITE | EMUL_USAGE));
	if (r < 0)
		return r;
	r = check_alive(f);
	if (r == 0)
		r = opener_check_file(f);
	if (r == 0)
		r = fault_check(e, FAULT_WRITE, f->cg, f->row->name);
	if (r == 0)
		r = f->row->write ? f->row->write(f, writer, text) : write_slot(f, text);
	emul_leave(e);
	return r;
}

static unsigned file_poll(struct tree_file *file)
{
	struct emul_open *f = open_of(file);
	struct emul *e = emul_of(file->tree);
	unsigned mask = 0;

	emul_enter(e, false);
	if (check_alive(f) < 0)
		mask = POLL_GONE;
	else if (f->row->poll)
		mask = f->row->poll(f);
	emul_leave(e);
	why_take(); /* poll() refuses nothing */
	return mask;
}

static void file_close(struct tree_file *file)
{
	struct emul_open *f = open_of(file);
	struct emul *e = emul_of(file->tree);

	emul_enter(e, false);
	if (f->row->release)
		f->row->release(f);
	opener_exit(f);
	cgroup_put(f->cg);
	emul_leave(e);
	free(f);
}

static const struct tree_file_ops file_ops = {
	.read = file_read,
	.write = file_write,
	.poll = file_poll,
	.close = file_close,
};

int file_open(struct emul *e, const struct caller *who, uint64_t node, int flags,
	      struct tree_file **ret_file)
{
	cleanup_free struct emul_open *f = calloc(1, sizeof *f);
	struct cgroup *cg;
	struct row_ref row;
	unsigned slot;
	int r = cgroup_find(e, node, &cg, &slot);

	if (!f)
		return -ENOMEM;
	if (r < 0)
		return r;
	if (slot == 0)
		return -EISDIR;
	if (!rows_find_slot(cg, slot, &row) || row_hidden(cg, &row))
		return refuse(ENODEV, "the file is gone: its controller has been disabled");
	*f = (struct emul_open){
		.file = { .ops = &file_ops, .tree = &e->tree, .node = node },
		.cg = cg,
		.row = row.row,
		.ctrl = row.ctrl,
		.css_serial = row.ctrl == CTRL_NONE ? cg->pressure_lives :
						      cg->css[row.ctrl]->serial,
	};
	r = fault_check(e, FAULT_OPEN, cg, row.row->name);
	if (r < 0)
		return r;
	r = opener_init(f, who, flags);
	if (r == 0)
		r = row.row->open ? row.row->open(f) : 0;
	if (r < 0) {
		if (row.row->release)
			row.row->release(f);
		opener_exit(f);
		return r;
	}
	cgroup_get(cg);
	*ret_file = &steal_ptr(&f)->file;
	return 0;
}
