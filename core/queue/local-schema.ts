/**
 * The schema of queue.db: what is still owed to whom. Rows that change (recipients) are small; what is written once
 * (the message and its body) stands apart from them.
 */

/** Statements that lead from version n to n + 1. Never edited once released. */
export const QUEUE_MIGRATIONS: readonly string[] = [
  `CREATE TABLE message (
     number INTEGER PRIMARY KEY,
     id TEXT NOT NULL UNIQUE,
     accepted_at INTEGER NOT NULL,
     expires_at INTEGER NOT NULL,
     reverse_path TEXT NOT NULL,
     -- octets as they will be sent
     size INTEGER NOT NULL,
     -- JSON
     origin TEXT NOT NULL,
     head BLOB NOT NULL,
     content_offset INTEGER NOT NULL,
     -- file of the body below the spool folder; NULL: the body is in its table
     spool TEXT,
     -- octets of the body, where it is in the spool
     spool_size INTEGER NOT NULL
   ) STRICT;

   CREATE TABLE body (
     message INTEGER PRIMARY KEY,
     bytes BLOB NOT NULL
   ) STRICT;

   CREATE TABLE recipient (
     message INTEGER NOT NULL,
     -- place in the envelope, from 0
     position INTEGER NOT NULL,
     address TEXT NOT NULL,
     route TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('due', 'held', 'delivered')),
     due_at INTEGER NOT NULL,
     -- when it may be claimed: due_at, or the end of its lease
     ready_at INTEGER NOT NULL,
     attempts INTEGER NOT NULL,
     lease_owner TEXT,
     -- number of the lease; grows for ever, also when a lease is given back
     fence INTEGER NOT NULL,
     -- reason of the hold, or what the last attempt met
     detail TEXT NOT NULL,
     PRIMARY KEY (message, position)
   ) STRICT, WITHOUT ROWID;
   CREATE INDEX recipient_ready ON recipient (ready_at) WHERE state = 'due';
   CREATE INDEX recipient_route ON recipient (route, ready_at) WHERE state = 'due';

   -- One row, written with each transaction that changes it: counting a long queue would hold up every commit, and
   -- triggers nearly double what a message costs.
   CREATE TABLE tally (
     messages INTEGER NOT NULL,
     bytes INTEGER NOT NULL,
     due INTEGER NOT NULL,
     held INTEGER NOT NULL,
     leased INTEGER NOT NULL
   ) STRICT;
   INSERT INTO tally VALUES (0, 0, 0, 0, 0);`,
  // The table anew: a CHECK cannot be changed.
  `ALTER TABLE message ADD COLUMN
     -- JSON of RET and ENVID; NULL: neither was given
     dsn TEXT;

   CREATE TABLE recipient_2 (
     message INTEGER NOT NULL,
     -- place in the envelope, from 0
     position INTEGER NOT NULL,
     address TEXT NOT NULL,
     route TEXT NOT NULL,
     state TEXT NOT NULL CHECK (state IN ('due', 'held', 'delivered', 'bounced')),
     due_at INTEGER NOT NULL,
     -- when it may be claimed: due_at, or the end of its lease
     ready_at INTEGER NOT NULL,
     attempts INTEGER NOT NULL,
     lease_owner TEXT,
     -- number of the lease; grows for ever, also when a lease is given back
     fence INTEGER NOT NULL,
     -- reason of the hold, or what the last attempt met
     detail TEXT NOT NULL,
     -- JSON of NOTIFY and ORCPT; NULL: neither was given
     dsn TEXT,
     -- 1: the sender has been told of the delay
     delay_told INTEGER NOT NULL DEFAULT 0,
     PRIMARY KEY (message, position)
   ) STRICT, WITHOUT ROWID;
   INSERT INTO recipient_2 (message, position, address, route, state, due_at, ready_at, attempts, lease_owner, fence,
     detail)
     SELECT message, position, address, route, state, due_at, ready_at, attempts, lease_owner, fence, detail
     FROM recipient;
   DROP TABLE recipient;
   ALTER TABLE recipient_2 RENAME TO recipient;
   CREATE INDEX recipient_ready ON recipient (ready_at) WHERE state = 'due';
   CREATE INDEX recipient_route ON recipient (route, ready_at) WHERE state = 'due';`,
  `ALTER TABLE recipient ADD COLUMN
     -- how often its route was changed after acceptance
     reroutes INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE recipient ADD COLUMN
     -- 1: its route was changed, and no attempt has counted since
     rerouted INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE recipient ADD COLUMN
     -- 1: an operator let it go from hold
     released INTEGER NOT NULL DEFAULT 0;`,
  `ALTER TABLE recipient ADD COLUMN
     -- leases that ended without an outcome since the last one; beyond the first those of a begun attempt alone
     reclaims INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE recipient ADD COLUMN
     -- 1: an attempt has begun under this lease; only written where a lease was reclaimed before
     begun INTEGER NOT NULL DEFAULT 0;
   ALTER TABLE recipient ADD COLUMN
     -- why an operator gives it up; NULL: nobody does
     bounce TEXT;
   ALTER TABLE recipient ADD COLUMN
     -- CRC-32 of what changes only with the route; NULL: stored by an older release
     checksum INTEGER;
   ALTER TABLE message ADD COLUMN
     -- CRC-32 of the columns that never change; NULL: stored by an older release
     envelope_checksum INTEGER;
   ALTER TABLE message ADD COLUMN
     -- CRC-32 of head and body, of the head alone where the body is in the spool
     content_checksum INTEGER;
   ALTER TABLE message ADD COLUMN
     -- CRC-32 of the spool file
     spool_checksum INTEGER;

   CREATE INDEX recipient_bounce ON recipient (ready_at) WHERE state = 'due' AND bounce IS NOT NULL;

   -- Destinations nothing is sent to for a while, by an operator's word.
   CREATE TABLE suspension (
     route TEXT PRIMARY KEY,
     reason TEXT NOT NULL,
     since INTEGER NOT NULL,
     -- NULL: until it is resumed
     until INTEGER
   ) STRICT, WITHOUT ROWID;`,
]
