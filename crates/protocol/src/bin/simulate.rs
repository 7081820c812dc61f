//! Runs schedules for as long as asked: `simulate [SECONDS [SEED]]`, or `simulate planted [NAME]` to see each planted bug
//! caught, with the story of the one that is named.
//!
//! Prints the first seed and the progress. On a violation it prints the shrunk schedule and exits with 1.

#![expect(clippy::print_stdout, reason = "this program's answer")]
#![expect(clippy::disallowed_methods, reason = "the edge: the seed and the time to stop come from outside")]

use std::{
    env,
    process::ExitCode,
    time::{Duration, Instant, SystemTime},
};

use protocol::sim::{Planted, Schedule, breached, planted};

/// How often the progress is printed.
const REPORT_EVERY: Duration = Duration::from_secs(10);
/// How many schedules a planted bug gets to be caught.
const PLANTED_SCHEDULES: u64 = 20_000;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.first().is_some_and(|first| first == "planted") {
        return show_planted();
    }
    let numbers: Result<Vec<u64>, _> = arguments.iter().map(|argument| argument.parse()).collect();
    let Ok(numbers) = numbers else {
        println!("usage: simulate [SECONDS [SEED]] | simulate planted");
        return ExitCode::FAILURE;
    };
    let now = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_secs());
    let seconds = numbers.first().copied().unwrap_or(60);
    // Far apart, so that two runs do not try the same.
    let first = numbers.get(1).copied().unwrap_or(now << 24);
    search(first, Duration::from_secs(seconds))
}

fn search(first: u64, time: Duration) -> ExitCode {
    println!("schedules from seed {first} on, for {} s", time.as_secs());
    let begun = Instant::now();
    let mut reported = begun;
    let mut seed = first;
    while begun.elapsed() < time {
        if let Err(violation) = Schedule::of(seed).run() {
            println!("seed {seed}: {violation}; shrinking");
            for line in Schedule::of(seed).shrunk().story() {
                println!("{line}");
            }
            println!("again: make simulate SECONDS=1 SEED={seed}");
            return ExitCode::FAILURE;
        }
        seed = seed.wrapping_add(1);
        if reported.elapsed() >= REPORT_EVERY {
            reported = Instant::now();
            println!("{} schedules in {} s", seed.wrapping_sub(first), begun.elapsed().as_secs());
        }
    }
    println!("{} schedules kept every invariant", seed.wrapping_sub(first));
    ExitCode::SUCCESS
}

fn show_planted() -> ExitCode {
    println!("rules left out:");
    let mut all_caught = true;
    for planted in planted(PLANTED_SCHEDULES) {
        show(&planted);
        all_caught &= planted.caught.is_some();
    }
    println!("promises broken that the protocol rests on:");
    for breached in breached(PLANTED_SCHEDULES) {
        show(&breached);
        all_caught &= breached.caught.is_some();
    }
    if all_caught { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// One line for the first broken rule and one for the first wrong row; the shrunk story too, if the name was asked for.
fn show(planted: &Planted) {
    for (what, caught) in [("rule", &planted.caught), ("rows", &planted.harm)] {
        match caught {
            Some(caught) => println!("  {:30} {what} seed {:5}: {}", planted.name, caught.seed, caught.violation),
            None => println!("  {:30} {what} not caught", planted.name),
        }
    }
    if env::args().any(|argument| argument == planted.name) {
        for line in planted.harm.iter().chain(&planted.caught).take(1).flat_map(|caught| &caught.story) {
            println!("    {line}");
        }
    }
}
