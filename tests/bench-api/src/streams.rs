//! Open streams: how soon a ranking that is published arrives at all of them, what each keeps of the server's memory, and what
//! hot answers are like meanwhile.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use rank_bench::process::Process;
use serde::Serialize;
use testkit::eventually::eventually;
use tokio::{io::AsyncWriteExt as _, net::TcpStream, task::JoinSet};

use crate::{
    Options, hot, made,
    reader::Reader,
    say,
    spread::{quantile, sorted},
    stand::{SHORT, Stand},
    wrk::{Asked, Seen},
};

/// Streams that are being opened at once: the listener's queue is not what is measured.
const OPENING_MAX: usize = 100;
const OPEN_MAX: Duration = Duration::from_secs(20);
const EVERY: Duration = Duration::from_secs(1);
const ARRIVED_MAX: Duration = Duration::from_secs(20);
const HEAD_BYTES_MAX: usize = 8 * 1024;
const READ_BYTES: usize = 64 * 1024;

thread_local! {
    /// One for all streams that a thread reads: a buffer each would be most of what this client keeps.
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// What a number of streams was like.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    pub(crate) streams: u64,
    pub(crate) teams: u64,
    /// What the server's process has more of than before, for each stream: open, and after it was served.
    pub(crate) open_kib_each: f64,
    pub(crate) served_kib_each: f64,
    /// From publishing to receiving, nothing else being asked.
    pub(crate) quiet: Latency,
    /// From publishing to receiving, while hot answers are asked for with all might.
    pub(crate) busy: Latency,
    pub(crate) hot_without: Seen,
    pub(crate) hot_with_open: Seen,
    pub(crate) hot_with_served: Seen,
}

/// From publishing to receiving.
#[derive(Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) published: u64,
    pub(crate) received: u64,
    pub(crate) missed: u64,
    pub(crate) doubled: u64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

/// Who received what, and when.
type Board = Arc<Mutex<Vec<(u64, Instant)>>>;

struct Streams {
    board: Board,
    readers: JoinSet<anyhow::Result<()>>,
    /// Of each team.
    each: u64,
}

/// Opens the streams, over so many teams, serves them, and closes them.
///
/// # Errors
/// When one ends too soon.
pub(crate) async fn measure(options: &Options, stand: &Stand, teams: u64) -> anyhow::Result<Figures> {
    let names: Vec<String> = (0..teams.max(1)).map(|number| format!("streamed-{number}")).collect();
    for team in &names {
        stand.publisher.publish(team, 20).await?;
    }
    let last = stand.asked(&format!("/v1/teams/{}/rankings", names[names.len() - 1]));
    eventually("the teams are there", ARRIVED_MAX, async || match stand.ask(&last).await {
        Ok(answer) if answer.status == 200 => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
    let process = Process::of(stand.api.id());
    let short = stand.asked(&format!("/v1/teams/{SHORT}/rankings?limit=20"));
    let hot = async || Ok::<_, anyhow::Error>(hot::round(&short, options, &process).await?.seen);
    let hot_without = hot().await?;

    let before = process.resident_kib()?;
    let mut streams = Streams::open(stand, &names, options.streams).await?;
    let kib_each = |now: f64| (now - before) / options.streams as f64;
    let open_kib_each = kib_each(process.resident_kib()?);
    say(&format!("{} streams of {teams} teams are open, {open_kib_each:.1} KiB each", options.streams));
    let during = Duration::from_secs(options.stream_seconds);
    let quiet = streams.serve(stand, &names, during).await?;
    let served_kib_each = kib_each(process.resident_kib()?);
    say(&format!("served: p99 {:.0} ms, {served_kib_each:.1} KiB each", quiet.p99_ms));
    let hot_with_open = hot().await?;
    let (busy, hot_with_served) = tokio::try_join!(streams.serve(stand, &names, options.round() + EVERY), hot())?;
    say(&format!("while hot answers are asked for: p99 {:.0} ms", busy.p99_ms));
    streams.readers.shutdown().await;
    Ok(Figures {
        streams: options.streams,
        teams,
        open_kib_each,
        served_kib_each,
        quiet,
        busy,
        hot_without,
        hot_with_open,
        hot_with_served,
    })
}

impl Streams {
    async fn open(stand: &Stand, teams: &[String], count: u64) -> anyhow::Result<Self> {
        let board = Board::default();
        let mut readers = JoinSet::new();
        let mut opening = JoinSet::new();
        for number in 0..count {
            let team = &teams[number as usize % teams.len()];
            let asked = stand.asked(&format!("/v1/teams/{team}/rankings/stream"));
            opening.spawn(async move { tokio::time::timeout(OPEN_MAX, open(&asked)).await? });
            if opening.len() == OPENING_MAX {
                let stream = opening.join_next().await.context("nothing is being opened")???;
                readers.spawn(read(stream, Arc::clone(&board)));
            }
        }
        while let Some(stream) = opening.join_next().await {
            readers.spawn(read(stream??, Arc::clone(&board)));
        }
        // Each begins with the ranking as it is.
        let streams = Self { board, readers, each: count / teams.len() as u64 };
        let whole = streams.each * teams.len() as u64;
        eventually("every stream has begun", ARRIVED_MAX, async || streams.received(whole)).await;
        streams.take();
        Ok(streams)
    }

    fn received(&self, expected: u64) -> Result<(), String> {
        let received = self.board.lock().unwrap_or_else(PoisonError::into_inner).len() as u64;
        if received >= expected { Ok(()) } else { Err(format!("{received} of {expected} received")) }
    }

    fn take(&self) -> Vec<(u64, Instant)> {
        std::mem::take(&mut self.board.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Every team publishes once a second, each at a moment of its own.
    async fn serve(&mut self, stand: &Stand, teams: &[String], during: Duration) -> anyhow::Result<Latency> {
        self.take();
        let mut sent = BTreeMap::new();
        let mut tick = tokio::time::interval(EVERY / u32::try_from(teams.len())?);
        let began = Instant::now();
        for team in teams.iter().cycle() {
            tick.tick().await;
            if began.elapsed() >= during {
                break;
            }
            let made = stand.publisher.publish(team, 20).await?;
            sent.insert(made.number, made.sent);
        }
        let expected = sent.len() as u64 * self.each;
        // What has not come by then is counted as missed.
        let deadline = Instant::now() + ARRIVED_MAX;
        while self.received(expected).is_err() && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if let Some(ended) = self.readers.try_join_next() {
            ended?.context("a stream failed")?;
        }
        Ok(latency(&sent, &self.take(), self.each))
    }
}

fn latency(sent: &BTreeMap<u64, Instant>, received: &[(u64, Instant)], each: u64) -> Latency {
    let mut counts: BTreeMap<u64, u64> = sent.keys().map(|number| (*number, 0)).collect();
    let mut waits = Vec::new();
    for (number, at) in received {
        if let (Some(count), Some(sent)) = (counts.get_mut(number), sent.get(number)) {
            *count += 1;
            waits.push(at.duration_since(*sent).as_secs_f64() * 1e3);
        }
    }
    let waits = sorted(waits.into_iter());
    let at = |share| if waits.is_empty() { f64::INFINITY } else { quantile(&waits, share) };
    Latency {
        published: sent.len() as u64,
        received: waits.len() as u64,
        missed: counts.values().map(|count| each.saturating_sub(*count)).sum(),
        doubled: counts.values().map(|count| count.saturating_sub(each)).sum(),
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        max_ms: at(1.0),
    }
}

/// A stream whose head has been read.
async fn open(asked: &Asked) -> anyhow::Result<TcpStream> {
    let (address, path) = asked.url.strip_prefix("http://").and_then(|rest| rest.split_once('/')).context("a URL")?;
    let address: SocketAddr = address.parse()?;
    let mut stream = TcpStream::connect(address).await?;
    let headers: String = asked.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\naccept: text/event-stream\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut head = vec![0; HEAD_BYTES_MAX];
    loop {
        stream.readable().await?;
        let seen = stream.peek(&mut head).await?;
        ensure!(seen > 0, "a stream ends before it begins");
        // The first event may be there already, and longer than what is looked at.
        let Some(end) = head[..seen].windows(4).position(|four| four == b"\r\n\r\n") else {
            ensure!(seen < HEAD_BYTES_MAX, "a stream's head has more than {HEAD_BYTES_MAX} bytes");
            tokio::task::yield_now().await;
            continue;
        };
        let text = String::from_utf8_lossy(&head[..end]).to_lowercase();
        ensure!(text.starts_with("http/1.1 200") && text.contains("transfer-encoding: chunked"), "{text}");
        tokio::io::AsyncReadExt::read_exact(&mut stream, &mut head[..end + 4]).await?;
        return Ok(stream);
    }
}

/// Reads until it is aborted.
async fn read(stream: TcpStream, board: Board) -> anyhow::Result<()> {
    let mut reader = Reader::default();
    loop {
        stream.readable().await?;
        let open = BUFFER.with_borrow_mut(|buffer| match stream.try_read(buffer) {
            Ok(0) => Ok(false),
            Ok(length) => {
                let at = Instant::now();
                let board = |number| board.lock().unwrap_or_else(PoisonError::into_inner).push((number, at));
                reader.read(&buffer[..length], made::number, |number| number.into_iter().for_each(board));
                Ok(true)
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => Ok(true),
            Err(error) => Err(error),
        })?;
        ensure!(open, "the server {} a stream", if reader.ended() { "ended" } else { "broke off" });
    }
}
