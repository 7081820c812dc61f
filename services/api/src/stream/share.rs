//! How many streams each key has open: no key may take them all.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use crate::error::Error;

/// Streams that are open, by the id of the key. As many entries as keys with a stream, so never more than there are streams.
#[derive(Debug)]
pub(super) struct Shares {
    open: Mutex<HashMap<String, usize>>,
    each_max: usize,
}

/// A stream's place in its key's share, until it goes. Somebody without a key has none to share.
#[derive(Debug)]
pub(super) struct Share {
    shares: Arc<Shares>,
    key_id: Option<String>,
}

impl Shares {
    /// A key may have `each_max` streams open.
    pub(super) fn new(each_max: usize) -> Arc<Self> {
        Arc::new(Self { open: Mutex::default(), each_max })
    }

    /// A place for one more stream of this key.
    pub(super) fn take(self: &Arc<Self>, key_id: Option<&str>) -> Result<Share, Error> {
        if let Some(key_id) = key_id {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            let count = open.get(key_id).copied().unwrap_or_default();
            if count >= self.each_max {
                return Err(Error::TooManyStreamsOfKey { streams_max: self.each_max });
            }
            open.insert(key_id.to_owned(), count + 1);
        }
        Ok(Share { shares: Arc::clone(self), key_id: key_id.map(str::to_owned) })
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let Some(key_id) = self.key_id.take() else { return };
        let mut open = self.shares.open.lock().unwrap_or_else(PoisonError::into_inner);
        match open.get_mut(&key_id) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(open.remove(&key_id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_share_and_takes_from_no_other() {
        let shares = Shares::new(2);
        let (first, _second) = (shares.take(Some("a")).unwrap(), shares.take(Some("a")).unwrap());
        assert!(matches!(shares.take(Some("a")), Err(Error::TooManyStreamsOfKey { streams_max: 2 })));
        let _others = [shares.take(Some("b")).unwrap(), shares.take(None).unwrap()];
        drop(first);
        let _third = shares.take(Some("a")).unwrap();
        assert!(shares.take(Some("a")).is_err());
    }

    #[test]
    fn who_has_closed_all_is_forgotten() {
        let shares = Shares::new(2);
        drop([shares.take(Some("a")).unwrap(), shares.take(Some("a")).unwrap()]);
        assert!(shares.open.lock().unwrap().is_empty());
    }
}
