//! The documents of a replica.

use std::collections::HashMap;
use std::mem;
use std::sync::Arc;

use crate::apply::{Inverse, apply_reversibly, revert};
use crate::event::{Event, Full};
use crate::model::{Change, Delta, Document, Position};

/// One change of a [`Replica`](crate::Replica).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReplicaChange {
    /// Of the context.
    pub id: String,
    /// `None`: the context is gone.
    pub value: Option<Arc<Document>>,
    /// `None`: the context is gone.
    pub position: Option<Position>,
    /// They led from the former value to this one. `None`: the whole document came, or went.
    pub changes: Option<Vec<Change>>,
}

/// A document that was kept, to start a [`Replica`](crate::Replica) from it later: position and document belong together.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Kept {
    /// Of the context.
    pub id: String,
    /// The document.
    pub value: Arc<Document>,
    /// Where it stands.
    pub position: Position,
}

/// The documents of a [`Replica`](crate::Replica) at one moment: of a batch of writes all or nothing.
#[derive(Debug, Default)]
pub struct Documents(HashMap<String, Copied>);

#[derive(Debug)]
struct Copied {
    value: Arc<Document>,
    position: Position,
}

impl Documents {
    pub(crate) fn from_kept(kept: Vec<Kept>) -> Self {
        Self(kept.into_iter().map(|Kept { id, value, position }| (id, Copied { value, position })).collect())
    }

    /// The document, which never changes afterwards: the next change makes another one.
    pub fn get(&self, id: &str) -> Option<&Arc<Document>> {
        self.0.get(id).map(|copied| &copied.value)
    }

    /// Where the document stands.
    pub fn position(&self, id: &str) -> Option<&Position> {
        self.0.get(id).map(|copied| &copied.position)
    }

    /// In no order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Arc<Document>)> {
        self.0.iter().map(|(id, copied)| (id.as_str(), &copied.value))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, to start from later.
    pub fn kept(&self) -> Vec<Kept> {
        let kept = |(id, Copied { value, position }): (&String, &Copied)| Kept {
            id: id.clone(),
            value: value.clone(),
            position: position.clone(),
        };
        self.0.iter().map(kept).collect()
    }

    /// Applies all events, or none, because a delta does not fit: then it answers the ids of all their contexts.
    pub(crate) fn apply(&mut self, events: Vec<Event>) -> Result<Vec<ReplicaChange>, Vec<String>> {
        let writes: Vec<Write> = events.into_iter().filter_map(Write::of).collect();
        let mut done = Vec::with_capacity(writes.len());
        for write in &writes {
            match self.write(write) {
                Some(undo) => done.push((undo, self.get(write.id()).cloned())),
                None => {
                    while let Some((undo, value)) = done.pop() {
                        drop(value); // or else the document would be copied to be taken back
                        self.take_back(undo);
                    }
                    return Err(writes.iter().map(|write| write.id().to_owned()).collect());
                }
            }
        }
        let values: Vec<Option<Arc<Document>>> = done.into_iter().map(|(_, value)| value).collect();
        Ok(writes.into_iter().zip(values).map(|(write, value)| write.told(value)).collect())
    }

    /// `None`: it does not fit.
    fn write<'a>(&mut self, write: &'a Write) -> Option<Undo<'a>> {
        Some(match write {
            Write::Put { id, value, position } => {
                let copied = Copied { value: value.clone(), position: position.clone() };
                Undo::Put(id, self.0.insert(id.clone(), copied))
            }
            Write::Remove { id } => Undo::Put(id, self.0.remove(id)),
            Write::Change(delta) => {
                let copied = self.0.get_mut(&delta.id)?;
                // Copies the document only where a reader holds it.
                let inverse = apply_reversibly(Arc::make_mut(&mut copied.value), &delta.changes).ok()?;
                Undo::Change(&delta.id, inverse, mem::replace(&mut copied.position, delta.to.clone()))
            }
        })
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Put(id, Some(copied)) => _ = self.0.insert(id.to_owned(), copied),
            Undo::Put(id, None) => _ = self.0.remove(id),
            Undo::Change(id, inverse, position) => {
                let copied = self.0.get_mut(id).expect("it was changed");
                revert(Arc::make_mut(&mut copied.value), inverse);
                copied.position = position;
            }
        }
    }
}

/// What an event does to the documents.
enum Write {
    Put { id: String, value: Arc<Document>, position: Position },
    Remove { id: String },
    Change(Delta),
}

impl Write {
    fn of(event: Event) -> Option<Self> {
        match event {
            Event::Full { full: Full { context, .. }, .. } => {
                Some(Self::Put { id: context.id, value: Arc::new(context.value), position: context.position })
            }
            Event::Delta { delta, .. } => Some(Self::Change(delta)),
            Event::Deleted { id, .. } => Some(Self::Remove { id }),
            Event::Absent { .. } | Event::CaughtUp => None,
        }
    }

    fn id(&self) -> &str {
        match self {
            Self::Put { id, .. } | Self::Remove { id } => id,
            Self::Change(delta) => &delta.id,
        }
    }

    fn told(self, value: Option<Arc<Document>>) -> ReplicaChange {
        match self {
            Self::Put { id, position, .. } => ReplicaChange { id, value, position: Some(position), changes: None },
            Self::Remove { id } => ReplicaChange { id, value, position: None, changes: None },
            Self::Change(Delta { id, to, changes, .. }) => {
                ReplicaChange { id, value, position: Some(to), changes: Some(changes) }
            }
        }
    }
}

/// What takes a write back.
enum Undo<'a> {
    Put(&'a str, Option<Copied>),
    Change(&'a str, Vec<Inverse<'a>>, Position),
}
