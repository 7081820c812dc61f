//! From the lines of a file to the events that they mean: a pure function, so that the same file gives the same events.
//!
//! Every event's id names what it says: an id met again carries the same content, and importing again changes nothing.

use std::collections::{BTreeMap, BTreeSet, btree_map::Entry};

use domain::{
    ids::{AccountId, FeatureId, TeamId},
    time::Timestamp,
};
use flywheel_sdk::Event;

use super::{
    events,
    feature_id::feature_id,
    record::{Day, Record, reference},
    report::{Refused, Report},
};

/// Lines after so many are refused.
const RECORDS_MAX: u64 = 200_000;
/// Teams that the demonstration defines: a file's teams of these names are imported only when they are named.
const DEMONSTRATION: [&str; 2] = ["dynamodb", "lambda"];

/// What to import, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// The teams to import; empty for all but the demonstration's.
    pub teams: BTreeSet<TeamId>,
    /// The imported teams' activity window, in days.
    pub activity_window_days: Option<f64>,
    /// The imported teams' half-life, in days.
    pub half_life_days: Option<f64>,
    /// The present: later dates are refused.
    pub now: Timestamp,
}

/// What an import sends, in this order, and what it says of every record.
#[derive(Debug)]
pub struct Plan {
    /// Catalog events, then requests in the order of their time.
    pub events: Vec<Event>,
    /// The account of the records.
    pub report: Report,
}

/// Plans the import of `lines`.
pub fn plan<'a>(lines: impl IntoIterator<Item = &'a [u8]>, options: &Options) -> Plan {
    let mut report = Report::default();
    let records = read(lines, options, &mut report);
    let first = records.iter().flat_map(|placed| placed.record.days()).min().unwrap_or_else(Day::first);
    let from = first.eve().start();
    report.catalog_from = from.to_rfc3339();
    let imported = select(records, options, &mut report);
    let catalog = Features::of(&imported, from, &mut report);

    let mut events: Vec<Event> = report.teams.keys().map(|team| events::team(team, options, from)).collect();
    report.events.teams = events.len() as u64;
    let mut requests = requests(&imported, &mut report);
    let accounts: BTreeSet<&AccountId> = requests.iter().map(|request| request.account).collect();
    report.accounts = accounts.len() as u64;
    report.events.accounts = report.accounts;
    events.extend(accounts.iter().map(|account| events::account(account, from)));
    let before = events.len();
    catalog.emit(&mut events);
    report.events.features = (events.len() - before) as u64;
    requests.sort_by(|a, b| (a.day, &a.id).cmp(&(b.day, &b.id)));
    report.events.requests = requests.len() as u64;
    events.extend(requests.iter().map(events::request));
    report.events.total = events.len() as u64;
    Plan { events, report }
}

/// A record with a team, and its feature.
struct Placed {
    record: Record,
    team: TeamId,
    feature: FeatureId,
    /// The feature it is merged into.
    target: Option<FeatureId>,
}

/// The records that could be imported; the others are refused.
fn read<'a>(lines: impl IntoIterator<Item = &'a [u8]>, options: &Options, report: &mut Report) -> Vec<Placed> {
    let mut owners: BTreeMap<FeatureId, (String, u64)> = BTreeMap::new();
    let mut records = Vec::new();
    for (line, text) in (1..).zip(lines) {
        if text.trim_ascii().is_empty() {
            continue;
        }
        report.read += 1;
        let placed = if report.read > RECORDS_MAX {
            Err(format!("more than {RECORDS_MAX} records"))
        } else {
            Record::parse(text, options.now).and_then(|record| place(line, record, &mut owners))
        };
        match placed {
            Ok(placed) => records.push(placed),
            Err(reason) => report.refused.push(Refused { line, reason }),
        }
    }
    records
}

fn place(line: u64, record: Record, owners: &mut BTreeMap<FeatureId, (String, u64)>) -> Result<Placed, String> {
    let team = record.team.clone().ok_or_else(|| format!("no team: {} {:?}", record.reference(), record.title))?;
    let feature = feature_id(&record.source, record.number)?;
    let target = record.duplicate_of.map(|number| feature_id(&record.source, number)).transpose()?;
    if target.as_ref() == Some(&feature) {
        return Err("`duplicate_of` has the record's own feature id".to_owned());
    }
    match owners.entry(feature.clone()) {
        Entry::Vacant(entry) => entry.insert((record.reference(), line)),
        Entry::Occupied(entry) => {
            let (owner, line) = entry.get();
            return Err(if *owner == record.reference() {
                format!("{owner} stands in line {line} already")
            } else {
                format!("its feature id {feature} is that of {owner} in line {line}")
            });
        }
    };
    Ok(Placed { record, team, feature, target })
}

/// The records of the teams to import.
fn select(records: Vec<Placed>, options: &Options, report: &mut Report) -> Vec<Placed> {
    let selected = |team: &TeamId| {
        if options.teams.is_empty() { !DEMONSTRATION.contains(&team.as_str()) } else { options.teams.contains(team) }
    };
    let in_file: BTreeSet<&TeamId> = records.iter().map(|placed| &placed.team).collect();
    report.teams_not_in_file =
        options.teams.iter().filter(|team| !in_file.contains(team)).map(ToString::to_string).collect();
    let (imported, left_out): (Vec<_>, Vec<_>) = records.into_iter().partition(|placed| selected(&placed.team));
    for placed in left_out {
        *report.left_out.entry(placed.team.to_string()).or_default() += 1;
    }
    report.imported = imported.len() as u64;
    for Placed { record, team, .. } in &imported {
        report.teams.entry(team.to_string()).or_default().records += 1;
        report.without_opening += u64::from(record.opener.is_none() || record.opened_at.is_none());
        report.comments_without_author_or_date += record.comments_without_author_or_date;
    }
    imported
}

/// One account's statement on one day.
pub(super) struct Request<'a> {
    pub(super) id: String,
    pub(super) team: &'a TeamId,
    pub(super) feature: &'a FeatureId,
    pub(super) account: &'a AccountId,
    pub(super) day: Day,
    /// Whether the account opened the request; what it says later in its own request stays as important.
    pub(super) own: bool,
    pub(super) reference: String,
}

/// What the openers and the commenters state.
fn requests<'a>(imported: &'a [Placed], report: &mut Report) -> Vec<Request<'a>> {
    let mut requests = Vec::new();
    for Placed { record, team, feature, .. } in imported {
        let mut state = |how: &str, account: &'a AccountId, day: Day, nth: u64| {
            requests.push(Request {
                // The team is in it because a record may be given to another team later: then it says something else.
                id: format!("request:{team}:{}:{how}:{account}:{}:{nth}", record.reference(), day.start()),
                team,
                feature,
                account,
                day,
                own: record.opener.as_ref() == Some(account),
                reference: record.reference(),
            });
        };
        if let (Some(opener), Some(day)) = (&record.opener, record.opened_at) {
            state("opened", opener, day, 0);
        }
        // Counted apart for every account and day, so that a comment by somebody else moves no id.
        let mut nth: BTreeMap<(&AccountId, Day), u64> = BTreeMap::new();
        for comment in &record.comments {
            let count = nth.entry((&comment.author, comment.day)).or_default();
            let how = if record.opener.as_ref() == Some(&comment.author) { "followed-up" } else { "commented" };
            state(how, &comment.author, comment.day, *count);
            *count += 1;
        }
    }
    for request in &requests {
        report.teams.entry(request.team.to_string()).or_default().requests += 1;
    }
    requests
}

/// A feature's state from an instant on.
#[derive(Clone, Debug)]
pub(super) struct FeatureState {
    pub(super) title: String,
    pub(super) merged_into: Option<FeatureId>,
    pub(super) launched: bool,
}

/// The features of every imported team, each with its states in time order.
struct Features(BTreeMap<(TeamId, FeatureId), BTreeMap<Timestamp, FeatureState>>);

impl Features {
    fn of(imported: &[Placed], from: Timestamp, report: &mut Report) -> Self {
        let titles: BTreeMap<&FeatureId, &str> =
            imported.iter().map(|p| (&p.feature, p.record.title.as_str())).collect();
        let mut features = BTreeMap::new();
        for placed in imported {
            let part = report.teams.entry(placed.team.to_string()).or_default();
            part.merges += u64::from(placed.target.is_some());
            part.launches += u64::from(placed.record.shipped);
            features.insert((placed.team.clone(), placed.feature.clone()), states(placed, from));
        }
        for placed in imported {
            let (Some(target), Some(number)) = (&placed.target, placed.record.duplicate_of) else { continue };
            features.entry((placed.team.clone(), target.clone())).or_insert_with(|| {
                report.teams.entry(placed.team.to_string()).or_default().targets += 1;
                let title = titles
                    .get(target)
                    .map_or_else(|| reference(&placed.record.source, number), |title| (*title).to_owned());
                BTreeMap::from([(from, FeatureState { title, merged_into: None, launched: false })])
            });
        }
        for (team, _) in features.keys() {
            report.teams.entry(team.to_string()).or_default().features += 1;
        }
        Self(features)
    }

    fn emit(&self, events: &mut Vec<Event>) {
        for ((team, feature), states) in &self.0 {
            events.extend(states.iter().map(|(time, state)| events::feature(team, feature, state, *time)));
        }
    }
}

/// Proposed from the start, merged from its opening on, launched from its last activity on. A catalog event holds the
/// whole state, so what happens at one instant is one event, and what comes later repeats what came before.
fn states(placed: &Placed, from: Timestamp) -> BTreeMap<Timestamp, FeatureState> {
    let record = &placed.record;
    let opening = record.opened_at.or_else(|| record.days().min()).map_or(from, Day::start);
    let last = record.days().max().map_or(from, Day::start);
    let changes = [Some(from), placed.target.as_ref().map(|_| opening), record.shipped.then_some(last)];
    let at = |time: Timestamp| FeatureState {
        title: record.title.clone(),
        merged_into: placed.target.clone().filter(|_| time >= opening),
        launched: record.shipped && time >= last,
    };
    changes.into_iter().flatten().map(|time| (time, at(time))).collect()
}
