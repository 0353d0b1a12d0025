//! Durations, against clocks and as messages.

use std::time::Duration;

use tokio::time::Instant;

/// The longest time that gRPC's timers hold, 2^31 ms, less a day: longer deadlines would end at once on some servers.
pub(crate) const TIMEOUT_MAX: Duration = Duration::from_secs(23 * 86_400);

/// A duration may be longer than clocks can show: that is never.
pub(crate) fn after(duration: Duration) -> Instant {
    const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);
    Instant::now() + duration.min(NEVER)
}

/// A negative one, which no server sends, counts as absent.
pub(crate) fn from_duration(message: Option<prost_types::Duration>) -> Option<Duration> {
    message.and_then(|duration| duration.try_into().ok())
}
