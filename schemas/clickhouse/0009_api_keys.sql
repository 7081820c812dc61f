-- What became of the keys of the query API. Rows are only ever added, and mean the same in whatever order they are read: a key that
-- was revoked stays so, whoever rotates it at the same moment.
--
-- Of a key's secret there is a hash alone, made with a secret that is not here: who reads this table can neither use a key nor
-- make one. A revocation that was acknowledged must not be lost with the server's memory: hence the fsync.
CREATE TABLE IF NOT EXISTS api_keys
(
    key_id         String COMMENT 'as it stands in the key, fw_<key_id>_<secret>; no secret',
    fact           Enum8('created' = 1, 'rotated' = 2, 'revoked' = 3),
    at             DateTime64(3, 'UTC'),
    name           String COMMENT 'whose it is, or what for; of created',
    scopes         Array(String) COMMENT 'of created',
    expires_at     DateTime64(3, 'UTC') COMMENT '1970-01-01 where it does not expire; of created',
    digest         FixedString(32) COMMENT 'HMAC-SHA-256 of the whole key; of created and rotated',
    previous_until DateTime64(3, 'UTC') COMMENT 'the secrets before this one are good until then; of rotated'
)
ENGINE = MergeTree
ORDER BY (key_id, at)
SETTINGS fsync_after_insert = 1, fsync_part_directory = 1;
