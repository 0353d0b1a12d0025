//! The reads that have options: each is a builder that is sent when it is awaited.

use std::pin::Pin;
use std::time::SystemTime;

use crate::connection::{Connection, contexts, syncs};
use crate::convert::to_paths;
use crate::error::Error;
use crate::event::SyncResult;
use crate::model::{Context, DeltaPage, Position};
use crate::proto::chord::v1 as wire;
use crate::stream::ResultStream;

/// Reads a document: see [`Client::get`](crate::Client::get).
#[derive(Debug, Clone)]
#[must_use = "a read is sent when it is awaited"]
pub struct Get {
    connection: Connection,
    request: wire::GetContextRequest,
}

impl Get {
    pub(crate) fn new(connection: Connection, context_id: String) -> Self {
        Self { connection, request: wire::GetContextRequest { context_id, ..Default::default() } }
    }

    /// The document at this version of the present life. NOT_FOUND above the present version, FAILED_PRECONDITION where its
    /// history is no longer retained.
    pub fn version(mut self, version: u64) -> Self {
        self.request.version = version;
        self
    }

    /// The document as it was then, as far as [`version`](Self::version) goes. NOT_FOUND before the present life began.
    pub fn at(mut self, time: SystemTime) -> Self {
        self.request.at = Some(time.into());
        self
    }
}

impl IntoFuture for Get {
    type Output = Result<Context, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let answer = self.connection.call(self.request, |c, r| async move { contexts(c).get_context(r).await });
            Ok(answer.await?.context.unwrap_or_default().into())
        })
    }
}

/// Answers what a copy lacks: see [`Client::sync`](crate::Client::sync).
#[derive(Debug, Clone)]
#[must_use = "a sync is sent when it is awaited"]
pub struct SyncCall {
    connection: Connection,
    request: wire::SyncContextRequest,
}

impl SyncCall {
    pub(crate) fn new(connection: Connection, context_id: String, known: Option<Position>) -> Self {
        let known = known.map(Into::into);
        Self { connection, request: wire::SyncContextRequest { context_id, known, ..Default::default() } }
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
}

impl IntoFuture for SyncCall {
    type Output = Result<SyncResult, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let answer = self.connection.call(self.request, |c, r| async move { syncs(c).sync_context(r).await });
            Ok(answer.await?.into())
        })
    }
}

/// The retained history of a context: see [`Client::deltas`](crate::Client::deltas).
#[derive(Debug, Clone)]
#[must_use = "nothing is read without its pages"]
pub struct Deltas {
    connection: Connection,
    request: wire::ListDeltasRequest,
}

impl Deltas {
    pub(crate) fn new(connection: Connection, context_id: String, from_version: u64) -> Self {
        let page_size = connection.page_size;
        let request = wire::ListDeltasRequest { context_id, from_version, page_size, ..Default::default() };
        Self { connection, request }
    }

    /// Asks for the old values with the changes.
    pub fn include_old_values(mut self) -> Self {
        self.request.include_old_values = true;
        self
    }

    /// Asks for deltas in a format: see [`Watch::format`](crate::Watch::format).
    pub fn format(mut self, name: impl Into<String>) -> Self {
        self.request.format = name.into();
        self
    }

    /// The pages, oldest first, read as they are taken.
    pub fn pages(self) -> ResultStream<DeltaPage> {
        ResultStream::unfold((self.connection, Some(self.request)), |(connection, request)| async move {
            let mut request = request?;
            match connection.call(request.clone(), |c, r| async move { syncs(c).list_deltas(r).await }).await {
                Ok(page) => {
                    request.page_token = page.next_page_token.clone();
                    let next = (!request.page_token.is_empty()).then_some(request);
                    Some((Ok(page.into()), (connection, next)))
                }
                Err(error) => Some((Err(error), (connection, None))),
            }
        })
    }
}
