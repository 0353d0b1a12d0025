//! Watches and replicas.

use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;

use chordstate::Replica;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::args::Args;
use crate::forms::{self, Failure};
use crate::handles::CopyHandle;
use crate::live::Driver;

impl Driver {
    pub fn watch(&mut self, args: &Args) -> Result<Value, Failure> {
        let format = args.text("format").unwrap_or_default();
        let mut watch = self.client()?.watch(args.targets()).known(args.known()).format(format);
        if args.flag("includeOldValues") {
            watch = watch.include_old_values();
        }
        let handle = self.new_handle();
        self.watches.insert(handle.clone(), watch.events());
        Ok(json!({ "handle": handle }))
    }

    pub async fn next(&mut self, args: &Args) -> Result<Value, Failure> {
        let late = end(args, 1);
        let handle = args.text("handle").unwrap_or_default();
        let watch = self.watches.get_mut(handle).ok_or_else(|| Failure::from(format!("no watch {handle}")))?;
        let mut events = Vec::new();
        while events.len() < args.number("count").unwrap_or(1) as usize {
            match timeout_at(late, watch.next()).await {
                Ok(Some(event)) => events.push(forms::event(&event?)),
                Ok(None) | Err(_) => break,
            }
        }
        Ok(json!({ "events": events }))
    }

    pub async fn copy(&mut self, args: &Args) -> Result<Value, Failure> {
        let changed = Arc::new(Notify::new());
        let notify = changed.clone();
        let seen: Arc<Mutex<Vec<Value>>> = Arc::default();
        let calls = seen.clone();
        // Calls count once the replica is ready; and they must not keep it alive.
        let begun: Arc<OnceLock<Weak<Replica>>> = Arc::default();
        let copy = begun.clone();
        let builder = self.client()?.replica(args.targets()).on_change(move |change| {
            if let Some(replica) = copy.get().and_then(Weak::upgrade) {
                calls.lock().unwrap().push(json!({ "contextId": change.id, "versions": versions(&replica) }));
            }
            notify.notify_one();
        });
        let replica = Arc::new(builder.start());
        timeout_at(end(args, 10), replica.ready()).await.map_err(|_| Failure::Timeout)??;
        let _ = begun.set(Arc::downgrade(&replica));
        let handle = self.new_handle();
        self.copies.insert(handle.clone(), CopyHandle { replica, changed, seen });
        Ok(json!({ "handle": handle }))
    }

    pub async fn seen(&mut self, args: &Args) -> Result<Value, Failure> {
        let late = end(args, 10);
        let copy = self.copied(args)?;
        let count = args.number("count").unwrap_or(1) as usize;
        while copy.seen.lock().unwrap().len() < count {
            timeout_at(late, copy.changed.notified()).await.map_err(|_| Failure::Timeout)?;
        }
        Ok(json!({ "seen": *copy.seen.lock().unwrap() }))
    }

    pub async fn ended(&mut self, args: &Args) -> Result<Value, Failure> {
        let ended = self.copied(args)?.replica.ended();
        let error = timeout_at(end(args, 10), ended).await.map_err(|_| Failure::Timeout)?;
        Ok(json!({ "error": forms::described(&error) }))
    }

    fn copied(&self, args: &Args) -> Result<&CopyHandle, Failure> {
        let handle = args.text("handle").unwrap_or_default();
        self.copies.get(handle).ok_or_else(|| Failure::from(format!("no replica {handle}")))
    }

    pub async fn read(&mut self, args: &Args) -> Result<Value, Failure> {
        let late = end(args, 10);
        let copy = self.copied(args)?;
        while !copy.holds(args) {
            timeout_at(late, copy.changed.notified()).await.map_err(|_| Failure::Timeout)?;
        }
        let position = copy.replica.position(args.id());
        Ok(
            json!({ "value": copy.replica.get(args.id()).as_deref(), "position": position.as_ref().map(forms::position) }),
        )
    }
}

impl CopyHandle {
    fn holds(&self, args: &Args) -> bool {
        let position = self.replica.position(args.id());
        match args.number("version") {
            None => true,
            Some(0) => position.is_none(),
            Some(version) => position.is_some_and(|position| position.version >= version),
        }
    }
}

fn versions(replica: &Replica) -> Value {
    replica.read(|documents| {
        let version = |id: &str| json!(documents.position(id).map(|position| position.version));
        documents.iter().map(|(id, _)| (id.to_owned(), version(id))).collect()
    })
}

fn end(args: &Args, default_seconds: u64) -> Instant {
    Instant::now() + args.time("timeout").unwrap_or(Duration::from_secs(default_seconds))
}
