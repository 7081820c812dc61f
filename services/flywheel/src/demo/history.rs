//! Ninety days of history up to an instant, in time order: a pure function of the seed and of that instant.

use std::collections::BTreeMap;

use domain::time::{MICROS_PER_DAY, Timestamp};
use flywheel_sdk::{AccountDefined, Data, Event, FeatureDefined, Status, TeamDefined};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::{
    customers::{Customer, customers, rng},
    emission::{Emission, event, malformed, repeats},
    habits,
    story::{Candidate, TEAMS, Team},
};

/// Days of history.
pub const HISTORY_DAYS: u32 = 90;
/// The catalog as it begins stands so long before the first event, in microseconds.
const CATALOG_LEAD: i64 = 3_600_000_000;
/// Ordinary uses on an active day, at most.
const USES_PER_DAY_MAX: u32 = 3;
/// How likely a need shows on an active day.
const NEED_SHOWS: f64 = 0.35;
/// How likely an account that asked uses the thing on an active day after its launch, and one that did not ask.
const ADOPTION: (f64, f64) = (0.3, 0.05);
/// Of a hundred accounts that ask so many withdraw later.
const WITHDRAWN_PERCENT: u32 = 4;
/// One broken record after so many events.
const MALFORMED_EVERY: u64 = 8_000;

/// The history that ends at `anchor`. The same arguments give the same records, ids and all.
pub fn history(seed: u64, anchor: Timestamp) -> impl Iterator<Item = Emission> {
    let start = start(anchor);
    let mut drafts = Vec::new();
    catalog(seed, start, &mut drafts);
    for (index, team) in TEAMS.iter().enumerate() {
        for (number, customer) in customers(seed, index).iter().enumerate() {
            let mut rng = rng(seed, 1_000_000 + (index * 100_000 + number) as u64);
            behave(team, customer, start, &mut rng, &mut drafts);
        }
    }
    // A stable sort: what happens at one instant stays in the order in which it was written.
    drafts.sort_by_key(|(time, _)| *time);
    number(seed, anchor, drafts)
}

/// The team whose records mark the history in the catalog, as it is defined from the start on.
pub(super) fn marker(id: String, anchor: Timestamp) -> Event {
    event(id, opening(start(anchor)), team(&TEAMS[0]))
}

fn start(anchor: Timestamp) -> Timestamp {
    Timestamp(anchor.0.saturating_sub(i64::from(HISTORY_DAYS) * MICROS_PER_DAY))
}

fn opening(start: Timestamp) -> Timestamp {
    Timestamp(start.0.saturating_sub(CATALOG_LEAD))
}

type Drafts = Vec<(Timestamp, Data)>;

fn catalog(seed: u64, start: Timestamp, drafts: &mut Drafts) {
    let opening = opening(start);
    let mut accounts: BTreeMap<String, Data> = BTreeMap::new();
    for (index, it) in TEAMS.iter().enumerate() {
        drafts.push((opening, team(it)));
        for candidate in it.candidates {
            drafts.push((opening, feature(it, candidate, Status::Proposed, None)));
            for change in candidate.life {
                drafts.push((day(start, change.day), feature(it, candidate, change.status, change.merged_into)));
            }
        }
        accounts.extend(customers(seed, index).iter().map(|customer| (customer.account.clone(), account(customer))));
    }
    drafts.extend(accounts.into_values().map(|data| (opening, data)));
}

fn team(team: &Team) -> Data {
    let segments = team.segments.iter().map(|&segment| segment.to_owned()).collect();
    TeamDefined { team: team.id.to_owned(), name: team.name.to_owned(), segments, parameters: None }.into()
}

fn feature(team: &Team, candidate: &Candidate, status: Status, merged_into: Option<&str>) -> Data {
    FeatureDefined {
        merged_into: merged_into.map(str::to_owned),
        ..FeatureDefined::new(team.id, candidate.feature, candidate.title, status)
    }
    .into()
}

fn account(customer: &Customer) -> Data {
    let segments = customer.segments.iter().map(|&segment| segment.to_owned()).collect();
    AccountDefined { account: customer.account.clone(), tier: customer.tier, segments }.into()
}

/// What a customer does in the ninety days.
fn behave(team: &Team, customer: &Customer, start: Timestamp, rng: &mut ChaCha8Rng, drafts: &mut Drafts) {
    for today in 0..HISTORY_DAYS {
        if !rng.random_bool(customer.activity) {
            continue;
        }
        for _ in 0..rng.random_range(1..=USES_PER_DAY_MAX) {
            drafts.push((moment(start, today, rng), habits::usage(team, customer, rng)));
        }
        for (candidate, felt) in team.candidates.iter().zip(&customer.traits) {
            if felt.needs && rng.random_bool(NEED_SHOWS) {
                drafts.push((moment(start, today, rng), habits::need(team, customer, candidate, rng)));
            }
            let adopts = if felt.asks { ADOPTION.0 } else { ADOPTION.1 };
            if launched(candidate, today) && rng.random_bool(adopts) {
                drafts.push((moment(start, today, rng), habits::adoption(team, customer, candidate, rng)));
            }
        }
    }
    for (candidate, _) in team.candidates.iter().zip(&customer.traits).filter(|(_, felt)| felt.asks) {
        let days: Vec<u32> = (0..candidate.voice).map(|_| rng.random_range(0..HISTORY_DAYS)).collect();
        for &today in &days {
            drafts.push((moment(start, today, rng), habits::request(team, customer, candidate, rng)));
        }
        let last = days.into_iter().max().unwrap_or(0) + 1;
        if last < HISTORY_DAYS && rng.random_ratio(WITHDRAWN_PERCENT, 100) {
            let today = rng.random_range(last..HISTORY_DAYS);
            drafts.push((moment(start, today, rng), habits::withdrawal(team, customer, candidate)));
        }
    }
}

fn launched(candidate: &Candidate, today: u32) -> bool {
    candidate.life.iter().any(|change| change.status == Status::Launched && change.day < today)
}

fn day(start: Timestamp, day: u32) -> Timestamp {
    Timestamp(start.0 + i64::from(day) * MICROS_PER_DAY)
}

fn moment(start: Timestamp, today: u32, rng: &mut ChaCha8Rng) -> Timestamp {
    day(start, today).plus_micros(rng.random_range(0..MICROS_PER_DAY))
}

/// Gives the events their ids and puts the repeats and the broken records between them.
fn number(seed: u64, anchor: Timestamp, drafts: Drafts) -> impl Iterator<Item = Emission> {
    let mut rng = rng(seed, 1);
    let anchor = anchor.0 / 1_000_000;
    (0u64..).zip(drafts).flat_map(move |(n, (time, data))| {
        let event = event(format!("demo-{seed}-{anchor}-{n}"), time, data);
        let repeat = repeats(&mut rng).then(|| Emission::Repeat(event.clone()));
        let broken = (n % MALFORMED_EVERY == MALFORMED_EVERY - 1).then(|| {
            Emission::Malformed(malformed(format!("demo-{seed}-{anchor}-broken-{n}"), n / MALFORMED_EVERY, time))
        });
        [Some(Emission::Event(event)), repeat, broken].into_iter().flatten()
    })
}
