// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "codec/gb.h"

/*
 * NS and BSSGP elements share one form: a type octet, then a length of 7 bits (extension bit set)
 * or of 15 [TS 48.018 §11.3 and TS 48.016 §10.1.2]. The generic walker has fixed lengths, hence
 * this one.
 */
typedef void take_element_fn(uint8_t type, struct reader *value, void *out);

static void elements_walk(struct reader *r, take_element_fn *take, void *out)
{
	while (reader_more(r)) {
		const uint8_t type = reader_u8(r, "element type");
		size_t len = reader_u8(r, "element length");

		len = (len & 0x80) ? len & 0x7f : len << 8 | reader_u8(r, "element length");
		struct reader value = reader_cut(r, len, "element");
		if (reader_failed(r))
			return;
		take(type, &value, out);
	}
}

static void element_encode(struct writer *w, uint8_t type, struct span value)
{
	writer_u8(w, type);
	if (value.len < 0x80)
		writer_u8(w, (uint8_t)(0x80 | value.len));
	else
		writer_u16(w, (uint16_t)(value.len & 0x7fff));
	writer_span(w, value);
}

static void element_u16_encode(struct writer *w, uint8_t type, uint16_t v)
{
	const uint8_t octets[2] = {(uint8_t)(v >> 8), (uint8_t)v};

	element_encode(w, type, SPAN_ARRAY(octets));
}

/* NS [TS 48.016 §10.3] */

enum { NS_IE_CAUSE = 0x00, NS_IE_NSVCI = 0x01, NS_IE_NSEI = 0x04 };

static void ns_take(uint8_t type, struct reader *value, void *out)
{
	struct gb_ns *ns = out;

	switch (type) {
	case NS_IE_CAUSE:
		ns->cause = reader_u8(value, "ns_cause");
		break;
	case NS_IE_NSVCI:
		ns->nsvci = reader_u16(value, "nsvci");
		break;
	case NS_IE_NSEI:
		ns->nsei = reader_u16(value, "nsei");
		break;
	default: /* later releases add elements; the mobile side needs none of them */
		break;
	}
}

struct err gb_ns_decode(struct span message, struct gb_ns *ns, struct wire_fault *fault)
{
	struct reader r = reader_of(message, fault);

	*ns = (struct gb_ns){.type = reader_u8(&r, "ns_type")};
	if (ns->type == GB_NS_UNITDATA) {
		reader_u8(&r, "ns_sdu_control");
		ns->bvci = reader_u16(&r, "bvci");
		ns->bssgp = reader_rest(&r);
	} else {
		elements_walk(&r, ns_take, ns);
	}
	return wire_result(fault);
}

void gb_ns_encode(struct writer *w, const struct gb_ns *ns)
{
	writer_u8(w, ns->type);
	switch (ns->type) {
	case GB_NS_UNITDATA:
		writer_u8(w, 0);
		writer_u16(w, ns->bvci);
		writer_span(w, ns->bssgp);
		break;
	case GB_NS_RESET:
		element_encode(w, NS_IE_CAUSE, span_of(&ns->cause, 1));
		element_u16_encode(w, NS_IE_NSVCI, ns->nsvci);
		element_u16_encode(w, NS_IE_NSEI, ns->nsei);
		break;
	case GB_NS_RESET_ACK:
		element_u16_encode(w, NS_IE_NSVCI, ns->nsvci);
		element_u16_encode(w, NS_IE_NSEI, ns->nsei);
		break;
	case GB_NS_BLOCK_ACK:
		element_u16_encode(w, NS_IE_NSVCI, ns->nsvci);
		break;
	default:
		break;
	}
}

/* BSSGP [TS 48.018 §10.2, §10.4] */

enum { BSSGP_IE_BVCI = 0x04, BSSGP_IE_CAUSE = 0x07, BSSGP_IE_CELL = 0x08, BSSGP_IE_LLC = 0x0e };

static void bssgp_take(uint8_t type, struct reader *value, void *out)
{
	struct gb_bssgp *bssgp = out;

	switch (type) {
	case BSSGP_IE_BVCI:
		bssgp->bvci = reader_u16(value, "bvci");
		break;
	case BSSGP_IE_CAUSE:
		bssgp->cause = reader_u8(value, "bssgp_cause");
		break;
	case BSSGP_IE_CELL:
		reader_copy(value, SPAN_MUT_ARRAY(bssgp->cell), "cell");
		bssgp->has_cell = true;
		break;
	case BSSGP_IE_LLC:
		bssgp->llc = reader_rest(value);
		break;
	default:
		break;
	}
}

static bool bssgp_is_unitdata(uint8_t type)
{
	return type == GB_BSSGP_DL_UNITDATA || type == GB_BSSGP_UL_UNITDATA;
}

struct err gb_bssgp_decode(struct span message, struct gb_bssgp *bssgp, struct wire_fault *fault)
{
	struct reader r = reader_of(message, fault);

	*bssgp = (struct gb_bssgp){.type = reader_u8(&r, "bssgp_type")};
	if (bssgp_is_unitdata(bssgp->type)) {
		bssgp->tlli = reader_u32(&r, "tlli");
		reader_u24(&r, "qos_profile");
	}
	elements_walk(&r, bssgp_take, bssgp);
	if (bssgp_is_unitdata(bssgp->type))
		reader_require(&r, bssgp->llc.len > 0, "llc_pdu", "TS 48.018 §10.2.1");
	return wire_result(fault);
}

void gb_bssgp_encode(struct writer *w, const struct gb_bssgp *bssgp)
{
	/* Peak rate: best effort; no class, precedence 0 [TS 48.018 §11.3.28]. */
	static const uint8_t qos[3] = {0x00, 0x00, 0x20};

	writer_u8(w, bssgp->type);
	if (bssgp_is_unitdata(bssgp->type)) {
		writer_u32(w, bssgp->tlli);
		writer_span(w, SPAN_ARRAY(qos));
		if (bssgp->has_cell)
			element_encode(w, BSSGP_IE_CELL, SPAN_ARRAY(bssgp->cell));
		element_encode(w, BSSGP_IE_LLC, bssgp->llc);
		return;
	}
	element_u16_encode(w, BSSGP_IE_BVCI, bssgp->bvci);
	if (bssgp->type == GB_BSSGP_BVC_RESET)
		element_encode(w, BSSGP_IE_CAUSE, span_of(&bssgp->cause, 1));
	if (bssgp->has_cell)
		element_encode(w, BSSGP_IE_CELL, SPAN_ARRAY(bssgp->cell));
}

/* LLC [TS 44.064 §6] */

enum {
	LLC_IS_UI = 0xc0, /* control field 110xx... [§6.3.5.3] */
	LLC_UI_MASK = 0xe0,
	LLC_IS_COMMAND = 0x40, /* C/R, in frames from the network */
	LLC_IS_CIPHERED = 0x02,
	LLC_IS_PROTECTED = 0x01, /* PM: the check sequence covers all of the frame */
	LLC_FCS_OCTETS = 3,
	LLC_HEADER_OCTETS = 3,
	LLC_UNPROTECTED_OCTETS = 4, /* N202: of the information covered all the same */
};

/* Generator x24+x23+x21+x20+x19+x17+x16+x15+x13+x8+x7+x5+x4+x2+1, least significant bit first
 * [§5.5.2]. */
static uint32_t crc24(struct span bytes)
{
	uint32_t crc = 0xffffff;

	for (size_t i = 0; i < bytes.len; i++) {
		crc ^= bytes.at[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xad85ddu : 0);
	}
	return ~crc & 0xffffff;
}

static uint32_t fcs_of(struct reader *r)
{
	const uint32_t low = reader_u8(r, "fcs");
	const uint32_t middle = reader_u8(r, "fcs");

	return low | middle << 8 | (uint32_t)reader_u8(r, "fcs") << 16;
}

struct err gb_llc_decode(struct span frame, struct gb_llc *llc, struct wire_fault *fault)
{
	struct reader r = reader_of(frame, fault);
	const uint8_t address = reader_u8(&r, "llc_address");
	const uint8_t control = reader_u8(&r, "llc_control");

	*llc = (struct gb_llc){.sapi = address & 0x0f,
		.is_from_network_command = (address & LLC_IS_COMMAND) != 0,
		.is_ui = (control & LLC_UI_MASK) == LLC_IS_UI};
	if (reader_failed(&r) || !llc->is_ui)
		return wire_result(fault);
	const uint8_t control2 = reader_u8(&r, "llc_control");
	llc->nu = (uint16_t)((control & 0x07) << 6 | control2 >> 2);
	llc->is_ciphered = (control2 & LLC_IS_CIPHERED) != 0;
	if (!reader_require(&r, reader_left(&r) >= LLC_FCS_OCTETS, "fcs", "TS 44.064 §6.1"))
		return wire_result(fault);
	llc->information = reader_span(&r, reader_left(&r) - LLC_FCS_OCTETS, "llc_information");
	const uint32_t fcs = fcs_of(&r);
	size_t covered = LLC_HEADER_OCTETS + llc->information.len;
	if (!(control2 & LLC_IS_PROTECTED) && llc->information.len > LLC_UNPROTECTED_OCTETS)
		covered = LLC_HEADER_OCTETS + LLC_UNPROTECTED_OCTETS;
	struct reader again = reader_of(frame, fault);
	reader_require(
		&r, fcs == crc24(reader_span(&again, covered, "fcs")), "fcs", "TS 44.064 §5.5.2");
	return wire_result(fault);
}

void gb_llc_encode(struct writer *w, const struct gb_llc *llc)
{
	const size_t before = w->len;

	writer_u8(w, (uint8_t)((llc->is_from_network_command ? LLC_IS_COMMAND : 0) | llc->sapi));
	writer_u8(w, (uint8_t)(LLC_IS_UI | (llc->nu >> 6 & 0x07)));
	writer_u8(w, (uint8_t)((llc->nu & 0x3f) << 2 | LLC_IS_PROTECTED));
	writer_span(w, llc->information);
	if (w->is_full)
		return;
	const uint32_t fcs = crc24(span_of(w->base + before, w->len - before));
	writer_u8(w, (uint8_t)fcs);
	writer_u8(w, (uint8_t)(fcs >> 8));
	writer_u8(w, (uint8_t)(fcs >> 16));
}

/* GMM [TS 24.008 §9.4] */

enum {
	PD_GMM = 0x08,
	GMM_IE_RAND = 0x21,
	GMM_IE_RES = 0x22,
	GMM_IE_IMEISV = 0x23,
	GMM_IE_AUTN = 0x28,
	GMM_IE_RES_EXT = 0x29,
	GMM_IE_AUTS = 0x30,
	GMM_IE_CKSN = 0x8, /* high half of the octet */
	RES_FIRST_OCTETS = 4,
};

/* Optional elements of AUTHENTICATION AND CIPHERING REQUEST [TS 24.008 table 9.4.9]. */
static void auth_request_decode(struct reader *r, struct gb_gmm *gmm)
{
	gmm->wants_imeisv = (reader_u8(r, "imeisv_request") >> 4 & 0x07) == 1;
	gmm->reference = reader_u8(r, "reference") >> 4;
	while (reader_more(r)) {
		const uint8_t type = reader_u8(r, "element type");

		if (type == GMM_IE_RAND) {
			reader_copy(r, SPAN_MUT_ARRAY(gmm->rand), "rand");
			gmm->has_rand = true;
		} else if (type >> 4 == GMM_IE_CKSN || type >= 0x80) {
			continue; /* type 1 elements are one octet [TS 24.007 §11.2.1.1] */
		} else {
			struct reader value =
				reader_cut(r, reader_u8(r, "element length"), "element");
			if (type != GMM_IE_AUTN)
				continue;
			reader_copy(&value, SPAN_MUT_ARRAY(gmm->autn), "autn");
			reader_end(&value, "autn");
			gmm->has_autn = true;
		}
	}
}

struct err gb_gmm_decode(struct span message, struct gb_gmm *gmm, struct wire_fault *fault)
{
	struct reader r = reader_of(message, fault);

	*gmm = (struct gb_gmm){.is_gmm = (reader_u8(&r, "protocol") & 0x0f) == PD_GMM};
	gmm->type = reader_u8(&r, "gmm_type");
	if (!gmm->is_gmm || reader_failed(&r))
		return wire_result(fault);
	switch (gmm->type) {
	case GB_GMM_ATTACH_REJECT:
		gmm->cause = reader_u8(&r, "gmm_cause");
		break;
	case GB_GMM_IDENTITY_REQUEST:
		gmm->identity_type = reader_u8(&r, "identity_type") & 0x07;
		break;
	case GB_GMM_AUTH_REQUEST:
		auth_request_decode(&r, gmm);
		break;
	default: /* its type is all we need of it */
		break;
	}
	return wire_result(fault);
}

static void gmm_header_encode(struct writer *w, enum gb_gmm_type type)
{
	writer_u8(w, PD_GMM);
	writer_u8(w, (uint8_t)type);
}

/* Mobile identity with its length octet [TS 24.008 §10.5.1.4]: digits by halves, low half first. */
static void identity_encode(struct writer *w, enum gb_identity type, const char *digits)
{
	const size_t count = strlen(digits);
	const size_t length = writer_mark(w, 1);
	const unsigned is_odd = count % 2;

	writer_u8(w, (uint8_t)((unsigned)(digits[0] - '0') << 4 | is_odd << 3 | type));
	for (size_t i = 1; i < count; i += 2) {
		const unsigned high = i + 1 < count ? (unsigned)(digits[i + 1] - '0') : 0x0f;
		writer_u8(w, (uint8_t)(high << 4 | (unsigned)(digits[i] - '0')));
	}
	writer_close(w, length, 1);
}

void gb_attach_request_encode(struct writer *w, const char *imsi_digits)
{
	/* A plain GPRS and UMTS capable mobile, without ciphering but GEA/1 [TS 24.008 §10.5.5.12].
	 */
	static const uint8_t network_capability[] = {0x02, 0xf5, 0xe0};
	static const uint8_t old_routing_area[] = {0x00, 0xf1, 0x10, 0xff, 0xfe, 0xff};
	static const uint8_t radio_capability[] = {0x19, 0x18, 0xb3, 0x43, 0x2b, 0x25, 0x96, 0x62,
		0x00, 0x60, 0x80, 0x9a, 0xc2, 0xc6, 0x62, 0x00, 0x60, 0x80, 0xba, 0xc8, 0xc6, 0x62,
		0x00, 0x60, 0x80, 0x00};

	gmm_header_encode(w, GB_GMM_ATTACH_REQUEST);
	writer_span(w, SPAN_ARRAY(network_capability));
	writer_u8(w, 0x71);    /* no key; GPRS attach, no follow-on request */
	writer_u16(w, 0x0a00); /* DRX parameter */
	identity_encode(w, GB_IMSI, imsi_digits);
	writer_span(w, SPAN_ARRAY(old_routing_area));
	writer_span(w, SPAN_ARRAY(radio_capability)); /* its first octet is its length */
}

void gb_identity_response_encode(struct writer *w, enum gb_identity type, const char *digits)
{
	gmm_header_encode(w, GB_GMM_IDENTITY_RESPONSE);
	identity_encode(w, type, digits);
}

void gb_attach_complete_encode(struct writer *w)
{
	gmm_header_encode(w, GB_GMM_ATTACH_COMPLETE);
}

/* RES beyond four octets travels in an element of its own [TS 24.008 §10.5.3.2.1]. */
void gb_auth_response_encode(
	struct writer *w, uint8_t reference, struct span res, const char *imeisv_digits)
{
	const size_t first = res.len < RES_FIRST_OCTETS ? res.len : RES_FIRST_OCTETS;

	gmm_header_encode(w, GB_GMM_AUTH_RESPONSE);
	writer_u8(w, reference);
	writer_u8(w, GMM_IE_RES);
	writer_span(w, span_of(res.at, first));
	if (imeisv_digits != NULL) {
		writer_u8(w, GMM_IE_IMEISV);
		identity_encode(w, GB_IMEISV, imeisv_digits);
	}
	if (res.len > first) {
		writer_u8(w, GMM_IE_RES_EXT);
		writer_u8(w, (uint8_t)(res.len - first));
		writer_span(w, span_of(res.at + first, res.len - first));
	}
}

void gb_auth_failure_encode(struct writer *w, enum gb_gmm_cause cause, struct span auts)
{
	gmm_header_encode(w, GB_GMM_AUTH_FAILURE);
	writer_u8(w, (uint8_t)cause);
	if (auts.len == 0)
		return;
	writer_u8(w, GMM_IE_AUTS);
	writer_u8(w, (uint8_t)auts.len);
	writer_span(w, auts);
}
