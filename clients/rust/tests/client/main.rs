//! The client against the vectors of all languages, a real server, and peers that go wrong.

mod calls;
#[cfg(feature = "server")]
mod faults;
mod modules;
mod presences;
mod replicas;
mod support;
mod vectors;
mod watches;
