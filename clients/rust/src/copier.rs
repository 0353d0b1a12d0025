//! The task of a replica.

use std::any::Any;
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};

use tokio::sync::watch::Sender;

use crate::apply::apply;
use crate::error::Error;
use crate::event::{Event, Full};
use crate::model::{Delta, Document, Position};
use crate::replica::ReplicaChange;
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

pub(crate) struct Copied {
    pub(crate) value: Arc<Document>,
    pub(crate) position: Position,
}

pub(crate) type Documents = Arc<RwLock<HashMap<String, Copied>>>;

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
    documents: Documents,
    status: Sender<Status>,
    callbacks: Callbacks,
}

impl Copier {
    pub(crate) fn new(watch: Watch, documents: Documents, status: Sender<Status>, callbacks: Callbacks) -> Self {
        let (session, _) = watch.session();
        Self { session, documents, status, callbacks }
    }

    pub(crate) async fn run(mut self) {
        loop {
            match self.session.next().await {
                Ok(Step::Event(event)) => self.take(event),
                Ok(Step::Disconnected(error, delay)) => {
                    self.status.send_modify(|status| status.live = false);
                    tell(&mut self.callbacks.disconnect, &mut self.callbacks.error, |call| call(&error, delay));
                }
                Err(error) => {
                    self.status.send_modify(|status| (status.live, status.error) = (false, Some(error.clone())));
                    report(&mut self.callbacks.error, &error);
                    return;
                }
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Full(full) => self.store(full),
            Event::Delta(delta) => self.change(delta),
            Event::Deleted { id, .. } => {
                self.write().remove(&id);
                self.changed(&ReplicaChange { id, value: None, position: None, changes: None });
            }
            Event::Absent { .. } => {}
            Event::CaughtUp => {
                self.status.send_modify(|status| (status.live, status.caught_up) = (true, true));
                tell(&mut self.callbacks.caught_up, &mut self.callbacks.error, |call| call());
            }
        }
    }

    fn store(&mut self, Full { context, .. }: Full) {
        let (value, position) = (Arc::new(context.value), context.position);
        self.write().insert(context.id.clone(), Copied { value: value.clone(), position: position.clone() });
        self.changed(&ReplicaChange { id: context.id, value: Some(value), position: Some(position), changes: None });
    }

    /// A delta that does not apply is a gap: the document stays as it is until it comes whole.
    fn change(&mut self, Delta { id, to, changes, .. }: Delta) {
        let applied = self.write().get_mut(&id).and_then(|copied| {
            // Copies the document only where a reader holds it.
            apply(Arc::make_mut(&mut copied.value), &changes).ok()?;
            copied.position = to.clone();
            Some(copied.value.clone())
        });
        match applied {
            Some(value) => {
                self.changed(&ReplicaChange { id, value: Some(value), position: Some(to), changes: Some(changes) })
            }
            None => self.session.resync(&id),
        }
    }

    fn changed(&mut self, change: &ReplicaChange) {
        tell(&mut self.callbacks.change, &mut self.callbacks.error, |call| call(change));
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<String, Copied>> {
        self.documents.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A callback that panics must not end the replica.
fn tell<F>(callbacks: &mut [F], on_error: &mut [OnError], mut with: impl FnMut(&mut F)) {
    for callback in callbacks {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| with(callback))) {
            report(on_error, &Error::callback_panicked(panic_message(&*panic)));
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
