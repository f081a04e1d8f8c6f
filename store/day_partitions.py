"""The daily partitions of the table `changes`: made ahead, so that no block ever falls into the default one.

Called by the migration and, once a day, by the flush.
"""

from typing import Final

from store.postgres import Database

DAYS_AHEAD: Final = 7

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


async def create_ahead(database: Database) -> None:
    """Make today's partition and those of the next days where they are missing; raises StoreError."""
    async with database.connection() as connection:
        await connection.execute(_CREATE.format(days=DAYS_AHEAD))
