//! The client against the vectors of all languages, a real server, and peers that go wrong.

mod blame;
mod calls;
mod conditions;
mod edits;
mod everything;
#[cfg(feature = "server")]
mod faults;
mod modules;
mod presences;
mod replicas;
mod support;
mod until;
mod vectors;
mod waits;
mod watches;
