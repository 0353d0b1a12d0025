//! What calls and events speak of.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use serde_json::{Map, Value};

/// The JSON document of a context.
pub type Document = Map<String, Value>;

/// A point in the history of one context. Keep it and hand it back; never compute one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Position {
    /// One life of the context: another one after it was deleted and created again, or restored.
    pub epoch: String,
    /// Counts the writes of that life that changed something, from 1.
    pub version: u64,
    /// A hash of that life's history up to `version`.
    pub digest: String,
}

impl Position {
    /// Whether a copy that stands here has what was written at `other`: the same life of the context, and no earlier
    /// version. An `other` without an epoch names a version of any life.
    pub fn reaches(&self, other: &Self) -> bool {
        (other.epoch.is_empty() || self.epoch == other.epoch) && self.version >= other.version
    }
}

/// `EPOCH:VERSION:DIGEST`, as the command line writes it; the version alone where there is nothing else.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch.is_empty() && self.digest.is_empty() {
            return write!(f, "{}", self.version);
        }
        write!(f, "{}:{}:{}", self.epoch, self.version, self.digest)
    }
}

/// A text that is no position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a position, EPOCH:VERSION:DIGEST or a version, got {0:?}")]
pub struct PositionParseError(String);

impl FromStr for Position {
    type Err = PositionParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.split(':').collect();
        let (epoch, version, digest) = match parts[..] {
            [version] => ("", version, ""),
            [epoch, version, digest] if is_token(epoch) && is_token(digest) => (epoch, version, digest),
            _ => return Err(PositionParseError(text.to_owned())),
        };
        // A sign is none of a version's characters, but one that `parse` takes.
        let digits = version.bytes().all(|byte| byte.is_ascii_digit());
        let version = version.parse().ok().filter(|_| digits).ok_or_else(|| PositionParseError(text.to_owned()))?;
        Ok(Self { epoch: epoch.to_owned(), version, digest: digest.to_owned() })
    }
}

fn is_token(text: &str) -> bool {
    !text.is_empty() && !text.contains(char::is_whitespace)
}

/// A document and where it stands.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Context<T = Document> {
    /// Of the context.
    pub id: String,
    /// The document.
    pub value: T,
    /// Where it stands.
    pub position: Position,
    /// When this life began.
    pub created_at: SystemTime,
    /// When `position` was written.
    pub updated_at: SystemTime,
    /// `None`: it lives until it is deleted.
    pub expires_at: Option<SystemTime>,
}

/// A context without its document.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Head {
    /// Of the context.
    pub id: String,
    /// Where it stands.
    pub position: Position,
    /// When this life began.
    pub created_at: SystemTime,
    /// When `position` was written.
    pub updated_at: SystemTime,
    /// `None`: it lives until it is deleted.
    pub expires_at: Option<SystemTime>,
}

/// The changes that lead from one position of a context to a later one.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Delta {
    /// Of the context.
    pub id: String,
    /// Where they begin.
    pub from: Position,
    /// Where they lead to.
    pub to: Position,
    /// In their order. Empty where a format was asked for: [`apply_to`](Delta::apply_to) refuses that,
    /// [`apply`](crate::apply) cannot.
    pub changes: Vec<Change>,
    /// When `to` was written.
    pub updated_at: SystemTime,
    /// `None` where nothing is known, or the delta is of several versions that have nothing in common.
    pub provenance: Option<Provenance>,
    /// The changes in the format that was asked for, in place of `changes`.
    pub formatted: Option<Value>,
    /// Why that format cannot express the changes: read the document.
    pub inexpressible: Option<String>,
}

/// What happened at one path of a document.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Change {
    /// Object keys from the root, never empty. Each is one key as it stands.
    pub path: Vec<String>,
    /// What happened there.
    pub action: Action,
}

/// Old values (`old`, `removed`) are there only if they were asked for.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Action {
    /// A member came; a whole subtree is one change.
    Added {
        /// The new value.
        value: Value,
    },
    /// A member got another value.
    Modified {
        /// The new value.
        value: Value,
        /// The former one.
        old: Option<Value>,
    },
    /// A member went.
    Removed {
        /// The former value.
        old: Option<Value>,
    },
    /// At `index` of a list, `removed_count` elements gave way to `inserted`.
    Spliced {
        /// The first element that is concerned.
        index: u32,
        /// How many elements went.
        removed_count: u32,
        /// What came in their place.
        inserted: Vec<Value>,
        /// What went.
        removed: Option<Vec<Value>>,
    },
    /// At `index` of a string, `removed_count` gave way to `inserted`. Both count Unicode code points (`char`s).
    TextSpliced {
        /// The first code point that is concerned.
        index: u32,
        /// How many code points went.
        removed_count: u32,
        /// What came in their place.
        inserted: String,
        /// What went.
        removed: Option<String>,
    },
    /// One that this client does not know, or that came incomplete. It applies to no document.
    Unknown,
}

/// What one write of a batch did.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BatchResult {
    /// Where the context stands then. Of a delete: where it stood last; `None`: it was missing.
    pub position: Option<Position>,
    /// False where the write changed nothing.
    pub changed: bool,
    /// Where it was asked for.
    pub context: Option<Context>,
    /// Where it was asked for.
    pub delta: Option<Delta>,
    /// Of a touch, unless the batch is a repeat.
    pub touched: Option<Head>,
}

/// What a set, an update or a revert did.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
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

/// When a member of a document removes itself, unless it is set or touched before.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct MemberExpiry {
    /// Object keys from the root. Each is one key as it stands.
    pub path: Vec<String>,
    /// When it goes.
    pub expires_at: SystemTime,
}

/// What a delete did.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeleteResult {
    /// Where the context stood last. `None`: it was missing.
    pub position: Option<Position>,
    /// False: it was missing already.
    pub changed: bool,
}

/// A part of the retained history of a context, oldest first.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct DeltaPage {
    /// Oldest first.
    pub deltas: Vec<Delta>,
    /// Where the context stands now.
    pub head: Position,
    /// Deltas right after the version that was asked for are no longer kept.
    pub truncated: bool,
}

/// Where a version comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Provenance {
    /// The time to live of members ended, and no client wrote the version.
    pub expired: bool,
    /// The identity that authentication gave; empty: none.
    pub author: String,
    /// What the write gave.
    pub annotations: BTreeMap<String, String>,
}

/// A leaf of a document, and the version that made it what it is. A list or a string has a line for each run of elements or code
/// points that one version made.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlameLine {
    /// Object keys from the root; empty for the document itself, where it is empty.
    pub path: Vec<String>,
    /// Which elements or code points (`char`s), of a list or a string that is not empty.
    pub run: Option<BlameRun>,
    /// The value, or these elements or this text of it.
    pub value: Value,
    /// `None`: an older one than `older_than` of the page.
    pub version: Option<u64>,
    /// When that version was written.
    pub updated_at: Option<SystemTime>,
    /// `None` where nothing is known.
    pub provenance: Option<Provenance>,
}

/// A part of a list or of a string.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlameRun {
    /// The first element or code point.
    pub index: u32,
    /// How many.
    pub count: u32,
}

/// A part of a document, in the order of the paths.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct BlamePage {
    /// In the order of their paths.
    pub lines: Vec<BlameLine>,
    /// The version that the lines of all pages are of.
    pub position: Position,
    /// Lines without a version are older than this one, whose deltas are no longer kept, or too many. `None`: each line has its
    /// version.
    pub older_than: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_as_text() {
        let position = Position { epoch: "Xk29".into(), version: 7, digest: "0aY7".into() };
        assert_eq!(position.to_string(), "Xk29:7:0aY7");
        assert_eq!("Xk29:7:0aY7".parse(), Ok(position));
        assert_eq!("7".parse(), Ok(Position { version: 7, ..Default::default() }));
        assert_eq!(Position { version: 7, ..Default::default() }.to_string(), "7");
        for wrong in
            ["", "a", "a:1", ":1:d", "e:1:", "e:-1:d", "e:+1:d", "e:1:d:x", "e :1:d", "e::d", "99999999999999999999"]
        {
            assert!(wrong.parse::<Position>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn positions_that_reach_others() {
        let at = |text: &str| text.parse::<Position>().unwrap();
        assert!(
            at("e:3:c").reaches(&at("e:3:c")) && at("e:3:c").reaches(&at("e:2:b")) && at("e:3:c").reaches(&at("3"))
        );
        assert!(!at("e:3:c").reaches(&at("e:4:d")) && !at("f:9:x").reaches(&at("e:3:c")));
    }
}
