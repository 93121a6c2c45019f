// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "gsup.h"
#include "wire/tlv.h"
#include <assert.h>

enum element {
	IMSI = 0x01,
	CAUSE = 0x02,
	AUTH_TUPLE = 0x03,
	PDP_INFO_COMPLETE = 0x04,
	PDP_INFO = 0x05,
	CANCEL_TYPE = 0x06,
	FREEZE_PTMSI = 0x07,
	MSISDN = 0x08,
	MESSAGE_CLASS = 0x0a,
	PDP_CONTEXT_ID = 0x10,
	APN = 0x12,
	RAND = 0x20,
	SRES = 0x21,
	KC = 0x22,
	IK = 0x23,
	CK = 0x24,
	AUTN = 0x25,
	AUTS = 0x26,
	RES = 0x27,
	CN_DOMAIN = 0x28,
	SUPPORTED_RAT = 0x29,
	CURRENT_RAT = 0x2a,
	SESSION_ID = 0x30,
	SESSION_STATE = 0x31,
	VECTORS_REQUESTED = 0x52,
	SOURCE_NAME = 0x60,
	DESTINATION_NAME = 0x61,
};

/* Digits, two an octet, low half first; an odd last one is followed by the filler 0xf [TS 29.002
 * §17.7.8 TBCD-STRING]. */
static void take_digits(struct reader *r, char *digits, size_t digits_min, size_t digits_max)
{
	const struct span octets = reader_rest(r);
	size_t count = 0;

	for (size_t i = 0; i < 2 * octets.len; i++) {
		const uint8_t digit = i % 2 ? octets.at[i / 2] >> 4 : octets.at[i / 2] & 15;
		if (digit == 15 && i == 2 * octets.len - 1)
			break;
		if (!reader_require(
			    r, digit <= 9 && count < digits_max, "digit", "TS 29.002 §17.7.8")) {
			digits[0] = '\0'; /* the first half of a number is another's */
			return;
		}
		digits[count++] = (char)('0' + digit);
	}
	digits[count] = '\0';
	reader_require(r, count >= digits_min, "digits", NULL);
}

static void put_digits(struct writer *w, const char *digits)
{
	for (size_t i = 0; digits[i] != '\0'; i += 2) {
		const uint8_t low = (uint8_t)(digits[i] - '0');
		const uint8_t high = digits[i + 1] == '\0' ? 15 : (uint8_t)(digits[i + 1] - '0');
		writer_u8(w, (uint8_t)(high << 4 | low));
		if (high == 15)
			break;
	}
}

static void take_imsi(struct reader *r, void *out)
{
	take_digits(r, ((struct gsup *)out)->imsi, IMSI_DIGITS_MIN, IMSI_DIGITS_MAX);
}

static void take_cause(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->has_cause = true;
	g->cause = reader_u8(r, "cause");
}

/* ---- one authentication vector ---- */

static void take_tuple_rand(struct reader *r, void *out)
{
	reader_copy(r, SPAN_MUT_ARRAY(((struct auth_vector *)out)->rand), "rand");
}

static void take_tuple_sres(struct reader *r, void *out)
{
	reader_copy(r, SPAN_MUT_ARRAY(((struct auth_vector *)out)->sres), "sres");
}

static void take_tuple_kc(struct reader *r, void *out)
{
	reader_copy(r, SPAN_MUT_ARRAY(((struct auth_vector *)out)->kc), "kc");
}

static void take_tuple_ik(struct reader *r, void *out)
{
	reader_copy(r, SPAN_MUT_ARRAY(((struct auth_vector *)out)->ik), "ik");
}

static void take_tuple_ck(struct reader *r, void *out)
{
	reader_copy(r, SPAN_MUT_ARRAY(((struct auth_vector *)out)->ck), "ck");
}

static void take_tuple_autn(struct reader *r, void *out)
{
	reader_copy(r, SPAN_MUT_ARRAY(((struct auth_vector *)out)->autn), "autn");
}

static void take_tuple_res(struct reader *r, void *out)
{
	struct auth_vector *v = out;

	v->res_len = (uint8_t)reader_left(r);
	reader_copy(r, span_mut_of(v->res, v->res_len), "res");
}

/* A quintuple comes with its triplet; a triplet alone is a 2G subscriber's [TS 33.102 §6.8.1.2]. */
static const struct tlv_rule tuple_rules[] = {
	{RAND, TLV_MANDATORY, 16, 16, 1, "rand", NULL, take_tuple_rand},
	{SRES, TLV_MANDATORY, 4, 4, 1, "sres", NULL, take_tuple_sres},
	{KC, TLV_MANDATORY, 8, 8, 1, "kc", NULL, take_tuple_kc},
	{IK, TLV_OPTIONAL, 16, 16, 1, "ik", NULL, take_tuple_ik},
	{CK, TLV_OPTIONAL, 16, 16, 1, "ck", NULL, take_tuple_ck},
	{AUTN, TLV_OPTIONAL, 16, 16, 1, "autn", NULL, take_tuple_autn},
	{RES, TLV_OPTIONAL, 4, 16, 1, "res", "TS 33.102 §6.3.7", take_tuple_res},
};
enum { TRIPLET_RULES = 3 };
static const struct tlv_shape tuple_shape = {.type_octets = 1,
	.length_octets = 1,
	.refuse_unknown = true,
	.rules = tuple_rules,
	.rule_count = ARRAY_LEN(tuple_rules)};

static void take_tuple(struct reader *r, void *out)
{
	struct gsup *g = out;
	struct auth_vector *v = &g->vectors[g->vector_count++];
	struct tlv_census census;
	size_t quintuple = 0;

	*v = (struct auth_vector){0};
	tlv_walk(r, &tuple_shape, v, &census);
	for (size_t i = TRIPLET_RULES; i < ARRAY_LEN(tuple_rules); i++)
		quintuple += census.seen[i];
	v->is_triplet = quintuple == 0;
	reader_require(r, quintuple == 0 || quintuple == ARRAY_LEN(tuple_rules) - TRIPLET_RULES,
		"auth_tuple", "TS 33.102 §6.3.2");
}

static void put_element(struct writer *w, enum element type, struct span value)
{
	assert(value.len <= UINT8_MAX); /* lengths that somebody else says are cut at decoding */
	writer_u8(w, (uint8_t)type);
	writer_u8(w, (uint8_t)value.len);
	writer_span(w, value);
}

static void put_u8(struct writer *w, enum element type, uint8_t value)
{
	put_element(w, type, span_of(&value, 1));
}

static void put_tuple(struct writer *w, const struct auth_vector *v)
{
	writer_u8(w, AUTH_TUPLE);
	const size_t length = writer_mark(w, 1);
	put_element(w, RAND, SPAN_ARRAY(v->rand));
	put_element(w, SRES, SPAN_ARRAY(v->sres));
	put_element(w, KC, SPAN_ARRAY(v->kc));
	if (!v->is_triplet) {
		put_element(w, IK, SPAN_ARRAY(v->ik));
		put_element(w, CK, SPAN_ARRAY(v->ck));
		put_element(w, AUTN, SPAN_ARRAY(v->autn));
		put_element(w, RES, span_of(v->res, v->res_len));
	}
	writer_close(w, length, 1);
}

/* ---- subscriber data ---- */

static void take_context_id(struct reader *r, void *out)
{
	((struct gsup_pdp *)out)->context_id = reader_u8(r, "pdp_context_id");
}

static void take_apn(struct reader *r, void *out)
{
	struct gsup_pdp *pdp = out;

	pdp->apn_len = (uint8_t)reader_left(r);
	reader_copy(r, span_mut_of(pdp->apn, pdp->apn_len), "apn");
}

static const struct tlv_rule pdp_rules[] = {
	{PDP_CONTEXT_ID, TLV_OPTIONAL, 1, 1, 1, "pdp_context_id", NULL, take_context_id},
	{APN, TLV_OPTIONAL, 1, GSUP_APN_MAX, 1, "apn", "TS 23.003 §9.1", take_apn},
};
static const struct tlv_shape pdp_shape = {.type_octets = 1,
	.length_octets = 1,
	.rules = pdp_rules,
	.rule_count = ARRAY_LEN(pdp_rules)};

static void take_pdp(struct reader *r, void *out)
{
	struct gsup *g = out;
	struct gsup_pdp *pdp = &g->pdps[g->pdp_count++];

	*pdp = (struct gsup_pdp){0};
	tlv_walk(r, &pdp_shape, pdp, NULL);
}

static void put_pdp(struct writer *w, const struct gsup_pdp *pdp)
{
	writer_u8(w, PDP_INFO);
	const size_t length = writer_mark(w, 1);
	put_u8(w, PDP_CONTEXT_ID, pdp->context_id);
	if (pdp->apn_len > 0)
		put_element(w, APN, span_of(pdp->apn, pdp->apn_len));
	writer_close(w, length, 1);
}

static void take_pdp_info_complete(struct reader *r, void *out)
{
	(void)r;
	((struct gsup *)out)->is_pdp_info_complete = true;
}

/* A length octet, then the digits: the form of the radio interface, without type of number. */
static void take_msisdn(struct reader *r, void *out)
{
	struct reader digits = reader_cut(r, reader_u8(r, "msisdn_length"), "msisdn");

	take_digits(&digits, ((struct gsup *)out)->msisdn, 1, GSUP_MSISDN_MAX);
}

static void put_msisdn(struct writer *w, const char *digits)
{
	writer_u8(w, MSISDN);
	const size_t length = writer_mark(w, 1), inner = writer_mark(w, 1);
	put_digits(w, digits);
	writer_close(w, inner, 1);
	writer_close(w, length, 1);
}

/* ---- the rest, one line of content each ---- */

static void take_cancel_type(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->has_cancel_type = true;
	g->cancel_type = reader_u8(r, "cancel_type");
}

static void take_freeze(struct reader *r, void *out)
{
	reader_rest(r);
	((struct gsup *)out)->is_freeze_ptmsi = true;
}

static void take_class(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->has_message_class = true;
	g->message_class = reader_u8(r, "message_class");
}

static void take_rand(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->has_rand = true;
	reader_copy(r, SPAN_MUT_ARRAY(g->rand), "rand");
}

static void take_auts(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->has_auts = true;
	reader_copy(r, SPAN_MUT_ARRAY(g->auts), "auts");
}

static void take_domain(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->domain = reader_u8(r, "cn_domain");
	reader_require(r, g->domain == AUTH_PS || g->domain == AUTH_CS, "cn_domain", NULL);
}

static void take_rats(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->rat_count = (uint8_t)reader_left(r);
	reader_copy(r, span_mut_of(g->rats, g->rat_count), "supported_rat");
}

static void take_current_rat(struct reader *r, void *out)
{
	((struct gsup *)out)->current_rat = reader_u8(r, "current_rat");
}

static void take_session(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->has_session = true;
	g->session = reader_u32(r, "session_id");
}

static void take_session_state(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->has_session_state = true;
	g->session_state = reader_u8(r, "session_state");
}

static void take_vectors_requested(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->vectors_requested = reader_u8(r, "vectors_requested");
	reader_require(r, g->vectors_requested >= 1 && g->vectors_requested <= AUTH_VECTORS_MAX,
		"vectors_requested", NULL);
}

static void take_source(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->source_len = (uint8_t)reader_left(r);
	reader_copy(r, span_mut_of(g->source, g->source_len), "source_name");
}

static void take_destination(struct reader *r, void *out)
{
	struct gsup *g = out;

	g->destination_len = (uint8_t)reader_left(r);
	reader_copy(r, span_mut_of(g->destination, g->destination_len), "destination_name");
}

static const struct tlv_rule rules[] = {
	{IMSI, TLV_MANDATORY, 3, 8, 1, "imsi", "TS 23.003 §2.2", take_imsi},
	{CAUSE, TLV_OPTIONAL, 1, 1, 1, "cause", "TS 24.008 §10.5.5.14", take_cause},
	{AUTH_TUPLE, TLV_OPTIONAL, 1, 255, AUTH_VECTORS_MAX, "auth_tuple", NULL, take_tuple},
	{PDP_INFO_COMPLETE, TLV_OPTIONAL, 0, 0, 1, "pdp_info_complete", NULL,
		take_pdp_info_complete},
	{PDP_INFO, TLV_OPTIONAL, 0, 255, GSUP_PDP_MAX, "pdp_info", NULL, take_pdp},
	{CANCEL_TYPE, TLV_OPTIONAL, 1, 1, 1, "cancel_type", NULL, take_cancel_type},
	{FREEZE_PTMSI, TLV_OPTIONAL, 0, 1, 1, "freeze_ptmsi", NULL, take_freeze},
	{MSISDN, TLV_OPTIONAL, 2, 9, 1, "msisdn", "TS 23.003 §3.3", take_msisdn},
	{MESSAGE_CLASS, TLV_OPTIONAL, 1, 1, 1, "message_class", NULL, take_class},
	{RAND, TLV_OPTIONAL, 16, 16, 1, "rand", "TS 33.102 §6.3.5", take_rand},
	{AUTS, TLV_OPTIONAL, 14, 14, 1, "auts", "TS 33.102 §6.3.3", take_auts},
	{CN_DOMAIN, TLV_OPTIONAL, 1, 1, 1, "cn_domain", NULL, take_domain},
	{SUPPORTED_RAT, TLV_OPTIONAL, 1, GSUP_RAT_MAX, 1, "supported_rat", NULL, take_rats},
	{CURRENT_RAT, TLV_OPTIONAL, 1, 1, 1, "current_rat", NULL, take_current_rat},
	{SESSION_ID, TLV_OPTIONAL, 4, 4, 1, "session_id", NULL, take_session},
	{SESSION_STATE, TLV_OPTIONAL, 1, 1, 1, "session_state", NULL, take_session_state},
	{VECTORS_REQUESTED, TLV_OPTIONAL, 1, 1, 1, "vectors_requested", NULL,
		take_vectors_requested},
	{SOURCE_NAME, TLV_OPTIONAL, 1, GSUP_NAME_MAX, 1, "source_name", NULL, take_source},
	{DESTINATION_NAME, TLV_OPTIONAL, 1, GSUP_NAME_MAX, 1, "destination_name", NULL,
		take_destination},
};
static const struct tlv_shape shape = {.type_octets = 1,
	.length_octets = 1,
	.first_is_first = true,
	.rules = rules,
	.rule_count = ARRAY_LEN(rules)};

/* What a message of one type must carry besides the IMSI. */
enum need { NEEDS_NOTHING, NEEDS_CAUSE, NEEDS_VECTORS };
static const struct message_rule {
	uint8_t type;
	enum need need;
	const char *name;
} messages[] = {
	{GSUP_UPDATE_LOCATION_REQUEST, NEEDS_NOTHING, "UpdateLocation request"},
	{GSUP_UPDATE_LOCATION_ERROR, NEEDS_CAUSE, "UpdateLocation error"},
	{GSUP_UPDATE_LOCATION_RESULT, NEEDS_NOTHING, "UpdateLocation result"},
	{GSUP_SEND_AUTH_INFO_REQUEST, NEEDS_NOTHING, "SendAuthInfo request"},
	{GSUP_SEND_AUTH_INFO_ERROR, NEEDS_CAUSE, "SendAuthInfo error"},
	{GSUP_SEND_AUTH_INFO_RESULT, NEEDS_VECTORS, "SendAuthInfo result"},
	{GSUP_AUTH_FAIL_REPORT, NEEDS_NOTHING, "AuthFailReport"},
	{GSUP_PURGE_MS_REQUEST, NEEDS_NOTHING, "PurgeMS request"},
	{GSUP_PURGE_MS_ERROR, NEEDS_CAUSE, "PurgeMS error"},
	{GSUP_PURGE_MS_RESULT, NEEDS_NOTHING, "PurgeMS result"},
	{GSUP_INSERT_DATA_REQUEST, NEEDS_NOTHING, "InsertSubscriberData request"},
	{GSUP_INSERT_DATA_ERROR, NEEDS_CAUSE, "InsertSubscriberData error"},
	{GSUP_INSERT_DATA_RESULT, NEEDS_NOTHING, "InsertSubscriberData result"},
	{GSUP_LOCATION_CANCEL_REQUEST, NEEDS_NOTHING, "LocationCancel request"},
	{GSUP_LOCATION_CANCEL_ERROR, NEEDS_CAUSE, "LocationCancel error"},
	{GSUP_LOCATION_CANCEL_RESULT, NEEDS_NOTHING, "LocationCancel result"},
	{GSUP_ROUTING_ERROR, NEEDS_NOTHING, "RoutingError"},
};

static const struct message_rule *message_of(uint8_t type)
{
	for (size_t i = 0; i < ARRAY_LEN(messages); i++)
		if (messages[i].type == type)
			return &messages[i];
	return NULL;
}

const char *gsup_type_name(uint8_t type)
{
	const struct message_rule *m = message_of(type);

	return m != NULL ? m->name : "unknown type";
}

static void check_needs(struct reader *r, const struct gsup *g)
{
	const struct message_rule *m = message_of(g->type);

	if (m == NULL)
		return;
	reader_require(r, m->need != NEEDS_CAUSE || g->has_cause, "cause", NULL);
	reader_require(r, m->need != NEEDS_VECTORS || g->vector_count > 0, "auth_tuple", NULL);
	/* Without its RAND an AUTS says nothing [TS 33.102 §6.3.5]. */
	reader_require(
		r, g->has_auts == g->has_rand, g->has_auts ? "rand" : "auts", "TS 33.102 §6.3.5");
}

static void start(struct gsup *g, uint8_t type)
{
	memset(g, 0, offsetof(struct gsup, source));
	g->type = type;
}

struct err gsup_decode(struct span message, struct gsup *g, struct wire_fault *fault)
{
	struct reader r = reader_of(message, fault);

	start(g, reader_u8(&r, "message_type"));
	tlv_walk(&r, &shape, g, NULL);
	check_needs(&r, g);
	return wire_result(fault);
}

static const struct tlv_rule origin_rules[] = {
	{IMSI, TLV_OPTIONAL, 3, 8, 1, "imsi", "TS 23.003 §2.2", take_imsi},
	{MESSAGE_CLASS, TLV_OPTIONAL, 1, 1, 1, "message_class", NULL, take_class},
	{SESSION_ID, TLV_OPTIONAL, 4, 4, 1, "session_id", NULL, take_session},
	{SESSION_STATE, TLV_OPTIONAL, 1, 1, 1, "session_state", NULL, take_session_state},
	{SOURCE_NAME, TLV_OPTIONAL, 1, GSUP_NAME_MAX, 1, "source_name", NULL, take_source},
};
static const struct tlv_shape origin_shape = {.type_octets = 1,
	.length_octets = 1,
	.rules = origin_rules,
	.rule_count = ARRAY_LEN(origin_rules)};

bool gsup_salvage(struct span message, struct gsup *g)
{
	struct wire_fault fault = {0};
	struct reader r = reader_of(message, &fault);

	start(g, reader_u8(&r, "message_type"));
	tlv_walk(&r, &origin_shape, g, NULL);
	return imsi_is_valid(g->imsi);
}

static void put_imsi(struct writer *w, const char *imsi)
{
	writer_u8(w, IMSI);
	const size_t length = writer_mark(w, 1);
	put_digits(w, imsi);
	writer_close(w, length, 1);
}

static void put_subscriber_data(struct writer *w, const struct gsup *g)
{
	if (g->msisdn[0] != '\0')
		put_msisdn(w, g->msisdn);
	if (g->is_pdp_info_complete)
		put_element(w, PDP_INFO_COMPLETE, span_of(NULL, 0));
	for (size_t i = 0; i < g->pdp_count; i++)
		put_pdp(w, &g->pdps[i]);
}

static void put_authentication(struct writer *w, const struct gsup *g)
{
	for (size_t i = 0; i < g->vector_count; i++)
		put_tuple(w, &g->vectors[i]);
	if (g->has_rand)
		put_element(w, RAND, SPAN_ARRAY(g->rand));
	if (g->has_auts)
		put_element(w, AUTS, SPAN_ARRAY(g->auts));
	if (g->vectors_requested > 0)
		put_u8(w, VECTORS_REQUESTED, g->vectors_requested);
}

static void put_session(struct writer *w, const struct gsup *g)
{
	if (g->has_message_class)
		put_u8(w, MESSAGE_CLASS, g->message_class);
	if (g->has_session) {
		writer_u8(w, SESSION_ID);
		writer_u8(w, 4);
		writer_u32(w, g->session);
	}
	if (g->has_session_state)
		put_u8(w, SESSION_STATE, g->session_state);
	if (g->source_len > 0)
		put_element(w, SOURCE_NAME, span_of(g->source, g->source_len));
	if (g->destination_len > 0)
		put_element(w, DESTINATION_NAME, span_of(g->destination, g->destination_len));
}

void gsup_encode(struct writer *w, const struct gsup *g)
{
	writer_u8(w, g->type);
	put_imsi(w, g->imsi);
	if (g->has_cause)
		put_u8(w, CAUSE, g->cause);
	put_authentication(w, g);
	put_subscriber_data(w, g);
	if (g->has_cancel_type)
		put_u8(w, CANCEL_TYPE, g->cancel_type);
	if (g->is_freeze_ptmsi)
		put_element(w, FREEZE_PTMSI, span_of(NULL, 0));
	if (g->domain != 0)
		put_u8(w, CN_DOMAIN, g->domain);
	if (g->rat_count > 0)
		put_element(w, SUPPORTED_RAT, span_of(g->rats, g->rat_count));
	if (g->current_rat != 0)
		put_u8(w, CURRENT_RAT, g->current_rat);
	put_session(w, g);
}

void gsup_origin_of(struct gsup_origin *o, const struct gsup *request)
{
	o->type = request->type;
	memcpy(o->imsi, request->imsi, sizeof o->imsi);
	o->has_message_class = request->has_message_class;
	o->message_class = request->message_class;
	o->has_session = request->has_session;
	o->session = request->session;
	o->has_session_state = request->has_session_state;
	o->source_len = request->source_len;
	memcpy(o->source, request->source, request->source_len);
}

void gsup_answer_start(struct gsup *answer, const struct gsup_origin *o, uint8_t type)
{
	start(answer, type);
	memcpy(answer->imsi, o->imsi, sizeof answer->imsi);
	answer->has_message_class = o->has_message_class;
	answer->message_class = o->message_class;
	answer->has_session = o->has_session;
	answer->session = o->session;
	answer->destination_len = o->source_len;
	memcpy(answer->destination, o->source, o->source_len);
	/* The last answer ends the session that its request began [OsmoHLR manual, "Session
	 * State"]. */
	answer->has_session_state = o->has_session_state;
	answer->session_state = !o->has_session_state   ? 0
				: gsup_is_request(type) ? GSUP_SESSION_CONTINUE
							: GSUP_SESSION_END;
}
