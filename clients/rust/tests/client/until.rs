//! Until and health, on a real server.

use std::time::Duration;

use chordstate::{HealthStatus, Reason, json};
use serde_json::Value;

use crate::support::{REST, Stage, failure, patient};

#[tokio::test]
async fn a_predicate_that_comes_to_hold() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let (calls, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let until = client.until(&id, move |value| {
        calls.send(value.is_some()).unwrap();
        value.is_some_and(|value| value["n"] == 2)
    });
    let until = tokio::spawn(until.into_future());
    assert!(!patient(seen.recv()).await.unwrap());
    client.set(&id, json!({ "n": 1, "rest": REST })).await.unwrap();
    assert!(patient(seen.recv()).await.unwrap());
    let last = client.update(&id).set(["n"], 2).await.unwrap().position;
    let found = patient(until).await.unwrap().unwrap().unwrap();
    assert_eq!((Value::from((*found.value).clone()), found.position), (json!({ "n": 2, "rest": REST }), last));
    assert_eq!(patient(client.until(stage.id("b"), |value| value.is_none()).into_future()).await.unwrap(), None);
}

#[tokio::test]
async fn a_predicate_that_never_holds() {
    let Some(stage) = Stage::new() else { return };
    let client = &stage.client;
    let late = client.until(stage.id("a"), |_| false).timeout(Duration::from_millis(1));
    failure(late, Reason::DeadlineExceeded).await;
    failure(client.until("", |_| false), Reason::InvalidArgument).await;
    let (calls, mut seen) = tokio::sync::mpsc::unbounded_channel();
    let until = client.until(stage.id("a"), move |_| {
        calls.send(()).unwrap();
        false
    });
    let until = tokio::spawn(until.into_future());
    patient(seen.recv()).await.unwrap();
    client.close().await;
    assert_eq!(patient(until).await.unwrap().unwrap_err().message(), "the client is closed");
}

#[tokio::test]
async fn health() {
    let Some(stage) = Stage::new() else { return };
    assert_eq!(stage.client.health().await.unwrap(), HealthStatus::Serving);
    assert_eq!(stage.client.health_of("chord.v1.SyncService").await.unwrap().as_str(), "SERVING");
    failure(stage.client.health_of("none"), Reason::NotFound).await;
}
