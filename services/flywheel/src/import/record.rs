//! One line of the file: a request, who opened it and who commented on it.

use domain::{
    ids::{AccountId, TeamId},
    time::{MICROS_PER_DAY, Timestamp},
};
use serde::Deserialize;

/// A longer line is refused.
pub(super) const LINE_BYTES_MAX: usize = 1024 * 1024;
/// A record with more comments is refused.
const COMMENTS_MAX: usize = 10_000;
/// Longer sources and titles are refused.
const TEXT_BYTES_MAX: usize = 300;
/// Events are not believed before this day.
const FIRST_DAY: &str = "2000-01-02";

/// A record that can be imported, save that it may have no team.
#[derive(Debug)]
pub(super) struct Record {
    /// Where the request was filed: `owner/repo`.
    pub(super) source: String,
    /// Its number there.
    pub(super) number: u64,
    /// The team that the request is about; `None` where nobody could tell.
    pub(super) team: Option<TeamId>,
    /// What is asked for.
    pub(super) title: String,
    /// Who opened it and when, as far as it is known.
    pub(super) opener: Option<AccountId>,
    pub(super) opened_at: Option<Day>,
    /// Those comments of which author and day are known.
    pub(super) comments: Vec<Comment>,
    /// Comments of which they are not.
    pub(super) comments_without_author_or_date: u64,
    /// The request in the same source that this one repeats.
    pub(super) duplicate_of: Option<u64>,
    /// Whether what was asked for went live.
    pub(super) shipped: bool,
}

/// One account's comment.
#[derive(Debug)]
pub(super) struct Comment {
    pub(super) author: AccountId,
    pub(super) day: Day,
}

/// A calendar day; as an instant it is its first moment in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day(Timestamp);

impl Day {
    fn parse(text: &str) -> Option<Self> {
        let shape = text.len() == 10
            && text.bytes().enumerate().all(|(i, b)| if i == 4 || i == 7 { b == b'-' } else { b.is_ascii_digit() });
        shape.then(|| Timestamp::parse_rfc3339(&format!("{text}T00:00:00Z")).ok().map(Self)).flatten()
    }

    /// The first day that an event may have.
    pub(super) fn first() -> Self {
        Self::parse(FIRST_DAY).unwrap_or(Self(Timestamp(0)))
    }

    /// The day before.
    pub(super) fn eve(self) -> Self {
        Self(Timestamp(self.0.0.saturating_sub(MICROS_PER_DAY)))
    }

    /// Its first moment.
    pub(super) fn start(self) -> Timestamp {
        self.0
    }
}

impl Record {
    /// Reads one line; `now` bounds its dates.
    ///
    /// # Errors
    /// What is wrong with the line, in words for whoever wrote it.
    pub(super) fn parse(line: &[u8], now: Timestamp) -> Result<Self, String> {
        if line.len() > LINE_BYTES_MAX {
            return Err(format!("the line is longer than {LINE_BYTES_MAX} bytes"));
        }
        let wire: Wire = serde_json::from_slice(line).map_err(|error| format!("not a record: {error}"))?;
        wire.check(now)
    }

    /// The request's name in its tracker.
    pub(super) fn reference(&self) -> String {
        reference(&self.source, self.number)
    }

    /// The days on which anything is recorded.
    pub(super) fn days(&self) -> impl Iterator<Item = Day> {
        self.opened_at.into_iter().chain(self.comments.iter().map(|comment| comment.day))
    }
}

/// The name of request `number` of `source`.
pub(super) fn reference(source: &str, number: u64) -> String {
    format!("{source}#{number}")
}

/// The record as it is written. Absent and null mean the same; fields that say nothing about demand are not read.
#[derive(Deserialize)]
struct Wire {
    source: String,
    number: u64,
    team: Option<String>,
    title: Option<String>,
    /// Read only to refuse what is not a request's state: what is closed unshipped may be wanted still.
    #[serde(rename = "state")]
    _state: Option<State>,
    opened_at: Option<String>,
    opener: Option<String>,
    #[serde(default)]
    comments: Option<Vec<WireComment>>,
    duplicate_of: Option<u64>,
    shipped: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Closed,
}

#[derive(Deserialize)]
struct WireComment {
    author: Option<String>,
    date: Option<String>,
}

impl Wire {
    fn check(self, now: Timestamp) -> Result<Record, String> {
        for (field, text) in [("source", Some(&self.source)), ("title", self.title.as_ref())] {
            match text {
                Some(text) if text.trim().is_empty() => return Err(format!("`{field}` is empty")),
                Some(text) if text.len() > TEXT_BYTES_MAX => {
                    return Err(format!("`{field}` is longer than {TEXT_BYTES_MAX} bytes"));
                }
                // An event with them would be a dead letter.
                Some(text) if text.chars().any(char::is_control) => {
                    return Err(format!("`{field}` holds control characters"));
                }
                _ => {}
            }
        }
        if self.duplicate_of == Some(self.number) {
            return Err("`duplicate_of` names the record itself".to_owned());
        }
        let written = self.comments.unwrap_or_default();
        if written.len() > COMMENTS_MAX {
            return Err(format!("more than {COMMENTS_MAX} comments"));
        }
        let mut comments = Vec::with_capacity(written.len());
        let mut comments_without_author_or_date = 0;
        for (index, comment) in written.into_iter().enumerate() {
            let author = account(&format!("comments[{index}].author"), comment.author)?;
            let day = day(&format!("comments[{index}].date"), comment.date, now)?;
            match (author, day) {
                (Some(author), Some(day)) => comments.push(Comment { author, day }),
                _ => comments_without_author_or_date += 1,
            }
        }
        Ok(Record {
            title: self.title.unwrap_or_else(|| reference(&self.source, self.number)),
            team: self
                .team
                .map(|team| TeamId::parse(&team).map_err(|_| format!("`team` is not a team id: {team:?}")))
                .transpose()?,
            opener: account("opener", self.opener)?,
            opened_at: day("opened_at", self.opened_at, now)?,
            comments,
            comments_without_author_or_date,
            duplicate_of: self.duplicate_of,
            shipped: self.shipped.unwrap_or(false),
            source: self.source,
            number: self.number,
        })
    }
}

fn account(field: &str, text: Option<String>) -> Result<Option<AccountId>, String> {
    text.map(|text| AccountId::parse(&text).map_err(|_| format!("`{field}` is not an account id: {text:?}")))
        .transpose()
}

fn day(field: &str, text: Option<String>, now: Timestamp) -> Result<Option<Day>, String> {
    let Some(text) = text else { return Ok(None) };
    let day = Day::parse(&text).ok_or_else(|| format!("`{field}` is not a day such as 2024-05-31: {text:?}"))?;
    if day < Day::first() {
        return Err(format!("`{field}` is before {FIRST_DAY}: {text}"));
    }
    if day.start() > now {
        return Err(format!("`{field}` is in the future: {text}"));
    }
    Ok(Some(day))
}
