-- Stored decisions: one compressed block per wedding and flush, and what follows from them (design D6, D7).

CREATE TABLE changes (
  kind text NOT NULL,
  id text NOT NULL,
  first_rev bigint NOT NULL,
  last_rev bigint NOT NULL,
  partition integer NOT NULL,
  last_position bigint NOT NULL,
  -- The wedding's clock at the first and the last decision, Unix milliseconds.
  first_ms bigint NOT NULL,
  last_ms bigint NOT NULL,
  -- "<principal>/<client>" -> [lowest, highest number], to find one op again.
  clients jsonb NOT NULL,
  block bytea NOT NULL,
  -- The day on which it was written, by the database's clock.
  day date NOT NULL DEFAULT (now() AT TIME ZONE 'UTC')::date,
  PRIMARY KEY (kind, id, first_rev, day)
) PARTITION BY RANGE (day);

-- The blocks are compressed already.
ALTER TABLE changes ALTER COLUMN block SET STORAGE EXTERNAL;
-- How the projections follow.
CREATE INDEX changes_by_position ON changes (partition, last_position);

CREATE TABLE changes_default PARTITION OF changes DEFAULT;

CREATE TABLE snapshots (
  kind text NOT NULL,
  id text NOT NULL,
  rev bigint NOT NULL,
  partition integer NOT NULL,
  position bigint NOT NULL,
  format integer NOT NULL,
  state bytea NOT NULL,
  taken_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (kind, id, rev)
);
ALTER TABLE snapshots ALTER COLUMN state SET STORAGE EXTERNAL;

CREATE TABLE outbox (
  ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id text NOT NULL UNIQUE,
  partition integer NOT NULL,
  subject text NOT NULL,
  payload bytea NOT NULL
);
CREATE INDEX outbox_by_partition ON outbox (partition, ordinal);
