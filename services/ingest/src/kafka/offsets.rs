//! What the group has committed, where the logs begin and end, and what became of a commit.
#![expect(unsafe_code, reason = "the client's own way to a commit's metadata panics on bytes that are not UTF-8")]

use std::{collections::BTreeMap, slice, time::Duration};

use anyhow::Context as _;
use protocol::{Commit, CommitAnswer, Fetched, Offset, TopicPartition};
use rdkafka::{
    Offset as KafkaOffset, TopicPartitionList,
    consumer::Consumer as _,
    error::{KafkaError, RDKafkaErrorCode},
};

use super::{Consumer, topic_ids};

const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What the group has committed for these, with its metadata, and the bounds of their logs. Blocks the thread.
pub(crate) fn fetch_committed(consumer: &Consumer, partitions: &[TopicPartition]) -> anyhow::Result<Vec<Fetched>> {
    let mut asked = TopicPartitionList::new();
    for partition in partitions {
        asked.add_partition(partition.topic.0, partition.partition.0);
    }
    let topic_ids = topic_ids(consumer, ANSWER_MAX)?;
    let committed = consumer.committed_offsets(asked, ANSWER_MAX)?;
    let metadata = metadata(&committed);
    let mut found = BTreeMap::new();
    for (element, metadata) in committed.elements().iter().zip(metadata) {
        element.error()?;
        if let KafkaOffset::Offset(offset) = element.offset() {
            found.insert((element.topic().to_owned(), element.partition()), (Offset(offset), metadata));
        }
    }
    let fetched = partitions.iter().map(|partition| {
        let (topic, number) = (partition.topic.0, partition.partition.0);
        let (log_first, log_end) = consumer.fetch_watermarks(topic, number, ANSWER_MAX)?;
        Ok(Fetched {
            partition: *partition,
            topic_id: *topic_ids.get(topic).with_context(|| format!("topic {topic} does not exist"))?,
            committed: found.remove(&(topic.to_owned(), number)),
            log_first: Offset(log_first),
            log_end: Offset(log_end),
        })
    });
    fetched.collect()
}

/// The list that commits these.
pub(super) fn list(commits: &[Commit]) -> Result<TopicPartitionList, KafkaError> {
    let mut list = TopicPartitionList::new();
    for commit in commits {
        let (topic, partition) = (commit.partition.topic.0, commit.partition.partition.0);
        list.add_partition_offset(topic, partition, KafkaOffset::Offset(commit.offset.0))?;
        if let Some(mut element) = list.find_partition(topic, partition) {
            element.set_metadata(&commit.metadata);
        }
    }
    Ok(list)
}

/// What became of a commit: `refused` are the codes of what was refused, `refused_all` says that nothing was taken,
/// `only_copy` that the client cannot have sent it twice.
pub(super) fn answer(refused: &[RDKafkaErrorCode], refused_all: bool, only_copy: bool) -> CommitAnswer {
    use RDKafkaErrorCode as Code;
    // Whatever it says: another copy may be on its way.
    if !only_copy {
        return CommitAnswer::Unknown;
    }
    let fenced =
        |code: &Code| matches!(code, Code::IllegalGeneration | Code::UnknownMemberId | Code::RebalanceInProgress);
    // Refused by the coordinator before it wrote anything, or by the client before it sent anything.
    let failed = |code: &Code| {
        matches!(
            code,
            Code::OffsetMetadataTooLarge
                | Code::InvalidCommitOffsetSize
                | Code::GroupAuthorizationFailed
                | Code::TopicAuthorizationFailed
                | Code::UnknownTopicOrPartition
                | Code::NotCoordinator
                | Code::CoordinatorNotAvailable
                | Code::CoordinatorLoadInProgress
                | Code::WaitingForCoordinator
                | Code::NoOffset
        )
    };
    match refused {
        [] => CommitAnswer::Ok,
        codes if refused_all && codes.iter().all(fenced) => CommitAnswer::Fenced,
        codes if refused_all && codes.iter().all(|code| fenced(code) || failed(code)) => CommitAnswer::Failed,
        _ => CommitAnswer::Unknown,
    }
}

/// The metadata of each element, with replacement characters where it is not UTF-8: then it is not ours.
fn metadata(list: &TopicPartitionList) -> Vec<String> {
    // SAFETY: the pointer is to a list that lives as long as the borrow; its `cnt` elements lie in a row, and each one's
    // metadata is `metadata_size` bytes that the list owns, or null.
    unsafe {
        let list = &*list.ptr();
        let count = usize::try_from(list.cnt).unwrap_or_default();
        if count == 0 {
            return Vec::new();
        }
        let elements = slice::from_raw_parts(list.elems, count).iter();
        let metadata = elements.map(|element| match element.metadata.is_null() {
            true => String::new(),
            false => {
                let bytes = slice::from_raw_parts(element.metadata.cast::<u8>(), element.metadata_size);
                String::from_utf8_lossy(bytes).into_owned()
            }
        });
        metadata.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_counts_only_where_its_answer_is_clear() {
        use RDKafkaErrorCode as Code;
        assert_eq!(answer(&[], false, true), CommitAnswer::Ok);
        assert_eq!(answer(&[], false, false), CommitAnswer::Unknown);
        assert_eq!(answer(&[Code::IllegalGeneration], true, true), CommitAnswer::Fenced);
        assert_eq!(answer(&[Code::IllegalGeneration], true, false), CommitAnswer::Unknown);
        assert_eq!(answer(&[Code::NotCoordinator, Code::NotCoordinator], true, true), CommitAnswer::Failed);
        assert_eq!(answer(&[Code::UnknownTopicOrPartition], false, true), CommitAnswer::Unknown);
        assert_eq!(answer(&[Code::RequestTimedOut], true, true), CommitAnswer::Unknown);
        assert_eq!(answer(&[Code::BrokerTransportFailure], true, true), CommitAnswer::Unknown);
    }

    #[test]
    fn a_commit_carries_its_metadata() {
        let partition = TopicPartition { topic: protocol::Topic("t"), partition: protocol::Partition(3) };
        let commits = [Commit { partition, offset: Offset(7), metadata: "v1;e=0;l=7;p=".to_owned() }];
        let list = list(&commits).unwrap();
        assert_eq!(metadata(&list), ["v1;e=0;l=7;p="]);
        assert_eq!(list.elements()[0].offset(), KafkaOffset::Offset(7));
    }
}
