// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "tlv.h"
#include <assert.h>

static const struct tlv_rule *rule_of(const struct tlv_shape *shape, uint16_t type)
{
	for (size_t i = 0; i < shape->rule_count; i++)
		if (shape->rules[i].type == type)
			return &shape->rules[i];
	return NULL;
}

static uint16_t take_field(struct reader *r, uint8_t octets, const char *field)
{
	return octets == 1 ? reader_u8(r, field) : reader_u16(r, field);
}

/* One element: which rule it falls under, and that it may stand here, so long, so often. */
static void take_element(
	struct reader *r, const struct tlv_shape *shape, void *out, struct tlv_census *census)
{
	const bool first_is_due = shape->first_is_first && census->seen[0] == 0;
	const struct tlv_rule *rule = rule_of(shape, take_field(r, shape->type_octets, "type"));
	const size_t len = take_field(r, shape->length_octets, rule ? rule->name : "length");

	if (rule == NULL) {
		census->unknown++;
		reader_require(r, !shape->refuse_unknown, "unknown element", NULL);
		reader_cut(r, len, "unknown element");
		return;
	}
	const size_t at = (size_t)(rule - shape->rules);
	census->seen[at]++;
	if (!reader_require(r, !first_is_due || at == 0, rule->name, rule->clause) ||
		!reader_require(
			r, len >= rule->min && len <= rule->max, rule->name, rule->clause) ||
		!reader_require(r, census->seen[at] <= rule->repeat_max, rule->name, rule->clause))
		return;
	struct reader value = reader_cut(r, len, rule->name);
	if (rule->take == NULL || reader_failed(&value))
		return;
	rule->take(&value, out);
	reader_end(&value, rule->name);
}

void tlv_walk(struct reader *r, const struct tlv_shape *shape, void *out, struct tlv_census *census)
{
	struct tlv_census own = {0};

	assert(shape->rule_count <= TLV_RULES_MAX);
	if (census == NULL)
		census = &own;
	else
		*census = own;
	while (reader_more(r))
		take_element(r, shape, out, census);
	for (size_t i = 0; i < shape->rule_count; i++) {
		const struct tlv_rule *rule = &shape->rules[i];
		if (rule->presence == TLV_MANDATORY && census->seen[i] == 0)
			reader_require(r, false, rule->name, rule->clause);
	}
}
