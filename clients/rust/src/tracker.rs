//! What a watch makes of each message of its streams, and what it asks for when it connects again.
//!
//! Pure: it knows no network. The clients' README has its rules, for all languages.

use std::collections::{HashMap, HashSet};
use std::mem;

use crate::convert::position;
use crate::event::{DeletedReason, Event, Target};
use crate::model::Position;
use crate::proto::chord::v1::watch_contexts_response::Event as Message;
use crate::proto::chord::v1::{self as wire, subscription};

/// Of a request's 4 MiB.
pub const KNOWN_BYTES_MAX: usize = 3 << 20;

/// What a position takes with its framing.
const POSITION_BYTES: usize = 40;

/// A message left a gap: nothing of it may be delivered, and the watch must connect again.
#[derive(Debug, PartialEq, Eq)]
pub struct Gap;

/// What a watch asks for, and makes of the answers.
pub struct Tracker {
    targets: Vec<Target>,
    known_bytes_max: usize,
    /// Where the reader's copy of each context stands.
    positions: HashMap<String, Position>,
    /// Known to be missing.
    absent: HashSet<String>,
    /// Held, but not in the request of this connection: a context without an event until the stream has caught up is gone.
    omitted: HashSet<String>,
    /// Did not fit: the next request asks for the document.
    doubted: HashSet<String>,
    /// The messages of a batch that has not come whole yet. Nothing else knows of them.
    batch: Vec<wire::WatchContextsResponse>,
}

/// What a tracker held of a context before a batch.
struct Before {
    id: String,
    position: Option<Position>,
    absent: bool,
    doubted: bool,
}

impl Tracker {
    /// With positions that a copy has already.
    pub fn new(targets: Vec<Target>, known: HashMap<String, Position>, known_bytes_max: usize) -> Self {
        let mut positions = known;
        positions.retain(|id, _| targets.iter().any(|target| target.covers(id)));
        let (absent, omitted, doubted, batch) = Default::default();
        Self { targets, known_bytes_max, positions, absent, omitted, doubted, batch }
    }

    /// Begins a connection: answers the subscriptions to ask for.
    pub fn connect(&mut self) -> Vec<wire::Subscription> {
        self.batch.clear();
        let mut room = self.known_bytes_max;
        let mut named = HashSet::new();
        let subscriptions = self.targets.iter().map(|target| {
            let mut known = HashMap::new();
            for (id, position) in covered(target, &self.positions) {
                let bytes = id.len() + POSITION_BYTES;
                if bytes <= room && !self.doubted.contains(id) {
                    room -= bytes;
                    named.insert(id);
                    known.insert(id.clone(), position.clone().into());
                }
            }
            let paths = target.paths.iter().map(|keys| wire::Path { keys: keys.clone() }).collect();
            wire::Subscription { target: Some(target.into()), known, paths }
        });
        let subscriptions = subscriptions.collect();
        self.omitted = self.positions.keys().filter(|id| !named.contains(id)).cloned().collect();
        subscriptions
    }

    /// The events to deliver: of a batch all at once, with its last message.
    pub fn take(&mut self, message: wire::WatchContextsResponse) -> Result<Vec<Event>, Gap> {
        if message.more {
            self.batch.push(message);
            return Ok(Vec::new());
        }
        let is_of_batch = !matches!(message.event, Some(Message::Heartbeat(_) | Message::Closing(_)));
        if self.batch.is_empty() || !is_of_batch {
            return self.single(message);
        }
        let mut batch = mem::take(&mut self.batch);
        batch.push(message);
        self.whole(batch)
    }

    fn whole(&mut self, batch: Vec<wire::WatchContextsResponse>) -> Result<Vec<Event>, Gap> {
        let before: Vec<Before> = batch.iter().filter_map(context_id).map(|id| self.before(id)).collect();
        let mut events = Vec::with_capacity(batch.len());
        for message in batch {
            match self.single(message) {
                Ok(more) => events.extend(more),
                Err(Gap) => {
                    // The context that did not fit stays doubted: the next connection brings its document.
                    for before in before.into_iter().rev() {
                        self.restore(before);
                    }
                    return Err(Gap);
                }
            }
        }
        // The last message may have been swallowed: then another event is the last one.
        let last = events.len().saturating_sub(1);
        events.iter_mut().enumerate().for_each(|(index, event)| event.set_more(index < last));
        Ok(events)
    }

    fn before(&self, id: &str) -> Before {
        Before {
            id: id.to_owned(),
            position: self.positions.get(id).cloned(),
            absent: self.absent.contains(id),
            doubted: self.doubted.contains(id),
        }
    }

    fn restore(&mut self, Before { id, position, absent, doubted }: Before) {
        if doubted {
            self.doubted.insert(id.clone());
        }
        if absent {
            self.absent.insert(id.clone());
        } else {
            self.absent.remove(&id);
        }
        match position {
            Some(position) => self.positions.insert(id, position),
            None => self.positions.remove(&id),
        };
    }

    fn single(&mut self, message: wire::WatchContextsResponse) -> Result<Vec<Event>, Gap> {
        Ok(match message.event {
            Some(Message::Full(full)) => self.full(full).into_iter().collect(),
            Some(Message::Delta(delta)) => vec![self.delta(delta)?],
            Some(Message::Deleted(gone)) => {
                let reason = gone.reason().into();
                self.gone(gone.context_id, position(gone.position), reason).into_iter().collect()
            }
            Some(Message::Absent(absent)) => self.missing(absent.context_id).into_iter().collect(),
            Some(Message::CaughtUp(_)) => self.caught_up(),
            Some(Message::Heartbeat(_) | Message::Closing(_)) | None => Vec::new(),
        })
    }

    /// What was delivered of this context turned out not to fit. The next connection brings the document.
    pub fn doubt(&mut self, id: &str) {
        if self.positions.contains_key(id) {
            self.doubted.insert(id.to_owned());
        }
    }

    fn full(&mut self, full: wire::Full) -> Option<Event> {
        let context = full.context.as_ref()?;
        let (id, position) = (context.context_id.clone(), position(context.position.clone()));
        self.omitted.remove(&id);
        let doubted = self.doubted.remove(&id);
        if !doubted && self.positions.get(&id) == Some(&position) {
            return None;
        }
        self.absent.remove(&id);
        self.positions.insert(id, position);
        Some(Event::Full { full: full.into(), more: false })
    }

    fn delta(&mut self, delta: wire::Delta) -> Result<Event, Gap> {
        let id = delta.context_id.as_str();
        let from = position(delta.from.clone());
        if self.doubted.contains(id) || !self.positions.get(id).is_some_and(|held| fits(held, &from)) {
            self.doubt(id);
            return Err(Gap);
        }
        self.omitted.remove(id);
        self.positions.insert(id.to_owned(), position(delta.to.clone()));
        Ok(Event::Delta { delta: delta.into(), more: false })
    }

    fn gone(&mut self, id: String, position: Position, reason: DeletedReason) -> Option<Event> {
        self.omitted.remove(&id);
        self.doubted.remove(&id);
        self.positions.remove(&id)?;
        self.absent.insert(id.clone());
        Some(Event::Deleted { id, position, reason, more: false })
    }

    fn missing(&mut self, id: String) -> Option<Event> {
        if let Some(held) = self.positions.get(&id).cloned() {
            return self.gone(id, held, DeletedReason::Unknown);
        }
        self.absent.insert(id.clone()).then_some(Event::Absent { id })
    }

    fn caught_up(&mut self) -> Vec<Event> {
        let gone = mem::take(&mut self.omitted);
        let mut events: Vec<Event> = gone.into_iter().filter_map(|id| self.missing(id)).collect();
        events.push(Event::CaughtUp);
        events
    }
}

fn context_id(message: &wire::WatchContextsResponse) -> Option<&str> {
    match message.event.as_ref()? {
        Message::Full(full) => Some(&full.context.as_ref()?.context_id),
        Message::Delta(delta) => Some(&delta.context_id),
        Message::Deleted(deleted) => Some(&deleted.context_id),
        Message::Absent(absent) => Some(&absent.context_id),
        Message::CaughtUp(_) | Message::Heartbeat(_) | Message::Closing(_) => None,
    }
}

/// The caller may have named only a version.
fn fits(held: &Position, from: &Position) -> bool {
    held.version == from.version
        && (held.epoch.is_empty() || held.epoch == from.epoch)
        && (held.digest.is_empty() || held.digest == from.digest)
}

/// An id is looked up, or else watches of a thousand ids would be slow to connect.
fn covered<'a>(
    target: &Target,
    positions: &'a HashMap<String, Position>,
) -> Box<dyn Iterator<Item = (&'a String, &'a Position)> + 'a> {
    let name = target.name.clone();
    if target.is_prefix {
        Box::new(positions.iter().filter(move |(id, _)| id.starts_with(&name)))
    } else {
        Box::new(positions.get_key_value(&name).into_iter())
    }
}

impl From<&Target> for subscription::Target {
    fn from(target: &Target) -> Self {
        let name = target.name.clone();
        if target.is_prefix { Self::Prefix(name) } else { Self::ContextId(name) }
    }
}
