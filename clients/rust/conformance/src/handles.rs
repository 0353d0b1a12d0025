//! What the ops of one connection keep open.

use std::sync::{Arc, Mutex};

use chordstate::{Event, Replica, ResultStream};
use serde_json::Value;
use tokio::sync::Notify;

/// Nothing reads it but `next`.
pub type WatchHandle = ResultStream<Event>;

pub struct CopyHandle {
    pub replica: Arc<Replica>,
    pub changed: Arc<Notify>,
    pub seen: Arc<Mutex<Vec<Value>>>,
}
