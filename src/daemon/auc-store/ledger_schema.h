// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#pragma once
/*
 * What the authentication centre's store keeps. Each table has the shard from the first day; each
 * write names the epoch under which it may happen, so that an owner who has been replaced changes
 * nothing [fencing].
 *
 * Version 2: a subscriber's row says which key-encryption key sealed it, whether he is disabled or
 * removed, what his last resynchronisation did, and when; auc_key keeps the wrapped keys. One who is
 * removed leaves his IMSI and his numbers, so that they do not come again should he: his keys and his
 * MSISDN go. Rows of version 1 were sealed under the root itself: `kek` 0.
 *
 * Rows of an import stand aside in auc_import_row. One without an IMSI closes it: with that row, and not
 * before, the import has happened, whole. Then its rows move, page after page, and the closing row goes
 * with the last of them; after a crash the next owner moves what is left before it serves anybody.
 *
 * WITHOUT ROWID is SQLite's own word; a driver for PostgreSQL leaves it out.
 */
#include "host/store.h"

enum { LEDGER_SHARD = 0 };

/* Columns `flags`. */
enum { LEDGER_DISABLED = 1, LEDGER_REMOVED = 2 };

/* $1 is the shard and, where it says so, $2 our epoch. */
enum ledger_statement {
	LEDGER_EPOCH_NEXT,  /* -> epoch, ceiling of the epoch before */
	LEDGER_CEILING_SET, /* $2 epoch, $3 ceiling */
	LEDGER_INDS,        /* -> ind, domain, node, used */
	LEDGER_IND_SET,     /* $2 epoch, $3 ind, $4 domain, $5 node, $6 used */
	LEDGER_SUBSCRIBERS, /* $2 after imsi, $3 limit -> enum ledger_column, of those not removed */
	LEDGER_LIST,        /* $2 after imsi, $3 limit -> enum ledger_list_column */
	LEDGER_SHOW,        /* $2 imsi -> the same, of one */
	LEDGER_DIF_SET,     /* $2 epoch, $3 imsi, $4 dif, $5 generation, $6 resync, $7 now */
	LEDGER_FLAGS_SET,   /* $2 epoch, $3 imsi, $4 flags, $5 now */
	LEDGER_REMOVE,      /* $2 epoch, $3 imsi, $4 now */
	LEDGER_RESEAL,      /* $2 epoch, $3 imsi, $4 sealed as it was, $5 sealed, $6 kek */
	LEDGER_KEYS,        /* -> id, wrapped, made; ids rise */
	LEDGER_KEY_ADD,     /* $2 epoch, $3 id, $4 wrapped, $5 now */
	LEDGER_KEY_WRAP,    /* $2 epoch, $3 id, $4 wrapped */
	LEDGER_KEY_DROP,    /* $2 epoch, $3 id; not where a row is sealed under it */
	LEDGER_IMPORT_CLEAR, /* $2 epoch; rows of all imports that are not closed */
	LEDGER_IMPORT_ROW, /* $2 import, $3 imsi, $4 sealed, $5 kek, $6 dif, $7 msisdn, $8 algorithm */
	LEDGER_IMPORT_CLOSE,  /* $2 epoch, $3 import: from here on it has happened */
	LEDGER_IMPORT_CLOSED, /* -> import */
	LEDGER_FENCE,         /* $2 epoch: breaks a batch of another owner's */
	LEDGER_IMPORT_MOVE,   /* $2 epoch, $3 import, $4 now, $5 last imsi -> enum ledger_column */
	LEDGER_IMPORT_MOVED,  /* $2 import, $3 last imsi: no more aside */
	LEDGER_IMPORT_NEXT,   /* $2 import, $3 rows of a page less one -> imsi of the last */
	LEDGER_IMPORT_END,    /* $2 import */
	LEDGER_STATEMENTS
};

enum ledger_column {
	COLUMN_IMSI,
	COLUMN_SEALED,
	COLUMN_DIF,
	COLUMN_GENERATION,
	COLUMN_FLAGS,
	COLUMN_RESYNC,
	COLUMN_RESYNCED
};

enum ledger_list_column {
	LIST_IMSI,
	LIST_MSISDN,
	LIST_ALGORITHM,
	LIST_FLAGS,
	LIST_KEK,
	LIST_CREATED,
	LIST_CHANGED,
	LIST_DIF,
	LIST_GENERATION
};

/* Rows that one completion brings: the loop does nothing else while it takes them. */
enum { LEDGER_PAGE = 2000 };

extern const struct store_schema ledger_schema;
