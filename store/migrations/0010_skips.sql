-- Skipped ops belong to a generation of the log, and no flush passes one unaware (design D1, D12).

ALTER TABLE skipped_ops ADD COLUMN generation integer NOT NULL DEFAULT 1;
ALTER TABLE skipped_ops ALTER COLUMN generation DROP DEFAULT;

-- The highest position above the checkpoint that is skipped; 0 for none.
ALTER TABLE checkpoints ADD COLUMN skipped bigint NOT NULL DEFAULT 0;
