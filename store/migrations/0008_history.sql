-- Reading a wedding's history at any length without looking into every day partition (design D7).

-- The day under which the partition's blocks are stored now; it never goes back, whatever the server's clock does.
ALTER TABLE checkpoints ADD COLUMN day date NOT NULL DEFAULT 'epoch';
UPDATE checkpoints c SET day = last.day
FROM (SELECT partition, max(day) AS day FROM changes GROUP BY partition) AS last WHERE last.partition = c.partition;

-- Where in a wedding's history what lies: its first block of each day, and the block with each rev that 1,000 divides.
CREATE TABLE change_marks (
  kind text NOT NULL,
  id text NOT NULL,
  day date NOT NULL,
  first_rev bigint NOT NULL,
  first_ms bigint NOT NULL,
  PRIMARY KEY (kind, id, day, first_rev)
);
INSERT INTO change_marks (kind, id, day, first_rev, first_ms)
SELECT DISTINCT ON (kind, id, day, last_rev / 1000) kind, id, day, first_rev, first_ms
FROM changes ORDER BY kind, id, day, last_rev / 1000, first_rev;

-- Which blocks hold ops of a client.
CREATE INDEX changes_by_client ON changes USING gin (clients);
