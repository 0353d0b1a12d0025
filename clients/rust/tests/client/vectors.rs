//! Vectors that the clients of all languages are held to.

use std::collections::HashMap;
use std::fs::read_to_string;
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine};
use chordstate::internals::{KNOWN_BYTES_MAX, Tracker, from_struct, to_struct};
use chordstate::proto::chord::v1 as wire;
use chordstate::{Delta, Error, Event, FullReason, Position, Target, Test, UnmetCondition, apply};
use prost::Message;
use prost_types::Struct;
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::support::{document, root, tell};

/// Calls `test` with each vector of a file.
fn vectors(name: &str, test: impl Fn(&Value)) {
    let file = root().join("test/vectors").join(name);
    if !file.exists() {
        tell(&format!("skipped: {} is not there, this is not Chord's repository", file.display()));
        return;
    }
    let vectors: Vec<Value> = serde_json::from_str(&read_to_string(file).unwrap()).unwrap();
    assert!(!vectors.is_empty());
    for vector in &vectors {
        eprintln!("{name}: {}", vector["name"]); // shown where it fails
        test(vector);
    }
}

fn bytes(value: &Value) -> Vec<u8> {
    BASE64_STANDARD.decode(value.as_str().unwrap()).unwrap()
}

fn message<M: Message + Default>(value: &Value) -> M {
    M::decode(bytes(value).as_slice()).unwrap()
}

/// As doubles: 1 and 1.0 are the same number, 0 and -0 are not.
fn same(got: &Value, want: &Value) -> bool {
    match (got, want) {
        (Value::Number(got), Value::Number(want)) => got.as_f64().map(f64::to_bits) == want.as_f64().map(f64::to_bits),
        (Value::Array(got), Value::Array(want)) => {
            got.len() == want.len() && got.iter().zip(want).all(|(got, want)| same(got, want))
        }
        (Value::Object(got), Value::Object(want)) => {
            got.len() == want.len() && got.iter().all(|(key, got)| want.get(key).is_some_and(|want| same(got, want)))
        }
        _ => got == want,
    }
}

/// 2^63 may be written as 9223372036854776000, which is another integer.
fn as_doubles(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64()),
        Value::Array(list) => list.iter().map(as_doubles).collect(),
        Value::Object(object) => object.iter().map(|(key, member)| (key.clone(), as_doubles(member))).collect(),
        other => other.clone(),
    }
}

fn assert_same(got: impl Into<Value>, want: &Value) {
    let got = got.into();
    assert!(same(&got, want), "got  {got}\nwant {want}");
}

fn position(value: &Value) -> Position {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Position { epoch: text("epoch"), version: value["version"].as_u64().unwrap_or_default(), digest: text("digest") }
}

#[test]
fn values() {
    vectors("values.json", |vector| {
        let wire: Struct = message(&vector["wire"]);
        assert_same(from_struct(wire.clone()), &vector["value"]);
        if vector["decodeOnly"] != true {
            let made = to_struct(document(as_doubles(&vector["value"]))).unwrap();
            // Decoded again: members come in any order.
            assert_same(from_struct(made.clone()), &vector["value"]);
            assert_eq!(made, wire);
        }
    });
}

#[test]
fn deltas() {
    vectors("apply.json", |vector| {
        let delta = Delta::from(message::<wire::Delta>(&vector["wire"]));
        let mut copy = document(vector["document"].clone());
        match apply(&mut copy, &delta.changes) {
            Ok(()) => assert_same(copy, &vector["value"]),
            Err(mismatch) => {
                assert!(vector.get("value").is_none(), "{mismatch}");
                assert_same(copy, &vector["document"]);
            }
        }
    });
}

#[test]
fn errors() {
    vectors("errors.json", |vector| {
        let code = Code::from_i32(vector["code"].as_i64().unwrap() as i32);
        let details = if vector["details"].is_null() { Vec::new() } else { bytes(&vector["details"]) };
        let error = Error::from(Status::with_details(code, vector["message"].as_str().unwrap(), details.into()));
        let want = &vector["error"];
        assert_eq!(error.reason().as_str(), want["reason"]);
        assert_eq!(error.message(), want["message"]);
        assert_eq!(error.code(), code);
        assert_eq!(error.context_id(), want["contextId"].as_str());
        let wait = want["retryAfter"].as_f64().map(|milliseconds| Duration::from_secs_f64(milliseconds / 1000.0));
        assert_eq!(error.retry_after(), wait);
        assert_eq!(error.is_transient(), vector["transient"] == true);
        let violations: Vec<(&str, &str)> =
            error.violations().iter().map(|each| (each.field.as_str(), each.description.as_str())).collect();
        let wanted = want["violations"].as_array().unwrap();
        let wanted: Vec<(&str, &str)> = wanted
            .iter()
            .map(|each| (each["field"].as_str().unwrap(), each["description"].as_str().unwrap()))
            .collect();
        assert_eq!(violations, wanted);
        let current = want.get("current").filter(|at| at.is_object()).map(position);
        assert_eq!(error.mismatch().is_some() || error.unmet().is_some(), want.get("current").is_some());
        assert_eq!(error.unmet().is_some(), want.get("unmet").is_some());
        match error.unmet() {
            None => assert_eq!(error.current(), current.as_ref()),
            Some(unmet) => {
                assert_eq!(unmet.current, current);
                assert_eq!(unmet.since_reason.map(FullReason::as_str), want["unmet"]["sinceReason"].as_str());
                let conditions: Vec<Value> = unmet.conditions.iter().map(condition).collect();
                assert_eq!(Value::from(conditions), want["unmet"]["conditions"]);
            }
        }
    });
}

fn condition(condition: &UnmetCondition) -> Value {
    let path = condition.path();
    match condition {
        UnmetCondition::Touched { at, .. } => json!({ "path": path, "touchedAt": at }),
        UnmetCondition::Failed(check) => match &check.test {
            Test::Equals(value) => json!({ "path": path, "check": { "path": check.path, "equals": value } }),
            Test::Exists => json!({ "path": path, "check": { "path": check.path, "exists": true } }),
            Test::Missing => json!({ "path": path, "check": { "path": check.path, "exists": false } }),
            // Vectors write whole numbers as integers.
            Test::AtLeast(limit) => json!({ "path": path, "check": { "path": check.path, "atLeast": number(*limit) } }),
            Test::AtMost(limit) => json!({ "path": path, "check": { "path": check.path, "atMost": number(*limit) } }),
            _ => json!({ "path": path }),
        },
        _ => json!({ "path": path }),
    }
}

fn number(double: f64) -> Value {
    if double.fract() == 0.0 { json!(double as i64) } else { json!(double) }
}

#[test]
fn watch_streams() {
    vectors("track.json", |vector| {
        let target = |target: &Value| match target["id"].as_str() {
            Some(id) => Target::id(id),
            None => Target::prefix(target["prefix"].as_str().unwrap()),
        };
        let targets = vector["targets"].as_array().unwrap().iter().map(target).collect();
        let known = vector["known"].as_object().into_iter().flatten().map(|(id, at)| (id.clone(), position(at)));
        let room = vector["knownBytesMax"].as_u64().map_or(KNOWN_BYTES_MAX, |bytes| bytes as usize);
        let mut tracker = Tracker::new(targets, known.collect(), room);
        for step in vector["steps"].as_array().unwrap() {
            if step["response"].is_null() {
                assert_connects(&mut tracker, step);
            } else {
                assert_takes(&mut tracker, step);
            }
        }
    });
}

fn assert_connects(tracker: &mut Tracker, step: &Value) {
    let known = |positions: HashMap<String, wire::Position>| -> HashMap<String, Position> {
        positions.into_iter().map(|(id, at)| (id, at.into())).collect()
    };
    let got: Vec<_> = tracker.connect().into_iter().map(|subscription| known(subscription.known)).collect();
    let want: Vec<HashMap<String, Position>> = step["known"]
        .as_array()
        .unwrap()
        .iter()
        .map(|known| known.as_object().unwrap().iter().map(|(id, at)| (id.clone(), position(at))).collect())
        .collect();
    assert_eq!(got, want);
}

fn assert_takes(tracker: &mut Tracker, step: &Value) {
    let got = tracker.take(message(&step["response"]));
    assert_eq!(got.is_err(), step["gap"] == true);
    let got = got.unwrap_or_default();
    let want = step["events"].as_array().unwrap();
    assert_eq!(got.len(), want.len(), "{got:?}");
    for (got, want) in got.iter().zip(want) {
        let at = || position(&want["position"]);
        assert_eq!(got.more(), want["more"] == true);
        match (got, want["event"].as_str().unwrap()) {
            (Event::Full { full, .. }, "full") => {
                let context = &full.context;
                assert_eq!((&*context.id, &context.position), (want["contextId"].as_str().unwrap(), &at()));
                assert_eq!(full.reason.as_str(), want["reason"]);
                assert_same(context.value.clone(), &want["value"]);
            }
            (Event::Delta { delta, .. }, "delta") => {
                assert_eq!(delta.id, want["contextId"]);
                assert_eq!((&delta.from, &delta.to), (&position(&want["from"]), &position(&want["to"])));
                assert_eq!(delta.changes.len(), want["changes"].as_array().unwrap().len());
            }
            (Event::Deleted { id, position, reason, .. }, "deleted") => {
                assert_eq!((&**id, position), (want["contextId"].as_str().unwrap(), &at()));
                assert_eq!(reason.as_str(), want["reason"]);
            }
            (Event::Absent { id }, "absent") => assert_eq!(id, want["contextId"].as_str().unwrap()),
            (Event::CaughtUp, "caughtUp") => {}
            _ => panic!("got {got:?}, want {want}"),
        }
    }
}
