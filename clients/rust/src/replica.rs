//! A live local copy of contexts.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::sync::watch::{Receiver, channel};
use tokio::task::AbortHandle;

use crate::copier::{Callbacks, Copier, Status};
use crate::documents::{Documents, Kept, ReplicaChange};
use crate::error::Error;
use crate::model::{Document, Position};
use crate::watch::Watch;

/// A live local copy of contexts, made by [`Client::replica`](crate::Client::replica). Reading it never waits for the
/// network. It ends when it is dropped or closed.
///
/// ```no_run
/// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
/// # use chordstate::Target;
/// let users = client
///     .replica([Target::prefix("user:")])
///     .on_change(|change| println!("{} is now {:?}", change.id, change.value))
///     .start();
/// users.ready().await?;
/// let ann = users.get("user:ann");
/// users.close().await;
/// # Ok(())
/// # }
/// ```
pub struct Replica {
    documents: Arc<RwLock<Documents>>,
    status: Receiver<Status>,
    task: AbortHandle,
}

/// Sets up a [`Replica`]. Callbacks are called one at a time, in the order of what happened, by the replica's task: they
/// must not block. One that panics ends nothing.
#[must_use = "nothing is copied before it starts"]
pub struct ReplicaBuilder {
    watch: Watch,
    callbacks: Callbacks,
    kept: Vec<Kept>,
}

impl ReplicaBuilder {
    pub(crate) fn new(watch: Watch) -> Self {
        Self { watch, callbacks: Callbacks::default(), kept: Vec::new() }
    }

    /// Called after the replica has changed. May be given more than once, as may the others.
    pub fn on_change(mut self, call: impl FnMut(&ReplicaChange) + Send + 'static) -> Self {
        self.callbacks.change.push(Box::new(call));
        self
    }

    /// Called when everything that existed has come: at first, and after each new connection.
    pub fn on_caught_up(mut self, call: impl FnMut() + Send + 'static) -> Self {
        self.callbacks.caught_up.push(Box::new(call));
        self
    }

    /// Called when the connection broke, and is going to be tried again after a delay. The copy stays as it is.
    pub fn on_disconnect(mut self, call: impl FnMut(&Error, Duration) + Send + 'static) -> Self {
        self.callbacks.disconnect.push(Box::new(call));
        self
    }

    /// Called when the replica cannot go on, and for callbacks that panicked.
    pub fn on_error(mut self, call: impl FnMut(&Error) + Send + 'static) -> Self {
        self.callbacks.error.push(Box::new(call));
        self
    }

    /// Starts from documents that were kept, by [`Documents::kept`]: they can be read at once, and the server sends
    /// what has happened since. Those that the targets do not cover are left out. No callback tells of them.
    pub fn from_kept(mut self, kept: impl IntoIterator<Item = Kept>) -> Self {
        self.kept = kept.into_iter().filter(|kept| self.watch.covers(&kept.id)).collect();
        self
    }

    /// Begins to copy at once.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn start(self) -> Replica {
        let known: Vec<_> = self.kept.iter().map(|kept| (kept.id.clone(), kept.position.clone())).collect();
        let documents = Arc::new(RwLock::new(Documents::from_kept(self.kept)));
        let (sender, status) = channel(Status::default());
        let copier = Copier::new(self.watch.known(known), documents.clone(), sender, self.callbacks);
        let task = tokio::spawn(copier.run()).abort_handle();
        Replica { documents, status, task }
    }
}

impl Replica {
    /// Waits until everything that existed has come. An error where the replica ends before.
    pub async fn ready(&self) -> Result<(), Error> {
        let mut status = self.status.clone();
        // An error of the wait: closed.
        let known = status.wait_for(|status| status.caught_up || status.error.is_some()).await;
        let known = known.map_err(|_| Error::closed("the replica is closed"))?;
        match &known.error {
            Some(error) if !known.caught_up => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// The document now. It never changes afterwards: the next change makes another one.
    pub fn get(&self, id: &str) -> Option<Arc<Document>> {
        self.read(|documents| documents.get(id).cloned())
    }

    /// Where the document stands.
    pub fn position(&self, id: &str) -> Option<Position> {
        self.read(|documents| documents.position(id).cloned())
    }

    /// Several documents as of one moment: of a batch of writes all or nothing. The replica waits meanwhile.
    pub fn read<T>(&self, read: impl FnOnce(&Documents) -> T) -> T {
        read(&self.documents.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// In no order.
    pub fn ids(&self) -> Vec<String> {
        self.read(|documents| documents.iter().map(|(id, _)| id.to_owned()).collect())
    }

    /// How many documents there are.
    pub fn len(&self) -> usize {
        self.read(Documents::len)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until the copy of a context has what was written at the position, as [`Position::reaches`] says. An error
    /// where the replica ends before.
    pub async fn wait_for(&self, id: &str, position: &Position) -> Result<(), Error> {
        self.wait_until(|documents| documents.position(id).is_some_and(|at| at.reaches(position))).await
    }

    /// Waits until the test holds, which is asked at once, and after each change. An error where the replica ends before.
    pub async fn wait_until(&self, mut test: impl FnMut(&Documents) -> bool) -> Result<(), Error> {
        let mut status = self.status.clone();
        loop {
            status.mark_unchanged();
            if self.read(&mut test) {
                return Ok(());
            }
            if status.changed().await.is_err() {
                return if self.read(test) { Ok(()) } else { Err(self.ended().await) };
            }
        }
    }

    /// Whether it is connected, and caught up since.
    pub fn is_live(&self) -> bool {
        self.status.has_changed().is_ok() && self.status.borrow().live
    }

    /// Waits until the replica has ended, and answers why: CANCELLED after `close`.
    pub async fn ended(&self) -> Error {
        let mut status = self.status.clone();
        while status.changed().await.is_ok() {}
        let error = status.borrow().error.clone();
        error.unwrap_or_else(|| Error::closed("the replica is closed"))
    }

    /// Ends it, and returns when no callback will come any more. Reading goes on answering the last state.
    pub async fn close(&self) {
        self.task.abort();
        self.ended().await;
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for Replica {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replica").field("len", &self.len()).field("live", &self.is_live()).finish_non_exhaustive()
    }
}
