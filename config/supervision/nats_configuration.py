"""The text of nats-server.conf, for one server and for a cluster: the same for `up` and for machines of one's own.

What differs between servers, and every secret, stands in it as the name of an environment variable, so the text for a cluster
is one fixed file: config/deploy/nats-server.conf, written by `make docs`. `embedded_nats` gives the variables their values.
"""

from typing import Final

from config.supervision.nats_permissions import PERMISSIONS, render_permissions

ACCOUNT_OF_USER: Final = {"host": "APP", "gateway": "APP", "operator": "APP", "auth": "AUTH", "sys": "SYS"}
CLUSTER_SERVERS: Final = 3
"""Three is the least that survives the loss of one."""

ISSUER: Final = "WEDSYNC_NATS_ISSUER"
JETSTREAM_KEY: Final = "WEDSYNC_JETSTREAM_KEY"
LISTEN: Final = "WEDSYNC_NATS_LISTEN"
MONITOR: Final = "WEDSYNC_NATS_MONITOR"
NAME: Final = "WEDSYNC_NATS_NAME"
ROUTE_LISTEN: Final = "WEDSYNC_NATS_ROUTE_LISTEN"
STORE: Final = "WEDSYNC_NATS_STORE"


def password_variable(user: str) -> str:
    """The variable that holds the password of an internal user, or of the routes between the servers."""
    return f"WEDSYNC_NATS_PASSWORD_{user.upper()}"


def route_variable(number: int) -> str:
    """The variable that holds the address, with user and password, at which the others reach this server of the cluster."""
    return f"WEDSYNC_NATS_ROUTE_{number}"


def nats_configuration(*, cluster: bool) -> str:
    """The whole file."""
    users = {user: _user_block(user) for user in ACCOUNT_OF_USER}
    return f"""\
server_name: ${NAME}
listen: ${LISTEN}
http: ${MONITOR}
max_payload: 1MB
write_deadline: "10s"
# Version 2 of the acknowledgement format ends the read loop of the Python client.
feature_flags {{ js_ack_fc_v2: false }}
jetstream {{
  store_dir: ${STORE}
  max_memory_store: 1GB
  # A ceiling for reservations; the streams carry the real limits.
  max_file_store: 1TB
  # A PubAck means "on disk" (D5).
  sync_interval: always
  cipher: aes
  key: ${JETSTREAM_KEY}
}}
{_cluster_block() if cluster else ""}accounts {{
  SYS {{ users: [ {users["sys"]} ] }}
  AUTH {{ users: [ {users["auth"]} ] }}
  APP {{
    jetstream: enabled
    users: [
      {users["host"]}
      {users["gateway"]}
      {users["operator"]}
    ]
  }}
}}
system_account: SYS
authorization {{
  timeout: 5
  auth_callout {{ issuer: ${ISSUER}, account: AUTH, auth_users: [ {", ".join(ACCOUNT_OF_USER)} ] }}
}}
"""


def _cluster_block() -> str:
    routes = "".join(f"    ${route_variable(number)}\n" for number in range(1, CLUSTER_SERVERS + 1))
    return f"""\
cluster {{
  name: wedsync
  listen: ${ROUTE_LISTEN}
  authorization {{ user: route, password: ${password_variable("route")}, timeout: 5 }}
  routes: [
{routes}  ]
}}
"""


def _user_block(user: str) -> str:
    permissions = render_permissions(PERMISSIONS[user]) if user in PERMISSIONS else ""
    return f"{{ user: {user}, password: ${password_variable(user)}{permissions} }}"
