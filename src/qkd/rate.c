// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "rate.h"
#include <math.h>
#include <string.h>

static size_t intensities(const struct qkd_parameters *p)
{
	return p->protocol == QKD_ONE_DECOY ? 2 : 3;
}

/* Detections and errors a pulse, by intensity, weighted by how often it is sent. */
static void gains(const struct rate_channel *c, const struct qkd_parameters *p,
	double gain[QKD_INTENSITIES], double wrong[QKD_INTENSITIES])
{
	const double eta = pow(10, -c->loss_db / 10) * c->efficiency;

	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		const double part = k < intensities(p) ? p->probability[k] : 0;
		const double arrives = exp(-eta * p->intensity[k]);
		const double seen = 1 - (1 - 2 * c->dark_count) * arrives;
		gain[k] = part * seen * (1 + c->afterpulse);
		wrong[k] = part * (c->dark_count + c->misalignment * (1 - arrives) +
					  c->afterpulse * seen / 2);
	}
}

static double sum(const double n[QKD_INTENSITIES])
{
	return n[0] + n[1] + n[2];
}

static double final_bits(const struct rate_channel *c, const struct qkd_parameters *p,
	double key_bits, struct rate *r)
{
	const double leak =
		key_bits * estimate_entropy(r->qber) * c->correction_f * (c->is_two_way ? 2 : 1);
	const struct estimate *e = &r->estimate;

	memset(&r->estimate, 0, sizeof r->estimate);
	estimate_bounds(&r->counts, p, &r->estimate);
	if (!(e->key_single > 0) || !(e->test_single > 0) || e->phase_error >= 0.5)
		return 0;
	return fmax(0, estimate_final_bits(e, p, leak, log2(2 / p->eps_cor)));
}

void rate_expect(const struct rate_channel *channel, const struct qkd_parameters *p,
	double key_bits, struct rate *out)
{
	double gain[QKD_INTENSITIES], wrong[QKD_INTENSITIES];
	const double x = p->basis_x * p->basis_x, z = (1 - p->basis_x) * (1 - p->basis_x);

	memset(out, 0, sizeof *out);
	gains(channel, p, gain, wrong);
	const double total = sum(gain);
	const double alive = 1 / (1 + channel->clock_hz * total * channel->dead_time_s);
	out->pulses = key_bits / (alive * x * total);
	out->qber = sum(wrong) / total;
	out->detections = out->pulses * alive * total;
	for (size_t k = 0; k < QKD_INTENSITIES; k++) {
		out->counts.key[k] = out->pulses * alive * x * gain[k];
		out->counts.key_errors[k] = out->pulses * alive * x * wrong[k];
		out->counts.test[k] = out->pulses * alive * z * gain[k];
		out->counts.test_errors[k] = out->pulses * alive * z * wrong[k];
	}
	out->final_bits = final_bits(channel, p, key_bits, out);
	out->bits_per_pulse = out->final_bits / out->pulses;
	out->bits_per_s = out->bits_per_pulse * channel->clock_hz;
}

double rate_asymptotic(double eta, double intensity, double yield_0, double misalignment,
	double correction_f, double sifting)
{
	const double seen = 1 - exp(-eta * intensity), gain = yield_0 + seen;
	const double qber = (yield_0 / 2 + misalignment * seen) / gain;
	const double yield_1 = yield_0 + eta;
	const double error_1 = (yield_0 / 2 + misalignment * eta) / yield_1;
	const double single = yield_1 * intensity * exp(-intensity);

	return sifting * (single * (1 - estimate_entropy(error_1)) -
				 gain * correction_f * estimate_entropy(qber));
}
