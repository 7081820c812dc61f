//! Fuzzes the reader of events with libFuzzer: whatever bytes a record is made of, [`check::check`] must hold.
//!
//! `FUZZ_SEEDS` names a folder to write the schemas' examples to, as inputs to begin with.

#![no_main]

mod check;
mod input;
mod seeds;

use libfuzzer_sys::fuzz_target;

fuzz_target!(
    init: {
        if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
            seeds::write(folder.as_ref()).expect("the examples are read and the seeds written");
        }
    },
    |bytes: &[u8]| check::check(&input::Input::read(bytes).record())
);
