//! Kafka: logs that grow, a group coordinator, and the offsets it keeps.
//!
//! Cooperative rebalances: a partition goes to its new owner only in the rebalance after the one that took it from the old.
//! A commit is accepted by member id and generation, whoever owns the partition. With static membership a process that
//! comes back takes its instance's place under a new member id, without a rebalance.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    effect::Commit,
    ids::{Offset, Partition, Topic, TopicPartition},
};

use super::{schedule::Breach, world::ProcessId};

/// A member's id, new with each join.
pub(super) type MemberId = u32;

/// The broker.
pub(super) struct Kafka {
    pub(super) log_ends: BTreeMap<TopicPartition, i64>,
    pub(super) committed: BTreeMap<TopicPartition, (Offset, String)>,
    pub(super) members: BTreeMap<MemberId, Member>,
    generation: u32,
    members_made: u32,
    rebalance_due: bool,
    /// [`Breach::StrangersCommit`].
    admits_strangers: bool,
}

/// A member as the coordinator knows it.
pub(super) struct Member {
    pub(super) process: ProcessId,
    /// The static instance id.
    instance: Option<usize>,
    assignment: BTreeSet<TopicPartition>,
    /// The result of the last rebalance, until the member has fetched it.
    sync: Option<Sync>,
}

/// What a rebalance gave a member.
pub(super) struct Sync {
    pub(super) generation: u32,
    pub(super) assignment: BTreeSet<TopicPartition>,
}

impl Kafka {
    pub(super) fn new(breach: Option<Breach>) -> Self {
        let partition = |topic, partition| TopicPartition { topic: Topic(topic), partition: Partition(partition) };
        let all = [partition("usage", 0), partition("usage", 1), partition("usage", 2), partition("requests", 0)];
        Self {
            log_ends: all.into_iter().map(|partition| (partition, 0)).collect(),
            committed: BTreeMap::new(),
            members: BTreeMap::new(),
            generation: 0,
            members_made: 0,
            rebalance_due: false,
            admits_strangers: breach == Some(Breach::StrangersCommit),
        }
    }

    /// A process joins: in its instance's place if there is one, otherwise by a rebalance.
    pub(super) fn join(&mut self, process: ProcessId, instance: Option<usize>) -> MemberId {
        self.members_made += 1;
        let id = self.members_made;
        let place = self.members.iter().find(|(_, member)| instance.is_some() && member.instance == instance);
        if let Some(old) = place.map(|(old, _)| *old)
            && let Some(member) = self.members.remove(&old)
        {
            let sync = Some(Sync { generation: self.generation, assignment: member.assignment.clone() });
            self.members.insert(id, Member { process, sync, ..member });
            // What its predecessor was to release has no owner yet, and nobody else will ask for a rebalance.
            let assigned: usize = self.members.values().map(|member| member.assignment.len()).sum();
            self.rebalance_due |= assigned < self.log_ends.len();
        } else {
            self.members.insert(id, Member { process, instance, assignment: BTreeSet::new(), sync: None });
            self.rebalance_due = true;
        }
        id
    }

    /// Whether another member has taken the instance's place.
    pub(super) fn is_replaced(&self, instance: Option<usize>) -> bool {
        instance.is_some() && self.members.values().any(|member| member.instance == instance)
    }

    /// The session timed out, or the member left.
    pub(super) fn remove(&mut self, id: MemberId) {
        if self.members.remove(&id).is_some() {
            self.rebalance_due = true;
        }
    }

    /// A member has released what was taken from it, and joins again.
    pub(super) fn rejoin(&mut self, id: MemberId) {
        self.rebalance_due |= self.members.contains_key(&id);
    }

    pub(super) fn sync(&mut self, id: MemberId) -> Option<Sync> {
        self.members.get_mut(&id).and_then(|member| member.sync.take())
    }

    /// Completes a rebalance once every member is `ready`; those that are not are removed if `expel`. Returns whether it did.
    pub(super) fn rebalance(&mut self, ready: impl Fn(MemberId, &Member) -> bool, expel: bool) -> bool {
        let is_ready = |id: MemberId, member: &Member| member.sync.is_none() && ready(id, member);
        if !self.rebalance_due || !expel && !self.members.iter().all(|(id, member)| is_ready(*id, member)) {
            return false;
        }
        self.members.retain(|id, member| is_ready(*id, member));
        self.rebalance_due = false;
        self.generation += 1;
        let targets = self.targets();
        let owned: BTreeSet<TopicPartition> =
            self.members.values().flat_map(|member| member.assignment.iter().copied()).collect();
        for (id, member) in &mut self.members {
            let target = targets.get(id).cloned().unwrap_or_default();
            // What another still holds is taken from it now and given in the next rebalance.
            let given =
                |partition: &TopicPartition| member.assignment.contains(partition) || !owned.contains(partition);
            let assignment: BTreeSet<TopicPartition> = target.iter().copied().filter(given).collect();
            member.assignment.clone_from(&assignment);
            member.sync = Some(Sync { generation: self.generation, assignment });
        }
        true
    }

    /// Sticky: everybody keeps up to a fair share.
    fn targets(&self) -> BTreeMap<MemberId, BTreeSet<TopicPartition>> {
        let mut targets: BTreeMap<MemberId, BTreeSet<TopicPartition>> = BTreeMap::new();
        if self.members.is_empty() {
            return targets;
        }
        let share = self.log_ends.len().div_ceil(self.members.len());
        for (id, member) in &self.members {
            targets.insert(*id, member.assignment.iter().copied().take(share).collect());
        }
        for partition in self.log_ends.keys() {
            if !targets.values().any(|target| target.contains(partition))
                && let Some(target) = targets.values_mut().min_by_key(|target| target.len())
            {
                target.insert(*partition);
            }
        }
        targets
    }

    /// Whether a commit is accepted.
    pub(super) fn admits(&self, member: Option<MemberId>, generation: u32) -> bool {
        match member {
            Some(member) => self.members.contains_key(&member) && generation == self.generation,
            None => self.admits_strangers && self.members.is_empty(),
        }
    }

    pub(super) fn keep(&mut self, commits: &[Commit]) {
        for commit in commits {
            self.committed.insert(commit.partition, (commit.offset, commit.metadata.clone()));
        }
    }
}
