-- Which version of the rules decides from which position of a partition on, and ops that are not decided (design D1).

CREATE TABLE rules_markers (
  partition integer NOT NULL,
  -- Where the marker stands in the log; 0 for the version that the partition began with.
  position bigint NOT NULL CHECK (position >= 0),
  version integer NOT NULL CHECK (version > 0),
  PRIMARY KEY (partition, position)
);

-- A log that is older than this table was decided with the first version; a new one begins with the newest.
INSERT INTO rules_markers (partition, position, version)
SELECT partition, 0, 1 FROM log_identity, generate_series(0, partitions - 1) AS partition;

-- Ops that a process was deciding when it died; `life` names that one start of a host.
CREATE TABLE suspects (
  generation integer NOT NULL,
  partition integer NOT NULL,
  position bigint NOT NULL,
  life text NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, position, life)
);

-- Ops that have killed two processes and are refused; noted before the log is told, so that no flush passes them unaware.
CREATE TABLE skipped_ops (
  partition integer NOT NULL,
  position bigint NOT NULL,
  noted_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (partition, position)
);
