//! What the client answers, as the protocol writes it.

use chordstate::internals::Unsendable;
use chordstate::{
    Action, BatchResult, BlameLine, Change, Context, Delta, DeltaMismatch, Error, Event, Full, Head, Position,
    Provenance, SyncResult, WriteResult,
};
use serde_json::{Value, json};

use crate::conditions::unmet;

pub fn position(position: &Position) -> Value {
    json!({ "epoch": position.epoch, "version": position.version, "digest": position.digest })
}

pub fn context(context: &Context) -> Value {
    json!({ "contextId": context.id, "value": context.value, "position": position(&context.position) })
}

pub fn head(head: &Head) -> Value {
    json!({ "contextId": head.id, "position": position(&head.position) })
}

pub fn delta(delta: &Delta) -> Value {
    let changes: Vec<Value> = delta.changes.iter().map(change).collect();
    let (from, to) = (position(&delta.from), position(&delta.to));
    let form = json!({ "contextId": delta.id, "from": from, "to": to, "changes": changes });
    let form = with("provenance", &delta.provenance.as_ref().map(provenance), form);
    let form = with("formatted", &delta.formatted, form);
    with("inexpressible", &delta.inexpressible.clone().map(Value::from), form)
}

fn provenance(Provenance { expired, author, annotations }: &Provenance) -> Value {
    let form = json!({ "author": author, "annotations": annotations });
    with("cause", &expired.then(|| json!("expired")), form)
}

pub fn line(line: &BlameLine) -> Value {
    let form = json!({ "path": line.path, "value": line.value, "version": line.version.unwrap_or_default() });
    let run = line.run.map(|run| json!({ "index": run.index, "count": run.count }));
    with("provenance", &line.provenance.as_ref().map(provenance), with("run", &run, form))
}

fn change(Change { path, action }: &Change) -> Value {
    let (name, own) = match action {
        Action::Added { value } => ("added", json!({ "value": value })),
        Action::Modified { value, old } => ("modified", with("old", old, json!({ "value": value }))),
        Action::Removed { old } => ("removed", with("old", old, json!({}))),
        Action::Spliced { index, removed_count, inserted, removed } => {
            let removed = removed.clone().map(Value::from);
            let form = json!({ "index": index, "removedCount": removed_count, "inserted": inserted });
            ("spliced", with("removed", &removed, form))
        }
        Action::TextSpliced { index, removed_count, inserted, removed } => {
            let removed = removed.clone().map(Value::from);
            let form = json!({ "index": index, "removedCount": removed_count, "inserted": inserted });
            ("text_spliced", with("removed", &removed, form))
        }
        _ => ("unknown", json!({})),
    };
    with("path", &Some(json!(path)), with("action", &Some(json!(name)), own))
}

/// An absent member is left out; null is a value.
fn with(name: &str, value: &Option<Value>, mut form: Value) -> Value {
    if let Some(value) = value {
        form[name] = value.clone();
    }
    form
}

pub fn event(event: &Event) -> Value {
    with("more", &event.more().then_some(Value::Bool(true)), plain_event(event))
}

fn plain_event(event: &Event) -> Value {
    match event {
        Event::Full { full: whole, .. } => full(whole),
        Event::Delta { delta: changes, .. } => with("event", &Some(json!("delta")), delta(changes)),
        Event::Deleted { id, position: at, reason, .. } => {
            json!({ "event": "deleted", "contextId": id, "position": position(at), "reason": reason.as_str() })
        }
        Event::Absent { id } => json!({ "event": "absent", "contextId": id }),
        Event::CaughtUp => json!({ "event": "caughtUp" }),
    }
}

fn full(full: &Full) -> Value {
    let reasoned = with("reason", &Some(json!(full.reason.as_str())), context(&full.context));
    with("event", &Some(json!("full")), reasoned)
}

pub fn sync(result: &SyncResult) -> Value {
    match result {
        SyncResult::Full(whole) => full(whole),
        SyncResult::Delta(changes) => with("event", &Some(json!("delta")), delta(changes)),
        SyncResult::NoChange(at) => json!({ "event": "noChange", "position": position(at) }),
    }
}

pub fn written(result: &WriteResult) -> Value {
    let form = json!({ "position": position(&result.position), "changed": result.changed });
    let form = with("context", &result.context.as_ref().map(context), form);
    with("delta", &result.delta.as_ref().map(delta), form)
}

pub fn batched(result: &BatchResult) -> Value {
    let form = json!({ "position": result.position.as_ref().map(position), "changed": result.changed });
    let context = result.context.as_ref().map(context).or(result.touched.as_ref().map(head));
    with("delta", &result.delta.as_ref().map(delta), with("context", &context, form))
}

/// What an op ends with that does not answer.
pub enum Failure {
    Call(Error),
    Mismatch,
    Timeout,
    Driver(String),
}

impl Failure {
    pub fn form(&self) -> Value {
        let plain = |reason: &str, message: &str| json!({ "reason": reason, "message": message, "violations": [] });
        match self {
            Self::Call(error) => described(error),
            Self::Mismatch => plain("DELTA_MISMATCH", "a change does not fit"),
            Self::Timeout => plain("TIMEOUT", "not in time"),
            Self::Driver(message) => plain("DRIVER", message),
        }
    }
}

pub fn described(error: &Error) -> Value {
    let violation = |each: &chordstate::Violation| json!({ "field": each.field, "description": each.description });
    let violations: Vec<Value> = error.violations().iter().map(violation).collect();
    let form = json!({ "reason": error.reason().as_str(), "message": error.message(), "violations": violations });
    let form = with("contextId", &error.context_id().map(Value::from), form);
    let form = with("retryAfter", &error.retry_after().map(|wait| json!(wait.as_secs_f64() * 1000.0)), form);
    let at = |position: &Option<Position>| position.as_ref().map_or(Value::Null, self::position);
    let current = error.mismatch().map(|mismatch| at(&mismatch.current));
    let form = with("unmet", &error.unmet().map(unmet), form);
    with("current", &current.or(error.unmet().map(|unmet| at(&unmet.current))), form)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Call(error)
    }
}

impl From<Unsendable> for Failure {
    fn from(problem: Unsendable) -> Self {
        Self::Driver(problem.to_string())
    }
}

impl From<DeltaMismatch> for Failure {
    fn from(_: DeltaMismatch) -> Self {
        Self::Mismatch
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Driver(message)
    }
}
