// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/audit_event.h"

/*
 * What is awaited. VALUE, ITEM and AFTER belong to the structure; the rest is inside a string, a number
 * or a word, and goes back to AFTER when that ends.
 */
enum state {
	VALUE,      /* a value */
	FIRST_ITEM, /* a value, or ] */
	FIRST_NAME, /* a name, or } */
	NAME,
	COLON,
	AFTER, /* , or the end of what is open */
	STRING,
	ESCAPE,
	HEX,
	MINUS,
	ZERO,
	INTEGER,
	POINT,
	FRACTION,
	EXPONENT,
	EXPONENT_SIGN,
	EXPONENT_DIGITS,
	WORD,
	DONE,
	WRONG
};

struct parser {
	enum state state;
	bool is_name; /* the string is a member's name */
	unsigned hex_left;
	const char *word; /* what is left of true, false or null */
	size_t depth;
	char open[AUDIT_DEPTH_MAX]; /* '{' or '[' */
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static enum state opened(struct parser *p, char bracket)
{
	if (p->depth == AUDIT_DEPTH_MAX)
		return WRONG;
	p->open[p->depth++] = bracket;
	return bracket == '{' ? FIRST_NAME : FIRST_ITEM;
}

static enum state closed(struct parser *p, char bracket)
{
	if (p->depth == 0 || p->open[p->depth - 1] != bracket)
		return WRONG;
	return --p->depth == 0 ? DONE : AFTER;
}

static enum state string_begun(struct parser *p, bool is_name)
{
	p->is_name = is_name;
	return STRING;
}

static enum state word_begun(struct parser *p, const char *rest)
{
	p->word = rest;
	return WORD;
}

static enum state value_begun(struct parser *p, char c)
{
	switch (c) {
	case ' ':
		return p->state;
	case '{':
	case '[':
		return opened(p, c);
	case '"':
		return string_begun(p, false);
	case '-':
		return MINUS;
	case '0':
		return ZERO;
	case 't':
		return word_begun(p, "rue");
	case 'f':
		return word_begun(p, "alse");
	case 'n':
		return word_begun(p, "ull");
	default:
		return is_digit(c) ? INTEGER : WRONG;
	}
}

static enum state value_ended(struct parser *p, char c)
{
	switch (c) {
	case ' ':
		return AFTER;
	case ',':
		return p->open[p->depth - 1] == '{' ? NAME : VALUE;
	case '}':
		return closed(p, '{');
	case ']':
		return closed(p, '[');
	default:
		return WRONG;
	}
}

static enum state string_step(struct parser *p, char c)
{
	if (p->state == ESCAPE) {
		p->hex_left = 4;
		return c == 'u' ? HEX : strchr("\"\\/bfnrt", c) != NULL ? STRING : WRONG;
	}
	if (p->state == HEX)
		return !is_hex(c) ? WRONG : --p->hex_left > 0 ? HEX : STRING;
	if (c == '\\')
		return ESCAPE;
	return c != '"' ? STRING : p->is_name ? COLON : AFTER;
}

/* Digits lead on; where a number may end, what follows it is judged as after a value. */
static enum state number_step(struct parser *p, char c)
{
	static const struct {
		enum state on_digit;
		bool may_point, may_exponent, may_end;
	} rules[] = {
		[MINUS] = {INTEGER, false, false, false},
		[ZERO] = {WRONG, true, true, true},
		[INTEGER] = {INTEGER, true, true, true},
		[POINT] = {FRACTION, false, false, false},
		[FRACTION] = {FRACTION, false, true, true},
		[EXPONENT] = {EXPONENT_DIGITS, false, false, false},
		[EXPONENT_SIGN] = {EXPONENT_DIGITS, false, false, false},
		[EXPONENT_DIGITS] = {EXPONENT_DIGITS, false, false, true},
	};
	const enum state s = p->state;

	if (is_digit(c))
		return s == MINUS && c == '0' ? ZERO : rules[s].on_digit;
	if (c == '.' && rules[s].may_point)
		return POINT;
	if ((c == 'e' || c == 'E') && rules[s].may_exponent)
		return EXPONENT;
	if ((c == '+' || c == '-') && s == EXPONENT)
		return EXPONENT_SIGN;
	return rules[s].may_end ? value_ended(p, c) : WRONG;
}

static enum state step(struct parser *p, char c)
{
	switch (p->state) {
	case VALUE:
		return value_begun(p, c);
	case FIRST_ITEM:
		return c == ']' ? closed(p, '[') : value_begun(p, c);
	case FIRST_NAME:
		if (c == '}')
			return closed(p, '{');
		return c == '"' ? string_begun(p, true) : c == ' ' ? FIRST_NAME : WRONG;
	case NAME:
		return c == '"' ? string_begun(p, true) : c == ' ' ? NAME : WRONG;
	case COLON:
		return c == ':' ? VALUE : c == ' ' ? COLON : WRONG;
	case AFTER:
		return value_ended(p, c);
	case STRING:
	case ESCAPE:
	case HEX:
		return string_step(p, c);
	case MINUS:
	case ZERO:
	case INTEGER:
	case POINT:
	case FRACTION:
	case EXPONENT:
	case EXPONENT_SIGN:
	case EXPONENT_DIGITS:
		return number_step(p, c);
	case WORD:
		return c != p->word[0] ? WRONG : *++p->word == '\0' ? AFTER : WORD;
	case DONE:
	case WRONG:
		break;
	}
	return WRONG; /* nothing follows the object */
}

struct err audit_event_check(struct span event, struct wire_fault *fault)
{
	struct reader r = reader_of(event, fault);
	struct parser p = {.state = VALUE};

	if (event.len > AUDIT_EVENT_MAX)
		reader_refuse(&r, ERR(LIMIT), "event", NULL);
	while (reader_more(&r)) {
		const uint8_t c = reader_u8(&r, "event");
		const bool is_first_wrong = p.state == VALUE && p.depth == 0 && c != '{';
		p.state = c < 0x20 || c > 0x7e || is_first_wrong ? WRONG : step(&p, (char)c);
		reader_require(&r, p.state != WRONG, "event", "RFC 8259 §2");
	}
	reader_require(&r, p.state == DONE, "event_end", "RFC 8259 §2");
	return wire_result(fault);
}
