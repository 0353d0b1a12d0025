//! A member that is there as long as this process keeps it there: who is in a room, which worker holds a job.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::connection::{Connection, Shared};
use crate::error::{Error, Reason};

/// A member of a context that this process keeps there: see [`Client::presence`]. Dropping it ends the renewals, and the
/// member expires; [`close`](Self::close) removes it at once, and so does [`Client::close`].
#[derive(Debug)]
pub struct Presence {
    keeper: Keeper,
    closing: watch::Sender<bool>,
    /// Ends with the removal.
    running: JoinHandle<Result<(), Error>>,
}

#[derive(Debug, Clone)]
struct Keeper {
    client: Client,
    id: String,
    path: Vec<String>,
    /// Locked while it is written: the value that is set last is the one that is there.
    value: Arc<Mutex<Value>>,
    ttl: Duration,
}

impl Client {
    /// Keeps a member of a context there: sets it, now and wherever it has gone, and renews it in time. It goes when the
    /// presence or the client is closed, or at most `ttl` after it was dropped or this process has died. `on_error` is called
    /// with failures of renewals, after which the presence goes on, and of the removal where the client is closed.
    pub async fn presence(
        &self,
        id: impl Into<String>,
        path: impl IntoIterator<Item = impl Into<String>>,
        value: impl Into<Value>,
        ttl: Duration,
        on_error: impl Fn(Error) + Send + 'static,
    ) -> Result<Presence, Error> {
        let path = path.into_iter().map(Into::into).collect();
        Presence::open(self.clone(), id.into(), path, value.into(), ttl, on_error).await
    }
}

impl Presence {
    async fn open(
        client: Client,
        id: String,
        path: Vec<String>,
        value: Value,
        ttl: Duration,
        on_error: impl Fn(Error) + Send + 'static,
    ) -> Result<Self, Error> {
        let client = client.with_deadline(ttl.max(client.0.deadline));
        let keeper = Keeper { client, id, path, value: Arc::new(Mutex::new(value)), ttl };
        keeper.put(&*keeper.value.lock().await).await?;
        let (closing, closed) = watch::channel(false);
        let open = Open::new(keeper.client.0.shared.clone());
        let running = tokio::spawn(keeper.clone().run(closed, open, on_error));
        Ok(Self { keeper, closing, running })
    }

    /// Sets another value, which also renews the member. Of several at the same time, one waits for the other.
    pub async fn set(&self, value: impl Into<Value>) -> Result<(), Error> {
        let mut kept = self.keeper.value.lock().await;
        *kept = value.into();
        self.keeper.put(&kept).await
    }

    /// Ends the renewals and removes the member. Where that fails, the member expires.
    pub async fn close(mut self) -> Result<(), Error> {
        self.closing.send_replace(true);
        (&mut self.running).await.unwrap_or(Ok(()))
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.running.abort();
    }
}

impl Keeper {
    async fn run(
        self,
        mut closed: watch::Receiver<bool>,
        _open: Open,
        on_error: impl Fn(Error) + Send,
    ) -> Result<(), Error> {
        let mut client_closed = self.client.0.shared.closed.subscribe();
        loop {
            // Random, so that those that began together do not stay together.
            let wait = self.ttl.div_f64(3.0).mul_f64(0.8 + 0.4 * fastrand::f64());
            let due = tokio::select! {
                _ = closed.wait_for(|closed| *closed) => false,
                _ = client_closed.wait_for(|closed| *closed) => false,
                () = tokio::time::sleep(wait) => true,
            };
            if !due {
                let removed = self.remove().await;
                if let Err(error) = &removed
                    && !*closed.borrow()
                {
                    report(&on_error, error.clone());
                }
                return removed;
            }
            if let Err(error) = self.renew().await
                && !*closed.borrow()
                && !*client_closed.borrow()
            {
                report(&on_error, error);
            }
        }
    }

    async fn remove(self) -> Result<(), Error> {
        let Self { client, id, path, value, .. } = self;
        let _turn = value.lock().await;
        let client = Client(Connection { outlives: true, ..client.0 });
        match client.update(id).remove(path).await {
            Err(error) if !has_gone(&error) => Err(error),
            _ => Ok(()),
        }
    }

    async fn renew(&self) -> Result<(), Error> {
        match self.client.touch(&self.id).paths([&self.path]).await {
            Err(error) if has_gone(&error) => self.put(&*self.value.lock().await).await,
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    async fn put(&self, value: &Value) -> Result<(), Error> {
        self.client.update(&self.id).set_for(&self.path, value.clone(), self.ttl).allow_missing().await?;
        Ok(())
    }
}

/// One that panics has been reported by the panic hook, and ends nothing: the member would expire.
fn report(on_error: &impl Fn(Error), error: Error) {
    let _ = catch_unwind(AssertUnwindSafe(|| on_error(error)));
}

/// A presence that the close of its client waits for.
struct Open(Arc<Shared>);

impl Open {
    fn new(shared: Arc<Shared>) -> Self {
        shared.presences.send_modify(|open| *open += 1);
        Self(shared)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.presences.send_modify(|open| *open -= 1);
    }
}

/// Whether the member must be set again: it has expired, or its context is gone.
fn has_gone(error: &Error) -> bool {
    matches!(error.reason(), Reason::FailedPrecondition | Reason::NotFound)
}
