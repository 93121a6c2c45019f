// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "vici.h"
#include <assert.h>

enum element_type {
	SECTION_START = 1,
	SECTION_END,
	KEY_VALUE,
	LIST_START,
	LIST_ITEM,
	LIST_END,
};

static const char clause[] = "vici README, Message format";

bool vici_type_is_named(enum vici_type type)
{
	return type == VICI_CMD_REQUEST || type == VICI_EVENT_REGISTER ||
	       type == VICI_EVENT_UNREGISTER || type == VICI_EVENT;
}

struct err vici_packet_size(struct span stream, size_t *size)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(stream, &fault);

	*size = 0;
	if (stream.len < 4)
		return OK;
	const uint32_t length = reader_u32(&r, "length");
	if (length == 0 || length > VICI_PACKET_MAX)
		return ERR(INPUT);
	*size = (size_t)length + 4;
	return OK;
}

static struct span name_take(struct reader *r)
{
	const struct span name = reader_span(r, reader_u8(r, "name_length"), "name");

	reader_require(r, name.len > 0 && memchr(name.at, '\0', name.len) == NULL, "name", clause);
	return name;
}

static struct span value_take(struct reader *r)
{
	return reader_span(r, reader_u16(r, "value_length"), "value");
}

/* Where an element may stand; one row a type. `depth` counts open sections. */
static void message_validate(struct reader r)
{
	size_t depth = 0, elements = 0;
	bool in_list = false;

	while (reader_more(&r)) {
		const uint8_t type = reader_u8(&r, "element_type");
		if (++elements > VICI_ELEMENTS_MAX)
			reader_refuse(&r, ERR(LIMIT), "elements", NULL);
		switch (type) {
		case SECTION_START:
			name_take(&r);
			reader_require(&r, !in_list, "section in a list", clause);
			if (++depth > VICI_DEPTH_MAX)
				reader_refuse(&r, ERR(LIMIT), "depth", NULL);
			break;
		case SECTION_END:
			if (reader_require(&r, !in_list && depth > 0, "section end", clause))
				depth--;
			break;
		case KEY_VALUE:
			name_take(&r);
			value_take(&r);
			reader_require(&r, !in_list, "named value in a list", clause);
			break;
		case LIST_START:
			name_take(&r);
			reader_require(&r, !in_list, "list in a list", clause);
			in_list = true;
			break;
		case LIST_ITEM:
			value_take(&r);
			reader_require(&r, in_list, "item outside a list", clause);
			break;
		case LIST_END:
			reader_require(&r, in_list, "list end", clause);
			in_list = false;
			break;
		default:
			reader_refuse(&r, ERR(INPUT), "element_type", clause);
		}
	}
	reader_require(&r, depth == 0 && !in_list, "section or list without end", clause);
}

struct err vici_decode(struct span bytes, struct vici_packet *packet, struct wire_fault *fault)
{
	struct reader whole = reader_of(bytes, fault);

	*packet = (struct vici_packet){0};
	const uint32_t length = reader_u32(&whole, "length");
	reader_require(&whole, length <= VICI_PACKET_MAX, "length", NULL);
	struct reader r = reader_cut(&whole, length, "packet");
	const uint8_t type = reader_u8(&r, "type");
	if (reader_require(&r, type < VICI_TYPES, "type", NULL))
		packet->type = (enum vici_type)type;
	if (vici_type_is_named(packet->type))
		packet->name = name_take(&r);
	message_validate(r);
	packet->message = reader_rest(&r);
	reader_end(&whole, "packet");
	return wire_result(fault);
}

void vici_walk_begin(struct vici_walk *walk, struct span inside)
{
	*walk = (struct vici_walk){0};
	walk->r = reader_of(inside, &walk->fault);
}

/* The inside of a section or list just opened, whose end is skipped. */
static struct span inside_take(struct reader *r)
{
	const struct reader start = *r;
	size_t open = 1, len = 0;

	while (open > 0 && reader_more(r)) {
		len = reader_left(&start) - reader_left(r);
		const uint8_t type = reader_u8(r, "element_type");
		if (type == SECTION_END || type == LIST_END)
			open--;
		else if (type == SECTION_START || type == LIST_START)
			open++;
		if (type == SECTION_START || type == LIST_START || type == KEY_VALUE)
			name_take(r);
		if (type == KEY_VALUE || type == LIST_ITEM)
			value_take(r);
	}
	reader_require(r, open == 0, "section or list without end", clause);
	struct reader from = start;
	return reader_span(&from, len, "inside");
}

bool vici_next(struct vici_walk *walk, struct vici_element *element)
{
	struct reader *r = &walk->r;

	*element = (struct vici_element){0};
	if (!reader_more(r))
		return false;
	switch (reader_u8(r, "element_type")) {
	case SECTION_START:
		element->kind = VICI_SECTION;
		element->name = name_take(r);
		element->value = inside_take(r);
		break;
	case LIST_START:
		element->kind = VICI_LIST;
		element->name = name_take(r);
		element->value = inside_take(r);
		break;
	case KEY_VALUE:
		element->kind = VICI_VALUE;
		element->name = name_take(r);
		element->value = value_take(r);
		break;
	case LIST_ITEM:
		element->kind = VICI_ITEM;
		element->value = value_take(r);
		break;
	default:
		reader_refuse(r, ERR(INPUT), "element_type", clause);
	}
	return !reader_failed(r);
}

bool vici_find(struct span inside, enum vici_kind kind, const char *name, struct span *value)
{
	struct vici_walk walk;
	struct vici_element e;

	vici_walk_begin(&walk, inside);
	while (vici_next(&walk, &e)) {
		if (e.kind != kind || !span_equal(e.name, span_str(name)))
			continue;
		*value = e.value;
		return true;
	}
	*value = span_of(NULL, 0);
	return false;
}

bool vici_text(struct span inside, const char *name, char *out, size_t size)
{
	struct span value;
	const bool is_there = vici_find(inside, VICI_VALUE, name, &value);

	assert(size > 0);
	const size_t len = value.len < size ? value.len : size - 1;
	if (len > 0)
		memcpy(out, value.at, len);
	out[len] = '\0';
	return is_there;
}

bool vici_is(struct span inside, const char *name, const char *text)
{
	struct span value;

	return vici_find(inside, VICI_VALUE, name, &value) && span_equal(value, span_str(text));
}

uint64_t vici_u64(struct span inside, const char *name, uint64_t fallback)
{
	char text[21];
	uint64_t v = 0;

	if (!vici_text(inside, name, text, sizeof(text)) || text[0] == '\0' || strlen(text) > 19)
		return fallback;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at < '0' || *at > '9')
			return fallback;
		v = v * 10 + (uint64_t)(*at - '0');
	}
	return v;
}

static void name_put(struct writer *w, const char *name)
{
	const size_t length = writer_mark(w, 1);

	writer_span(w, span_str(name));
	writer_close(w, length, 1);
}

static void value_put(struct writer *w, struct span value)
{
	const size_t length = writer_mark(w, 2);

	writer_span(w, value);
	writer_close(w, length, 2);
}

size_t vici_begin(struct writer *w, enum vici_type type, const char *name)
{
	const size_t mark = writer_mark(w, 4);

	assert(vici_type_is_named(type) == (name != NULL));
	writer_u8(w, (uint8_t)type);
	if (name != NULL)
		name_put(w, name);
	return mark;
}

void vici_end(struct writer *w, size_t mark)
{
	if (!w->is_full && w->len - mark - 4 > VICI_PACKET_MAX)
		w->is_full = true;
	writer_close(w, mark, 4);
}

void vici_section_open(struct writer *w, const char *name)
{
	writer_u8(w, SECTION_START);
	name_put(w, name);
}

void vici_section_close(struct writer *w)
{
	writer_u8(w, SECTION_END);
}

void vici_value(struct writer *w, const char *name, struct span value)
{
	writer_u8(w, KEY_VALUE);
	name_put(w, name);
	value_put(w, value);
}

void vici_value_text(struct writer *w, const char *name, const char *text)
{
	vici_value(w, name, span_str(text));
}

static void item_put(struct writer *w, struct span value)
{
	writer_u8(w, LIST_ITEM);
	value_put(w, value);
}

void vici_list(struct writer *w, const char *name, const char *const *texts, size_t count)
{
	writer_u8(w, LIST_START);
	name_put(w, name);
	for (size_t i = 0; i < count; i++)
		item_put(w, span_str(texts[i]));
	writer_u8(w, LIST_END);
}

void vici_list_of_one(struct writer *w, const char *name, struct span value)
{
	writer_u8(w, LIST_START);
	name_put(w, name);
	item_put(w, value);
	writer_u8(w, LIST_END);
}
