// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "qkd.h"
#include <string.h>

const struct alarm_kind qkd_alarm_eavesdropping = {"qkd_eavesdropping_suspected", ALARM_CRITICAL,
	"The errors or counts on the quantum channel are those of an attack. No key leaves such a "
	"block. "
	"Inspect the fibre."};
const struct alarm_kind qkd_alarm_pads_low = {"qkd_pads_low", ALARM_MAJOR,
	"Few authentication pads are left. At none the link stops and needs a new bootstrap "
	"secret."};
const struct alarm_kind qkd_alarm_link_down = {"qkd_link_down", ALARM_MAJOR,
	"The other end of the quantum link cannot be reached. Check its process, the route and the "
	"certificates."};
const struct alarm_kind qkd_alarm_ends_differ = {"qkd_ends_differ", ALARM_MAJOR,
	"The ends of the quantum link are set differently and make no key. Compare CONFIG at both "
	"ends, and the version of Merlon."};
const struct alarm_kind qkd_alarm_driver_silent = {"qkd_driver_silent", ALARM_MAJOR,
	"The optical device sends nothing. Check the device, its driver and the socket."};
const struct alarm_kind qkd_alarm_device = {"qkd_device_off", ALARM_MAJOR,
	"The optical device's own monitors say that it does not keep what the proof assumes of it, "
	"or "
	"say nothing. No key leaves such a block. Calibrate or replace it."};
const struct alarm_kind qkd_alarm_random = {"qkd_random_fault", ALARM_CRITICAL,
	"A source of randomness failed its health test. Nothing is drawn from it until the process "
	"is started again and the test passes."};
const struct alarm_kind qkd_alarm_authentication = {"qkd_tag_wrong", ALARM_CRITICAL,
	"A block's authentication tag does not verify: somebody changed the classical channel, or "
	"the ends' pads differ."};
const struct alarm_kind qkd_alarm_block_aborted = {"qkd_block_aborted", ALARM_WARNING,
	"The last block gave no key. One is ordinary; many in a row mean a badly adjusted link."};
const struct alarm_kind qkd_alarm_store = {"qkd_store_refused", ALARM_MAJOR,
	"The key store does not take blocks or pad marks: no key is made."};
const struct alarm_kind qkd_alarm_desynchronised = {"qkd_pads_desynchronised", ALARM_CRITICAL,
	"The ends do not agree on their authentication pads (restored backup, or different "
	"bootstrap secrets). "
	"The link stays closed until both ends get a new bootstrap secret."};

static const struct {
	const char *word;
	const struct alarm_kind *alarm;
} reasons[QKD_ABORTS] = {
	[QKD_GOES_ON] = {"none", NULL},
	[QKD_TOO_FEW_COUNTS] = {"too_few_counts", &qkd_alarm_block_aborted},
	[QKD_QBER_TOO_HIGH] = {"qber_too_high", &qkd_alarm_eavesdropping},
	[QKD_DECOY_INCONSISTENT] = {"decoy_inconsistent", &qkd_alarm_eavesdropping},
	[QKD_NO_SECRET] = {"no_secret_bits", &qkd_alarm_block_aborted},
	[QKD_NOT_CORRECTED] = {"not_corrected", &qkd_alarm_block_aborted},
	[QKD_VERIFICATION_FAILED] = {"verification_failed", &qkd_alarm_block_aborted},
	[QKD_TAG_WRONG] = {"tag_wrong", &qkd_alarm_authentication},
	[QKD_PADS_LOW] = {"pads_low", &qkd_alarm_pads_low},
	[QKD_STORE_REFUSED] = {"store_refused", &qkd_alarm_store},
	[QKD_DATA_ABSENT] = {"data_absent", NULL},
	[QKD_PROTOCOL] = {"protocol", &qkd_alarm_block_aborted},
	[QKD_PEER_SILENT] = {"peer_silent", &qkd_alarm_link_down},
	[QKD_NO_ENTROPY] = {"no_entropy", &qkd_alarm_block_aborted},
	[QKD_BLINDED] = {"detectors_blinded", &qkd_alarm_eavesdropping},
	[QKD_DETECTORS_UNEQUAL] = {"detectors_unequal", &qkd_alarm_eavesdropping},
	[QKD_INTENSITY_OFF] = {"intensity_off", &qkd_alarm_device},
	[QKD_MONITOR_SILENT] = {"monitor_silent", &qkd_alarm_device},
	[QKD_RANDOM_FAULT] = {"random_fault", &qkd_alarm_random},
	[QKD_DOUBLE_CLICKS] = {"double_clicks_excess", &qkd_alarm_eavesdropping},
};

const char *qkd_abort_word(enum qkd_abort reason)
{
	return (unsigned)reason < QKD_ABORTS ? reasons[reason].word : "unknown";
}

const struct alarm_kind *qkd_abort_alarm(enum qkd_abort reason)
{
	return (unsigned)reason < QKD_ABORTS ? reasons[reason].alarm : &qkd_alarm_block_aborted;
}

const char *qkd_protocol_word(enum qkd_protocol protocol)
{
	switch (protocol) {
	case QKD_TWO_DECOY:
		return "two-decoy";
	case QKD_ONE_DECOY:
		return "one-decoy";
	}
	return NULL;
}

bool qkd_protocol_read(const char *word, enum qkd_protocol *protocol)
{
	for (*protocol = QKD_TWO_DECOY; *protocol <= QKD_ONE_DECOY; (*protocol)++)
		if (strcmp(word, qkd_protocol_word(*protocol)) == 0)
			return true;
	return false;
}

const double qkd_qber_max = 0.08;

void qkd_limits(struct qkd_parameters *p, uint32_t key_bits)
{
	enum { KEY_PER_CENT = 40, TEST_PER_CENT = 1, FINAL_BITS = 4096 };

	p->key_bits_min = key_bits / 100 * KEY_PER_CENT;
	p->test_bits_min = key_bits / 100 * TEST_PER_CENT;
	p->final_bits_min = FINAL_BITS;
}

static bool is_probability(double v)
{
	return v > 0 && v < 1;
}

static struct err intensities_check(const struct qkd_parameters *p, struct complaint *c)
{
	const double *mu = p->intensity;

	if (p->protocol == QKD_ONE_DECOY) {
		if (mu[0] > mu[1] && mu[1] > 0 && mu[0] < 2)
			return OK;
		return complain(c, ERR(INPUT), "intensities must satisfy mu1 > mu2 > 0, not %g %g",
			mu[0], mu[1]);
	}
	if (mu[0] > mu[1] + mu[2] && mu[1] > mu[2] && mu[2] >= 0 && mu[0] < 2)
		return OK;
	return complain(c, ERR(INPUT),
		"intensities must satisfy mu1 > mu2 + mu3 and mu2 > mu3 >= 0, not %g %g %g", mu[0],
		mu[1], mu[2]);
}

static struct err probabilities_check(const struct qkd_parameters *p, struct complaint *c)
{
	const double *q = p->probability;
	const bool is_one = p->protocol == QKD_ONE_DECOY;
	const double sum = q[0] + q[1] + (is_one ? 0 : q[2]);

	if (is_probability(q[0]) && is_probability(q[1]) && (is_one || is_probability(q[2])) &&
		sum > 0.999999 && sum < 1.000001)
		return OK;
	return complain(c, ERR(INPUT),
		"probabilities of the intensities must be positive and sum to 1, not %g %g %g",
		q[0], q[1], q[2]);
}

struct err qkd_parameters_check(const struct qkd_parameters *p, struct complaint *c)
{
	struct err e = intensities_check(p, c);

	if (!failed(e))
		e = probabilities_check(p, c);
	if (failed(e))
		return e;
	if (!is_probability(p->basis_x))
		return complain(
			c, ERR(INPUT), "the probability of the key basis must lie between 0 and 1");
	if (!is_probability(p->eps_sec) || !is_probability(p->eps_cor))
		return complain(c, ERR(INPUT), "eps_sec and eps_cor must lie between 0 and 1");
	if (!(p->qber_max > 0 && p->qber_max <= 0.25))
		return complain(c, ERR(INPUT), "qber_max must lie between 0 and 0.25");
	return OK;
}
