//! Who made which part of a document, and where versions come from.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

use crate::client::Client;
use crate::connection::syncs;
use crate::convert::{position, time, to_paths};
use crate::model::Position;
use crate::proto::chord::v1 as wire;
use crate::stream::ResultStream;
use crate::value::from_value;

/// Where a version comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
pub struct BlameRun {
    pub index: u32,
    pub count: u32,
}

/// A part of a document, in the order of the paths.
#[derive(Debug, Clone, PartialEq)]
pub struct BlamePage {
    pub lines: Vec<BlameLine>,
    /// The version that the lines of all pages are of.
    pub position: Position,
    /// Lines without a version are older than this one, whose deltas are no longer kept, or too many. `None`: each line has its
    /// version.
    pub older_than: Option<u64>,
}

impl Client {
    /// Which version made each part of a document, and who wrote it, page after page.
    pub fn blame(&self, id: impl Into<String>) -> ResultStream<BlamePage> {
        self.blame_paths(id, std::iter::empty::<[String; 0]>())
    }

    /// As [`blame`](Self::blame), for what lies at or below one of the paths.
    pub fn blame_paths(
        &self,
        id: impl Into<String>,
        paths: impl IntoIterator<Item = impl IntoIterator<Item = impl Into<String>>>,
    ) -> ResultStream<BlamePage> {
        let request = wire::BlameContextRequest { context_id: id.into(), paths: to_paths(paths), ..Default::default() };
        ResultStream::unfold((self.0.clone(), Some(request)), |(connection, request)| async move {
            let mut request = request?;
            match connection.call(request.clone(), |c, r| async move { syncs(c).blame_context(r).await }).await {
                Ok(page) => {
                    request.page_token = page.next_page_token.clone();
                    let next = (!request.page_token.is_empty()).then_some(request);
                    Some((Ok(page.into()), (connection, next)))
                }
                Err(error) => Some((Err(error), (connection, None))),
            }
        })
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

fn known(version: u64) -> Option<u64> {
    Some(version).filter(|version| *version != 0)
}
