-- Which token a session was opened with, and the tokens that hold no longer (docs/protocol.md, "Sessions").

ALTER TABLE collaboration_sessions ADD COLUMN token_id text NOT NULL DEFAULT '';

CREATE TABLE revocations (
  ordinal bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  wedding_id text NOT NULL,
  user_id text NOT NULL,
  -- One token; empty: every token of the person for this wedding that was issued before.
  token_id text NOT NULL,
  issued_before timestamptz NOT NULL,
  -- When the last token that it may concern has ended.
  keep_until timestamptz NOT NULL,
  revoked_by text NOT NULL
);
CREATE INDEX revocations_by_end ON revocations (keep_until);
