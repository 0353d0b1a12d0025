//! Presences on a real server.

use std::time::Duration;

use chordstate::{Client, Reason, Update, json};
use tokio::sync::mpsc::unbounded_channel;

use crate::support::{Stage, document, patient};

const PATH: [&str; 2] = ["members", "ann"];

#[tokio::test]
async fn is_renewed_set_again_and_removed() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let short = client.presence(&id, PATH, 1, Duration::from_millis(1), |_| ()).await;
    assert_eq!(short.unwrap_err().reason(), &Reason::InvalidArgument);

    let (sender, mut failures) = unbounded_channel();
    let report = move |error| _ = sender.send(error);
    let presence = client.presence(&id, PATH, json!({ "n": 1 }), Duration::from_secs(1), report).await.unwrap();
    let replica = client.replica([&*id]).start();
    let copied = &id;
    let until = |version| {
        replica.wait_until(move |documents| documents.position(copied).is_some_and(|at| at.version >= version))
    };
    // Another member outlives two of its times to live.
    let timer: Update = client.update(&id).set_for(["timer"], true, Duration::from_secs(2));
    timer.await.unwrap();
    patient(until(3)).await.unwrap();
    assert_eq!(*replica.get(&id).unwrap(), document(json!({ "members": { "ann": { "n": 1 } } })));
    client.update(&id).remove(PATH).await.unwrap();
    patient(until(5)).await.unwrap();
    assert_eq!(*replica.get(&id).unwrap(), document(json!({ "members": { "ann": { "n": 1 } } })));
    presence.set(json!({ "n": 2 })).await.unwrap();
    assert_eq!(client.get(&id).await.unwrap().value, document(json!({ "members": { "ann": { "n": 2 } } })));
    presence.close().await.unwrap();
    assert_eq!(client.get(&id).await.unwrap().value, document(json!({ "members": {} })));
    assert!(failures.try_recv().is_err());
    replica.close().await;
}

#[tokio::test]
async fn goes_with_its_client() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (Client::connect(&stage.server.address).unwrap(), stage.id("a"));
    let ttl = Duration::from_secs(3600);
    let (sender, mut failures) = unbounded_channel();
    let report = move |error| _ = sender.send(error);
    let presence = client.presence(&id, PATH, 1, ttl, report.clone()).await.unwrap();
    let _other = client.presence(&id, ["members", "bob"], 1, ttl, report.clone()).await.unwrap();
    drop(client.presence(&id, ["members", "eve"], 1, ttl, report.clone()).await.unwrap());
    let clone = client.clone();
    patient(client.close().into_future()).await;
    assert_eq!(stage.client.get(&id).await.unwrap().value, document(json!({ "members": { "eve": 1 } })));
    presence.close().await.unwrap();
    patient(clone.close().into_future()).await;
    let late = clone.presence(&id, PATH, 1, ttl, report).await;
    assert_eq!(late.unwrap_err().reason(), &Reason::Cancelled);
    assert!(failures.try_recv().is_err());
}
