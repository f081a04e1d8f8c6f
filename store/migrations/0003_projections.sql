-- What people query; it may lag behind and is never read back by the core (design D7).

CREATE TABLE projection_positions (
  partition integer PRIMARY KEY,
  position bigint NOT NULL,
  -- The day of the last projected block: where to look on.
  day date NOT NULL
);

CREATE TABLE collaboration_events (
  wedding_id text NOT NULL,
  channel text NOT NULL,
  sequence bigint NOT NULL,
  op_id text NOT NULL,
  type text NOT NULL,
  user_id text NOT NULL,
  occurred_at timestamptz NOT NULL,
  data json NOT NULL,
  PRIMARY KEY (wedding_id, channel, sequence)
);
CREATE INDEX collaboration_events_by_time ON collaboration_events USING brin (occurred_at);

CREATE TABLE collaboration_sessions (
  session_id text PRIMARY KEY,
  wedding_id text NOT NULL,
  user_id text NOT NULL,
  client_id text NOT NULL,
  gateway text NOT NULL,
  boot text NOT NULL,
  opened_at timestamptz NOT NULL,
  closed_at timestamptz
);
CREATE INDEX collaboration_sessions_by_wedding ON collaboration_sessions (wedding_id, opened_at);
CREATE INDEX collaboration_sessions_open ON collaboration_sessions (gateway, boot) WHERE closed_at IS NULL;

CREATE TABLE user_presence (
  wedding_id text NOT NULL,
  user_id text NOT NULL,
  gateway text NOT NULL,
  boot text NOT NULL,
  -- Null when the person has left.
  presence jsonb,
  updated_at timestamptz NOT NULL,
  PRIMARY KEY (wedding_id, user_id)
);
CREATE INDEX user_presence_present ON user_presence (gateway, boot) WHERE presence IS NOT NULL;

CREATE TABLE websocket_connections (
  connection_id text PRIMARY KEY,
  session_id text NOT NULL,
  wedding_id text NOT NULL,
  user_id text NOT NULL,
  gateway text NOT NULL,
  boot text NOT NULL,
  opened_at timestamptz NOT NULL,
  closed_at timestamptz,
  close_code integer
);
CREATE INDEX websocket_connections_open ON websocket_connections (gateway, boot) WHERE closed_at IS NULL;
