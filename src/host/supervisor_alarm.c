// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "supervisor_inner.h"
#include <stdio.h>

static struct site_alarm *find(struct supervisor *s, size_t child, const struct proc_alarm *alarm)
{
	for (size_t i = 0; i < SUPERVISOR_ALARMS_MAX; i++) {
		struct site_alarm *a = &s->alarms[i];
		if (a->stands && a->child == child && strcmp(a->alarm.kind, alarm->kind) == 0 &&
			strcmp(a->alarm.resource, alarm->resource) == 0)
			return a;
	}
	return NULL;
}

void alarm_take(struct supervisor *s, size_t child, const struct proc_alarm *alarm)
{
	struct site_alarm *a = find(s, child, alarm);

	if (!alarm->is_raised) {
		if (a != NULL)
			a->stands = false;
		return;
	}
	for (size_t i = 0; i < SUPERVISOR_ALARMS_MAX && a == NULL; i++)
		if (!s->alarms[i].stands)
			a = &s->alarms[i];
	if (a == NULL)
		s->alarms_lost++;
	else
		*a = (struct site_alarm){.stands = true, .child = child, .alarm = *alarm};
}

void alarms_forget(struct supervisor *s, size_t child)
{
	for (size_t i = 0; i < SUPERVISOR_ALARMS_MAX; i++)
		if (s->alarms[i].child == child)
			s->alarms[i].stands = false;
}

const struct alarm_kind process_down = {"process_down", ALARM_MAJOR,
	"A process of the site ended and is being started again; what it serves is interrupted. "
	"Look at its last log lines."};
const struct alarm_kind process_hung = {"process_hung", ALARM_MAJOR,
	"A process of the site lived but answered nothing; it was killed and started again. "
	"Look whether the machine is short of processors or memory; otherwise it is a defect."};

void alarm_of_process(
	struct child *c, const struct alarm_kind *kind, bool is_raised, const char *text)
{
	struct proc_alarm alarm = {
		.is_raised = is_raised,
		.severity = (uint8_t)kind->severity,
		.since_unix_ms = clock_now(&c->supervisor->clock).unix_ms,
	};

	snprintf(alarm.kind, sizeof alarm.kind, "%s", kind->name);
	snprintf(alarm.meaning, sizeof alarm.meaning, "%s", kind->meaning);
	snprintf(alarm.resource, sizeof alarm.resource, "%s", child_row(c)->name);
	snprintf(alarm.text, sizeof alarm.text, "%s", text);
	alarm_take(c->supervisor, c->index, &alarm);
}
