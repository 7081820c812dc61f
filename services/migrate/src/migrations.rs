//! The numbered SQL files, compiled in.

use sha2::{Digest, Sha256};

/// One numbered step.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Its number; steps are applied in ascending order.
    pub version: u32,
    /// Its name.
    pub name: &'static str,
    /// Statements, each ended by a semicolon at the end of a line.
    pub sql: &'static str,
}

macro_rules! migration {
    ($version:literal, $name:literal, $file:literal) => {
        Migration { version: $version, name: $name, sql: include_str!(concat!("../../../schemas/clickhouse/", $file)) }
    };
}

/// Every migration, in order. A file that was released is never edited: a change is a new number.
pub const MIGRATIONS: &[Migration] = &[
    migration!(1, "events", "0001_events.sql"),
    migration!(2, "catalog", "0002_catalog.sql"),
    migration!(3, "progress", "0003_progress.sql"),
    migration!(4, "rankings", "0004_rankings.sql"),
    migration!(5, "dead_letter_replays", "0005_dead_letter_replays.sql"),
    migration!(6, "exactly_once", "0006_exactly_once.sql"),
    migration!(7, "usage_months", "0007_usage_months.sql"),
    migration!(8, "account_keys", "0008_account_keys.sql"),
    migration!(9, "api_keys", "0009_api_keys.sql"),
    migration!(10, "audit_log", "0010_audit_log.sql"),
    migration!(11, "active_months", "0011_active_months.sql"),
];

impl Migration {
    /// Hexadecimal SHA-256 of the text, recorded when it is applied.
    pub(crate) fn checksum(&self) -> String {
        Sha256::digest(self.sql).iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The statements, without comment lines.
    pub(crate) fn statements(&self) -> Vec<String> {
        let code: String = self
            .sql
            .lines()
            .filter(|line| !line.trim_start().starts_with("--"))
            .fold(String::new(), |code, line| code + line + "\n");
        code.split(";\n")
            .map(|statement| statement.trim().to_owned())
            .filter(|statement| !statement.is_empty())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_ascend_without_gaps() {
        let numbers: Vec<u32> = MIGRATIONS.iter().map(|migration| migration.version).collect();
        let expected: Vec<u32> = (1..).take(MIGRATIONS.len()).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn every_file_is_listed() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schemas/clickhouse");
        let files = std::fs::read_dir(folder).unwrap().count();
        assert_eq!(files, MIGRATIONS.len());
    }

    #[test]
    fn statements_are_split_at_line_ends_and_comments_dropped() {
        let migration = Migration { version: 1, name: "x", sql: "-- why; not\nSELECT ';' AS a;\n\nSELECT\n    2;\n" };
        assert_eq!(migration.statements(), ["SELECT ';' AS a", "SELECT\n    2"]);
    }

    #[test]
    fn every_statement_is_idempotent() {
        for statement in MIGRATIONS.iter().flat_map(Migration::statements) {
            let idempotent = [
                "IF NOT EXISTS",
                // Done once more, these do what is done already.
                " MATERIALIZE ",
                " MODIFY SETTING ",
                // Which keep the smallest and largest of what is added.
                "INSERT INTO usage_days\n",
                "INSERT INTO usage_months\n",
                "INSERT INTO active_months ",
                "DROP TABLE IF EXISTS ",
                "DROP VIEW IF EXISTS ",
                // Which changes nothing.
                "SELECT throwIf(",
            ];
            assert!(idempotent.iter().any(|words| statement.contains(words)), "{statement}");
        }
    }
}
