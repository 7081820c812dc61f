//! What is written down of a reading: who, when and of what, and nothing of what was read.

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use axum::{
    extract::FromRequestParts,
    http::{Uri, request::Parts},
};
use domain::{ids::TeamId, time::Timestamp};
use serde::Serialize;

use crate::{access::Principal, envelope::RequestId, error::Error};

/// So many bytes of a request's path and query are written down.
const RESOURCE_BYTES_MAX: usize = 1024;

/// A line of the file, and a row of the table.
#[derive(Debug, Serialize)]
pub(crate) struct Entry {
    at: String,
    key_id: String,
    /// Empty where it is of all teams.
    team: String,
    action: Action,
    resource: String,
    outcome: Outcome,
    request_id: String,
}

/// What is read.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Action {
    /// What persons wrote in requests.
    ReadTexts,
    /// Records that could not be taken, with their payloads.
    ReadDeadLetters,
}

/// Whether it is.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Told,
    Refused,
}

/// A request, as far as it is written down.
#[derive(Debug)]
pub(crate) struct Occasion {
    key_id: String,
    resource: String,
    request_id: String,
}

impl Occasion {
    /// That this was read on this occasion, now; of all teams, where none is named.
    pub(crate) fn entry(self, action: Action, team: Option<&TeamId>, outcome: Outcome) -> Entry {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let at = Timestamp(i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX));
        let team = team.map(TeamId::to_string).unwrap_or_default();
        let Self { key_id, resource, request_id } = self;
        Entry { at: at.to_rfc3339(), key_id, team, action, resource, outcome, request_id }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Occasion {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Error> {
        let principal = Principal::from_request_parts(parts, state).await?;
        let request_id = parts.extensions.get().map(RequestId::as_str).unwrap_or_default();
        Ok(Self {
            key_id: principal.key_id().unwrap_or_default().to_owned(),
            resource: resource(&parts.uri),
            request_id: request_id.to_owned(),
        })
    }
}

/// The path and query, cut where they are long.
fn resource(uri: &Uri) -> String {
    let mut text = uri.path_and_query().map_or_else(|| uri.path(), |target| target.as_str()).to_owned();
    if text.len() > RESOURCE_BYTES_MAX {
        let end = (0..=RESOURCE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

impl Entry {
    /// Whether somebody with a key, or a token, is named.
    pub(super) fn has_key(&self) -> bool {
        !self.key_id.is_empty()
    }

    /// As a line of JSON.
    pub(super) fn line(&self) -> anyhow::Result<Vec<u8>> {
        let mut line = serde_json::to_vec(self).context("cannot write an entry of the audit log")?;
        line.push(b'\n');
        Ok(line)
    }

    #[cfg(test)]
    pub(super) fn example() -> Self {
        let occasion = Occasion {
            key_id: "3f0c51d2a97be604".to_owned(),
            resource: "/v1/teams/t/features/f?texts=true".to_owned(),
            request_id: "r1".to_owned(),
        };
        occasion.entry(Action::ReadTexts, "t".parse().ok().as_ref(), Outcome::Told)
    }

    #[cfg(test)]
    pub(super) fn without_key(self) -> Self {
        Self { key_id: String::new(), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_is_one_line_however_odd_and_long_the_request() {
        let long = format!("/v1/dead-letters?type=%0A{}", "é".repeat(5_000));
        let resource = resource(&long.parse().unwrap());
        assert!((RESOURCE_BYTES_MAX - 1..=RESOURCE_BYTES_MAX).contains(&resource.len()), "{}", resource.len());
        let occasion = Occasion { key_id: "oidc:\n".to_owned(), resource, request_id: "\"\\".repeat(64) };
        let entry = occasion.entry(Action::ReadDeadLetters, None, Outcome::Refused);
        let line = entry.line().unwrap();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert!(line.len() < 4_096, "{} bytes", line.len());
        let read: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!((&read["action"], &read["outcome"]), (&"read_dead_letters".into(), &"refused".into()));
        assert_eq!((&read["team"], &read["key_id"]), (&"".into(), &"oidc:\n".into()));
    }
}
