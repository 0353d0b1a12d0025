//! A stream of events that connects again by itself, from where it stands.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::mem;
use std::time::Duration;

use tokio::time::sleep;
use tonic::{Code, Streaming};

use crate::client::Client;
use crate::convert::{from_duration, to_duration};
use crate::error::Error;
use crate::event::{Event, Target};
use crate::model::Position;
use crate::proto::chord::v1::watch_contexts_response::Event as Message;
use crate::proto::chord::v1::{WatchContextsRequest, WatchContextsResponse};
use crate::stream::ResultStream;
use crate::tracker::{Gap, KNOWN_BYTES_MAX, Tracker};

/// Errors other than UNAVAILABLE may be the network's, or be there to stay.
const DOUBTFUL_FAILURES_MAX: u32 = 5;

pub(crate) type OnDisconnect = Box<dyn FnMut(&Error, Duration) + Send>;

/// What to watch and how: 1 to 1000 targets, which may overlap. [`events`](Self::events) is the stream.
///
/// Per context the events come in order, without gaps and without duplicates, across broken connections and restarts of
/// the server. Events are read from the network as they are taken: a slow reader gets merged deltas.
#[must_use = "nothing is watched without its events"]
pub struct Watch {
    client: Client,
    targets: Vec<Target>,
    known: HashMap<String, Position>,
    include_old_values: bool,
    heartbeat_interval: Option<Duration>,
    on_disconnect: OnDisconnect,
}

impl Watch {
    pub(crate) fn new(client: Client, targets: Vec<Target>) -> Self {
        let on_disconnect = Box::new(|_: &Error, _: Duration| {});
        Self {
            client,
            targets,
            known: HashMap::new(),
            include_old_values: false,
            heartbeat_interval: None,
            on_disconnect,
        }
    }

    /// Where a copy stands already, by context id: the watch begins there.
    pub fn known<I: Into<String>>(mut self, positions: impl IntoIterator<Item = (I, Position)>) -> Self {
        self.known = positions.into_iter().map(|(id, position)| (id.into(), position)).collect();
        self
    }

    /// Asks for the old values with the changes.
    pub fn include_old_values(mut self) -> Self {
        self.include_old_values = true;
        self
    }

    /// How often an idle stream hears from the server: 1 s to 1 h, default 15 s.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.heartbeat_interval = Some(interval);
        self
    }

    /// Called when the connection broke, and the watch is going to try again after a delay.
    pub fn on_disconnect(mut self, call: impl FnMut(&Error, Duration) + Send + 'static) -> Self {
        self.on_disconnect = Box::new(call);
        self
    }

    /// Connects when the first event is asked for. The stream ends with an error that cannot be got over; it is closed
    /// by dropping it.
    pub fn events(self) -> ResultStream<Event> {
        let (session, on_disconnect) = self.session();
        ResultStream::unfold((session, on_disconnect), |(mut session, mut on_disconnect)| async move {
            loop {
                match session.next().await {
                    Ok(Step::Event(event)) => return Some((Ok(event), (session, on_disconnect))),
                    Ok(Step::Disconnected(error, delay)) => on_disconnect(&error, delay),
                    Err(error) => return Some((Err(error), (session, on_disconnect))),
                }
            }
        })
    }

    pub(crate) fn session(self) -> (Session, OnDisconnect) {
        let session = Session {
            client: self.client,
            tracker: Tracker::new(self.targets, self.known, KNOWN_BYTES_MAX),
            include_old_values: self.include_old_values,
            heartbeat_interval: self.heartbeat_interval,
            stream: None,
            events: VecDeque::new(),
            failures: 0,
            retry_after: Duration::ZERO,
            delay: None,
            heard: false,
            misfit: false,
        };
        (session, self.on_disconnect)
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").field("targets", &self.targets).finish_non_exhaustive()
    }
}

/// A watch under way.
pub(crate) struct Session {
    client: Client,
    tracker: Tracker,
    include_old_values: bool,
    heartbeat_interval: Option<Duration>,
    stream: Option<Streaming<WatchContextsResponse>>,
    /// Taken from the stream, and not yet delivered.
    events: VecDeque<Event>,
    /// Since the last message came.
    failures: u32,
    /// What the server asked for when it closed the stream.
    retry_after: Duration,
    /// Before the next connection.
    delay: Option<Duration>,
    /// Whether this connection has brought an event or a heartbeat.
    heard: bool,
    /// The reader asks for a new connection: see `resync`.
    misfit: bool,
}

pub(crate) enum Step {
    Event(Event),
    /// The connection broke; the next step begins with a wait.
    Disconnected(Error, Duration),
}

impl Session {
    /// The next thing that happens, or what cannot be got over.
    pub(crate) async fn next(&mut self) -> Result<Step, Error> {
        if let Some(delay) = self.delay.take() {
            sleep(delay).await;
        }
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(Step::Event(event));
            }
            if let Err(error) = self.advance().await {
                let delay = self.disconnect(&error).ok_or_else(|| error.clone())?;
                self.delay = Some(delay);
                return Ok(Step::Disconnected(error, delay));
            }
        }
    }

    /// This context's last event did not fit the reader's copy: connects again for the document.
    pub(crate) fn resync(&mut self, id: &str) {
        self.tracker.doubt(id);
        self.misfit = true;
    }

    /// Takes one message from the stream, which it opens where there is none.
    async fn advance(&mut self) -> Result<(), Error> {
        if self.misfit {
            return Err(misfit());
        }
        let stream = match &mut self.stream {
            Some(stream) => stream,
            None => {
                let stream = self.open().await?;
                self.stream.insert(stream)
            }
        };
        let message = stream.message().await?.ok_or_else(|| Error::unavailable("the server ended the stream"))?;
        self.failures = 0;
        if let Some(Message::Closing(closing)) = &message.event {
            self.retry_after = from_duration(closing.retry_after).unwrap_or_default();
        } else {
            self.heard = true;
        }
        self.events = self.tracker.take(message).map_err(|Gap| misfit())?.into();
        Ok(())
    }

    async fn open(&mut self) -> Result<Streaming<WatchContextsResponse>, Error> {
        let heartbeat_interval = self.heartbeat_interval.map(|interval| to_duration("heartbeat_interval", interval));
        let request = WatchContextsRequest {
            subscriptions: self.tracker.connect(),
            include_old_values: self.include_old_values,
            heartbeat_interval: heartbeat_interval.transpose()?,
            ..Default::default()
        };
        self.client.open_watch(request).await
    }

    /// How long to wait before the next connection; `None`: the error is final.
    fn disconnect(&mut self, error: &Error) -> Option<Duration> {
        self.stream = None;
        self.misfit = false;
        // The token has expired under way: there may be a new one.
        let expired = mem::take(&mut self.heard) && error.code() == Code::Unauthenticated;
        let doubtful = !matches!(error.code(), Code::Unavailable | Code::ResourceExhausted);
        let given_up = doubtful && self.failures >= DOUBTFUL_FAILURES_MAX;
        if !(error.is_transient() || expired) || given_up {
            return None;
        }
        let asked = self.retry_after.max(error.retry_after().unwrap_or_default());
        let delay = self.client.retry.backoff(self.failures).max(asked);
        self.failures += 1;
        self.retry_after = Duration::ZERO;
        Some(delay)
    }
}

fn misfit() -> Error {
    Error::unavailable("an event does not fit what came before")
}
