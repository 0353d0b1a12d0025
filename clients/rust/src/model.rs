//! What calls and events speak of.

use std::fmt;
use std::time::SystemTime;

use serde_json::{Map, Value};

/// The JSON document of a context.
pub type Document = Map<String, Value>;

/// A point in the history of one context. Keep it and hand it back; never compute one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Position {
    /// One life of the context: another one after it was deleted and created again, or restored.
    pub epoch: String,
    /// Counts the writes of that life that changed something, from 1.
    pub version: u64,
    /// A hash of that life's history up to `version`.
    pub digest: String,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.epoch, self.version, self.digest)
    }
}

/// A document and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Context {
    pub id: String,
    pub value: Document,
    pub position: Position,
    pub created_at: SystemTime,
    pub updated_at: SystemTime,
    /// `None`: it lives until it is deleted.
    pub expires_at: Option<SystemTime>,
}

/// A context without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    pub id: String,
    pub position: Position,
    pub created_at: SystemTime,
    pub updated_at: SystemTime,
    /// `None`: it lives until it is deleted.
    pub expires_at: Option<SystemTime>,
}

/// The changes that lead from one position of a context to a later one.
#[derive(Debug, Clone, PartialEq)]
pub struct Delta {
    pub id: String,
    pub from: Position,
    pub to: Position,
    /// In their order: see [`apply`](crate::apply).
    pub changes: Vec<Change>,
    /// When `to` was written.
    pub updated_at: SystemTime,
}

/// What happened at one path of a document.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Object keys from the root, never empty. Each is one key as it stands.
    pub path: Vec<String>,
    pub action: Action,
}

/// Old values (`old`, `removed`) are there only if they were asked for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// A member came; a whole subtree is one change.
    Added { value: Value },
    /// A member got another value.
    Modified { value: Value, old: Option<Value> },
    /// A member went.
    Removed { old: Option<Value> },
    /// At `index` of a list, `removed_count` elements gave way to `inserted`.
    Spliced { index: u32, removed_count: u32, inserted: Vec<Value>, removed: Option<Vec<Value>> },
    /// One that this client does not know, or that came incomplete. It applies to no document.
    Unknown,
}

/// What a set or an update did.
#[derive(Debug, Clone, PartialEq)]
pub struct WriteResult {
    /// Where the context stands after this write.
    pub position: Position,
    /// False: the document was like this already, and the version stays.
    pub changed: bool,
    /// If asked for by `return_context`.
    pub context: Option<Context>,
    /// If asked for by `return_delta`.
    pub delta: Option<Delta>,
}

/// What a delete did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteResult {
    /// Where the context stood last. `None`: it was missing.
    pub position: Option<Position>,
    /// False: it was missing already.
    pub changed: bool,
}

/// A part of the retained history of a context, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct DeltaPage {
    pub deltas: Vec<Delta>,
    /// Where the context stands now.
    pub head: Position,
    /// Deltas right after the version that was asked for are no longer kept.
    pub truncated: bool,
}
