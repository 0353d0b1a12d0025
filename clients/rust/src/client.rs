//! The calls. Reads are here; writes are built in `write`.

use std::pin::Pin;
use std::time::Duration;

use tokio::sync::watch::Receiver;

use crate::batch::Batch;
use crate::conditions::Check;
use crate::connection::{Connection, contexts, syncs};
use crate::convert::to_paths;
use crate::error::Error;
use crate::event::Target;
use crate::model::{BlamePage, Context, Head, MemberExpiry, Position};
use crate::proto::chord::v1::{self as wire};
use crate::read::{Deltas, Get, SyncCall};
use crate::replica::ReplicaBuilder;
use crate::stream::ResultStream;
use crate::wait::Wait;
use crate::watch::Watch;
use crate::write::{Delete, Revert, Set, Touch, Update};

/// Has the calls. Clones are cheap and share one connection, which closes when the last of them, and of their watches
/// and replicas, is dropped.
#[derive(Debug, Clone)]
pub struct Client(pub(crate) Connection);

impl Client {
    /// The same client, with another deadline for its calls.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self(Connection { deadline, ..self.0.clone() })
    }

    /// The same client, with another size of the pages of lists and deltas: 1 to 1000. Default: 100.
    #[must_use]
    pub fn with_page_size(&self, page_size: u16) -> Self {
        Self(Connection { page_size: page_size.into(), ..self.0.clone() })
    }

    /// Ends all calls, watches and replicas of this client and its clones: they fail with CANCELLED, and so do further ones.
    /// Its presences remove their members; await the answer to wait for that. What is dropped needs no close. A second time
    /// it does nothing.
    pub fn close(&self) -> Closing {
        self.0.shared.closed.send_replace(true);
        Closing(self.0.shared.presences.subscribe())
    }

    /// Creates a context, or replaces its document.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// # use chordstate::json;
    /// let created = client.set("room:1", json!({ "topic": "daily" })).if_absent().await?;
    /// client.set("room:1", json!({ "topic": "weekly" })).if_position(created.position).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn set(&self, id: impl Into<String>, value: impl Into<serde_json::Value>) -> Set {
        Set::new(self.0.clone(), id.into(), value.into())
    }

    /// Changes parts of a document.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// # use chordstate::json;
    /// client.update("room:1").merge(json!({ "topic": "weekly" })).increment(["visits"], 1.0).allow_missing().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn update(&self, id: impl Into<String>) -> Update {
        Update::new(self.0.clone(), id.into())
    }

    /// Removes a context with its history. NOT_FOUND where it is missing, unless that is allowed.
    pub fn delete(&self, id: impl Into<String>) -> Delete {
        Delete::new(self.0.clone(), id.into())
    }

    /// Begins a context's time to live again, or sets another one. Position and document stay.
    pub fn touch(&self, id: impl Into<String>) -> Touch {
        Touch::new(self.0.clone(), id.into())
    }

    /// Writes the document of an earlier version: a new version, which undoes all changes since. NOT_FOUND above the present
    /// version, FAILED_PRECONDITION where the history of that version is no longer retained.
    pub fn revert(&self, id: impl Into<String>, version: u64) -> Revert {
        Revert::new(self.0.clone(), id.into(), version)
    }

    /// Several writes as one, each of another context: all happen or none does, and watches deliver them together.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// # use chordstate::json;
    /// let moved = client
    ///     .batch()
    ///     .write(client.update("{room:1}:members").remove(["ann"]))
    ///     .write(client.update("{room:1}:topic").merge(json!({ "of": null })).allow_missing())
    ///     .await?;
    /// println!("{:?}", moved[0].position);
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(&self) -> Batch {
        Batch::new(self.0.clone())
    }

    /// Reads a document. The answer contains every write acknowledged before this call.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// let now = client.get("room:1").await?;
    /// let before = client.get("room:1").version(now.position.version - 1).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&self, id: impl Into<String>) -> Get {
        Get::new(self.0.clone(), id.into())
    }

    /// As [`get`](Self::get), with the members that expire, in the order of their paths, and when.
    pub async fn get_with_expiries(&self, id: impl Into<String>) -> Result<(Context, Vec<MemberExpiry>), Error> {
        let request = wire::GetContextRequest { context_id: id.into(), include_expiries: true, ..Default::default() };
        let answer = self.0.call(request, |c, r| async move { contexts(c).get_context(r).await }).await?;
        let expiries = answer.expiries.into_iter().map(MemberExpiry::from).collect();
        Ok((answer.context.unwrap_or_default().into(), expiries))
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
        let page_size = self.0.page_size;
        let request = wire::ListContextsRequest { prefix, include_values, page_size, ..Default::default() };
        let pages = Pages { connection: self.0.clone(), request: Some(request), items: Vec::new().into_iter() };
        ResultStream::unfold(pages, |mut pages: Pages<_, wire::Context>| async move {
            while pages.items.as_slice().is_empty() {
                let request = pages.request.take()?;
                let answer =
                    pages.connection.call(request.clone(), |c, r| async move { contexts(c).list_contexts(r).await });
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
    pub fn sync(&self, id: impl Into<String>, known: Option<Position>) -> SyncCall {
        SyncCall::new(self.0.clone(), id.into(), known)
    }

    /// Answers as [`sync`](Self::sync) does, as soon as the document meets all checks: 1 to 100. A context that does not
    /// exist yet can be waited for: it meets none.
    ///
    /// It goes on across broken connections and restarts of the server, costs the server a watcher, and takes the place of
    /// a watch on its connection, not one of the calls in flight.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// # use chordstate::Check;
    /// # use std::time::Duration;
    /// let ready = client.wait("job:7", [Check::equals(["status"], "done")]).timeout(Duration::from_secs(30)).await?;
    /// println!("done in version {}", ready.held_at);
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait(&self, id: impl Into<String>, until: impl IntoIterator<Item = Check>) -> Wait {
        Wait::new(self.0.clone(), id.into(), until.into_iter().collect())
    }

    /// The retained history after a version: [`pages`](Deltas::pages) is a stream.
    pub fn deltas(&self, id: impl Into<String>, from_version: u64) -> Deltas {
        Deltas::new(self.0.clone(), id.into(), from_version)
    }

    /// Which version made each part of a document, and who wrote it, page after page.
    pub fn blame(&self, id: impl Into<String>) -> ResultStream<BlamePage> {
        self.blame_paths(id, std::iter::empty::<[String; 0]>())
    }

    /// As [`blame`](Self::blame), for what lies at or below one of the paths.
    pub fn blame_paths(
        &self,
        id: impl Into<String>,
        paths: impl IntoIterator<Item = impl IntoIterator<Item = impl Into<String>>>,
    ) -> ResultStream<BlamePage> {
        let request = wire::BlameContextRequest {
            context_id: id.into(),
            paths: to_paths(paths),
            page_size: self.0.page_size,
            ..Default::default()
        };
        ResultStream::unfold((self.0.clone(), Some(request)), |(connection, request)| async move {
            let mut request = request?;
            match connection.call(request.clone(), |c, r| async move { syncs(c).blame_context(r).await }).await {
                Ok(page) => {
                    request.page_token = page.next_page_token.clone();
                    let next = (!request.page_token.is_empty()).then_some(request);
                    Some((Ok(page.into()), (connection, next)))
                }
                Err(error) => Some((Err(error), (connection, None))),
            }
        })
    }

    /// A stream of what happens to contexts, across broken connections and restarts of the server: see [`Watch`].
    pub fn watch<T: Into<Target>>(&self, targets: impl IntoIterator<Item = T>) -> Watch {
        Watch::new(self.0.clone(), targets.into_iter().map(Into::into).collect())
    }

    /// A live local copy of contexts: see [`Replica`](crate::Replica).
    pub fn replica<T: Into<Target>>(&self, targets: impl IntoIterator<Item = T>) -> ReplicaBuilder {
        ReplicaBuilder::new(self.watch(targets))
    }
}

/// What [`Client::close`] answers. The close goes on where it is not awaited.
#[derive(Debug)]
pub struct Closing(Receiver<usize>);

impl IntoFuture for Closing {
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    /// Ends when all presences have removed their members, or have failed to.
    fn into_future(mut self) -> Self::IntoFuture {
        Box::pin(async move {
            let _ = self.0.wait_for(|open| *open == 0).await;
        })
    }
}

/// A list in the making.
struct Pages<R, T> {
    connection: Connection,
    /// For the next page; `None`: there is no more.
    request: Option<R>,
    items: std::vec::IntoIter<T>,
}
