-- What an operator must know of the log: alarms, scrubs, and re-seedings with the ops that they carry over (design D12).

CREATE TABLE alarms (
  name text NOT NULL,
  -- Who raised it: the id of a host or gateway, or the name of a command.
  source text NOT NULL,
  message text NOT NULL,
  raised_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (name, source)
);

CREATE TABLE scrubs (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  started_at timestamptz NOT NULL,
  finished_at timestamptz NOT NULL DEFAULT now(),
  -- Stream -> [first, last] position that was compared.
  ranges jsonb NOT NULL,
  messages bigint NOT NULL,
  decisions bigint NOT NULL,
  differences bigint NOT NULL
);

CREATE TABLE reseeds (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  started_at timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz,
  old_stream_id text NOT NULL,
  new_stream_id text NOT NULL,
  generation integer NOT NULL,
  -- Set when everything that is carried over lies in reseed_carried.
  saved boolean NOT NULL DEFAULT false
);
CREATE UNIQUE INDEX reseeds_unfinished ON reseeds ((finished_at IS NULL)) WHERE finished_at IS NULL;

CREATE TABLE reseed_streams (
  reseed bigint NOT NULL REFERENCES reseeds,
  stream integer NOT NULL,
  -- The first position of the new stream.
  first_position bigint NOT NULL,
  carried bigint NOT NULL DEFAULT 0,
  -- [[first, last], ...]: positions above the checkpoints that could not be read.
  lost jsonb NOT NULL DEFAULT '[]',
  PRIMARY KEY (reseed, stream)
);

CREATE TABLE reseed_carried (
  reseed bigint NOT NULL REFERENCES reseeds,
  stream integer NOT NULL,
  position bigint NOT NULL,
  subject text NOT NULL,
  payload bytea NOT NULL,
  PRIMARY KEY (reseed, stream, position)
);
