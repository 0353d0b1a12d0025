//! Messages to and from what callers see.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

use crate::error::Error;
use crate::event::{DeletedReason, Full, FullReason, SyncResult};
use crate::model::{Action, Change, Context, DeleteResult, Delta, DeltaPage, Head, Position, WriteResult};
use crate::proto::chord::v1 as wire;
use crate::value::{from_list, from_struct, from_value};

impl From<Position> for wire::Position {
    fn from(Position { epoch, version, digest }: Position) -> Self {
        Self { epoch, version, digest }
    }
}

impl From<wire::Position> for Position {
    fn from(wire::Position { epoch, version, digest }: wire::Position) -> Self {
        Self { epoch, version, digest }
    }
}

impl From<wire::Context> for Context {
    fn from(mut message: wire::Context) -> Self {
        // A server that was asked for the value sends one; absent counts as {}.
        let value = message.value.take().map(from_struct).unwrap_or_default();
        let Head { id, position, created_at, updated_at, expires_at } = message.into();
        Self { id, value, position, created_at, updated_at, expires_at }
    }
}

impl From<wire::Context> for Head {
    fn from(message: wire::Context) -> Self {
        Self {
            id: message.context_id,
            position: position(message.position),
            created_at: time(message.created_at),
            updated_at: time(message.updated_at),
            expires_at: message.expires_at.and_then(|at| SystemTime::try_from(at).ok()),
        }
    }
}

impl From<wire::Delta> for Delta {
    fn from(message: wire::Delta) -> Self {
        Self {
            id: message.context_id,
            from: position(message.from),
            to: position(message.to),
            changes: message.changes.into_iter().map(Change::from).collect(),
            updated_at: time(message.updated_at),
        }
    }
}

impl From<wire::Change> for Change {
    fn from(message: wire::Change) -> Self {
        let old = message.old_value.map(from_value);
        let action = match (wire::ChangeAction::try_from(message.action), message.value, message.splice) {
            (Ok(wire::ChangeAction::Added), Some(value), _) => Action::Added { value: from_value(value) },
            (Ok(wire::ChangeAction::Modified), Some(value), _) => Action::Modified { value: from_value(value), old },
            (Ok(wire::ChangeAction::Removed), _, _) => Action::Removed { old },
            (Ok(wire::ChangeAction::Spliced), _, Some(splice)) => splice.into(),
            (Ok(wire::ChangeAction::Spliced), _, None) => message.text_splice.map_or(Action::Unknown, Action::from),
            _ => Action::Unknown,
        };
        Self { path: message.path, action }
    }
}

impl From<wire::Splice> for Action {
    fn from(message: wire::Splice) -> Self {
        Self::Spliced {
            index: message.index,
            removed_count: message.removed_count,
            inserted: from_list(message.inserted),
            removed: Some(from_list(message.removed)).filter(|removed| !removed.is_empty()),
        }
    }
}

impl From<wire::TextSplice> for Action {
    fn from(message: wire::TextSplice) -> Self {
        Self::TextSpliced {
            index: message.index,
            removed_count: message.removed_count,
            inserted: message.inserted,
            removed: Some(message.removed).filter(|removed| !removed.is_empty()),
        }
    }
}

impl From<wire::Full> for Full {
    fn from(message: wire::Full) -> Self {
        let reason = match message.reason() {
            wire::FullReason::Initial => FullReason::Initial,
            wire::FullReason::EpochChanged => FullReason::EpochChanged,
            wire::FullReason::Ahead => FullReason::Ahead,
            wire::FullReason::Diverged => FullReason::Diverged,
            wire::FullReason::HistoryTruncated => FullReason::HistoryTruncated,
            wire::FullReason::DeltaLarger => FullReason::DeltaLarger,
            wire::FullReason::Unspecified => FullReason::Unknown,
        };
        Self { context: message.context.unwrap_or_default().into(), reason }
    }
}

impl From<wire::DeletedReason> for DeletedReason {
    fn from(reason: wire::DeletedReason) -> Self {
        match reason {
            wire::DeletedReason::Deleted => Self::Deleted,
            wire::DeletedReason::Expired => Self::Expired,
            wire::DeletedReason::Unspecified => Self::Unknown,
        }
    }
}

impl From<wire::SetContextResponse> for WriteResult {
    fn from(message: wire::SetContextResponse) -> Self {
        Self {
            position: position(message.position),
            changed: message.changed,
            context: message.context.map(Context::from),
            delta: message.delta.map(Delta::from),
        }
    }
}

impl From<wire::UpdateContextResponse> for WriteResult {
    fn from(message: wire::UpdateContextResponse) -> Self {
        let wire::UpdateContextResponse { position, changed, context, delta } = message;
        wire::SetContextResponse { position, changed, context, delta }.into()
    }
}

impl From<wire::DeleteContextResponse> for DeleteResult {
    fn from(message: wire::DeleteContextResponse) -> Self {
        Self { position: message.position.map(Position::from), changed: message.changed }
    }
}

impl From<wire::SyncContextResponse> for SyncResult {
    fn from(message: wire::SyncContextResponse) -> Self {
        use wire::sync_context_response::Result;
        match message.result {
            Some(Result::Full(full)) => Self::Full(full.into()),
            Some(Result::Delta(delta)) => Self::Delta(delta.into()),
            Some(Result::NoChange(none)) => Self::NoChange(position(none.position)),
            None => Self::NoChange(Position::default()),
        }
    }
}

impl From<wire::ListDeltasResponse> for DeltaPage {
    fn from(message: wire::ListDeltasResponse) -> Self {
        Self {
            deltas: message.deltas.into_iter().map(Delta::from).collect(),
            head: position(message.head),
            truncated: message.truncated,
        }
    }
}

pub(crate) fn position(message: Option<wire::Position>) -> Position {
    message.map(Position::from).unwrap_or_default()
}

/// Servers send none before 1970, nor beyond what a clock can show.
fn time(message: Option<Timestamp>) -> SystemTime {
    message.and_then(|at| SystemTime::try_from(at).ok()).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(crate) fn to_duration(field: &str, duration: Duration) -> Result<prost_types::Duration, Error> {
    duration.try_into().map_err(|_| Error::unsendable(field, "is too long"))
}
