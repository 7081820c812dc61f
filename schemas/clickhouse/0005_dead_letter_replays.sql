-- Which dead letters are replayed. A row says what became of one claim to replay one dead letter; rows are only ever added.
--
-- A claim is recorded before the record is produced, and is lost with the server's memory if it is not on the disk: hence
-- the fsync. A claim that is neither withdrawn nor produced stands for ever: nobody knows whether its record was produced.
CREATE TABLE IF NOT EXISTS dead_letter_replays
(
    topic           LowCardinality(String),
    partition       Int32,
    offset          Int64,
    claim           String COMMENT 'of one process, for one group of dead letters',
    state           Enum8('claimed' = 1, 'withdrawn' = 2, 'produced' = 3),
    produced_offset Int64 DEFAULT -1 COMMENT 'where the replay stands, in the same topic and partition; -1 where it is not produced',
    changed_at      DateTime64(3, 'UTC') DEFAULT now64(3)
)
ENGINE = MergeTree
ORDER BY (topic, partition, offset)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;

-- One row for every dead letter with a claim that stands; those without one may be replayed.
CREATE VIEW IF NOT EXISTS dead_letter_replay_states AS
SELECT
    topic,
    partition,
    offset,
    max(outcome = 'produced') AS replayed,
    max(outcome_offset) AS replay_offset,
    min(staked_at) AS claimed_at
FROM
(
    SELECT
        topic,
        partition,
        offset,
        claim,
        max(state) AS outcome,
        max(produced_offset) AS outcome_offset,
        min(changed_at) AS staked_at
    FROM dead_letter_replays
    GROUP BY topic, partition, offset, claim
)
WHERE outcome != 'withdrawn'
GROUP BY topic, partition, offset;
