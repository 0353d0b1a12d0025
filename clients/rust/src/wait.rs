//! Waits until a document meets checks.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tonic::Code;

use crate::conditions::Check;
use crate::connection::Connection;
use crate::convert::{to_checks, to_paths};
use crate::error::Error;
use crate::event::WaitResult;
use crate::model::Position;
use crate::proto::chord::v1 as wire;
use crate::retry::Failures;
use crate::time::after;
use crate::transport::Channel;
use crate::watch::DOUBTFUL_FAILURES_MAX;

/// Waits until a document meets checks: see [`Client::wait`](crate::Client::wait).
#[derive(Debug, Clone)]
#[must_use = "a wait begins when it is awaited"]
pub struct Wait {
    connection: Connection,
    request: wire::WaitContextRequest,
    until: Vec<Check>,
    timeout: Duration,
}

impl Wait {
    pub(crate) fn new(connection: Connection, context_id: String, until: Vec<Check>) -> Self {
        let request = wire::WaitContextRequest { context_id, ..Default::default() };
        Self { connection, request, until, timeout: Duration::MAX }
    }

    /// Where a copy stands: a version after it that met the checks counts too, even where a later one does not. The answer
    /// is then what the copy lacks.
    pub fn known(mut self, position: Position) -> Self {
        self.request.known = Some(position.into());
        self
    }

    /// Asks for the old values with the changes.
    pub fn include_old_values(mut self) -> Self {
        self.request.include_old_values = true;
        self
    }

    /// Asks for a delta in a format: see [`Watch::format`](crate::Watch::format).
    pub fn format(mut self, name: impl Into<String>) -> Self {
        self.request.format = name.into();
        self
    }

    /// Asks for these parts of the document alone: see [`Target::only`](crate::Target::only).
    pub fn paths(mut self, paths: impl IntoIterator<Item = impl IntoIterator<Item = impl Into<String>>>) -> Self {
        self.request.paths.extend(to_paths(paths));
        self
    }

    /// After this time it is DEADLINE_EXCEEDED. Without it there is no end.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Tries until success, a final error, or the end of its time.
    async fn tries(self) -> Result<WaitResult, Error> {
        let Self { connection, mut request, until, timeout: time } = self;
        request.until = to_checks("until", until)?;
        let end = after(time);
        let shared = &connection.shared;
        let channel: Arc<Channel> = shared.channels.for_watch();
        let mut recovered = shared.outage.ends();
        let (mut failures, mut doubtful, mut refused) = (Failures::default(), 0, false);
        loop {
            let begun = Instant::now();
            let error = match connection.long_call(request.clone(), &channel, end).await {
                Ok(answer) => return Ok(answer.into()),
                Err(error) => error,
            };
            let worked = begun.elapsed();
            if worked >= shared.retry.backoff_max {
                (doubtful, refused) = (0, false);
            }
            let again = match error.code() {
                _ if error.is_outage() => true,
                // Of this try alone: servers end a wait after an hour.
                Code::DeadlineExceeded => true,
                // There may be a new one.
                Code::Unauthenticated => !mem::replace(&mut refused, true) && connection.renews_token(),
                _ => {
                    doubtful += 1;
                    error.is_transient() && doubtful <= DOUBTFUL_FAILURES_MAX
                }
            };
            let asked = error.retry_after().unwrap_or_default();
            let wait = failures.wait(&shared.retry, worked).max(asked);
            let left = end.saturating_duration_since(Instant::now());
            if !again || wait >= left {
                return Err(error);
            }
            recovered.mark_unchanged();
            sleep(asked).await;
            // Over early where the server can be reached again.
            let _ = timeout(wait - asked, recovered.changed()).await;
        }
    }
}

impl IntoFuture for Wait {
    type Output = Result<WaitResult, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let connection = self.connection.clone();
            connection.unless_closed(self.tries()).await
        })
    }
}
