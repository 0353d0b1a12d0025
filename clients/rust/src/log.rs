//! What the client says by itself, where its `tracing` feature is on.

use std::time::Duration;

use crate::error::Error;

/// A replica has ended for good, perhaps without a callback that would say so.
#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn replica_ended(error: &Error) {
    #[cfg(feature = "tracing")]
    tracing::error!(%error, "a replica has ended");
}

#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn callback_panicked(error: &Error) {
    #[cfg(feature = "tracing")]
    tracing::error!(%error, "a callback of a replica failed");
}

#[cfg_attr(not(feature = "tracing"), allow(unused_variables))]
pub(crate) fn disconnected(error: &Error, delay: Duration) {
    #[cfg(feature = "tracing")]
    tracing::warn!(%error, ?delay, "a watch was disconnected, and connects again");
}
