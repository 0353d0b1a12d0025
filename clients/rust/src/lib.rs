//! The client of Chord: versioned shared state as a gRPC service.
//!
//! A context is a named JSON document. Calls of a [`Client`] read and write contexts, [`Client::watch`] is a stream of
//! what happens to them, and a [`Replica`] keeps a live local copy.
//!
//! ```no_run
//! # async fn run() -> Result<(), chordstate::Error> {
//! use chordstate::{Client, Event, json};
//!
//! let client = Client::connect("127.0.0.1:50051")?;
//! client.set("room:1", json!({ "topic": "daily", "members": [] })).await?;
//! client.update("room:1").append(["members"], ["ann"]).await?;
//!
//! let mut events = client.watch(["room:1"]).events();
//! while let Some(event) = events.next().await {
//!     if let Event::Full { full, .. } = event? {
//!         println!("{:?}", full.context.value["members"]);
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Values
//!
//! Documents are [`Document`]s: maps of `serde_json`. Numbers are doubles. Those without a fraction come back as
//! integers (`1.0` as `1`), so that `as_u64` and `Deserialize` take them; integers beyond 2^53 lose digits, and belong
//! in strings. A document nests at most 32 levels; deeper ones are refused with INVALID_ARGUMENT before anything is sent.
//!
//! # Conditions
//!
//! A write may name what it rests on: `if_position`, `if_unchanged` and `if_checks`; [`Error::unmet`] says which of it does not
//! hold. [`Client::edit`] changes a document by a function of it, and [`Client::wait`] answers when a document meets checks.
//!
//! # Errors, tries and deadlines
//!
//! Calls fail with [`Error`], which has the server's reason and, where a write expected another position, the current
//! one. They are tried again after transient errors, with backoff, until the client's deadline (10 s). Writes are named
//! by a request id, so that a repeat writes nothing twice. A call that is dropped is cancelled.

#![deny(missing_docs)]

mod apply;
mod balance;
mod batch;
mod builder;
mod call;
mod channel;
mod client;
mod conditions;
mod connection;
mod convert;
mod copier;
mod documents;
mod edit;
mod error;
mod event;
mod health;
mod log;
mod model;
mod presence;
pub mod proto;
mod read;
mod replica;
mod retry;
mod stream;
mod time;
mod token;
mod tracker;
mod transport;
#[cfg(feature = "serde")]
mod typed;
mod until;
mod value;
mod wait;
mod watch;
mod write;

pub use apply::{DeltaMismatch, apply};
pub use batch::{Batch, Batched};
pub use builder::ClientBuilder;
#[cfg(feature = "tls")]
pub use channel::Tls;
pub use client::{Client, Closing};
pub use conditions::{Check, Test, Unmet, UnmetCondition};
pub use documents::{Documents, Kept, ReplicaChange};
pub use edit::Edit;
pub use error::{Error, Mismatch, Reason, Violation};
pub use event::{DeletedReason, Event, Full, FullReason, SyncResult, Target, WaitResult};
pub use health::HealthStatus;
pub use model::{
    Action, BatchResult, BlameLine, BlamePage, BlameRun, Change, Context, DeleteResult, Delta, DeltaPage, Document,
    Head, MemberExpiry, Position, PositionParseError, Provenance, WriteResult,
};
pub use presence::Presence;
pub use read::{Deltas, Get, SyncCall};
pub use replica::{Replica, ReplicaBuilder};
pub use retry::Retry;
pub use serde_json::json;
pub use stream::ResultStream;
pub use transport::Channel;
pub use until::Until;
pub use wait::Wait;
pub use watch::Watch;
pub use write::{Delete, Revert, Set, Touch, Update};

/// For the conformance suite alone: no part of the interface.
#[doc(hidden)]
pub mod internals {
    pub use crate::tracker::{KNOWN_BYTES_MAX, Tracker};
    pub use crate::value::{Unsendable, from_struct, to_struct};
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
