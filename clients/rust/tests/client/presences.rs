//! Presences on a real server.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use chordstate::{Client, Reason, json};
use futures_util::future::join;
use tokio::sync::Notify;
use tokio::sync::mpsc::unbounded_channel;
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::transport::Channel;
use tower::layer::layer_fn;
use tower::{ServiceExt, service_fn};

use crate::support::{Stage, document, failure, patient};

const PATH: [&str; 2] = ["members", "ann"];

/// When the member expires.
async fn expiry(client: &Client, id: &str) -> Option<SystemTime> {
    let (_, expiries) = client.get_with_expiries(id).await.unwrap();
    expiries.first().map(|member| member.expires_at)
}

/// Each fact comes to hold: on a busy machine a member may also expire before it is renewed, and is then set again.
#[tokio::test]
async fn is_renewed_and_set_again() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let short = client.presence(&id, PATH, 1, Duration::from_millis(1), |_| ()).await;
    assert_eq!(short.unwrap_err().reason(), &Reason::InvalidArgument);

    let (sender, mut failures) = unbounded_channel();
    let report = move |error| _ = sender.send(error);
    let presence = client.presence(&id, PATH, json!({ "n": 1 }), Duration::from_secs(1), report).await.unwrap();
    let replica = client.replica([&*id]).start();
    let becomes = async |value| {
        let value = document(value);
        let copied = replica.wait_until(|documents| documents.get(&id).is_some_and(|now| **now == value));
        patient(copied).await.unwrap();
    };
    let begin = SystemTime::now();
    patient(async { while expiry(client, &id).await.is_none_or(|at| at <= begin + Duration::from_secs(1)) {} }).await;
    becomes(json!({ "members": { "ann": { "n": 1 } } })).await;
    client.update(&id).remove(PATH).await.unwrap();
    becomes(json!({ "members": { "ann": { "n": 1 } } })).await;
    presence.set(json!({ "n": 2 })).await.unwrap();
    becomes(json!({ "members": { "ann": { "n": 2 } } })).await;
    presence.close().await.unwrap();
    becomes(json!({ "members": {} })).await;
    while let Ok(error) = failures.try_recv() {
        assert_eq!(error.reason(), &Reason::DeadlineExceeded);
    }
    replica.close().await;
}

/// A client that holds its second update until the third one has passed, or some time is over, and notes the order in which
/// they pass.
fn holding(address: &str) -> (Client, Arc<Mutex<Vec<usize>>>) {
    let passed: Arc<Mutex<Vec<usize>>> = Arc::default();
    let (notes, updates, third) = (passed.clone(), Arc::new(AtomicUsize::new(0)), Arc::new(Notify::new()));
    let layer = layer_fn(move |channel: Channel| {
        let (notes, updates, third) = (notes.clone(), updates.clone(), third.clone());
        service_fn(move |request: http::Request<Body>| {
            let (channel, notes, third) = (channel.clone(), notes.clone(), third.clone());
            let update = request.uri().path().ends_with("/UpdateContext");
            let number = if update { updates.fetch_add(1, SeqCst) + 1 } else { 0 };
            async move {
                if number == 2 {
                    let _ = timeout(Duration::from_millis(200), third.notified()).await;
                }
                if update {
                    notes.lock().unwrap().push(number);
                }
                if number == 3 {
                    third.notify_one();
                }
                channel.oneshot(request).await
            }
        })
    });
    (Client::builder(address).layer(layer).connect().unwrap(), passed)
}

#[tokio::test]
async fn the_value_that_is_set_last_is_the_one_that_is_there() {
    let Some(stage) = Stage::new() else { return };
    let (client, passed) = holding(&stage.server.address);
    let id = stage.id("a");
    let presence = client.presence(&id, PATH, 1, Duration::from_secs(3600), |_| ()).await.unwrap();
    let (two, three) = join(presence.set(2), presence.set(3)).await;
    two.and(three).unwrap();
    assert_eq!(passed.lock().unwrap()[1..], [2, 3]);
    assert_eq!(client.get(&id).await.unwrap().value, document(json!({ "members": { "ann": 3 } })));
    // `close` takes the presence: only the close of the client comes before a `set`.
    patient(client.close().into_future()).await;
    failure(presence.set(4), Reason::Cancelled).await;
    assert_eq!(stage.client.get(&id).await.unwrap().value, document(json!({ "members": {} })));
}

/// The member that is in the way of the presence goes, and the presence is there again.
#[tokio::test]
async fn outlives_what_panics_in_on_error() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let (sender, mut failures) = unbounded_channel();
    let report = move |error| {
        _ = sender.send(error);
        panic!("on purpose");
    };
    let presence = client.presence(&id, PATH, 1, Duration::from_secs(1), report).await.unwrap();
    client.set(&id, json!({ "members": "not an object" })).await.unwrap();
    patient(failures.recv()).await.unwrap();
    client.set(&id, json!({})).await.unwrap();
    let replica = client.replica([&*id]).start();
    let again = document(json!({ "members": { "ann": 1 } }));
    patient(replica.wait_until(|documents| documents.get(&id).is_some_and(|now| **now == again))).await.unwrap();
    replica.close().await;
    presence.close().await.unwrap();
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
