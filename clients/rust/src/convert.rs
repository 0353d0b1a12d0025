//! Messages to and from what callers see.

use std::time::{Duration, SystemTime};

use prost_types::Timestamp;

use crate::conditions::{Check, Test};
use crate::error::Error;
use crate::event::{DeletedReason, Full, SyncResult, WaitResult};
use crate::model::{
    Action, BatchResult, BlameLine, BlamePage, BlameRun, Change, Context, DeleteResult, Delta, DeltaPage, Head,
    MemberExpiry, Position, Provenance, WriteResult,
};
use crate::proto::chord::v1 as wire;
use crate::proto::chord::v1::check::Test as WireTest;
use crate::value::{Unsendable, from_list, from_struct, from_value, to_value};

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
            provenance: message.provenance.map(Provenance::from),
            formatted: message.formatted.map(from_value),
            inexpressible: Some(message.inexpressible).filter(|why| !why.is_empty()),
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
        let reason = message.reason().into();
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

impl From<wire::RevertContextResponse> for WriteResult {
    fn from(message: wire::RevertContextResponse) -> Self {
        let wire::RevertContextResponse { position, changed, context, delta } = message;
        wire::SetContextResponse { position, changed, context, delta }.into()
    }
}

impl BatchResult {
    pub(crate) fn of(message: wire::WriteResult, is_touch: bool) -> Self {
        let wire::WriteResult { position, changed, context, delta } = message;
        let (context, touched) = if is_touch { (None, context) } else { (context, None) };
        Self {
            position: position.map(Position::from),
            changed,
            context: context.map(Context::from),
            delta: delta.map(Delta::from),
            touched: touched.map(Head::from),
        }
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

impl From<wire::WaitContextResponse> for WaitResult {
    fn from(message: wire::WaitContextResponse) -> Self {
        use wire::wait_context_response::Result;
        let result = match message.result {
            Some(Result::Full(full)) => SyncResult::Full(full.into()),
            Some(Result::Delta(delta)) => SyncResult::Delta(delta.into()),
            Some(Result::NoChange(none)) => SyncResult::NoChange(position(none.position)),
            None => SyncResult::NoChange(Position::default()),
        };
        Self { result, held_at: message.held_at }
    }
}

impl From<wire::MemberExpiry> for MemberExpiry {
    fn from(message: wire::MemberExpiry) -> Self {
        Self { path: message.path.unwrap_or_default().keys, expires_at: time(message.expires_at) }
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

impl From<wire::Provenance> for Provenance {
    fn from(message: wire::Provenance) -> Self {
        Self {
            expired: message.cause() == wire::Cause::Expired,
            author: message.author,
            annotations: message.annotations.into_iter().collect(),
        }
    }
}

impl From<wire::BlameLine> for BlameLine {
    fn from(message: wire::BlameLine) -> Self {
        Self {
            path: message.path.unwrap_or_default().keys,
            run: message.run.map(|wire::BlameRun { index, count }| BlameRun { index, count }),
            value: message.value.map(from_value).unwrap_or_default(),
            version: known(message.version),
            updated_at: message.updated_at.map(|at| time(Some(at))),
            provenance: message.provenance.map(Provenance::from),
        }
    }
}

impl From<wire::BlameContextResponse> for BlamePage {
    fn from(message: wire::BlameContextResponse) -> Self {
        Self {
            lines: message.lines.into_iter().map(BlameLine::from).collect(),
            position: position(message.position),
            older_than: known(message.older_than),
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

pub(crate) fn to_checks(field: &str, checks: impl IntoIterator<Item = Check>) -> Result<Vec<wire::Check>, Error> {
    let numbered = checks.into_iter().enumerate();
    let message = |(index, Check { path, test }): (usize, Check)| match to_test(test) {
        Ok(test) => Ok(wire::Check { path: Some(wire::Path { keys: path }), test: Some(test) }),
        Err(Unsendable { path, problem }) => Err(Error::unsendable(format!("{field}[{index}]{path}"), problem)),
    };
    numbered.map(message).collect()
}

fn to_test(test: Test) -> Result<WireTest, Unsendable> {
    let finite = |name: &str, limit: f64| match limit.is_finite() {
        true => Ok(limit),
        false => Err(Unsendable::new(format!("{limit} is not a number of JSON")).in_member(name)),
    };
    Ok(match test {
        Test::Equals(value) => WireTest::Equals(to_value(value, 1).map_err(|problem| problem.in_member("equals"))?),
        Test::Exists => WireTest::Exists(true),
        Test::Missing => WireTest::Exists(false),
        Test::AtLeast(limit) => WireTest::AtLeast(finite("at_least", limit)?),
        Test::AtMost(limit) => WireTest::AtMost(finite("at_most", limit)?),
        Test::Unknown => return Err(Unsendable::new("has no test that can be sent".to_owned())),
    })
}

pub(crate) fn to_paths(
    paths: impl IntoIterator<Item = impl IntoIterator<Item = impl Into<String>>>,
) -> Vec<wire::Path> {
    paths.into_iter().map(|path| wire::Path { keys: path.into_iter().map(Into::into).collect() }).collect()
}

/// Of a version in a message: 0 is none.
fn known(version: u64) -> Option<u64> {
    Some(version).filter(|version| *version != 0)
}
