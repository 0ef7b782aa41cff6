/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pressure: cpu.pressure, io.pressure and memory.pressure of every cgroup.
 *
 * The emulator slows nobody down and cannot see who waits, so averages and totals read 0. A trigger
 * is checked and taken as the kernel does, one per open file, and never fires. cgroup.pressure 0
 * hides the files.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctlfs/parse.h"
#include "ctlfs/why.h"
#include "emul.h"

#define WINDOW_MAX 10000000U /* us */

struct trigger {
	bool full; /* else some */
	unsigned threshold, window; /* us: stalled for threshold within window */
};

void psi_stall(struct cgroup *cg, enum psi_resource resource, unsigned some_ppm, unsigned full_ppm)
{
	(void)cg, (void)resource, (void)some_ppm, (void)full_ppm;
}

static int pressure_show(struct emul_open *f, const struct caller *reader, struct buf *out)
{
	(void)f;
	(void)reader;
	buf_adds(out, "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
		      "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n");
	return 0;
}

/* sscanf("some %u %u") or the same with full: what follows is ignored, numbers are mod 2^32. */
static int trigger_parse(const char *text, struct trigger *ret_trigger)
{
	const char *rest = text + strlen("some");
	uint64_t threshold, window;
	bool full = !strncmp(text, "full", 4);

	if ((!full && strncmp(text, "some", 4)) || parse_scan(&rest, &threshold) ||
	    parse_scan(&rest, &window))
		return refuse(EINVAL, "a trigger is \"some\" or \"full\", a threshold and a window "
				      "in us");
	if (!(unsigned)window || (unsigned)window > WINDOW_MAX)
		return refuse(EINVAL, "the window of a trigger is from 1 to %u us", WINDOW_MAX);
	if (!(unsigned)threshold || (unsigned)threshold > (unsigned)window)
		return refuse(EINVAL, "the threshold of a trigger is from 1 us to its window");
	*ret_trigger = (struct trigger){ full, (unsigned)threshold, (unsigned)window };
	return 0;
}

static int pressure_write(struct emul_open *f, const struct caller *writer, char *text)
{
	struct trigger trigger, *kept;
	int error;

	(void)writer;
	if (f->priv)
		return refuse(EBUSY, "this open file has a trigger already");
	error = trigger_parse(text, &trigger);
	if (error)
		return error;
	kept = malloc(sizeof(*kept));
	if (!kept)
		return -ENOMEM;
	*kept = trigger;
	f->priv = kept;
	return 0;
}

static void pressure_release(struct emul_open *f)
{
	free(f->priv);
}

#define PRESSURE(file)                    \
	{ .name = file,                   \
	  .mode = 0644,                   \
	  .flags = ROW_PRESSURE,          \
	  .show = pressure_show,          \
	  .write = pressure_write,        \
	  .release = pressure_release }

const struct emul_file pressure_files[] = {
	PRESSURE("io.pressure"),
	PRESSURE("memory.pressure"),
	PRESSURE("cpu.pressure"),
	{ 0 },
};
