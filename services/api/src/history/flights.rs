//! One flight for a question: whoever asks it while it is under way waits for the same answer.
//!
//! A flight is a future that its passengers drive together. It goes on as long as one of them waits; when the last one leaves, it
//! is dropped, and with it what it was waiting for.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::future::{BoxFuture, FutureExt as _, Shared, WeakShared};

/// The flights under way, by what they are for.
pub(super) struct Flights<V: Clone> {
    under_way: Arc<Mutex<UnderWay<V>>>,
}

struct UnderWay<V: Clone> {
    flights: HashMap<String, Flight<V>>,
    departed: u64,
}

struct Flight<V: Clone> {
    number: u64,
    answer: WeakShared<BoxFuture<'static, V>>,
}

/// How somebody comes to an answer.
pub(super) enum Boarded<V: Clone> {
    /// It is there already.
    Landed(V),
    /// With a flight that was under way.
    Joined(Shared<BoxFuture<'static, V>>),
    /// With a flight of their own, which others may join.
    First(Shared<BoxFuture<'static, V>>),
}

impl<V: Clone> Default for Flights<V> {
    fn default() -> Self {
        Self { under_way: Arc::new(Mutex::new(UnderWay { flights: HashMap::new(), departed: 0 })) }
    }
}

impl<V: Clone + Send + Sync + 'static> Flights<V> {
    /// Boards the flight for `key`. Where none is under way, one may just have `landed`; if not, `depart` makes it.
    pub(super) fn board(
        &self,
        key: &str,
        landed: impl FnOnce() -> Option<V>,
        depart: impl FnOnce() -> BoxFuture<'static, V>,
    ) -> Boarded<V> {
        let mut under_way = lock(&self.under_way);
        if let Some(flight) = under_way.flights.get(key).and_then(|flight| flight.answer.upgrade()) {
            return Boarded::Joined(flight);
        }
        if let Some(landed) = landed() {
            return Boarded::Landed(landed);
        }
        under_way.departed += 1;
        let number = under_way.departed;
        let entry = Entry { under_way: Arc::clone(&self.under_way), key: key.to_owned(), number };
        let answer = depart();
        let flight = async move {
            // Moved in, so that it goes with the flight, however that ends.
            let _entry = entry;
            answer.await
        };
        let flight = flight.boxed().shared();
        if let Some(answer) = flight.downgrade() {
            under_way.flights.insert(key.to_owned(), Flight { number, answer });
        }
        Boarded::First(flight)
    }
}

/// A flight's place among those under way, given up when it goes.
struct Entry<V: Clone> {
    under_way: Arc<Mutex<UnderWay<V>>>,
    key: String,
    number: u64,
}

impl<V: Clone> Drop for Entry<V> {
    fn drop(&mut self) {
        let mut under_way = lock(&self.under_way);
        // Another may have departed for the same key when the last passenger of this one had left.
        if under_way.flights.get(&self.key).is_some_and(|flight| flight.number == self.number) {
            under_way.flights.remove(&self.key);
        }
    }
}

// Nothing panics with the lock held.
fn lock<V: Clone>(under_way: &Mutex<UnderWay<V>>) -> MutexGuard<'_, UnderWay<V>> {
    under_way.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::{
        future::{pending, poll_fn},
        sync::atomic::{AtomicU32, Ordering},
        task::Poll,
    };

    use tokio::sync::oneshot;

    use super::*;

    /// Counts what it is told to count when it goes.
    struct Gone(Arc<AtomicU32>);

    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn shared<V: Clone + Send + Sync + 'static>(boarded: Boarded<V>) -> Shared<BoxFuture<'static, V>> {
        match boarded {
            Boarded::Joined(flight) | Boarded::First(flight) => flight,
            Boarded::Landed(_) => panic!("it has not landed"),
        }
    }

    async fn poll_once<V: Clone>(flight: &mut Shared<BoxFuture<'static, V>>) {
        poll_fn(|context| {
            let _ = flight.poll_unpin(context);
            Poll::Ready(())
        })
        .await;
    }

    #[tokio::test]
    async fn many_askers_make_one_flight_and_all_get_its_answer() {
        let flights = Flights::default();
        let (land, landing) = oneshot::channel::<u32>();
        let mut landing = Some(landing);
        let departures = AtomicU32::new(0);
        let askers: Vec<_> = (0..100)
            .map(|_| {
                let depart = || {
                    departures.fetch_add(1, Ordering::Relaxed);
                    landing.take().expect("one departure").map(|answer| answer.unwrap_or_default()).boxed()
                };
                tokio::spawn(shared(flights.board("k", || None, depart)))
            })
            .collect();
        land.send(7).unwrap();
        for asker in askers {
            assert_eq!(asker.await.unwrap(), 7);
        }
        assert_eq!(departures.into_inner(), 1);
        assert!(lock(&flights.under_way).flights.is_empty(), "it has left its place");
    }

    #[tokio::test]
    async fn it_is_given_up_when_the_last_asker_leaves_and_not_before() {
        let flights = Flights::<u32>::default();
        let gone = Arc::new(AtomicU32::new(0));
        let depart = || {
            let gone = Gone(Arc::clone(&gone));
            async move {
                let _gone = gone;
                pending().await
            }
            .boxed()
        };
        let mut first = shared(flights.board("k", || None, depart));
        let mut second = shared(flights.board("k", || None, || unreachable!("one is under way")));
        poll_once(&mut first).await;
        poll_once(&mut second).await;
        drop(first);
        assert_eq!(gone.load(Ordering::Relaxed), 0, "the second still waits");
        drop(second);
        assert_eq!(gone.load(Ordering::Relaxed), 1);
        assert!(lock(&flights.under_way).flights.is_empty());
        assert!(matches!(flights.board("k", || None, || pending().boxed()), Boarded::First(_)));
    }

    #[tokio::test]
    async fn those_left_are_woken_although_the_asker_that_began_it_is_gone() {
        let flights = Flights::default();
        let (land, landing) = oneshot::channel::<u32>();
        let depart = || landing.map(|answer| answer.unwrap_or_default()).boxed();
        let mut first = shared(flights.board("k", || None, depart));
        let second = tokio::spawn(shared(flights.board("k", || None, || unreachable!("one is under way"))));
        poll_once(&mut first).await;
        drop(first);
        land.send(7).unwrap();
        assert_eq!(second.await.unwrap(), 7);
    }

    #[tokio::test]
    async fn what_has_just_landed_is_not_asked_for_again() {
        let flights = Flights::default();
        let boarded = flights.board("k", || Some(7), || unreachable!("it is there"));
        assert!(matches!(boarded, Boarded::Landed(7)));
    }
}
