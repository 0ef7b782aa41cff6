/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure: io.pressure, memory.pressure and cpu.pressure of every cgroup, one trigger per open
 * file. cgroup.pressure 0 hides the files and stops the accounting.
 */
#include <errno.h>
#include <poll.h>

#include "ctlfs/why.h"
#include "psi.h"

#define POLL_QUIET (POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM) /* DEFAULT_POLLMASK */

static int show_io(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	psi_show(f->cg, PSI_IO, out);
	return 0;
}

static int show_memory(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	psi_show(f->cg, PSI_MEMORY, out);
	return 0;
}

static int show_cpu(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)reader;
	psi_show(f->cg, PSI_CPU, out);
	return 0;
}

/* The kernel asks for CAP_SYS_RESOURCE when the file was opened. */
static int trigger_write(struct emul_open *f, enum psi_resource resource, const char *text)
{
	bool privileged = f->opener.uid == 0;
	struct psi_trigger *trigger;
	struct psi_spec spec;
	int r;

	if (f->priv)
		return refuse(EBUSY, "this open file has a trigger already");
	r = psi_spec_parse(text, f->cg->emul->config.version, privileged, &spec);
	if (r == 0)
		r = psi_trigger_new(f->cg, resource, &spec, privileged, &trigger);
	if (r == 0)
		f->priv = trigger;
	return r;
}

static int write_io(struct emul_open *f, const struct caller *writer, char *text)
{
	(void)writer;
	return trigger_write(f, PSI_IO, text);
}

static int write_memory(struct emul_open *f, const struct caller *writer, char *text)
{
	(void)writer;
	return trigger_write(f, PSI_MEMORY, text);
}

static int write_cpu(struct emul_open *f, const struct caller *writer, char *text)
{
	(void)writer;
	return trigger_write(f, PSI_CPU, text);
}

/* An event is taken by the poll() that finds it. */
static unsigned pressure_poll(struct emul_open *f)
{
	struct psi_trigger *trigger = f->priv;
	bool event;

	if (!trigger)
		return POLL_QUIET | POLLERR | POLLPRI;
	event = trigger->event;
	trigger->event = false;
	return event ? POLL_QUIET | POLLPRI : POLL_QUIET;
}

static void pressure_release(struct emul_open *f)
{
	psi_trigger_free(f->priv);
}

#define PRESSURE(file, show_file, write_file) \
	{ .name = file,                       \
	  .mode = 0644,                       \
	  .flags = ROW_PRESSURE,              \
	  .show = show_file,                  \
	  .write = write_file,                \
	  .poll = pressure_poll,              \
	  .release = pressure_release }

/* In the order of enum psi_resource. */
const struct emul_file pressure_files[] = {
	PRESSURE("io.pressure", show_io, write_io),
	PRESSURE("memory.pressure", show_memory, write_memory),
	PRESSURE("cpu.pressure", show_cpu, write_cpu),
	{ 0 },
};
