//! Waits on a real server.

use std::time::Duration;

use chordstate::{Action, Check, Client, Reason, Retry, SyncResult, json};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{REST, Server, Stage, failure, patient};

fn until() -> [Check; 2] {
    [Check::at_least(["n"], 3.0), Check::equals(["status"], "ready")]
}

#[tokio::test(flavor = "multi_thread")]
async fn waits() {
    let Some(stage) = Stage::new() else { return };
    let client = Client::builder(&stage.server.address).calls_in_flight(1).watches_per_connection(2).connect().unwrap();
    let (id, mut waits) = (stage.id("a"), JoinSet::new());
    // More waits than calls in flight, and than a connection holds: none of them delays a call.
    for _ in 0..5 {
        waits.spawn(client.wait(&id, until()).into_future());
    }
    client.set(&id, json!({ "n": 3, "rest": REST })).await.unwrap();
    let value = json!({ "n": 3, "status": "ready", "rest": REST });
    let met = client.set(&id, value.clone()).await.unwrap().position;
    for wait in patient(waits.join_all()).await {
        let wait = wait.unwrap();
        let SyncResult::Full(full) = wait.result else { panic!("no document: {wait:?}") };
        assert_eq!((wait.held_at, &full.context.position), (2, &met));
        assert_eq!(Value::from(full.context.value), value);
    }

    client.update(&id).set(["n"], 4).await.unwrap();
    client.update(&id).set(["n"], 0).await.unwrap();
    let since = client.wait(&id, until()).known(met.clone()).include_old_values().await.unwrap();
    let SyncResult::Delta(delta) = since.result else { panic!("no delta: {since:?}") };
    assert_eq!((since.held_at, &delta.from), (3, &met));
    assert!(matches!(&delta.changes[0].action, Action::Modified { old: Some(_), .. }));

    failure(client.wait(&id, until()).timeout(Duration::from_millis(50)), Reason::DeadlineExceeded).await;
    failure(client.wait(&id, []), Reason::InvalidArgument).await;
    let endless = tokio::spawn(client.wait(&id, until()).into_future());
    client.close();
    let error = endless.await.unwrap().unwrap_err();
    assert_eq!((error.reason(), error.message()), (&Reason::Cancelled, "the client is closed"));
}

/// The server goes and comes back while a wait, of one attempt for a call, goes on.
#[tokio::test(flavor = "multi_thread")]
async fn over_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let address = format!("127.0.0.1:{port}");
    let args = ["--backend", "lmdb", "--data-dir", folder.path().to_str().unwrap(), "--listen", &address];
    let retry = Retry { attempts: 1, backoff_max: Duration::from_secs(1), ..Retry::default() };
    let client = Client::builder(&address).retry(retry).connect().unwrap();
    let wait = tokio::spawn(client.wait("a", [Check::exists(["done"])]).into_future());
    for terminates in [true, false] {
        let Some(server) = Server::start(&args) else { return };
        Client::connect(&address).unwrap().set("a", json!({ "n": 1 })).await.unwrap();
        if terminates {
            server.terminate().await;
        } else {
            server.kill();
        }
    }
    let _server = Server::start(&args);
    assert!(!wait.is_finished());
    Client::connect(&address).unwrap().set("a", json!({ "done": true })).await.unwrap();
    patient(wait).await.unwrap().unwrap();
}
