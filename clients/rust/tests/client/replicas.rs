//! Replicas of a real server.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chordstate::{Client, Reason, Replica, ReplicaBuilder, ReplicaChange, Target, json};
use serde_json::Value;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use crate::support::{REST, Stage, document, failure, patient};

/// A replica that is ready, and its changes.
async fn copying(builder: ReplicaBuilder) -> (Replica, UnboundedReceiver<ReplicaChange>) {
    let (sender, changes) = unbounded_channel();
    let replica = builder
        .on_change(move |change| {
            _ = sender.send(change.clone());
        })
        .start();
    patient(replica.ready()).await.unwrap();
    (replica, changes)
}

async fn next(changes: &mut UnboundedReceiver<ReplicaChange>) -> ReplicaChange {
    patient(changes.recv()).await.expect("the replica has ended")
}

#[tokio::test]
async fn follows() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("p:1"));
    client.set(&id, json!({ "__proto__": [1], "rest": REST })).await.unwrap();
    let targets = [Target::prefix(stage.id("p:")), Target::id(stage.id("a"))];
    let (replica, mut changes) = copying(client.replica(targets)).await;
    let first = replica.get(&id).unwrap();
    assert_eq!(*first, document(json!({ "__proto__": [1], "rest": REST })));
    assert!(replica.is_live() && replica.len() == 1 && !replica.is_empty() && replica.ids() == [id.clone()]);
    assert_eq!(next(&mut changes).await.changes, None);
    assert_eq!((replica.get(&stage.id("a")), replica.position(&stage.id("a"))), (None, None));

    let updated = client.update(&id).append(["__proto__"], [2]).await.unwrap();
    let change = next(&mut changes).await;
    assert_eq!((&change.id, change.position.as_ref()), (&id, Some(&updated.position)));
    assert_eq!(change.value.as_ref().unwrap()["__proto__"], json!([1, 2]));
    assert_eq!(change.changes.unwrap().len(), 1);
    assert_eq!(first["__proto__"], json!([1]), "what was read has changed");
    assert!(Arc::ptr_eq(&replica.get(&id).unwrap(), &change.value.unwrap()));

    client.set(stage.id("a"), json!({})).await.unwrap();
    assert_eq!(next(&mut changes).await.value, Some(Arc::default()));
    client.delete(&id).await.unwrap();
    let gone = ReplicaChange { id: id.clone(), value: None, position: None, changes: None };
    assert_eq!(next(&mut changes).await, gone);

    replica.close().await;
    replica.close().await;
    assert!(!replica.is_live() && replica.len() == 1 && replica.ready().await.is_ok());
    assert_eq!(replica.ended().await.reason(), &Reason::Cancelled);
    client.update(stage.id("a")).merge(json!({ "late": true })).await.unwrap();
    assert_eq!(changes.recv().await, None);
}

#[tokio::test]
async fn survives_callbacks_that_panic() {
    let Some(stage) = Stage::new() else { return };
    let (sender, mut problems) = unbounded_channel();
    let builder = stage.client.replica([stage.id("a")]).on_change(|_| panic!("on purpose"));
    let builder = builder.on_caught_up(|| panic!("{}, too", "on purpose")).on_error(move |error| {
        _ = sender.send(error.clone());
    });
    let (_replica, mut changes) = copying(builder).await;
    assert_eq!(problems.recv().await.unwrap().message(), "a callback panicked: on purpose, too");
    for n in 1..=2 {
        stage.client.set(stage.id("a"), json!({ "n": n, "rest": REST })).await.unwrap();
        assert_eq!(next(&mut changes).await.value.unwrap()["n"], n);
        assert_eq!(problems.recv().await.unwrap().message(), "a callback panicked: on purpose");
    }
}

#[tokio::test]
async fn that_cannot_begin() {
    let Some(stage) = Stage::new() else { return };
    let (sender, mut problems) = unbounded_channel();
    let replica = stage
        .client
        .replica([""])
        .on_error(move |error| {
            _ = sender.send(error.clone());
        })
        .start();
    failure(patient(replica.ready()), Reason::InvalidArgument).await;
    assert_eq!(patient(problems.recv()).await.unwrap().reason(), &Reason::InvalidArgument);
    assert_eq!(patient(replica.ended()).await.reason(), &Reason::InvalidArgument);
}

#[tokio::test]
async fn that_is_closed_before_it_begins() {
    let (sender, mut delays) = unbounded_channel();
    let client = Client::connect("127.0.0.1:1").unwrap(); // no server listens there
    let replica = client
        .replica(["a"])
        .on_disconnect(move |_, delay| {
            _ = sender.send(delay);
        })
        .start();
    assert!(patient(delays.recv()).await.unwrap() >= Duration::from_millis(50));
    assert!(!replica.is_live());
    replica.close().await;
    failure(replica.ready(), Reason::Cancelled).await;
    assert_eq!(delays.recv().await, None);
}

#[tokio::test]
async fn of_many_writes() {
    let Some(stage) = Stage::new() else { return };
    let (replica, mut changes) = copying(stage.client.replica([Target::prefix(stage.id(""))])).await;
    let mut latest = HashMap::new();
    for i in 0..300 {
        let update = stage.client.update(stage.id(&(i % 7).to_string())).allow_missing();
        let update = update.set(["o", &(i % 5).to_string(), "i"], i).append(["l"], [i]);
        let update = update.splice(["l"], 0, i % 2, [] as [Value; 0]).remove(["o", &((i + 2) % 5).to_string()]);
        latest.insert(stage.id(&(i % 7).to_string()), update.await.unwrap().position);
    }
    while latest.iter().any(|(id, position)| replica.position(id).as_ref() != Some(position)) {
        next(&mut changes).await;
    }
    for id in latest.keys() {
        assert_eq!(*replica.get(id).unwrap(), stage.client.get(id).await.unwrap().value);
    }
}

#[tokio::test]
async fn from_what_was_kept() {
    let Some(stage) = Stage::new() else { return };
    let (client, a, b) = (&stage.client, stage.id("a"), stage.id("b"));
    let target = [Target::prefix(stage.id(""))];
    for id in [&a, &b] {
        client.set(id, json!({ "n": 0, "rest": REST })).await.unwrap();
    }
    let (first, _) = copying(client.replica(target.clone())).await;
    let mut kept = first.read(|documents| documents.kept());
    first.close().await;
    kept.push(chordstate::Kept { id: "elsewhere".into(), ..kept[0].clone() });
    client.delete(&b).await.unwrap();
    let written = client.update(&a).increment(["n"], 1.0).await.unwrap().position;

    let (sender, mut changes) = unbounded_channel();
    let builder = client.replica(target).from_kept(kept).on_change(move |change| {
        _ = sender.send(change.clone());
    });
    let replica = builder.start();
    assert_eq!((replica.len(), replica.get(&a).unwrap()["n"].clone()), (2, json!(0)), "at once");
    patient(replica.wait_for(&a, &written)).await.unwrap();
    patient(replica.wait_until(|documents| documents.len() == 1)).await.unwrap();
    assert_eq!(*replica.get(&a).unwrap(), client.get(&a).await.unwrap().value);
    let by_delta =
        [next(&mut changes).await, next(&mut changes).await].map(|change| (change.id, change.changes.is_some()));
    assert!(by_delta.contains(&(a.clone(), true)) && by_delta.contains(&(b, false)), "{by_delta:?}");

    let waiting = replica.wait_until(|documents| documents.is_empty());
    let (waited, ()) = futures_util::future::join(waiting, replica.close()).await;
    assert_eq!(waited.unwrap_err().reason(), &Reason::Cancelled);
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn typed_documents() {
    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Room {
        topic: String,
        members: Vec<Member>,
    }
    #[derive(serde::Deserialize, PartialEq, Debug)]
    struct Member {
        name: String,
        age: u32,
    }
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    client.set(&id, json!({ "topic": "t", "members": [{ "name": "ann", "age": 30 }] })).await.unwrap();
    let room = client.get_as::<Room>(&id).await.unwrap();
    let members = vec![Member { name: "ann".into(), age: 30 }];
    assert_eq!((room.value, room.position.version), (Room { topic: "t".into(), members }, 1));
    let (replica, _) = copying(client.replica([&id])).await;
    assert_eq!(replica.get_as::<Room>(&id).unwrap().unwrap().members.len(), 1);

    client.set(&id, json!({ "topic": "t", "members": [{ "name": "bo", "age": "old" }] })).await.unwrap();
    let error = failure(client.get_as::<Room>(&id), Reason::InvalidArgument).await;
    assert_eq!(error.violations()[0].field, "value.members[0].age");
}

#[cfg(feature = "serde")]
#[test]
fn what_is_kept_can_be_written_down() {
    let position = chordstate::Position { epoch: "e".into(), version: 1, digest: "d".into() };
    let value = std::sync::Arc::new(document(json!({ "n": [1, null, "text"] })));
    let kept = vec![chordstate::Kept { id: "a".into(), value, position: position.clone() }];
    let text = serde_json::to_string(&kept).unwrap();
    assert_eq!(serde_json::from_str::<Vec<chordstate::Kept>>(&text).unwrap(), kept);
    let event =
        chordstate::Event::Deleted { id: "a".into(), position, reason: chordstate::DeletedReason::Expired, more: true };
    let text = serde_json::to_string(&event).unwrap();
    assert_eq!(serde_json::from_str::<chordstate::Event>(&text).unwrap(), event);
}
