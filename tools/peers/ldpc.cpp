// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
/*
 * ldpc CODE.qccsc.json QBER FRAMES ITERATIONS: the decoder of LDPC4QKD on one of its quasi-cyclic codes, frames over a
 * binary symmetric channel; decoding alone is timed, in processor time. One JSON line.
 * Built by tools/qkd-peers, outside the project's own build.
 */
#include "LDPC4QKD/rate_adaptive_code.hpp"
#include PEER_JSON
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <random>
#include <vector>

static double cpu_s()
{
	timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return double(t.tv_sec) + 1e-9 * double(t.tv_nsec);
}

struct expanded {
	std::vector<uint32_t> column_starts{0}, rows;
	size_t row_count = 0, column_count = 0;
};

/* Each entry of the file stands for a square of `lift` by `lift`: the identity, rotated. */
static expanded expand(const nlohmann::json &file)
{
	const std::vector<uint64_t> starts = file["colptr"], base_rows = file["rowval"],
				    shifts = file["nzval"];
	const uint64_t lift = file["qc_expansion_factor"], columns = file["n_columns"],
		       rows = file["n_rows"];
	expanded e;

	e.row_count = rows * lift;
	e.column_count = columns * lift;
	for (uint64_t column = 0; column < columns; column++)
		for (uint64_t at = 0; at < lift; at++) {
			std::vector<uint32_t> of_one;
			for (uint64_t i = starts[column]; i < starts[column + 1]; i++)
				of_one.push_back(uint32_t(
					base_rows[i] * lift + (at + lift - shifts[i] % lift) % lift));
			std::sort(of_one.begin(), of_one.end());
			e.rows.insert(e.rows.end(), of_one.begin(), of_one.end());
			e.column_starts.push_back(uint32_t(e.rows.size()));
		}
	return e;
}

int main(int argc, char **argv)
{
	if (argc != 5) {
		std::fprintf(stderr, "usage: ldpc CODE.qccsc.json QBER FRAMES ITERATIONS\n");
		return 2;
	}
	std::ifstream in(argv[1]);
	const expanded code = expand(nlohmann::json::parse(in));
	const double qber = std::atof(argv[2]);
	const int frames = std::atoi(argv[3]), iterations = std::atoi(argv[4]);
	LDPC4QKD::RateAdaptiveCode<uint32_t> matrix(code.column_starts, code.rows);
	std::mt19937_64 random(42);
	std::bernoulli_distribution error(qber);
	double took_s = 0;
	int failed = 0;

	for (int i = 0; i < frames; i++) {
		std::vector<bool> key(code.column_count), noisy, syndrome, solution;
		for (size_t k = 0; k < key.size(); k++)
			key[k] = random() & 1;
		noisy = key;
		for (size_t k = 0; k < key.size(); k++)
			if (error(random))
				noisy[k] = !noisy[k];
		matrix.encode_at_current_rate(key, syndrome);
		const auto likelihoods = LDPC4QKD::llrs_bsc(noisy, qber);
		const double from = cpu_s();
		const bool is_done = matrix.decode_at_current_rate(
			likelihoods, syndrome, solution, size_t(iterations));
		took_s += cpu_s() - from;
		failed += !(is_done && solution == key);
	}
	const double n = double(code.column_count);
	const double h = -qber * std::log2(qber) - (1 - qber) * std::log2(1 - qber);
	std::printf("{\"peer\":\"LDPC4QKD\",\"frame_bits\":%zu,\"qber\":%g,\"f\":%.4f,"
		    "\"mbit_per_s\":%.4f,\"frames\":%d,\"failed\":%d}\n",
		code.column_count, qber, double(code.row_count) / (n * h), frames * n * 1e-6 / took_s,
		frames, failed);
}
