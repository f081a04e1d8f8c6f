-- The armed timers of all weddings, so that a TIMERS stream that was lost can be filled again (design D6).

CREATE TABLE timers (
  kind text NOT NULL,
  id text NOT NULL,
  timer text NOT NULL,
  partition integer NOT NULL,
  -- Which of the wedding's armings this is; the firing of an earlier one is ignored by the fold.
  number bigint NOT NULL,
  -- Unix milliseconds; null: cancelled, and its schedule is still to be taken out of TIMERS.
  due_ms bigint,
  -- The log entry of the firing.
  body bytea NOT NULL,
  -- When TIMERS acknowledged the schedule last; null: it is still to be sent.
  sent_at timestamptz,
  PRIMARY KEY (kind, id, timer)
);
CREATE INDEX timers_to_send ON timers (partition) WHERE sent_at IS NULL;
CREATE INDEX timers_by_due ON timers (partition, due_ms) WHERE sent_at IS NOT NULL;
