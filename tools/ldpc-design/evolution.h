// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Density evolution: at which error rate a decoder of LDPC codes stops to work, from the degrees of the code alone.
 *
 * For long codes without short cycles the distribution of the decoder's messages after each iteration follows from the one before
 * [Richardson, Urbanke, "The capacity of low-density parity-check codes under message-passing decoding", IEEE Trans. Inf. Theory 47
 * (2001) 599]. By symmetry the key of zeros is enough: a message below zero is an error. Messages here are whole numbers, as in the
 * decoder, so that a distribution is an array:
 *
 *   to a column   a column of degree d sums the channel's value and d - 1 messages; the posterior, all d, says how many bits are wrong
 *   to a check    the sign is the product of signs; sizes are added as Gallager's phi(x) = -ln tanh(x / 2) [Gallager, "Low-density
 *                 parity-check codes", 1963], in steps, up to a largest sum. Over sums, sign + and - are added and subtracted;
 *                 both arrays of a row are powers under convolution
 *
 * Rows have two neighbouring degrees, as even as the edges allow. The decoder in mind (evolution_decoder): messages up to 25 steps of
 * 1/3 nat, posteriors up to 127 steps, sums of phi in 8 bits, the channel's value rounded to steps. What differs from it:
 *
 *   - Iterations are flooding: all columns, then all rows. The decoder is layered and needs about half as many.
 *   - The message for a sum of phi is the best one, the log-likelihood that this sum has in this iteration. The decoder's table is fixed.
 *   - Sums are in steps of 1/100. The decoder keeps two scales, and leaves a bit's own share out for the least reliable bit only.
 *   - Codes are endless. A frame of 2^16 or 2^20 bits has cycles, and a threshold of its own a little lower.
 *
 * So thresholds rank distributions; how far the codes get is measured with codes.
 */
#include <stdbool.h>

enum {
	EVOLUTION_DEGREE_MIN = 2,
	EVOLUTION_DEGREE_MAX = 30,
};

struct evolution_model {
	unsigned steps_a_nat;                /* of messages and posteriors */
	unsigned message_max, posterior_max; /* steps */
	unsigned sum_steps_a_unit, sum_max;  /* of phi */
};

extern const struct evolution_model evolution_decoder;

/* The bounds of a model. */
enum {
	EVOLUTION_MESSAGE_MAX = 63,
	EVOLUTION_POSTERIOR_MAX = 255,
	EVOLUTION_SUM_MAX = 255,
};

/* Of the columns, the share that each degree has; together 1. */
struct evolution_columns {
	double share[EVOLUTION_DEGREE_MAX + 1];
};

double evolution_mean_degree(const struct evolution_columns *columns);

/* Shannon's binary entropy, 0 < p < 1/2, and its inverse. */
double evolution_entropy(double p);
double evolution_entropy_inverse(double bits);

struct evolution;

/* NULL: no memory. checks_a_bit, R, is what f = R / h(p) counts as told. */
struct evolution *evolution_open(const struct evolution_model *model, double checks_a_bit);
void evolution_close(struct evolution *evolution);

/* What the channel says of a bit: steps. It is set for the error rate at which f is about 1.07. */
unsigned evolution_channel(const struct evolution *evolution);

/* Fewer than 10^-6 of the bits wrong within so many iterations? */
bool evolution_converges(struct evolution *evolution, const struct evolution_columns *columns,
	double qber, unsigned iterations);

/* The highest error rate at which it converges, to 10^-4 of itself; 0 where it does not with f below 3. */
double evolution_threshold(
	struct evolution *evolution, const struct evolution_columns *columns, unsigned iterations);
