//! Shards: teams are divided among rankers by the partition of the rankings topic in which their records lie.

use std::fmt;

use domain::ids::TeamId;

/// A partition of the rankings topic, and the teams whose records lie there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Shard(pub(crate) i32);

impl Shard {
    /// The team's shard, of so many. It is where the client's own partitioner would put the team's key, so that the records
    /// of versions that left it to the client lie in the same partition.
    pub(crate) fn of(team: &TeamId, shards: i32) -> Self {
        let shards = u32::try_from(shards).unwrap_or_default().max(1);
        // Smaller than `shards`, which is an `i32`.
        Self(i32::try_from(crc32(team.as_str().as_bytes()) % shards).unwrap_or_default())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

/// The checksum of IEEE 802.3, bit by bit: an id has 64 bytes at most.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn every_shard_gets_teams() {
        let mut teams = [0; 6];
        for number in 0..600 {
            let team = TeamId::parse(&format!("team-{number}")).unwrap();
            teams[usize::try_from(Shard::of(&team, 6).0).unwrap()] += 1;
        }
        assert!(teams.iter().all(|count| (50..150).contains(count)), "{teams:?}");
    }
}
