//! Documents as the program's own types, by serde.

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_path_to_error::{Path, Segment};

use crate::client::Client;
use crate::error::Error;
use crate::model::{Context, Document};
use crate::replica::Replica;
use crate::value::step;

impl Client {
    /// As [`get`](Self::get), with the document as a `T`. A document that is none is INVALID_ARGUMENT; the violation's field
    /// is the path inside the document: `value.members[2].name`.
    pub async fn get_as<T: DeserializeOwned>(&self, id: impl Into<String>) -> Result<Context<T>, Error> {
        self.get(id).await?.parse()
    }
}

impl Context {
    /// The same context with its document as a `T`: see [`Client::get_as`].
    pub fn parse<T: DeserializeOwned>(self) -> Result<Context<T>, Error> {
        let Self { id, value, position, created_at, updated_at, expires_at } = self;
        Ok(Context { value: parsed(value)?, id, position, created_at, updated_at, expires_at })
    }
}

impl Replica {
    /// As [`get`](Self::get), with the document as a `T`: see [`Client::get_as`].
    pub fn get_as<T: DeserializeOwned>(&self, id: &str) -> Result<Option<T>, Error> {
        self.get(id).map(|document| parsed((*document).clone())).transpose()
    }
}

fn parsed<T: DeserializeOwned>(document: Document) -> Result<T, Error> {
    serde_path_to_error::deserialize(Value::Object(document))
        .map_err(|error| Error::unsendable(format!("value{}", steps(error.path())), error.inner().to_string()))
}

fn steps(path: &Path) -> String {
    let written = |segment: &Segment| match segment {
        Segment::Seq { index } => Some(format!("[{index}]")),
        Segment::Map { key } => Some(step(key)),
        // The name of a variant is a member's key already; an unknown segment has no name.
        Segment::Enum { .. } | Segment::Unknown => None,
    };
    path.iter().filter_map(written).collect()
}
