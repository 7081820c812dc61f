//! Readiness: named parts report whether they can do their work; the process is ready when all of them can.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// The readiness of every part of the process. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Health {
    parts: Arc<Mutex<BTreeMap<&'static str, State>>>,
}

#[derive(Clone, Debug)]
enum State {
    Ready,
    Unready(String),
}

/// One part's handle to report its readiness with.
#[derive(Clone, Debug)]
pub struct Part {
    name: &'static str,
    health: Health,
}

impl Health {
    /// Registers a part, unready until it says otherwise.
    pub fn part(&self, name: &'static str) -> Part {
        let part = Part { name, health: self.clone() };
        part.unready("starting");
        part
    }

    /// Why the process is not ready, part by part; empty when it is.
    pub fn unready(&self) -> BTreeMap<&'static str, String> {
        let parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts
            .iter()
            .filter_map(|(name, state)| match state {
                State::Ready => None,
                State::Unready(why) => Some((*name, why.clone())),
            })
            .collect()
    }

    fn set(&self, name: &'static str, state: State) {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).insert(name, state);
    }
}

impl Part {
    /// The name it was registered under.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The part can do its work.
    pub fn ready(&self) {
        self.health.set(self.name, State::Ready);
    }

    /// The part cannot do its work, and why: one short clause, no secrets.
    pub fn unready(&self, why: impl Into<String>) {
        self.health.set(self.name, State::Unready(why.into()));
    }
}
