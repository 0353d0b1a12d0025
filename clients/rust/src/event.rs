//! What a watch is about, and what it delivers.

use crate::model::{Context, Delta, Position};
use crate::proto::chord::v1 as wire;

/// What happened to a context. `more` marks the events of a batch: see [`more`](Self::more). Per context they come in order, without gaps and without duplicates.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Event {
    /// The whole document: the first time, or because a delta would not be exactly right.
    Full {
        /// The document, and why it came.
        full: Full,
        /// The next event belongs to the same batch.
        more: bool,
    },
    /// The changes since the last event of this context.
    Delta {
        /// The changes.
        delta: Delta,
        /// The next event belongs to the same batch.
        more: bool,
    },
    /// The context is gone; `position` is where the watch had it last. Should it come back, it comes as `Full`.
    Deleted {
        /// Of the context.
        id: String,
        /// Where the watch had it last.
        position: Position,
        /// Why it is gone.
        reason: DeletedReason,
        /// The next event belongs to the same batch.
        more: bool,
    },
    /// A context that was asked for does not exist. Its creation comes as `Full`.
    Absent {
        /// Of the context.
        id: String,
    },
    /// Everything that existed when the stream was opened has come. Once for each connection.
    CaughtUp,
}

impl Event {
    /// Whether the next event belongs to the same batch of writes as this one. Then it is there already: a watch delivers
    /// the events of a batch once all of them have come.
    pub fn more(&self) -> bool {
        match self {
            Self::Full { more, .. } | Self::Delta { more, .. } | Self::Deleted { more, .. } => *more,
            Self::Absent { .. } | Self::CaughtUp => false,
        }
    }

    pub(crate) fn set_more(&mut self, follows: bool) {
        if let Self::Full { more, .. } | Self::Delta { more, .. } | Self::Deleted { more, .. } = self {
            *more = follows;
        }
    }
}

/// The whole document, and why.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Full {
    /// The document, and where it stands.
    pub context: Context,
    /// Why it came whole.
    pub reason: FullReason,
}

/// What [`Client::sync`](crate::Client::sync) and [`Client::wait`](crate::Client::wait) answer.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SyncResult {
    /// The whole document.
    Full(Full),
    /// What has changed since the known position.
    Delta(Delta),
    /// The copy is current.
    NoChange(Position),
}

/// What a wait answers.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WaitResult {
    /// What a copy at the known position lacks, up to the version that met the checks or to a later one.
    pub result: SyncResult,
    /// The first version after the known position that met the checks; without one, that of `result`.
    pub held_at: u64,
}

/// Why a document came whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum FullReason {
    /// Nothing was known yet.
    Initial,
    /// The context was deleted and created again, or restored, since.
    EpochChanged,
    /// The known version is above the server's, which has lost acknowledged writes.
    Ahead,
    /// Same epoch and version, another history.
    Diverged,
    /// The deltas in between are no longer kept, or too many.
    HistoryTruncated,
    /// The delta would be larger than the document.
    DeltaLarger,
    /// One that this client does not know.
    Unknown,
}

impl From<wire::FullReason> for FullReason {
    fn from(reason: wire::FullReason) -> Self {
        match reason {
            wire::FullReason::Initial => Self::Initial,
            wire::FullReason::EpochChanged => Self::EpochChanged,
            wire::FullReason::Ahead => Self::Ahead,
            wire::FullReason::Diverged => Self::Diverged,
            wire::FullReason::HistoryTruncated => Self::HistoryTruncated,
            wire::FullReason::DeltaLarger => Self::DeltaLarger,
            wire::FullReason::Unspecified => Self::Unknown,
        }
    }
}

impl FullReason {
    /// The name in the `.proto`, without its prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Initial => "INITIAL",
            Self::EpochChanged => "EPOCH_CHANGED",
            Self::Ahead => "AHEAD",
            Self::Diverged => "DIVERGED",
            Self::HistoryTruncated => "HISTORY_TRUNCATED",
            Self::DeltaLarger => "DELTA_LARGER",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// Why a context is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum DeletedReason {
    /// A client deleted it.
    Deleted,
    /// Its time to live ran out.
    Expired,
    /// It went while the connection was away.
    Unknown,
}

impl DeletedReason {
    /// The name in the `.proto`, without its prefix.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Deleted => "DELETED",
            Self::Expired => "EXPIRED",
            Self::Unknown => "UNKNOWN",
        }
    }
}

/// What to watch. Strings are ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    pub(crate) name: String,
    pub(crate) is_prefix: bool,
    pub(crate) paths: Vec<Vec<String>>,
}

impl Target {
    /// One context.
    pub fn id(id: impl Into<String>) -> Self {
        Self { name: id.into(), is_prefix: false, paths: Vec::new() }
    }

    /// All contexts whose ids begin with this, those still to be created included; empty: every context.
    pub fn prefix(prefix: impl Into<String>) -> Self {
        Self { name: prefix.into(), is_prefix: true, paths: Vec::new() }
    }

    /// Only these parts of the documents. Where several targets cover a context, the union comes. A watch that begins at known
    /// positions must have had the same paths before: no delta has what was left out.
    #[must_use]
    pub fn only(mut self, paths: impl IntoIterator<Item = impl IntoIterator<Item = impl Into<String>>>) -> Self {
        self.paths = paths.into_iter().map(|path| path.into_iter().map(Into::into).collect()).collect();
        self
    }

    pub(crate) fn covers(&self, id: &str) -> bool {
        if self.is_prefix { id.starts_with(&self.name) } else { id == self.name }
    }
}

impl From<&str> for Target {
    fn from(id: &str) -> Self {
        Self::id(id)
    }
}

impl From<String> for Target {
    fn from(id: String) -> Self {
        Self::id(id)
    }
}

impl From<&String> for Target {
    fn from(id: &String) -> Self {
        Self::id(id)
    }
}
