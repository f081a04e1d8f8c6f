-- Which log the database belongs to, and how far each of its partitions has been read and stored (design D7, D12).

CREATE TABLE log_identity (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  stream_id text NOT NULL,
  generation integer NOT NULL CHECK (generation > 0),
  partitions integer NOT NULL CHECK (partitions > 0),
  streams integer NOT NULL CHECK (streams > 0),
  created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE checkpoints (
  partition integer PRIMARY KEY,
  generation integer NOT NULL,
  position bigint NOT NULL CHECK (position >= 0),
  moved_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);
