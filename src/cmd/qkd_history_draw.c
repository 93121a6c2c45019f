// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd_history_draw.h"
#include <assert.h>
#include <inttypes.h>
#include <math.h>
#include <time.h>

enum {
	WIDTH = 920,
	HEIGHT = 580,
	LEFT = 80,
	PLOT_WIDTH = 600,
	PANEL_HEIGHT = 200,
	TOP = 70, /* of the panel above */
	TOP_BELOW = 320,
	LEGEND = LEFT + PLOT_WIDTH + 20,
	LEGEND_ROW = 16,
	LEGEND_CHARACTERS = 30,
	TICKS_MAX = 6,
	REASONS = QKD_ABORTS + 1 /* the last: void */
};
static const int64_t span_least_ms = 10000, day_ms = 86400000;
static const char *const colours[HISTORY_SERIES_MAX] = {
	"#1b6ca8", "#c77c11", "#2a9d4e", "#6b3fa0", "#0f8b8d", "#8d5a3b", "#d1479b", "#555555"};

struct panel {
	double top, max, step;
};

struct picture {
	FILE *out;
	const struct history *h;
	int64_t from_ms, until_ms;
	struct panel error, rate;
	size_t reasons[REASONS]; /* how many blocks */
	size_t without_key;
};

/* ---- rates ---- */

/* A step: bits that came between two times. */
struct step {
	size_t next; /* where to go on */
	int64_t from_ms, until_ms;
	double bits_per_s;
};

static size_t key_next(const struct history *h, size_t at, unsigned series)
{
	while (at < h->block_count &&
		(h->blocks[at].series != series || h->blocks[at].outcome != HISTORY_KEY))
		at++;
	return at;
}

/* The first step of a series goes from its first block with key; false: no more. */
static bool step_next(const struct history *h, unsigned series, struct step *s)
{
	const struct history_block *b = h->blocks;
	size_t i = key_next(h, s->next, series);
	double bits = 0;

	if (s->next == 0 && i < h->block_count) {
		s->until_ms = b[i].unix_ms;
		while (i < h->block_count && b[i].unix_ms == s->until_ms)
			i = key_next(h, i + 1, series);
	}
	if (i == h->block_count)
		return false;
	s->from_ms = s->until_ms;
	s->until_ms = b[i].unix_ms;
	for (; i < h->block_count && b[i].unix_ms == s->until_ms; i = key_next(h, i + 1, series))
		bits += (double)b[i].secret_bits;
	s->next = i;
	s->bits_per_s = bits * 1e3 / (double)(s->until_ms - s->from_ms);
	return true;
}

/* ---- axes ---- */

/* The step is 1, 2 or 5 times a power of ten, so that at most five of them reach the highest value. All (but) zero: up to 1. */
static struct panel panel_of(double top, double highest)
{
	static const double slack = 1e-9;
	const double most = highest > 1e-6 ? highest : 1, power = pow(10, floor(log10(most / 5)));
	const double part = most / 5 / power - slack;
	const double step = (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10) * power;

	return (struct panel){top, step * ceil(most / step - slack), step};
}

static double x_at(const struct picture *p, int64_t unix_ms)
{
	const double part = (double)(unix_ms - p->from_ms) / (double)(p->until_ms - p->from_ms);

	return (int)LEFT + part * (int)PLOT_WIDTH;
}

static double y_at(const struct panel *panel, double value)
{
	return panel->top + (1 - value / panel->max) * (int)PANEL_HEIGHT;
}

static bool has_error(const struct history_block *b)
{
	return b->outcome != HISTORY_ABORTED;
}

static size_t reason_of(const struct history_block *b)
{
	return b->outcome == HISTORY_VOID      ? (size_t)QKD_ABORTS
	       : b->outcome == HISTORY_ABORTED ? (size_t)b->abort
					       : (size_t)QKD_GOES_ON;
}

static void picture_measure(struct picture *p)
{
	const struct history *h = p->h;
	double error = 0, rate = 0;

	p->from_ms = p->until_ms = h->blocks[0].unix_ms;
	for (size_t i = 0; i < h->block_count; i++) {
		const struct history_block *b = &h->blocks[i];
		p->from_ms = b->unix_ms < p->from_ms ? b->unix_ms : p->from_ms;
		p->until_ms = b->unix_ms > p->until_ms ? b->unix_ms : p->until_ms;
		error = fmax(error, has_error(b) ? b->qber : 0);
		error = fmax(error, b->was_tested ? b->test_qber : 0);
		p->reasons[reason_of(b)]++;
	}
	p->without_key = h->block_count - p->reasons[QKD_GOES_ON];
	for (unsigned i = 0; i < h->series_count; i++)
		for (struct step s = {0}; step_next(h, i, &s);)
			rate = fmax(rate, s.bits_per_s);
	p->error = panel_of((int)TOP, 100 * error);
	p->rate = panel_of((int)TOP_BELOW, rate);
}

/* Ends at least ten seconds apart, so that one block has a place too. */
static void picture_widen(struct picture *p)
{
	const int64_t lacking = span_least_ms - (p->until_ms - p->from_ms);

	if (lacking <= 0)
		return;
	p->from_ms -= lacking / 2;
	p->until_ms += lacking - lacking / 2;
}

/* ---- text ---- */

/* Which part of "2026-11-26 12:00:00". */
struct time_part {
	int from, len;
};
static const struct time_part whole = {0, 19}, date = {0, 10}, day_and_minute = {5, 11},
			      minute = {11, 5}, second = {11, 8};

static void put_time(FILE *out, struct time_part part, int64_t unix_ms)
{
	const time_t seconds = (time_t)(unix_ms / 1000);
	struct tm tm;
	char text[32];

	if (gmtime_r(&seconds, &tm) != NULL &&
		strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm) > 0)
		fprintf(out, "%.*s", part.len, text + part.from);
}

/* At most `most` characters of it, as XML has them. */
static void put_name(FILE *out, const char *name, size_t most)
{
	for (size_t i = 0; name[i] != '\0' && i < most; i++)
		switch (name[i]) {
		case '&':
			fputs("&amp;", out);
			break;
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		default:
			fputc(name[i], out);
		}
}

static void put_title(const struct picture *p, const struct history_block *b, const char *what)
{
	const struct history_series *series = &p->h->series[b->series];

	fputs("<title>", p->out);
	put_name(p->out, series->site, HISTORY_NAME_MAX);
	fputc(' ', p->out);
	put_name(p->out, series->link, HISTORY_NAME_MAX);
	fputc(' ', p->out);
	put_time(p->out, whole, b->unix_ms);
	fprintf(p->out, ": %s</title>", what);
}

/* ---- what surrounds the points ---- */

static void draw_head(const struct picture *p)
{
	fprintf(p->out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" "
		"font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%%\" "
		"height=\"100%%\" fill=\"white\"/>\n<text x=\"%d\" y=\"22\" "
		"font-size=\"14\">Blocks of quantum links: %zu, of them %zu aborted or "
		"void; ",
		WIDTH, HEIGHT, LEFT, p->h->block_count, p->without_key);
	put_time(p->out, whole, p->from_ms);
	fputs(" to ", p->out);
	put_time(p->out, whole, p->until_ms);
	fputs(" UTC</text>\n", p->out);
}

static void draw_panel(const struct picture *p, const struct panel *panel, const char *unit)
{
	const int middle = (int)panel->top + PANEL_HEIGHT / 2;

	for (int i = 0; i <= lround(panel->max / panel->step); i++)
		fprintf(p->out,
			"<path d=\"M%d %.1f H%d\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
			"text-anchor=\"end\">%g</text>\n",
			LEFT, y_at(panel, i * panel->step), LEFT + PLOT_WIDTH, LEFT - 8,
			y_at(panel, i * panel->step) + 4, i * panel->step);
	fprintf(p->out,
		"<text x=\"18\" y=\"%d\" text-anchor=\"middle\" "
		"transform=\"rotate(-90 18 %d)\">%s</text>\n",
		middle, middle, unit);
}

static int64_t tick_step(int64_t span_ms)
{
	static const int seconds[] = {2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200,
		10800, 21600, 43200, 86400};
	size_t i = 0;
	int64_t step;

	while (i + 1 < ARRAY_LEN(seconds) && span_ms / (seconds[i] * INT64_C(1000)) > TICKS_MAX)
		i++;
	for (step = seconds[i] * INT64_C(1000); span_ms / step > TICKS_MAX;)
		step *= 2;
	return step;
}

static void draw_times(const struct picture *p)
{
	const int64_t step = tick_step(p->until_ms - p->from_ms);
	const struct time_part part = step < 60000        ? second
				      : step < day_ms / 4 ? minute
				      : step < day_ms     ? day_and_minute
							  : date;
	const int64_t first = p->from_ms > 0 ? (p->from_ms + step - 1) / step * step : 0;

	for (int64_t t = first; t <= p->until_ms; t += step) {
		const double x = x_at(p, t);
		fprintf(p->out,
			"<path d=\"M%.1f %d V%d M%.1f %d V%d\" stroke=\"#ddd\"/><text x=\"%.1f\" "
			"y=\"%d\" text-anchor=\"middle\">",
			x, TOP, TOP + PANEL_HEIGHT, x, TOP_BELOW, TOP_BELOW + PANEL_HEIGHT, x,
			TOP_BELOW + PANEL_HEIGHT + 18);
		put_time(p->out, part, t);
		fputs("</text>\n", p->out);
	}
	fprintf(p->out, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">time (UTC)</text>\n",
		LEFT + PLOT_WIDTH / 2, TOP_BELOW + PANEL_HEIGHT + 40);
}

static int legend_row(const struct picture *p, int row, const char *colour)
{
	fprintf(p->out, "<text x=\"%d\" y=\"%d\" fill=\"%s\">", LEGEND, TOP + LEGEND_ROW * row,
		colour);
	return row + 1;
}

static void draw_legend(const struct picture *p)
{
	int row = legend_row(p, 0, "black");
	unsigned number = 0;

	fputs("● key basis  ○ test basis</text>\n", p->out);
	for (size_t i = 0; i < p->h->series_count; i++) {
		const struct history_series *series = &p->h->series[i];
		row = legend_row(p, row, colours[i]);
		put_name(p->out, series->site, LEGEND_CHARACTERS / 2);
		fputc(' ', p->out);
		put_name(p->out, series->link, LEGEND_CHARACTERS / 2);
		fputs("</text>\n", p->out);
	}
	for (size_t i = 0; i < REASONS; i++) {
		if (i == QKD_GOES_ON || p->reasons[i] == 0)
			continue;
		row = legend_row(p, row, "#b3262e");
		fprintf(p->out, "%u %s: %zu</text>\n", ++number,
			i == QKD_ABORTS ? "void" : qkd_abort_word((enum qkd_abort)i),
			p->reasons[i]);
	}
}

/* ---- points ---- */

static void draw_losses(const struct picture *p)
{
	unsigned numbers[REASONS] = {0}, number = 0;

	for (size_t i = 0; i < REASONS; i++)
		numbers[i] = i != QKD_GOES_ON && p->reasons[i] > 0 ? ++number : 0;
	for (size_t i = 0; i < p->h->block_count; i++) {
		const struct history_block *b = &p->h->blocks[i];
		const size_t reason = reason_of(b);
		const double x = x_at(p, b->unix_ms);
		if (reason == QKD_GOES_ON)
			continue;
		fprintf(p->out,
			"<path class=\"lost\" d=\"M%.1f %d V%d\" stroke=\"#b3262e\" "
			"stroke-dasharray=\"3 3\">",
			x, TOP - 8, TOP_BELOW + PANEL_HEIGHT);
		put_title(p, b, reason == QKD_ABORTS ? "void" : qkd_abort_word(b->abort));
		fprintf(p->out,
			"</path><text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\" "
			"fill=\"#b3262e\">%u</text>\n",
			x, TOP - 12, numbers[reason]);
	}
}

static void draw_error(const struct picture *p, const struct history_block *b, bool is_test)
{
	const double percent = 100 * (is_test ? b->test_qber : b->qber);
	char what[48];

	fprintf(p->out,
		"<circle class=\"%s\" cx=\"%.1f\" cy=\"%.1f\" r=\"%s\" fill=\"%s\" stroke=\"%s\">",
		is_test ? "test" : "key", x_at(p, b->unix_ms), y_at(&p->error, percent),
		is_test ? "4" : "2.5", is_test ? "none" : colours[b->series], colours[b->series]);
	snprintf(what, sizeof what, "%s %.2f %%", is_test ? "test" : "key", percent);
	put_title(p, b, what);
	fputs("</circle>\n", p->out);
}

/* True: the series has a step. */
static bool draw_steps(const struct picture *p, unsigned series)
{
	struct step s = {0};
	bool is_begun = false;

	while (step_next(p->h, series, &s)) {
		const double y = y_at(&p->rate, s.bits_per_s);
		if (is_begun)
			fprintf(p->out, " V%.1f", y);
		else
			fprintf(p->out,
				"<path class=\"rate\" fill=\"none\" stroke=\"%s\" "
				"stroke-width=\"2\" d=\"M%.1f %.1f",
				colours[series], x_at(p, s.from_ms), y);
		fprintf(p->out, " H%.1f", x_at(p, s.until_ms));
		is_begun = true;
	}
	if (is_begun)
		fputs("\"/>\n", p->out);
	return is_begun;
}

static void draw_rates(const struct picture *p)
{
	bool any = false;

	for (unsigned i = 0; i < p->h->series_count; i++)
		any |= draw_steps(p, i);
	if (!any)
		fprintf(p->out,
			"<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">no rate: it needs two "
			"blocks with key, of one site and link, at different times</text>\n",
			LEFT + PLOT_WIDTH / 2, TOP_BELOW + PANEL_HEIGHT / 2);
}

void history_draw(FILE *out, const struct history *h)
{
	struct picture p = {.out = out, .h = h};

	assert(h->block_count > 0);
	picture_measure(&p);
	picture_widen(&p);
	draw_head(&p);
	draw_panel(&p, &p.error, "QBER, %");
	draw_panel(&p, &p.rate, "secret bit/s");
	draw_times(&p);
	draw_legend(&p);
	draw_losses(&p);
	for (size_t i = 0; i < h->block_count; i++) {
		if (has_error(&h->blocks[i]))
			draw_error(&p, &h->blocks[i], false);
		if (h->blocks[i].was_tested)
			draw_error(&p, &h->blocks[i], true);
	}
	draw_rates(&p);
	fputs("</svg>\n", out);
}
