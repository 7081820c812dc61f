use super::*;
use crate::{
    effect::Look,
    ids::{Partition, Topic},
    input::{CommitAnswer, Drained, Fetched, InsertAnswer, Looked, Presence},
};

const CONFIG: Config = Config {
    epoch: 0,
    ranges_in_flight_max: 2,
    group_records_max: 100,
    group_bytes_max: 1_000,
    fence_age_ms_max: 500,
    release_wait_ms_max: 300,
    idle_commit_ms: 100,
    retry_pause_ms: 20,
    token_number_max: 2,
};

fn usage(partition: i32) -> TopicPartition {
    TopicPartition { topic: Topic("usage"), partition: Partition(partition) }
}

/// A machine and the time, answered as if all went well unless a test says otherwise.
struct Member {
    machine: Machine,
    now: u64,
}

impl Member {
    fn new() -> Self {
        Self { machine: Machine::new(CONFIG), now: 0 }
    }

    fn step(&mut self, input: Input) -> Vec<Effect> {
        self.machine.step(Millis(self.now), input)
    }

    fn after(&mut self, ms: u64) -> Vec<Effect> {
        self.now += ms;
        self.step(Input::Tick)
    }

    /// Takes partitions over; `committed` is what the first of them has.
    fn takes(&mut self, partitions: &[TopicPartition], committed: Option<(i64, &str)>) -> Vec<Effect> {
        let effects = self.step(Input::Assigned(partitions.to_vec()));
        let [Effect::FetchCommitted(id, _)] = effects[..] else { panic!("{effects:?}") };
        let fetched = |(at, partition): (usize, &TopicPartition)| Fetched {
            partition: *partition,
            topic_id: 0,
            committed: committed.filter(|_| at == 0).map(|(offset, text)| (Offset(offset), text.to_owned())),
            log_first: Offset(0),
            log_end: Offset(1_000),
        };
        let fetched = partitions.iter().enumerate().map(fetched).collect();
        self.step(Input::Fetched(id, fetched))
    }

    /// Takes partitions over that have nothing declared.
    fn takes_fresh(&mut self, partitions: &[TopicPartition]) {
        let effects = self.takes(partitions, None);
        let [Effect::Look(look)] = &effects[..] else { panic!("{effects:?}") };
        let looked = Looked { presence: Vec::new(), beyond: Vec::new() };
        assert_eq!(self.step(Input::Looked(look.id, looked)).len(), partitions.len());
    }

    fn drains(&mut self, partition: TopicPartition, first: i64, end: i64) -> Vec<Effect> {
        let count = (end - first).unsigned_abs();
        let drained = Drained { partition, first: Offset(first), end: Offset(end), records: count, bytes: count };
        self.step(Input::Drained(drained))
    }
}

fn the_commit(effects: &[Effect]) -> (RequestId, Vec<(i64, String)>) {
    let commit = effects.iter().find_map(|effect| match effect {
        Effect::Commit(id, commits) => {
            Some((*id, commits.iter().map(|commit| (commit.offset.0, commit.metadata.clone())).collect()))
        }
        _ => None,
    });
    commit.unwrap_or_else(|| panic!("no commit in {effects:?}"))
}

fn the_insert(effects: &[Effect]) -> crate::effect::Insert {
    let insert = effects.iter().find_map(|effect| match effect {
        Effect::Insert(insert) => Some(insert.clone()),
        _ => None,
    });
    insert.unwrap_or_else(|| panic!("no insert in {effects:?}"))
}

fn the_look(effects: &[Effect]) -> Look {
    let look = effects.iter().find_map(|effect| match effect {
        Effect::Look(look) => Some(look.clone()),
        _ => None,
    });
    look.unwrap_or_else(|| panic!("no look in {effects:?}"))
}

fn saw(presence: Presence) -> Looked {
    Looked { presence: vec![presence], beyond: Vec::new() }
}

#[test]
fn one_commit_declares_several_partitions_and_the_next_acknowledges_it() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0), usage(1)]);
    member.drains(usage(0), 0, 30);
    member.drains(usage(1), 0, 20);
    let (intent, entries) = the_commit(&member.step(Input::FlushDue));
    assert_eq!(entries, [(0, "v1;e=0;l=0;p=30@0:0+30".to_owned()), (0, "v1;e=0;l=0;p=20@0:0+30".to_owned())]);

    let insert = the_insert(&member.step(Input::Committed(intent, CommitAnswer::Ok)));
    assert_eq!((insert.token.to_string().as_str(), insert.parts.len()), ("usage/0/0/0-30", 2));
    assert_eq!(
        member.step(Input::Inserted(insert.id, InsertAnswer::Ok)),
        [Effect::Durable(usage(0), Offset(30)), Effect::Durable(usage(1), Offset(20))]
    );
    // No commit by itself: the next group's carries it.
    member.drains(usage(1), 20, 25);
    let (_, entries) = the_commit(&member.step(Input::FlushDue));
    assert_eq!(entries, [(30, "v1;e=0;l=30;p=".to_owned()), (20, "v1;e=0;l=20;p=5@1:20+5".to_owned())]);
}

#[test]
fn an_idle_partition_is_committed_plainly() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0)]);
    member.drains(usage(0), 0, 30);
    let (intent, _) = the_commit(&member.step(Input::FlushDue));
    let insert = the_insert(&member.step(Input::Committed(intent, CommitAnswer::Ok)));
    member.step(Input::Inserted(insert.id, InsertAnswer::Ok));
    assert_eq!(member.machine.wake_at(), Some(Millis(100)));
    let (_, entries) = the_commit(&member.after(100));
    assert_eq!(entries, [(30, "v1;e=0;l=30;p=".to_owned())]);
}

#[test]
fn a_full_open_range_is_declared_without_a_flush_and_then_held_back() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0)]);
    the_commit(&member.drains(usage(0), 0, 100));
    assert!(member.machine.may_drain(usage(0)));
    member.drains(usage(0), 100, 200);
    member.drains(usage(0), 200, 300);
    assert!(!member.machine.may_drain(usage(0)), "two ranges in flight and a full one open");
}

#[test]
fn an_insert_long_after_its_intent_waits_for_another_commit() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0)]);
    member.drains(usage(0), 0, 30);
    let (intent, _) = the_commit(&member.step(Input::FlushDue));
    member.now = 501;
    let effects = member.step(Input::Committed(intent, CommitAnswer::Ok));
    let (proof, entries) = the_commit(&effects);
    assert_eq!((effects.len(), entries), (1, vec![(0, "v1;e=0;l=0;p=30@0:0+30".to_owned())]));
    the_insert(&member.step(Input::Committed(proof, CommitAnswer::Ok)));
}

#[test]
fn replay_looks_first_reads_only_what_is_missing_and_looks_again() {
    let mut member = Member::new();
    let look = the_look(&member.takes(&[usage(1)], Some((10, "v1;e=0;l=10;p=5@0:3+9,7@1:15+7"))));
    assert_eq!((look.parts.len(), look.beyond), (2, vec![(usage(1), Offset(22))]));
    let looked = Looked { presence: vec![Presence::Present, Presence::Partial], beyond: Vec::new() };
    assert_eq!(
        member.step(Input::Looked(look.id, looked)),
        [
            Effect::Durable(usage(1), Offset(15)),
            Effect::Consume { partition: usage(1), from: Offset(15), until: Some(Offset(22)) }
        ]
    );
    let effects = member.drains(usage(1), 15, 22);
    assert_eq!(effects[0], Effect::Consume { partition: usage(1), from: Offset(22), until: None });
    let (confirming, entries) = the_commit(&effects);
    assert_eq!(entries, [(15, "v1;e=0;l=15;p=7@1:15+7".to_owned())]);
    let insert = the_insert(&member.step(Input::Committed(confirming, CommitAnswer::Ok)));
    assert_eq!((insert.token.to_string().as_str(), insert.only_missing), ("usage/0/1/15-22", true));
    let again = the_look(&member.step(Input::Inserted(insert.id, InsertAnswer::Ok)));
    let effects = member.step(Input::Looked(again.id, saw(Presence::Present)));
    assert_eq!(effects[0], Effect::Durable(usage(1), Offset(22)));
}

#[test]
fn a_number_follows_only_an_acknowledgement_then_a_death_then_a_look() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0)]);
    member.drains(usage(0), 0, 30);
    let (intent, _) = the_commit(&member.step(Input::FlushDue));
    let first = the_insert(&member.step(Input::Committed(intent, CommitAnswer::Ok)));
    member.step(Input::Inserted(first.id, InsertAnswer::Ambiguous));
    let look = the_look(&member.after(20));
    let second = the_insert(&member.step(Input::Looked(look.id, saw(Presence::Absent))));
    assert_eq!(second.token, first.token, "nobody acknowledged it: the same again");

    let mut token = second.token;
    let mut insert = second;
    for number in 1..=CONFIG.token_number_max {
        let look = the_look(&member.step(Input::Inserted(insert.id, InsertAnswer::Ok)));
        let effects = member.step(Input::Looked(look.id, saw(Presence::Absent)));
        let [Effect::CheckDead(check, _)] = effects[..] else { panic!("{effects:?}") };
        assert_eq!(member.step(Input::Checked(check, false)), [], "it still runs");
        let effects = member.after(20);
        let [Effect::CheckDead(check, _)] = effects[..] else { panic!("{effects:?}") };
        let look = the_look(&member.step(Input::Checked(check, true)));
        insert = the_insert(&member.step(Input::Looked(look.id, saw(Presence::Absent))));
        token.number = number;
        assert_eq!(insert.token, token);
    }
    let look = the_look(&member.step(Input::Inserted(insert.id, InsertAnswer::Ok)));
    let effects = member.step(Input::Looked(look.id, saw(Presence::Absent)));
    let [Effect::CheckDead(check, _)] = effects[..] else { panic!("{effects:?}") };
    let look = the_look(&member.step(Input::Checked(check, true)));
    let effects = member.step(Input::Looked(look.id, saw(Presence::Absent)));
    assert!(matches!(effects[..], [Effect::Stop(StopReason::RowsMissing(_, 3))]), "{effects:?}");
}

#[test]
fn a_partition_is_released_only_when_its_commit_is_answered() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0)]);
    member.drains(usage(0), 0, 30);
    let (intent, _) = the_commit(&member.step(Input::FlushDue));
    assert_eq!(member.step(Input::Lost(vec![usage(0)])), []);
    assert_eq!(member.after(10_000), []);
    assert_eq!(member.step(Input::Committed(intent, CommitAnswer::Fenced)), [Effect::Release(vec![usage(0)])]);
}

#[test]
fn a_revoked_partition_finishes_and_commits_what_is_in_flight() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0)]);
    member.drains(usage(0), 0, 30);
    let (intent, _) = the_commit(&member.step(Input::FlushDue));
    let insert = the_insert(&member.step(Input::Committed(intent, CommitAnswer::Ok)));
    assert_eq!(member.step(Input::Revoke(vec![usage(0)])), []);
    let (last, entries) = the_commit(&member.step(Input::Inserted(insert.id, InsertAnswer::Ok)));
    assert_eq!(entries, [(30, "v1;e=0;l=30;p=".to_owned())]);
    assert_eq!(member.step(Input::Committed(last, CommitAnswer::Ok)), [Effect::Release(vec![usage(0)])]);
}

#[test]
fn a_commit_without_an_answer_ends_the_membership() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0)]);
    member.drains(usage(0), 0, 30);
    let (intent, _) = the_commit(&member.step(Input::FlushDue));
    assert_eq!(member.step(Input::Committed(intent, CommitAnswer::Unknown)), [Effect::Rejoin]);
    assert_eq!(member.step(Input::Committed(intent, CommitAnswer::Ok)), [], "too late");
}

#[test]
fn a_commit_that_is_not_ours_stops_the_machine_with_the_reason() {
    for (offset, text, reason) in [
        (5, "hello", "the committed metadata of usage/0 is not ours: it does not start with v1;; it is not guessed at"),
        (5, "v1;e=3;l=5;p=", "the commit of usage/0 is of epoch 3, and epoch 0 is configured"),
        (
            5,
            "v1;e=4294967296;l=5;p=",
            "the topic of usage/0 was deleted and made anew: what is committed and written is of the one before",
        ),
        (6, "v1;e=0;l=5;p=", "the committed offset of usage/0 is 6 but its metadata says 5: it was moved by hand"),
        (
            2_000,
            "",
            "the log of usage/0 does not have the committed offset 2000: records expired, or the topic was made anew",
        ),
    ] {
        let effects = Member::new().takes(&[usage(0)], Some((offset, text)));
        let [Effect::Stop(stop)] = &effects[..] else { panic!("{effects:?}") };
        assert_eq!(stop.to_string(), reason);
    }
}

#[test]
fn a_raised_epoch_finishes_what_the_one_before_declared_and_makes_nothing_new_meanwhile() {
    let mut member = Member { machine: Machine::new(Config { epoch: 1, ..CONFIG }), now: 0 };
    let look = the_look(&member.takes(&[usage(0)], Some((5, "v1;e=0;l=5;p=10@0:5+10"))));
    member.step(Input::Looked(look.id, saw(Presence::Absent)));
    let (proof, entries) = the_commit(&member.drains(usage(0), 5, 15));
    assert_eq!(entries, [(5, "v1;e=0;l=5;p=10@0:5+10".to_owned())], "declared again, as it was");
    let insert = the_insert(&member.step(Input::Committed(proof, CommitAnswer::Ok)));
    assert_eq!(insert.token.to_string(), "usage/0/0/5-15", "under the token that it had");

    member.drains(usage(0), 15, 20);
    assert_eq!(member.step(Input::FlushDue), [], "no commit can name two epochs");
    let look = the_look(&member.step(Input::Inserted(insert.id, InsertAnswer::Ok)));
    let effects = member.step(Input::Looked(look.id, saw(Presence::Present)));
    let (intent, entries) = the_commit(&effects);
    assert_eq!(entries, [(15, "v1;e=1;l=15;p=5@0:15+5".to_owned())]);
    let insert = the_insert(&member.step(Input::Committed(intent, CommitAnswer::Ok)));
    assert_eq!(insert.token.to_string(), "usage/1/0/15-20");
}

#[test]
fn rows_that_nobody_declared_stop_a_member_but_not_a_paused_owner_that_wakes() {
    for (answer, stops) in [(CommitAnswer::Ok, true), (CommitAnswer::Fenced, false)] {
        let mut member = Member::new();
        let look = the_look(&member.takes(&[usage(0)], None));
        let looked = Looked { presence: Vec::new(), beyond: vec![(usage(0), Offset(40))] };
        let (proof, _) = the_commit(&member.step(Input::Looked(look.id, looked)));
        let effects = member.step(Input::Committed(proof, answer));
        assert_eq!(effects.iter().any(|effect| matches!(effect, Effect::Stop(StopReason::RowsBeyond(..)))), stops);
    }
}

#[test]
fn shutdown_commits_and_ends() {
    let mut member = Member::new();
    member.takes_fresh(&[usage(0)]);
    assert_eq!(member.step(Input::Shutdown), [Effect::Release(vec![usage(0)]), Effect::Stop(StopReason::Shutdown)]);
    assert_eq!(member.step(Input::Assigned(vec![usage(1)])), [], "it has ended");
}
