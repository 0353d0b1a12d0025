//! How calls are tried again.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::error::Error;

/// How calls are tried again, and how watches connect again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retry {
    /// Tries of one call; 1: none is repeated. Default 10.
    pub attempts: u32,
    /// For one try. Default 3 s.
    pub attempt_timeout: Duration,
    /// The wait after a failure, which doubles with each further one in a row. Default 100 ms.
    pub backoff_min: Duration,
    /// The longest wait. Default 10 s.
    pub backoff_max: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self {
            attempts: 10,
            attempt_timeout: Duration::from_secs(3),
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(10),
        }
    }
}

impl Retry {
    /// The wait after the n-th failure in a row, from 0. Random, so that clients do not come back all at once.
    pub(crate) fn backoff(&self, failures: u32) -> Duration {
        let doubled = 2u32.checked_pow(failures).and_then(|factor| self.backoff_min.checked_mul(factor));
        let whole = doubled.unwrap_or(self.backoff_max).min(self.backoff_max);
        whole.mul_f64(0.5 + fastrand::f64() / 2.0)
    }
}

/// The failures in a row of a stream that is opened again and again.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    in_a_row: u32,
}

impl Failures {
    /// How long to wait after a stream failed that had worked for so long. Only one that worked for the longest wait ends
    /// the row: a peer may say a word each time before it fails.
    pub(crate) fn wait(&mut self, retry: &Retry, worked: Duration) -> Duration {
        if worked >= retry.backoff_max {
            self.in_a_row = 0;
        }
        let wait = retry.backoff(self.in_a_row);
        self.in_a_row = self.in_a_row.saturating_add(1);
        wait
    }
}

/// Tries until success, a final error, or the end of attempts or time; then it answers the last try's error, or the
/// first one's where the last try was only cut off.
pub(crate) async fn retrying<T, F>(retry: &Retry, end: Instant, mut attempt: impl FnMut() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut cause = None;
    for failures in 0.. {
        let error = match attempt().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let left = end.saturating_duration_since(Instant::now());
        // Never more than half of what is left: a long backoff must not end a call early.
        let wait = retry.backoff(failures).min(left / 2).max(error.retry_after().unwrap_or_default());
        let cut_off = error.code() == Code::DeadlineExceeded;
        if !(error.is_transient() || cut_off) || failures + 1 >= retry.attempts || wait >= left {
            return Err(cause.filter(|_| cut_off).unwrap_or(error));
        }
        if !cut_off {
            cause.get_or_insert(error);
        }
        sleep(wait).await;
    }
    unreachable!("the attempts have an end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_limit() {
        let retry = Retry { backoff_max: Duration::from_secs(1), ..Retry::default() };
        for (failures, whole) in [(0, 100), (1, 200), (2, 400), (3, 800), (4, 1000), (40, 1000), (u32::MAX, 1000)] {
            let whole = Duration::from_millis(whole);
            for _ in 0..100 {
                let wait = retry.backoff(failures);
                assert!(wait >= whole / 2 && wait <= whole, "{wait:?} after {failures} failures");
            }
        }
    }

    #[test]
    fn only_health_ends_a_row_of_failures() {
        let (retry, mut failures) = (Retry::default(), Failures::default());
        for n in 0..12 {
            let wait = failures.wait(&retry, Duration::from_millis(9_999));
            let whole = retry.backoff_max.min(retry.backoff_min * 2u32.pow(n));
            assert!(wait >= whole / 2, "{wait:?} after {n} failures");
        }
        assert!(failures.wait(&retry, Duration::from_secs(10)) <= retry.backoff_min);
    }
}
