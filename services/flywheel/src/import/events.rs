//! The planned events in the emitter's types.

use domain::{
    ids::{AccountId, FeatureId, TeamId},
    time::Timestamp,
};
use flywheel_sdk::{
    AccountDefined, Data, Event, FeatureDefined, Importance, RequestStated, Status, TeamDefined, TeamParameters, Tier,
};
use sha2::{Digest, Sha256};

use super::plan::{FeatureState, Options, Request};

/// The source of everything that is imported.
pub(super) const SOURCE: &str = "//flywheel/import";
/// Where the requests were made.
const CHANNEL: &str = "github";
/// The window and the half-life of a team that has none of its own, in days.
const DAYS_DEFAULT: f64 = 90.0;

/// A team with its parameters.
///
/// At one time the greater id wins, so the id begins with the numbers: of two imports with different parameters the
/// longer window stands, then the longer half-life, whichever came first.
pub(super) fn team(team: &str, options: &Options, from: Timestamp) -> Event {
    let parameters = TeamParameters {
        activity_window_days: options.activity_window_days,
        half_life_days: options.half_life_days,
        ..TeamParameters::default()
    };
    let days = |days: Option<f64>| format!("{:012.6}", days.unwrap_or(DAYS_DEFAULT));
    let id =
        format!("team:{team}:{}:{}:{from}", days(parameters.activity_window_days), days(parameters.half_life_days));
    let data = TeamDefined {
        team: team.to_owned(),
        name: team.to_owned(),
        segments: Vec::new(),
        parameters: (parameters != TeamParameters::default()).then_some(parameters),
    };
    event(id, from, data)
}

/// An account. The file says nothing of its contract: every account is `standard` until somebody who knows says more.
pub(super) fn account(account: &AccountId, from: Timestamp) -> Event {
    let data = AccountDefined { account: account.to_string(), tier: Tier::Standard, segments: Vec::new() };
    event(format!("account:{account}:{from}"), from, data)
}

/// A feature's state from `time` on.
pub(super) fn feature(team: &TeamId, feature: &FeatureId, state: &FeatureState, time: Timestamp) -> Event {
    let status = if state.launched { Status::Launched } else { Status::Proposed };
    let data = FeatureDefined {
        merged_into: state.merged_into.as_ref().map(ToString::to_string),
        ..FeatureDefined::new(team.as_str(), feature.as_str(), state.title.as_str(), status)
    };
    let merged = state.merged_into.as_ref().map_or("", FeatureId::as_str);
    // A title may be edited and a record may ship between two imports: then the state is another, and so is its id.
    let content = digest(&format!("{}\n{merged}\n{}", state.title, state.launched));
    event(format!("feature:{team}/{feature}:{time}:{content}"), time, data)
}

/// One statement.
pub(super) fn request(request: &Request<'_>) -> Event {
    let importance = if request.own { Importance::Important } else { Importance::NiceToHave };
    let data = RequestStated {
        channel: Some(CHANNEL.to_owned()),
        reference: Some(request.reference.clone()),
        ..RequestStated::new(request.team.as_str(), request.feature.as_str(), request.account.as_str(), importance)
    };
    event(request.id.clone(), request.day.start(), data)
}

fn event(id: String, time: Timestamp, data: impl Into<Data>) -> Event {
    Event::new(SOURCE, time.to_rfc3339(), data).with_id(id)
}

/// The first 48 bits of the hash of `text`, in hexadecimal.
pub(super) fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
