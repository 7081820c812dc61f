//! The ClickHouse users of the local stack; `deploy/dev/clickhouse/users.xml` says what each may do.

/// Who speaks to ClickHouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Makes the database and its tables.
    Migrate,
    /// Inserts rows and reads them.
    Ingest,
    /// Reads everything, writes rankings.
    Ranker,
    /// Reads what answers are made of.
    Api,
    /// Only reads.
    Grafana,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] = [Self::Migrate, Self::Ingest, Self::Ranker, Self::Api, Self::Grafana];

    /// User and password on the local stack.
    pub(crate) fn local_user(self) -> (&'static str, &'static str) {
        match self {
            Self::Migrate => ("flywheel_migrate", "local-migrate"),
            Self::Ingest => ("flywheel_ingest", "local-ingest"),
            Self::Ranker => ("flywheel_ranker", "local-ranker"),
            Self::Api => ("flywheel_api", "local-api"),
            Self::Grafana => ("flywheel_grafana", "local-grafana"),
        }
    }

    /// The role's part in the names of environment variables.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Migrate => "MIGRATE",
            Self::Ingest => "INGEST",
            Self::Ranker => "RANKER",
            Self::Api => "API",
            Self::Grafana => "GRAFANA",
        }
    }
}
