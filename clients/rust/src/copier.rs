//! The task of a replica.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch::Sender;
use tonic::Code;

use crate::documents::{Documents, ReplicaChange};
use crate::error::Error;
use crate::event::Event;
use crate::log;
use crate::watch::{OnDisconnect, Session, Step, Watch};

type OnChange = Box<dyn FnMut(&ReplicaChange) + Send>;
type OnCaughtUp = Box<dyn FnMut() + Send>;
type OnError = Box<dyn FnMut(&Error) + Send>;

#[derive(Default)]
pub(crate) struct Callbacks {
    pub(crate) change: Vec<OnChange>,
    pub(crate) caught_up: Vec<OnCaughtUp>,
    pub(crate) disconnect: Vec<OnDisconnect>,
    pub(crate) error: Vec<OnError>,
}

/// The task holds its sender: once that is gone, the replica has ended.
#[derive(Debug, Default)]
pub(crate) struct Status {
    pub(crate) caught_up: bool,
    pub(crate) live: bool,
    /// Why it could not go on.
    pub(crate) error: Option<Error>,
}

pub(crate) struct Copier {
    session: Session,
    documents: Arc<RwLock<Documents>>,
    /// Changes with each batch, too.
    status: Sender<Status>,
    callbacks: Callbacks,
}

impl Copier {
    pub(crate) fn new(
        watch: Watch,
        documents: Arc<RwLock<Documents>>,
        status: Sender<Status>,
        callbacks: Callbacks,
    ) -> Self {
        let (session, _) = watch.session();
        Self { session, documents, status, callbacks }
    }

    pub(crate) async fn run(mut self) {
        loop {
            match self.session.next().await {
                Ok(Step::Events(events)) => self.take(events),
                Ok(Step::Disconnected(error, delay)) => {
                    self.status.send_modify(|status| status.live = false);
                    tell(&mut self.callbacks.disconnect, &mut self.callbacks.error, |call| call(&error, delay));
                }
                Err(error) => {
                    // Before the end can be seen.
                    if error.code() != Code::Cancelled {
                        log::replica_ended(&error);
                    }
                    self.status.send_modify(|status| (status.live, status.error) = (false, Some(error.clone())));
                    report(&mut self.callbacks.error, &error);
                    return;
                }
            }
        }
    }

    /// Applies them as one, and then tells of them.
    fn take(&mut self, events: Vec<Event>) {
        let caught_up = events.contains(&Event::CaughtUp);
        let applied = self.documents.write().unwrap_or_else(PoisonError::into_inner).apply(events);
        let changes = match applied {
            Ok(changes) => changes,
            // A gap: the documents stay as they are until they come whole.
            Err(ids) => return self.session.resync(&ids),
        };
        self.status.send_modify(|status| {
            status.live |= caught_up;
            status.caught_up |= caught_up;
        });
        for change in &changes {
            tell(&mut self.callbacks.change, &mut self.callbacks.error, |call| call(change));
        }
        if caught_up {
            tell(&mut self.callbacks.caught_up, &mut self.callbacks.error, |call| call());
        }
    }
}

/// A callback that panics must not end the replica.
fn tell<F>(callbacks: &mut [F], on_error: &mut [OnError], mut with: impl FnMut(&mut F)) {
    for callback in callbacks {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| with(callback))) {
            let error = Error::callback_panicked(panic_message(&*panic));
            log::callback_panicked(&error);
            report(on_error, &error);
        }
    }
}

/// One that panics in turn has been heard of by the panic hook.
fn report(on_error: &mut [OnError], error: &Error) {
    for callback in on_error {
        let _ = catch_unwind(AssertUnwindSafe(|| callback(error)));
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("of an unknown kind")
}
