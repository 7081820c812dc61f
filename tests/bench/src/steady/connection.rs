//! A connection to a broker on which batches are produced, a few requests ahead of the answers.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    time::Duration,
};

use anyhow::{Context as _, ensure};
use bytes::{Buf as _, BufMut as _};

use super::batch::Batch;

const PRODUCE: i16 = 0;
/// The last without compact encodings; Kafka 4 takes 3 to 13.
const PRODUCE_VERSION: i16 = 8;
/// All replicas in sync have the batch.
const ACKS_ALL: i16 = -1;
const CLIENT: &str = "bench-producer";
/// Ahead of the answers, of ours; the broker handles one after the other.
const IN_FLIGHT_MAX: i32 = 10;
const ANSWER_MAX: Duration = Duration::from_secs(30);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A broker that leads all partitions.
pub(super) struct Connection {
    stream: TcpStream,
    /// The request being sent; kept for its memory.
    request: Vec<u8>,
    sent: i32,
    answered: i32,
}

impl Connection {
    /// Connects to the one broker.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub(super) fn open(broker: &str) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(broker).with_context(|| format!("cannot connect to Kafka at {broker}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_MAX))?;
        stream.set_write_timeout(Some(ANSWER_MAX))?;
        Ok(Self { stream, request: Vec::new(), sent: 0, answered: 0 })
    }

    /// Waits until one more request may be sent.
    ///
    /// # Errors
    /// When Kafka does not answer or did not take a batch.
    pub(super) fn wait_for_room(&mut self) -> anyhow::Result<()> {
        while self.sent - self.answered >= IN_FLIGHT_MAX {
            self.answer()?;
        }
        Ok(())
    }

    /// Sends a batch to each partition, from 0 on.
    ///
    /// # Errors
    /// When Kafka does not read.
    pub(super) fn send(&mut self, topic: &str, batches: &[Batch]) -> anyhow::Result<()> {
        let request = &mut self.request;
        request.clear();
        request.put_i32(0); // length, below
        request.put_i16(PRODUCE);
        request.put_i16(PRODUCE_VERSION);
        request.put_i32(self.sent);
        put_string(request, CLIENT)?;
        request.put_i16(-1); // no transaction
        request.put_i16(ACKS_ALL);
        request.put_i32(i32::try_from(ANSWER_MAX.as_millis())?);
        request.put_i32(1);
        put_string(request, topic)?;
        request.put_i32(i32::try_from(batches.len())?);
        for (partition, batch) in batches.iter().enumerate() {
            request.put_i32(i32::try_from(partition)?);
            request.put_i32(i32::try_from(batch.bytes().len())?);
            request.extend_from_slice(batch.bytes());
        }
        let length = i32::try_from(request.len() - 4)?;
        request[..4].copy_from_slice(&length.to_be_bytes());
        self.stream.write_all(request).context("Kafka does not read what is produced")?;
        self.sent += 1;
        Ok(())
    }

    /// Waits until Kafka has taken everything.
    ///
    /// # Errors
    /// When it does not answer or did not take a batch.
    pub(super) fn close(mut self) -> anyhow::Result<()> {
        while self.answered < self.sent {
            self.answer()?;
        }
        Ok(())
    }

    /// Reads the next answer.
    fn answer(&mut self) -> anyhow::Result<()> {
        let mut length = [0; 4];
        self.stream.read_exact(&mut length).context("Kafka does not answer what was produced")?;
        let length = usize::try_from(i32::from_be_bytes(length))?;
        ensure!(length <= ANSWER_BYTES_MAX, "an answer of {length} bytes is not to what was produced");
        let mut answer = vec![0; length];
        self.stream.read_exact(&mut answer).context("Kafka broke off an answer")?;
        check(&answer, self.answered).context("Kafka did not take what was produced")?;
        self.answered += 1;
        Ok(())
    }
}

/// Checks that every batch of a request was taken.
fn check(mut answer: &[u8], request: i32) -> anyhow::Result<()> {
    let number = answer.try_get_i32()?;
    ensure!(number == request, "the answer is to request {number}, not {request}");
    for _ in 0..answer.try_get_i32()? {
        let topic = usize::try_from(answer.try_get_i16()?)?;
        ensure!(answer.len() >= topic, "the answer is too short");
        answer.advance(topic);
        for _ in 0..answer.try_get_i32()? {
            let partition = answer.try_get_i32()?;
            let code = answer.try_get_i16()?;
            ensure!(code == 0, "partition {partition}: error {code}");
            let _first_offset = answer.try_get_i64()?;
            let _appended_ms = answer.try_get_i64()?;
            let _log_begins = answer.try_get_i64()?;
            let complaints = answer.try_get_i32()?;
            let message = answer.try_get_i16()?;
            ensure!(complaints <= 0 && message <= 0, "partition {partition}: taken, and yet there are complaints");
        }
    }
    Ok(())
}

fn put_string(bytes: &mut Vec<u8>, text: &str) -> anyhow::Result<()> {
    bytes.put_i16(i16::try_from(text.len())?);
    bytes.extend_from_slice(text.as_bytes());
    Ok(())
}
