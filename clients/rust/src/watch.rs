//! A stream of events that connects again by itself, from where it stands.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tonic::{Code, Streaming};

use crate::connection::Connection;
use crate::convert::to_duration;
use crate::error::Error;
use crate::event::{Event, Target};
use crate::log;
use crate::model::Position;
use crate::proto::chord::v1::watch_contexts_response::Event as Message;
use crate::proto::chord::v1::{WatchContextsRequest, WatchContextsResponse};
use crate::retry::Failures;
use crate::stream::ResultStream;
use crate::time::from_duration;
use crate::tracker::{Gap, KNOWN_BYTES_MAX, Tracker};
use crate::transport::Channel;

/// Errors other than UNAVAILABLE may be the network's, or be there to stay.
pub(crate) const DOUBTFUL_FAILURES_MAX: u32 = 5;

pub(crate) type OnDisconnect = Box<dyn FnMut(&Error, Duration) + Send>;

/// What to watch and how: 1 to 1000 targets, which may overlap. [`events`](Self::events) is the stream.
///
/// Per context the events come in order, without gaps and without duplicates, across broken connections and restarts of
/// the server. Events are read from the network as they are taken: a slow reader gets merged deltas.
#[must_use = "nothing is watched without its events"]
pub struct Watch {
    connection: Connection,
    targets: Vec<Target>,
    known: HashMap<String, Position>,
    include_old_values: bool,
    format: String,
    heartbeat_interval: Option<Duration>,
    on_disconnect: OnDisconnect,
}

impl Watch {
    pub(crate) fn new(connection: Connection, targets: Vec<Target>) -> Self {
        let on_disconnect = Box::new(|_: &Error, _: Duration| {});
        Self {
            connection,
            targets,
            known: HashMap::new(),
            include_old_values: false,
            format: String::new(),
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

    /// Asks for deltas in a format, which come in [`Delta::formatted`](crate::Delta::formatted): `flat`, `json_patch`,
    /// `merge_patch` or the name of one of the server's own. Their `changes` are empty.
    pub fn format(mut self, name: impl Into<String>) -> Self {
        self.format = name.into();
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
    /// by dropping it. The events of a batch follow upon one another without a wait: see [`Event::more`].
    pub fn events(self) -> ResultStream<Event> {
        let (session, on_disconnect) = self.session();
        let state = (session, on_disconnect, VecDeque::new());
        ResultStream::unfold(state, |(mut session, mut on_disconnect, mut events)| async move {
            loop {
                if let Some(event) = events.pop_front() {
                    return Some((Ok(event), (session, on_disconnect, events)));
                }
                match session.next().await {
                    Ok(Step::Events(batch)) => events.extend(batch),
                    Ok(Step::Disconnected(error, delay)) => on_disconnect(&error, delay),
                    Err(error) => return Some((Err(error), (session, on_disconnect, events))),
                }
            }
        })
    }

    pub(crate) fn covers(&self, id: &str) -> bool {
        self.targets.iter().any(|target| target.covers(id))
    }

    pub(crate) fn session(self) -> (Session, OnDisconnect) {
        let recovered = self.connection.shared.outage.ends();
        let session = Session {
            connection: self.connection,
            tracker: Tracker::new(self.targets, self.known, KNOWN_BYTES_MAX),
            include_old_values: self.include_old_values,
            format: self.format,
            heartbeat_interval: self.heartbeat_interval,
            channel: None,
            stream: None,
            failures: Failures::default(),
            doubtful: 0,
            asked: Duration::ZERO,
            delay: None,
            recovered,
            heard: None,
            refused: false,
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
    connection: Connection,
    tracker: Tracker,
    include_old_values: bool,
    format: String,
    heartbeat_interval: Option<Duration>,
    /// Held as long as the watch lives: see `Channels`.
    channel: Option<Arc<Channel>>,
    stream: Option<Streaming<WatchContextsResponse>>,
    failures: Failures,
    /// Failures with doubtful errors since the last message came.
    doubtful: u32,
    /// How long the server asked to wait when it closed the stream.
    asked: Duration,
    /// Before the next connection: in any case, and in all unless an outage ends before.
    delay: Option<(Duration, Duration)>,
    recovered: watch::Receiver<()>,
    /// When this connection brought its first event or heartbeat.
    heard: Option<Instant>,
    /// A token was refused since the last event or heartbeat.
    refused: bool,
    /// The reader asks for a new connection: see `resync`.
    misfit: bool,
}

pub(crate) enum Step {
    /// One or more, which belong together.
    Events(Vec<Event>),
    /// The connection broke; the next step begins with a wait.
    Disconnected(Error, Duration),
}

impl Session {
    /// The next thing that happens, or what cannot be got over.
    pub(crate) async fn next(&mut self) -> Result<Step, Error> {
        let connection = self.connection.clone();
        connection.unless_closed(self.step()).await
    }

    async fn step(&mut self) -> Result<Step, Error> {
        if let Some((asked, whole)) = self.delay {
            sleep(asked).await;
            // Over early where the server can be reached again.
            let _ = timeout(whole.saturating_sub(asked), self.recovered.changed()).await;
            self.delay = None;
        }
        loop {
            match self.advance().await {
                Ok(events) if events.is_empty() => {}
                Ok(events) => return Ok(Step::Events(events)),
                Err(error) => {
                    let delay = self.disconnect(&error).ok_or_else(|| error.clone())?;
                    log::disconnected(&error, delay);
                    return Ok(Step::Disconnected(error, delay));
                }
            }
        }
    }

    /// The last events did not fit the reader's copies of these contexts: connects again for the documents.
    pub(crate) fn resync(&mut self, ids: &[String]) {
        ids.iter().for_each(|id| self.tracker.doubt(id));
        self.misfit = true;
    }

    /// Takes one message from the stream, which it opens where there is none.
    async fn advance(&mut self) -> Result<Vec<Event>, Error> {
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
        let message = self.connection.shared.outage.noted(stream.message().await)?;
        let message = message.ok_or_else(|| Error::unavailable("the server ended the stream"))?;
        if let Some(Message::Closing(closing)) = &message.event {
            self.asked = from_duration(closing.retry_after).unwrap_or_default();
        } else {
            self.heard.get_or_insert_with(Instant::now);
            (self.doubtful, self.refused) = (0, false);
        }
        self.tracker.take(message).map_err(|Gap| misfit())
    }

    async fn open(&mut self) -> Result<Streaming<WatchContextsResponse>, Error> {
        let heartbeat_interval = self.heartbeat_interval.map(|interval| to_duration("heartbeat_interval", interval));
        let request = WatchContextsRequest {
            subscriptions: self.tracker.connect(),
            include_old_values: self.include_old_values,
            format: self.format.clone(),
            heartbeat_interval: heartbeat_interval.transpose()?,
        };
        let channel = self.channel.get_or_insert_with(|| self.connection.shared.channels.for_watch());
        self.connection.open_watch(request, (**channel).clone()).await
    }

    /// How long to wait before the next connection; `None`: the error is final.
    fn disconnect(&mut self, error: &Error) -> Option<Duration> {
        self.stream = None;
        self.misfit = false;
        let worked = self.heard.take().map(|since| since.elapsed());
        let goes_on = match error.code() {
            _ if error.is_outage() => true,
            // Expired under way, or while the connection was away: there may be a new one.
            Code::Unauthenticated => {
                worked.is_some() || (self.connection.renews_token() && !mem::replace(&mut self.refused, true))
            }
            _ => {
                self.doubtful += 1;
                error.is_transient() && self.doubtful <= DOUBTFUL_FAILURES_MAX
            }
        };
        if !goes_on {
            return None;
        }
        let asked = mem::take(&mut self.asked).max(error.retry_after().unwrap_or_default());
        let backoff = self.failures.wait(&self.connection.shared.retry, worked.unwrap_or_default());
        self.recovered.mark_unchanged();
        self.delay = Some((asked, backoff.max(asked)));
        Some(backoff.max(asked))
    }
}

fn misfit() -> Error {
    Error::unavailable("an event does not fit what came before")
}
