// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * Before any other OpenSSL header. OpenSSL has a type named ERR_STATE, and our errors have a kind
 * of that name; here OpenSSL's gets another one.
 */
#define ERR_STATE OPENSSL_ERR_STATE
#include <openssl/types.h>
#include <openssl/err.h>
#undef ERR_STATE
