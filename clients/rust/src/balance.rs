//! Several addresses of one service.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// For how long an address is left out after its connection failed.
const AWAY: Duration = Duration::from_secs(1);

/// Takes turns between addresses, but for those whose connection has just failed. Clones share what they know.
#[derive(Debug, Clone)]
pub(crate) struct Turns(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    begun: Instant,
    next: AtomicUsize,
    /// Of each address: until when it is left out, in milliseconds since `begun`.
    away: Vec<AtomicU64>,
}

impl Turns {
    pub(crate) fn new(addresses: usize) -> Self {
        let away = (0..addresses).map(|_| AtomicU64::new(0)).collect();
        // Random, so that clients that begin together spread at once.
        let next = AtomicUsize::new(fastrand::usize(..addresses.max(1)));
        Self(Arc::new(Shared { begun: Instant::now(), next, away }))
    }

    /// The number of the address whose turn it is. Where all are away, any.
    pub(crate) fn take(&self) -> usize {
        let Shared { next, away, .. } = &*self.0;
        let (turn, now) = (next.fetch_add(1, Relaxed), self.now());
        // Among those that are there: the next one after one that is away must not get two turns.
        let there = || (0..away.len()).filter(|address| away[*address].load(Relaxed) <= now);
        let count = there().count().max(1);
        there().nth(turn % count).unwrap_or(turn % away.len())
    }

    /// What came of it.
    pub(crate) fn note(&self, address: usize, failed: bool) {
        let until = if failed { self.now() + AWAY.as_millis() as u64 } else { 0 };
        self.0.away[address].store(until, Relaxed);
    }

    fn now(&self) -> u64 {
        self.0.begun.elapsed().as_millis() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_take_turns_but_for_those_that_are_away() {
        let turns = Turns::new(3);
        let first = turns.take();
        assert_eq!([turns.take(), turns.take(), turns.take()], [(first + 1) % 3, (first + 2) % 3, first]);
        turns.note(1, true);
        let mut taken: Vec<usize> = (0..6).map(|_| turns.take()).collect();
        taken.sort_unstable();
        assert_eq!(taken, [0, 0, 0, 2, 2, 2]);
        turns.note(1, false);
        assert!((0..3).any(|_| turns.take() == 1));
        (0..3).for_each(|each| turns.note(each, true));
        assert!(turns.take() < 3);
    }
}
