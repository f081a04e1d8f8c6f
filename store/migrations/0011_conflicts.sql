-- Every conflict there ever was, for people who query; like collaboration_events it may lag behind (design D7, docs/conflicts.md).

CREATE TABLE conflicts (
  wedding_id text NOT NULL,
  conflict_id text NOT NULL,
  channel text NOT NULL,
  record jsonb NOT NULL,
  recorded_at timestamptz NOT NULL,
  changed_at timestamptz NOT NULL,
  status text GENERATED ALWAYS AS (record ->> 'status') STORED,
  strategy text GENERATED ALWAYS AS (record ->> 'strategy') STORED,
  priority text GENERATED ALWAYS AS (record ->> 'priority') STORED,
  PRIMARY KEY (wedding_id, conflict_id)
);
CREATE INDEX conflicts_open ON conflicts (wedding_id, priority) WHERE status = 'open';
CREATE INDEX conflicts_by_time ON conflicts USING brin (recorded_at);
