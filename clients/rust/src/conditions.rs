//! What a write rests on, what a wait waits for, and which of it does not hold.

use std::fmt;

use serde_json::Value;

use crate::event::FullReason;
use crate::model::Position;
use crate::proto::chord::v1::check::Test as WireTest;
use crate::proto::chord::v1::unmet_condition::Cause;
use crate::proto::chord::v1::{self as wire};
use crate::value::from_value;

/// A test of the value at a path: a condition of a write (`if_checks`), or what [`Client::wait`](crate::Client::wait) waits for.
///
/// Paths are object keys from the root, never empty; each is one key as it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// Of the member, from the root.
    pub path: Vec<String>,
    /// What must hold there.
    pub test: Test,
}

/// What a [`Check`] requires of the value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Test {
    /// It is equal to this one.
    Equals(Value),
    /// There is one, null included.
    Exists,
    /// There is none.
    Missing,
    /// It is a number, and at least this one.
    AtLeast(f64),
    /// It is a number, and at most this one.
    AtMost(f64),
    /// One of a newer server, in an error. It cannot be sent.
    Unknown,
}

impl Check {
    /// Holds where the value is equal to this one.
    pub fn equals(path: impl IntoIterator<Item = impl Into<String>>, value: impl Into<Value>) -> Self {
        Self::new(path, Test::Equals(value.into()))
    }

    /// Holds where the path has a value, null included.
    pub fn exists(path: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(path, Test::Exists)
    }

    /// Holds where the path has no value.
    pub fn missing(path: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::new(path, Test::Missing)
    }

    /// Holds where the value is a number of at least `limit`.
    pub fn at_least(path: impl IntoIterator<Item = impl Into<String>>, limit: f64) -> Self {
        Self::new(path, Test::AtLeast(limit))
    }

    /// Holds where the value is a number of at most `limit`.
    pub fn at_most(path: impl IntoIterator<Item = impl Into<String>>, limit: f64) -> Self {
        Self::new(path, Test::AtMost(limit))
    }

    fn new(path: impl IntoIterator<Item = impl Into<String>>, test: Test) -> Self {
        Self { path: path.into_iter().map(Into::into).collect(), test }
    }
}

/// As the command line writes it, but for the path: `["stock"]>=1`.
impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = &self.path;
        match &self.test {
            Test::Equals(value) => write!(f, "{path:?}={value}"),
            Test::Exists | Test::Unknown => write!(f, "{path:?}"),
            Test::Missing => write!(f, "!{path:?}"),
            Test::AtLeast(limit) => write!(f, "{path:?}>={limit}"),
            Test::AtMost(limit) => write!(f, "{path:?}<={limit}"),
        }
    }
}

/// Why a write with `if_unchanged` or `if_checks` was refused: see [`Error::unmet`](crate::Error::unmet).
#[derive(Debug, Clone, PartialEq)]
pub struct Unmet {
    /// Where the context stands. `None`: it does not exist.
    pub current: Option<Position>,
    /// Why the position of `if_unchanged` cannot be compared with `current`: `EpochChanged`, `Ahead`, `Diverged` or
    /// `HistoryTruncated`. `None`: it can.
    pub since_reason: Option<FullReason>,
    /// The first 100 that do not hold.
    pub conditions: Vec<UnmetCondition>,
}

/// A condition that does not hold.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum UnmetCondition {
    /// This version was the last to change the guarded path, an ancestor or a descendant of it.
    Touched {
        /// The guarded path.
        path: Vec<String>,
        /// The version that touched it.
        at: u64,
        /// The identity that wrote it. `None`: it has none, or the server no longer has it in memory.
        author: Option<String>,
    },
    /// The check.
    Failed(Check),
    /// One that this client does not know.
    Unknown {
        /// The path that it is about.
        path: Vec<String>,
    },
}

impl UnmetCondition {
    /// The path that the condition is about.
    pub fn path(&self) -> &[String] {
        match self {
            Self::Touched { path, .. } | Self::Unknown { path } | Self::Failed(Check { path, .. }) => path,
        }
    }
}

impl fmt::Display for UnmetCondition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Touched { path, at, .. } => write!(f, "version {at} changed {path:?}"),
            Self::Failed(check) => write!(f, "{check} does not hold"),
            Self::Unknown { path } => write!(f, "{path:?} does not meet a condition"),
        }
    }
}

impl From<wire::UnmetConditions> for Unmet {
    fn from(message: wire::UnmetConditions) -> Self {
        // Of a newer server it may be one that is unknown here, but is one.
        let comparable = message.since_reason == wire::FullReason::Unspecified as i32;
        let reason = message.since_reason().into();
        Self {
            current: message.current.map(|wire::Position { epoch, version, digest }| Position {
                epoch,
                version,
                digest,
            }),
            since_reason: (!comparable).then_some(reason),
            conditions: message.conditions.into_iter().map(UnmetCondition::from).collect(),
        }
    }
}

impl From<wire::UnmetCondition> for UnmetCondition {
    fn from(wire::UnmetCondition { path, cause, author }: wire::UnmetCondition) -> Self {
        let path = path.unwrap_or_default().keys;
        match cause {
            Some(Cause::TouchedAt(at)) => {
                Self::Touched { path, at, author: Some(author).filter(|author| !author.is_empty()) }
            }
            Some(Cause::Check(check)) => Self::Failed(check.into()),
            None => Self::Unknown { path },
        }
    }
}

impl From<wire::Check> for Check {
    fn from(wire::Check { path, test }: wire::Check) -> Self {
        let test = match test {
            Some(WireTest::Equals(value)) => Test::Equals(from_value(value)),
            Some(WireTest::Exists(true)) => Test::Exists,
            Some(WireTest::Exists(false)) => Test::Missing,
            Some(WireTest::AtLeast(limit)) => Test::AtLeast(limit),
            Some(WireTest::AtMost(limit)) => Test::AtMost(limit),
            None => Test::Unknown,
        };
        Self { path: path.unwrap_or_default().keys, test }
    }
}
