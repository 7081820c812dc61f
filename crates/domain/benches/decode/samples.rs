//! One event of each type, as an emitter writes them.

use std::fmt;

use domain::{
    event::EventType,
    record::{InputTopic, Record},
    time::Timestamp,
};

/// An event in pieces.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    event_type: EventType,
    pub(crate) data: String,
}

type Headers<'a> = Vec<(&'a str, Option<&'a [u8]>)>;

const ID: &str = "01932f4e-5b1c-7c3a-9e4f-8a1b2c3d4e5f";
const SOURCE: &str = "//dynamodb/frontend";
const TIME: &str = "2026-03-14T15:09:26.535897Z";

/// A sample of every type.
pub(crate) fn samples() -> Vec<Sample> {
    EventType::ALL
        .map(|event_type| {
            let (name, data) = match event_type {
                EventType::UsageObserved => (
                    "usage.observed",
                    r#"{"team":"dynamodb","feature":"secondary-indexes","account":"account-01234","operation":"query","count":12,"duration_us":4200,"outcome":"ok"}"#,
                ),
                EventType::NeedSignaled => (
                    "need.signaled",
                    r#"{"team":"dynamodb","feature":"secondary-indexes","account":"account-01234","signal":"full_scan_on_filter","count":3}"#,
                ),
                EventType::RequestStated => (
                    "request.stated",
                    r#"{"team":"dynamodb","feature":"secondary-indexes","account":"account-01234","importance":"critical","channel":"github","text":"We scan the whole table for every query by email.\nPlease.","requester":"Jo Example","ref":"https://example.com/issues/7"}"#,
                ),
                EventType::RequestWithdrawn => (
                    "request.withdrawn",
                    r#"{"team":"dynamodb","feature":"secondary-indexes","account":"account-01234"}"#,
                ),
                EventType::TeamDefined => (
                    "team.defined",
                    r#"{"team":"dynamodb","name":"DynamoDB","segments":["retail","games"],"parameters":{"activity_window_days":90,"half_life_days":90,"need_window_days":14.5,"need_min_count":3,"demand_weight":0.75,"need_weight":0.25}}"#,
                ),
                EventType::FeatureDefined => (
                    "feature.defined",
                    r#"{"team":"dynamodb","feature":"secondary-indexes","title":"Secondary indexes","status":"planned","effort_months":4.5,"door":"one_way"}"#,
                ),
                EventType::AccountDefined => (
                    "account.defined",
                    r#"{"account":"account-01234","tier":"growth","segments":["retail","europe"]}"#,
                ),
            };
            Sample { name, event_type, data: data.to_owned() }
        })
        .to_vec()
}

impl Sample {
    /// The headers of binary mode, in our emitters' order.
    pub(crate) fn headers(&self) -> Headers<'_> {
        [
            ("ce_specversion", "1.0"),
            ("ce_id", ID),
            ("ce_source", SOURCE),
            ("ce_type", self.event_type.as_str()),
            ("ce_time", TIME),
            ("content-type", "application/json"),
        ]
        .map(|(name, value)| (name, Some(value.as_bytes())))
        .to_vec()
    }

    /// The value of structured mode.
    pub(crate) fn whole(&self) -> String {
        let (event_type, data) = (self.event_type, &self.data);
        format!(
            r#"{{"specversion":"1.0","id":"{ID}","source":"{SOURCE}","type":"{event_type}","time":"{TIME}","datacontenttype":"application/json","data":{data}}}"#
        )
    }

    /// The record, received when the event happened.
    pub(crate) fn record<'a>(&self, headers: &'a [(&'a str, Option<&'a [u8]>)], value: &'a str) -> Record<'a> {
        let topic: InputTopic = self.event_type.topic();
        let timestamp = Timestamp::parse_rfc3339(TIME).expect("a time");
        Record { topic, key: Some(b"account-01234"), headers, payload: Some(value.as_bytes()), timestamp }
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
