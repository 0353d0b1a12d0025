//! Waits until a predicate of a document holds.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use tokio::time::timeout_at;

use crate::client::Client;
use crate::documents::{Documents, Kept};
use crate::error::Error;
use crate::event::{Event, Target};
use crate::model::Document;
use crate::time::after;
use crate::watch::{Step, Watch};

/// Waits until a predicate of a document holds: see [`Client::until`].
#[must_use = "it begins when it is awaited"]
pub struct Until<F> {
    watch: Watch,
    id: String,
    holds: F,
    timeout: Duration,
}

impl Client {
    /// Waits until a predicate of a document holds, for what no [`Check`](crate::Check) says: watches the context, and calls the
    /// predicate with the document, or with `None` where there is none, when that has come and after each change. Answers the
    /// document for which it holds; `None` where it holds for a missing one. Counts as a watch.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// # use std::time::Duration;
    /// let full = client
    ///     .until("room:1", |room| room.is_some_and(|room| room["members"].as_array().is_some_and(|all| all.len() > 3)))
    ///     .timeout(Duration::from_secs(30))
    ///     .await?;
    /// println!("{:?}", full.map(|room| room.position));
    /// # Ok(())
    /// # }
    /// ```
    pub fn until<F>(&self, id: impl Into<String>, holds: F) -> Until<F>
    where
        F: FnMut(Option<&Document>) -> bool + Send + 'static,
    {
        let id = id.into();
        Until { watch: self.watch([Target::id(&id)]), id, holds, timeout: Duration::MAX }
    }
}

impl<F: FnMut(Option<&Document>) -> bool> Until<F> {
    /// After this time it is DEADLINE_EXCEEDED. Without it there is no end.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    async fn watched(watch: Watch, id: String, mut holds: F) -> Result<Option<Kept>, Error> {
        let (mut session, _) = watch.session();
        let mut documents = Documents::default();
        loop {
            let Step::Events(events) = session.next().await? else { continue };
            let tells = events.iter().any(|event| *event != Event::CaughtUp);
            if let Err(ids) = documents.apply(events) {
                session.resync(&ids);
            } else if tells && holds(documents.get(&id).map(AsRef::as_ref)) {
                return Ok(documents.kept().pop());
            }
        }
    }
}

impl<F> IntoFuture for Until<F>
where
    F: FnMut(Option<&Document>) -> bool + Send + 'static,
{
    type Output = Result<Option<Kept>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { watch, id, holds, timeout } = self;
        Box::pin(async move {
            let found = timeout_at(after(timeout), Self::watched(watch, id, holds)).await;
            found.unwrap_or_else(|_| Err(Error::deadline_exceeded("the predicate did not hold in time")))
        })
    }
}

impl<F> fmt::Debug for Until<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Until").field("id", &self.id).finish_non_exhaustive()
    }
}
