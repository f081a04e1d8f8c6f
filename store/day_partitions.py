"""The daily partitions of the table `changes`: made ahead, so that no block falls into the default one.

Called by the migration and in front of each flush, which asks every three days. A table is made under a lock that waits for
all who read `changes`, a backup for as long as it takes, and behind which everybody else stands: so it is given up at once and
tried again later. There are days to do so, and the default partition takes what comes after them.
"""

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from store.errors import StoreError
from store.postgres import Database

DAYS_AHEAD: Final = 7
_EVERY: Final = timedelta(days=DAYS_AHEAD // 2)
_PUT_OFF: Final = timedelta(minutes=10)
_LOCK_WITHIN: Final = "SET LOCAL lock_timeout = '200ms'"

log = structlog.get_logger()

# The lock keeps two hosts from making the same table at once. A day is skipped when the default partition holds rows of it,
# which happens only after nobody made partitions for a week.
_CREATE = """
DO $$
DECLARE
  wanted date;
  name text;
BEGIN
  PERFORM pg_advisory_xact_lock(hashtext('wedsync day partitions'));
  FOR offset_days IN 0..{days} LOOP
    wanted := (now() AT TIME ZONE 'UTC')::date + offset_days;
    name := 'changes_' || to_char(wanted, 'YYYYMMDD');
    IF to_regclass(name) IS NULL AND NOT EXISTS (SELECT FROM changes_default d WHERE d.day = wanted) THEN
      EXECUTE format('CREATE TABLE %I PARTITION OF changes FOR VALUES FROM (%L) TO (%L)', name, wanted, wanted + 1);
    END IF;
  END LOOP;
END $$
"""


async def keep_ahead(database: Database) -> None:
    """Make them when it is time; what cannot be made now is made later, and nobody fails for it."""
    now = datetime.now(UTC)
    if now < database.days_due_at:
        return
    try:
        await create_ahead(database)
    except StoreError as error:
        log.warning("day_partitions_put_off", error=str(error))
        database.days_due_at = now + _PUT_OFF
    else:
        database.days_due_at = now + _EVERY


async def create_ahead(database: Database) -> None:
    """Make today's partition and those of the next days where they are missing; raises StoreError."""
    async with database.transaction() as connection:
        await connection.execute(_LOCK_WITHIN)
        await connection.execute(_CREATE.format(days=DAYS_AHEAD))
