//! The calls. Reads are here; writes are built in `write`.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::builder::{Authorization, ClientBuilder};
use crate::error::Error;
use crate::event::{SyncResult, Target};
use crate::model::{Context, DeltaPage, Head, Position};
use crate::proto::chord::v1::context_service_client::ContextServiceClient;
use crate::proto::chord::v1::sync_service_client::SyncServiceClient;
use crate::proto::chord::v1::{self as wire};
use crate::replica::ReplicaBuilder;
use crate::retry::{Retry, after, retrying};
use crate::stream::ResultStream;
use crate::watch::Watch;
use crate::write::{Delete, Set, Touch, Update};

/// Has the calls. Clones are cheap and share one connection, which closes when the last of them, and of their watches
/// and replicas, is dropped.
#[derive(Debug, Clone)]
pub struct Client {
    pub(crate) channel: Channel,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) deadline: Duration,
    pub(crate) retry: Arc<Retry>,
}

impl Client {
    /// A client with the defaults. The address is `HOST:PORT`; see [`ClientBuilder::connect`].
    pub fn connect(address: impl Into<String>) -> Result<Self, Error> {
        Self::builder(address).connect()
    }

    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address.into())
    }

    /// The same client, with another deadline for its calls.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { deadline, ..self.clone() }
    }

    /// Creates a context, or replaces its document.
    ///
    /// ```no_run
    /// # async fn run(client: chord_client::Client) -> Result<(), chord_client::Error> {
    /// # use chord_client::json;
    /// let created = client.set("room:1", json!({ "topic": "daily" })).if_absent().await?;
    /// client.set("room:1", json!({ "topic": "weekly" })).if_position(created.position).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(&self, id: impl Into<String>, value: impl Into<serde_json::Value>) -> Set {
        Set::new(self.clone(), id.into(), value.into())
    }

    /// Changes parts of a document.
    ///
    /// ```no_run
    /// # async fn run(client: chord_client::Client) -> Result<(), chord_client::Error> {
    /// # use chord_client::json;
    /// client.update("room:1").merge(json!({ "topic": "weekly" })).increment(["visits"], 1.0).allow_missing().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(&self, id: impl Into<String>) -> Update {
        Update::new(self.clone(), id.into())
    }

    /// Removes a context with its history. NOT_FOUND where it is missing, unless that is allowed.
    pub fn delete(&self, id: impl Into<String>) -> Delete {
        Delete::new(self.clone(), id.into())
    }

    /// Begins a context's time to live again, or sets another one. Position and document stay.
    pub fn touch(&self, id: impl Into<String>) -> Touch {
        Touch::new(self.clone(), id.into())
    }

    /// Reads a document. The answer contains every write acknowledged before this call.
    pub async fn get(&self, id: impl Into<String>) -> Result<Context, Error> {
        let request = wire::GetContextRequest { context_id: id.into(), ..Default::default() };
        let answer = self.call(request, |c, r| async move { contexts(c).get_context(r).await }).await?;
        Ok(answer.context.unwrap_or_default().into())
    }

    /// All contexts whose ids begin with the prefix, in the order of their ids, read page after page.
    pub fn list(&self, prefix: impl Into<String>) -> ResultStream<Head> {
        self.pages_of_contexts(prefix.into(), false)
    }

    /// As [`list`](Self::list), with the documents.
    pub fn list_values(&self, prefix: impl Into<String>) -> ResultStream<Context> {
        self.pages_of_contexts(prefix.into(), true)
    }

    fn pages_of_contexts<T>(&self, prefix: String, include_values: bool) -> ResultStream<T>
    where
        T: From<wire::Context> + Send + 'static,
    {
        let request = wire::ListContextsRequest { prefix, include_values, ..Default::default() };
        let pages = Pages { client: self.clone(), request: Some(request), items: Vec::new().into_iter() };
        ResultStream::unfold(pages, |mut pages: Pages<_, wire::Context>| async move {
            while pages.items.as_slice().is_empty() {
                let request = pages.request.take()?;
                let answer =
                    pages.client.call(request.clone(), |c, r| async move { contexts(c).list_contexts(r).await });
                match answer.await {
                    Ok(wire::ListContextsResponse { contexts, next_page_token: page_token }) => {
                        pages.request =
                            (!page_token.is_empty()).then_some(wire::ListContextsRequest { page_token, ..request });
                        pages.items = contexts.into_iter();
                    }
                    Err(error) => return Some((Err(error), pages)),
                }
            }
            Some((Ok(pages.items.next()?.into()), pages))
        })
    }

    /// Answers what a copy at the known position lacks; without one, the document.
    pub async fn sync(&self, id: impl Into<String>, known: Option<Position>) -> Result<SyncResult, Error> {
        self.synced(id.into(), known, false).await
    }

    /// As [`sync`](Self::sync), with the old values of changes.
    pub async fn sync_with_old_values(
        &self,
        id: impl Into<String>,
        known: Option<Position>,
    ) -> Result<SyncResult, Error> {
        self.synced(id.into(), known, true).await
    }

    async fn synced(
        &self,
        context_id: String,
        known: Option<Position>,
        include_old_values: bool,
    ) -> Result<SyncResult, Error> {
        let known = known.map(Into::into);
        let request = wire::SyncContextRequest { context_id, known, include_old_values, ..Default::default() };
        let answer = self.call(request, |c, r| async move { syncs(c).sync_context(r).await }).await?;
        Ok(answer.into())
    }

    /// The retained history after a version, page after page.
    pub fn deltas(&self, id: impl Into<String>, from_version: u64) -> ResultStream<DeltaPage> {
        self.pages_of_deltas(id.into(), from_version, false)
    }

    /// As [`deltas`](Self::deltas), with the old values of changes.
    pub fn deltas_with_old_values(&self, id: impl Into<String>, from_version: u64) -> ResultStream<DeltaPage> {
        self.pages_of_deltas(id.into(), from_version, true)
    }

    fn pages_of_deltas(
        &self,
        context_id: String,
        from_version: u64,
        include_old_values: bool,
    ) -> ResultStream<DeltaPage> {
        let request = wire::ListDeltasRequest { context_id, from_version, include_old_values, ..Default::default() };
        ResultStream::unfold((self.clone(), Some(request)), |(client, request)| async move {
            let mut request = request?;
            match client.call(request.clone(), |c, r| async move { syncs(c).list_deltas(r).await }).await {
                Ok(page) => {
                    request.page_token = page.next_page_token.clone();
                    let next = (!request.page_token.is_empty()).then_some(request);
                    Some((Ok(page.into()), (client, next)))
                }
                Err(error) => Some((Err(error), (client, None))),
            }
        })
    }

    /// A stream of what happens to contexts, across broken connections and restarts of the server: see [`Watch`].
    pub fn watch<T: Into<Target>>(&self, targets: impl IntoIterator<Item = T>) -> Watch {
        Watch::new(self.clone(), targets.into_iter().map(Into::into).collect())
    }

    /// A live local copy of contexts: see [`Replica`](crate::Replica).
    pub fn replica<T: Into<Target>>(&self, targets: impl IntoIterator<Item = T>) -> ReplicaBuilder {
        ReplicaBuilder::new(self.watch(targets))
    }

    /// One call with all its tries.
    pub(crate) async fn call<Req, Res, F>(
        &self,
        message: Req,
        attempt: impl Fn(Channel, tonic::Request<Req>) -> F,
    ) -> Result<Res, Error>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        retrying(&self.retry, after(self.deadline), |late| {
            let answer = self.request(message.clone()).map(|mut request| {
                // tonic heeds this, too, and would call it CANCELLED: our own clock has to come first.
                request.set_timeout(late.duration_since(Instant::now()) + Duration::from_secs(1));
                attempt(self.channel.clone(), request)
            });
            async { Ok(answer?.await?.into_inner()) }
        })
        .await
    }

    pub(crate) async fn open_watch(
        &self,
        message: wire::WatchContextsRequest,
    ) -> Result<tonic::Streaming<wire::WatchContextsResponse>, Error> {
        Ok(syncs(self.channel.clone()).watch_contexts(self.request(message)?).await?.into_inner())
    }

    fn request<T>(&self, message: T) -> Result<tonic::Request<T>, Error> {
        let mut request = tonic::Request::new(message);
        if let Some(authorization) = &self.authorization {
            request.metadata_mut().insert("authorization", authorization.value()?);
        }
        Ok(request)
    }
}

/// A list in the making.
struct Pages<R, T> {
    client: Client,
    /// For the next page; `None`: there is no more.
    request: Option<R>,
    items: std::vec::IntoIter<T>,
}

// A delta with its old values may be larger than a document: no limit on what is received.

pub(crate) fn contexts(channel: Channel) -> ContextServiceClient<Channel> {
    ContextServiceClient::new(channel).max_decoding_message_size(usize::MAX)
}

fn syncs(channel: Channel) -> SyncServiceClient<Channel> {
    SyncServiceClient::new(channel).max_decoding_message_size(usize::MAX)
}
