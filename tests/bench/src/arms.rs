//! The arms: ways to move the backlog, or to do a part of it, that are compared with each other.
//!
//! - [`intake`] (R, D): our consumer alone; and decoding into columns that are thrown away.
//! - [`insert`] (W): bodies encoded beforehand, inserted alone.
//! - [`pipeline`] (A0, A1): `flywheel ingest`, without the exactly-once protocol and with it.
//! - [`engine`] (K): ClickHouse's own Kafka engine with materialised views.

pub(crate) mod engine;
pub(crate) mod insert;
pub(crate) mod intake;
pub(crate) mod pipeline;
mod visible;

use std::{fmt, str::FromStr};

use anyhow::bail;

use crate::{bodies::Format, site::Site};

/// One arm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arm {
    /// R: consuming alone.
    Consume,
    /// D: consuming, and decoding into columns that are thrown away.
    Decode,
    /// W: inserting bodies that were encoded beforehand.
    Insert(Format, Compressed),
    /// A0: ours without the protocol.
    Unprotected,
    /// A1: ours.
    Protected,
    /// K: ClickHouse's Kafka engine.
    Engine,
}

/// Whether a body is compressed with LZ4 as it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compressed {
    Lz4,
    No,
}

impl Arm {
    /// Every arm, in the order of a round.
    pub(crate) const ALL: [Self; 9] = [
        Self::Consume,
        Self::Decode,
        Self::Insert(Format::Native, Compressed::No),
        Self::Insert(Format::Native, Compressed::Lz4),
        Self::Insert(Format::RowBinary, Compressed::No),
        Self::Insert(Format::RowBinary, Compressed::Lz4),
        Self::Unprotected,
        Self::Protected,
        Self::Engine,
    ];

    /// Its name in the table, the file and the options.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Consume => "R",
            Self::Decode => "D",
            Self::Insert(Format::Native, Compressed::No) => "W-native",
            Self::Insert(Format::Native, Compressed::Lz4) => "W-native-lz4",
            Self::Insert(Format::RowBinary, Compressed::No) => "W-rowbinary",
            Self::Insert(Format::RowBinary, Compressed::Lz4) => "W-rowbinary-lz4",
            Self::Unprotected => "A0",
            Self::Protected => "A1",
            Self::Engine => "K",
        }
    }

    /// What it does, for the table.
    pub(crate) fn description(self) -> &'static str {
        match self {
            Self::Consume => "our consumer alone",
            Self::Decode => "consuming and decoding into columns",
            Self::Insert(..) => "inserting bodies encoded beforehand",
            Self::Unprotected => "ours without the protocol",
            Self::Protected => "ours",
            Self::Engine => "ClickHouse's Kafka engine",
        }
    }
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Arm {
    type Err = anyhow::Error;

    fn from_str(name: &str) -> anyhow::Result<Self> {
        match Self::ALL.into_iter().find(|arm| arm.name() == name) {
            Some(arm) => Ok(arm),
            None => bail!("no arm is called {name}; there are {}", Self::ALL.map(Self::name).join(", ")),
        }
    }
}

/// What ClickHouse's merges cost from now until they rest, in seconds of processor time.
async fn merges_after(site: &Site) -> anyhow::Result<f64> {
    let before = site.clickhouse.cpu()?;
    site.merges_settled().await?;
    Ok((site.clickhouse.cpu()? - before).0)
}
