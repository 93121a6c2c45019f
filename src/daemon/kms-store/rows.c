// Copyright (c) the Merlon authors
// SPDX-License-Identifier: Apache-2.0
#include "rows.h"
#include <assert.h>

enum statement {
	LINK_PUT,
	BLOCK_NEW,
	BLOCK_STATE,
	SEGMENT_NEW,
	SEGMENT_ERASE,
	KEY_PUT,
	LOAD_LINKS,
	LOAD_BLOCKS,
	LOAD_SEGMENTS,
	LOAD_KEYS,
	TRACE,
	RECENT,
	BLOCKS,
	STATEMENTS
};

/* `shard` and `epoch` are for sites of several stores; one store has shard 0 and epoch 1. */
static const char *const create[] = {
	"CREATE TABLE link (name TEXT PRIMARY KEY, mark_send INTEGER NOT NULL, mark_accept INTEGER "
	"NOT NULL, "
	"state BLOB)",
	"CREATE TABLE block (seq INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, link TEXT NOT NULL, "
	"state INTEGER NOT NULL, slots INTEGER NOT NULL, exchange_id BLOB, transcript BLOB, proof "
	"BLOB, "
	"secrets BLOB, report TEXT NOT NULL, unix_ms INTEGER NOT NULL, "
	"shard INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 1)",
	"CREATE TABLE segment (block_id BLOB NOT NULL, number INTEGER NOT NULL, wrapped BLOB NOT "
	"NULL, "
	"sealed BLOB NOT NULL, PRIMARY KEY (block_id, number))",
	"CREATE TABLE issued (id BLOB PRIMARY KEY, block_id BLOB NOT NULL, slot INTEGER NOT NULL, "
	"is_ours INTEGER NOT NULL, state INTEGER NOT NULL, size_bits INTEGER NOT NULL, master TEXT "
	"NOT NULL, "
	"slaves TEXT NOT NULL, waiting INTEGER NOT NULL, unix_ms INTEGER NOT NULL)",
	"CREATE INDEX issued_block ON issued (block_id)",
	"CREATE INDEX issued_time ON issued (unix_ms)",
	NULL,
};

#define KEY_COLUMNS                                                                                \
	"i.id, i.block_id, b.exchange_id, b.transcript, i.is_ours, i.state, i.slot, i.size_bits, " \
	"i.waiting, "                                                                              \
	"i.master, i.slaves, b.link, b.report FROM issued i JOIN block b ON b.id = i.block_id "

/* States in numbers are those of kms/shelf.h: blocks 0 to 3 are alive; keys 4 and 6 are delivered and void. */
static const struct store_statement statements[STATEMENTS] = {
	[LINK_PUT] = {"link_put",
		"INSERT INTO link (name, mark_send, mark_accept, state) VALUES ($1, $2, $3, $4) "
		"ON CONFLICT (name) DO UPDATE SET mark_send = excluded.mark_send, "
		"mark_accept = excluded.mark_accept, state = excluded.state"},
	[BLOCK_NEW] = {"block_new", "INSERT INTO block (id, link, state, slots, report, unix_ms) "
				    "VALUES ($1, $2, $3, $4, $5, $6)"},
	[BLOCK_STATE] = {"block_state", "UPDATE block SET state = $2, exchange_id = $3, transcript "
					"= $4, proof = $5, secrets = $6 "
					"WHERE id = $1"},
	[SEGMENT_NEW] = {"segment_new",
		"INSERT INTO segment (block_id, number, wrapped, sealed) VALUES ($1, $2, $3, $4)"},
	[SEGMENT_ERASE] = {"segment_erase",
		"DELETE FROM segment WHERE block_id = $1 AND number = $2"},
	/* What is delivered or void stays so, whatever a mistake of ours would write. */
	[KEY_PUT] = {"key_put",
		"INSERT INTO issued (id, block_id, slot, is_ours, state, size_bits, master, "
		"slaves, waiting, "
		"unix_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
		"ON CONFLICT (id) DO UPDATE SET state = excluded.state, waiting = excluded.waiting "
		"WHERE issued.state NOT IN (4, 6)"},
	[LOAD_LINKS] = {"load_links", "SELECT name, mark_send, mark_accept, state FROM link"},
	[LOAD_BLOCKS] = {"load_blocks", "SELECT id, link, state, slots, exchange_id, transcript, "
					"proof, secrets FROM block ORDER BY seq"},
	[LOAD_SEGMENTS] = {"load_segments",
		"SELECT s.block_id, s.number, s.wrapped, s.sealed FROM segment s "
		"JOIN block b ON b.id = s.block_id WHERE b.state <= 3"},
	[LOAD_KEYS] = {"load_keys",
		"SELECT i.id, i.block_id, i.slot, i.is_ours, i.state, i.size_bits, i.master, "
		"i.slaves, i.waiting "
		"FROM issued i JOIN block b ON b.id = i.block_id WHERE b.state <= 3"},
	[TRACE] = {"trace", "SELECT " KEY_COLUMNS "WHERE i.id = $1"},
	[RECENT] = {"recent", "SELECT " KEY_COLUMNS "ORDER BY i.unix_ms DESC LIMIT 64"},
	[BLOCKS] = {"blocks", "SELECT id, link, state, report, unix_ms FROM block WHERE $1 = '' OR "
			      "link = $1 ORDER BY seq DESC LIMIT $2"},
};

const struct store_schema rows_schema = {.name = "kms",
	.version = 1,
	.create = create,
	.statements = statements,
	.statement_count = STATEMENTS};

static_assert(BLOCK_READY == 3 && KEY_DELIVERED == 4 && KEY_VOID == 6, "numbers in SQL");

/* --- out --- */

static struct store_value blob(const void *at, size_t len)
{
	return len == 0 ? STORE_NULL_VALUE : STORE_BLOB_VALUE(span_of(at, len));
}

static struct store_value text_of(struct span text)
{
	return (struct store_value){.type = STORE_TEXT, .bytes = text};
}

static void add_link(struct store_batch *b, const struct kms_link_row *row)
{
	const struct store_value values[] = {STORE_TEXT_VALUE(row->link),
		STORE_I64_VALUE(row->marks.send), STORE_I64_VALUE(row->marks.accept),
		blob(row->state.at, row->state.len)};

	store_batch_add(b, LINK_PUT, values, ARRAY_LEN(values));
}

static void add_block(struct store_batch *b, const struct kms_block_row *row, int64_t unix_ms)
{
	const struct store_value values[] = {blob(row->id, PEER_ID), STORE_TEXT_VALUE(row->link),
		STORE_I64_VALUE(row->state), STORE_I64_VALUE(row->slots), text_of(row->report),
		STORE_I64_VALUE(unix_ms)};

	store_batch_add(b, BLOCK_NEW, values, ARRAY_LEN(values));
}

static void add_block_state(struct store_batch *b, const struct kms_block_row *row)
{
	const struct store_value values[] = {blob(row->id, PEER_ID), STORE_I64_VALUE(row->state),
		blob(row->exchange_id, PEER_ID), blob(row->transcript, PEER_DIGEST),
		blob(row->proof, PEER_DIGEST), blob(row->secrets.at, row->secrets.len)};

	store_batch_add(b, BLOCK_STATE, values, ARRAY_LEN(values));
}

static void add_segment(struct store_batch *b, const struct kms_segment_row *row)
{
	const struct store_value values[] = {blob(row->block_id, PEER_ID),
		STORE_I64_VALUE(row->number), STORE_BLOB_VALUE(row->wrapped),
		STORE_BLOB_VALUE(row->sealed)};

	store_batch_add(b, SEGMENT_NEW, values, ARRAY_LEN(values));
}

static void add_segment_erase(struct store_batch *b, const struct kms_segment_row *row)
{
	const struct store_value values[] = {
		blob(row->block_id, PEER_ID), STORE_I64_VALUE(row->number)};

	store_batch_add(b, SEGMENT_ERASE, values, ARRAY_LEN(values));
}

static void add_key(struct store_batch *b, const struct kms_key_row *row, int64_t unix_ms)
{
	char slaves[KMS_SLAVES_MAX * (KMS_SAE_MAX + 1)];
	struct writer w = writer_of(span_mut_of(slaves, sizeof slaves));

	for (size_t i = 0; i < row->slave_count; i++) {
		if (i > 0)
			writer_u8(&w, '\n'); /* in no name: names are visible ASCII */
		writer_span(&w, span_of(row->slaves[i].text, row->slaves[i].len));
	}
	const struct store_value values[] = {blob(row->id.octets, KMS_KEY_ID_OCTETS),
		blob(row->block_id, PEER_ID), STORE_I64_VALUE(row->slot),
		STORE_I64_VALUE(row->is_ours), STORE_I64_VALUE(row->state),
		STORE_I64_VALUE(row->size_bits), STORE_TEXT_VALUE(row->master.text),
		text_of(span_of(slaves, w.len)), STORE_I64_VALUE(row->waiting),
		STORE_I64_VALUE(unix_ms)};
	store_batch_add(b, KEY_PUT, values, ARRAY_LEN(values));
}

struct store_batch *rows_batch(const struct kms_change *changes, size_t count, int64_t unix_ms)
{
	struct store_batch *b = store_batch_open();

	for (size_t i = 0; i < count; i++) {
		const struct kms_change *c = &changes[i];
		switch (c->kind) {
		case KMS_CHANGE_LINK:
			add_link(b, &c->link);
			break;
		case KMS_CHANGE_BLOCK:
			add_block(b, &c->block, unix_ms);
			break;
		case KMS_CHANGE_BLOCK_STATE:
			add_block_state(b, &c->block);
			break;
		case KMS_CHANGE_SEGMENT:
			add_segment(b, &c->segment);
			break;
		case KMS_CHANGE_SEGMENT_ERASE:
			add_segment_erase(b, &c->segment);
			break;
		case KMS_CHANGE_KEY:
			add_key(b, &c->key, unix_ms);
			break;
		}
	}
	return b;
}

/* --- and back --- */

static void fixed(uint8_t *out, size_t len, const struct store_value *v)
{
	memset(out, 0, len);
	if (v->type == STORE_BLOB && v->bytes.len == len)
		memcpy(out, v->bytes.at, len);
}

static const char *text(const struct store_value *v)
{
	return v->type == STORE_TEXT && v->bytes.at != NULL ? (const char *)v->bytes.at : "";
}

static void read_link(const struct store_value *v, struct kms_change *c)
{
	c->kind = KMS_CHANGE_LINK;
	c->link = (struct kms_link_row){.link = text(&v[0]),
		.marks = {(uint64_t)v[1].i64, (uint64_t)v[2].i64},
		.state = v[3].bytes};
}

static void read_block(const struct store_value *v, struct kms_change *c)
{
	c->kind = KMS_CHANGE_BLOCK;
	c->block = (struct kms_block_row){.link = text(&v[1]),
		.state = (enum block_state)v[2].i64,
		.slots = (uint32_t)v[3].i64,
		.secrets = v[7].bytes};
	fixed(c->block.id, PEER_ID, &v[0]);
	fixed(c->block.exchange_id, PEER_ID, &v[4]);
	fixed(c->block.transcript, PEER_DIGEST, &v[5]);
	fixed(c->block.proof, PEER_DIGEST, &v[6]);
}

static void read_segment(const struct store_value *v, struct kms_change *c)
{
	c->kind = KMS_CHANGE_SEGMENT;
	c->segment = (struct kms_segment_row){
		.number = (uint32_t)v[1].i64, .wrapped = v[2].bytes, .sealed = v[3].bytes};
	fixed(c->segment.block_id, PEER_ID, &v[0]);
}

/* Names with '\n' between. */
static void slaves_read(struct kms_key_row *row, const char *names)
{
	while (*names != '\0' && row->slave_count < KMS_SLAVES_MAX) {
		const size_t len = strcspn(names, "\n");
		struct kms_name *name = &row->slaves[row->slave_count++];
		name->len = len > KMS_SAE_MAX ? KMS_SAE_MAX : len;
		memcpy(name->text, names, name->len);
		names += len + (names[len] == '\n');
	}
}

static void read_key(const struct store_value *v, struct kms_change *c)
{
	c->kind = KMS_CHANGE_KEY;
	c->key = (struct kms_key_row){.slot = (uint32_t)v[2].i64,
		.is_ours = v[3].i64 != 0,
		.state = (enum key_state)v[4].i64,
		.size_bits = (uint32_t)v[5].i64,
		.waiting = (uint32_t)v[8].i64};
	fixed(c->key.id.octets, KMS_KEY_ID_OCTETS, &v[0]);
	fixed(c->key.block_id, PEER_ID, &v[1]);
	(void)kms_name_set(&c->key.master, text(&v[6]));
	slaves_read(&c->key, text(&v[7]));
}

struct loading {
	struct kms *k;
	struct err err;
	size_t op;
	void (*read)(const struct store_value *values, struct kms_change *c);
};

static void load_rows(void *ctx, struct err err, const struct store_result *result)
{
	struct loading *l = ctx;
	static struct kms_change change;

	l->err = err;
	for (size_t i = 0; !failed(l->err) && i < store_result_rows(result, 0); i++) {
		change = (struct kms_change){0};
		l->read(store_result_row(result, 0, i)->columns, &change);
		l->err = kms_load(l->k, &change);
	}
}

struct err rows_load(struct store *s, struct kms *k, struct complaint *c)
{
	static const struct {
		enum statement statement;
		void (*read)(const struct store_value *values, struct kms_change *c);
	} steps[] = {{LOAD_LINKS, read_link}, {LOAD_BLOCKS, read_block},
		{LOAD_SEGMENTS, read_segment}, {LOAD_KEYS, read_key}};

	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct loading l = {.k = k, .read = steps[i].read};
		struct store_batch *b = store_batch_open();
		store_batch_add(b, steps[i].statement, NULL, 0);
		const struct err e = store_run(s, b, load_rows, &l);
		if (failed(e) || failed(l.err))
			return complain(c, failed(e) ? e : l.err, "database: %s failed: %s",
				statements[steps[i].statement].name,
				err_word(failed(e) ? e : l.err));
	}
	return OK;
}

/* --- queries --- */

struct store_batch *rows_query(enum rows_query query, const struct kms_key_id *id)
{
	struct store_batch *b = store_batch_open();

	if (query == ROWS_TRACE)
		store_batch_add(b, TRACE, &STORE_BLOB_VALUE(SPAN_ARRAY(id->octets)), 1);
	else
		store_batch_add(b, RECENT, NULL, 0);
	return b;
}

void rows_key_read(const struct store_row *row, struct rows_key *key)
{
	const struct store_value *v = row->columns;

	*key = (struct rows_key){.is_ours = v[4].i64 != 0,
		.state = (enum key_state)v[5].i64,
		.slot = (uint32_t)v[6].i64,
		.size_bits = (uint32_t)v[7].i64,
		.waiting = (uint32_t)v[8].i64,
		.master = text(&v[9]),
		.slaves = text(&v[10]),
		.link = text(&v[11]),
		.report = text(&v[12])};
	fixed(key->id.octets, KMS_KEY_ID_OCTETS, &v[0]);
	fixed(key->block_id, PEER_ID, &v[1]);
	fixed(key->exchange_id, PEER_ID, &v[2]);
	fixed(key->transcript, PEER_DIGEST, &v[3]);
}

struct store_batch *rows_blocks_query(const char *link, uint32_t count)
{
	const struct store_value values[] = {STORE_TEXT_VALUE(link), STORE_I64_VALUE(count)};
	struct store_batch *b = store_batch_open();

	store_batch_add(b, BLOCKS, values, ARRAY_LEN(values));
	return b;
}

void rows_block_read(const struct store_row *row, struct rows_block *block)
{
	const struct store_value *v = row->columns;

	*block = (struct rows_block){.link = text(&v[1]),
		.state = (enum block_state)v[2].i64,
		.report = text(&v[3]),
		.unix_ms = v[4].i64};
	fixed(block->id, PEER_ID, &v[0]);
}
