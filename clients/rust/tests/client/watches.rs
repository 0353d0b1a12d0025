//! Watches of a real server.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc;
use std::time::Duration;

use chordstate::{Action, Client, DeletedReason, Event, Position, Reason, Target, apply, json};
use serde_json::Value;

use crate::support::{REST, Server, Stage, failure, next, patient};

#[tokio::test]
async fn of_ids() {
    let Some(stage) = Stage::new() else { return };
    let (client, a, b) = (&stage.client, stage.id("a"), stage.id("b"));
    client.set(&a, json!({ "n": 1, "rest": REST })).await.unwrap();
    let mut events = client.watch([&a, &b]).include_old_values().events();
    for _ in 0..2 {
        match next(&mut events).await {
            Event::Full { full, .. } => assert_eq!((&full.context.id, full.reason.as_str()), (&a, "INITIAL")),
            event => assert_eq!(event, Event::Absent { id: b.clone() }),
        }
    }
    assert_eq!(next(&mut events).await, Event::CaughtUp);
    client.update(&a).merge(json!({ "n": 2 })).await.unwrap();
    let Event::Delta { delta, .. } = next(&mut events).await else { panic!("no delta") };
    assert_eq!(delta.changes[0].action, Action::Modified { value: json!(2), old: Some(json!(1)) });
    client.set(&b, json!({})).await.unwrap();
    assert!(matches!(next(&mut events).await, Event::Full { full, .. } if full.context.value.is_empty()));
}

#[tokio::test]
async fn of_a_prefix_with_deletion_and_recreation() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("p:1"));
    let mut events = client.watch([Target::prefix(stage.id("p:"))]).events();
    assert_eq!(next(&mut events).await, Event::CaughtUp);
    client.set(stage.id("other"), json!({})).await.unwrap();
    let first = client.set(&id, json!({ "life": 1 })).await.unwrap().position;
    assert!(matches!(next(&mut events).await, Event::Full { full, .. } if full.context.position == first));
    client.delete(&id).await.unwrap();
    let gone = Event::Deleted { id: id.clone(), position: first.clone(), reason: DeletedReason::Deleted, more: false };
    assert_eq!(next(&mut events).await, gone);
    let second = client.set(&id, json!({ "life": 2 })).await.unwrap().position;
    assert!(matches!(next(&mut events).await, Event::Full { full, .. } if full.context.position == second));
    assert_ne!(first.epoch, second.epoch);
}

#[tokio::test]
async fn from_known_positions() {
    let Some(stage) = Stage::new() else { return };
    let (client, a, gone) = (&stage.client, stage.id("a"), stage.id("gone"));
    let first = client.set(&a, json!({ "n": 0, "rest": REST })).await.unwrap().position;
    for _ in 0..5 {
        client.update(&a).increment(["n"], 1.0).await.unwrap();
    }
    let elsewhere = Position { epoch: "e".into(), version: 1, digest: "d".into() };
    let known = [(a.clone(), first.clone()), (gone.clone(), elsewhere.clone())];
    let mut events = client.watch([&a, &gone]).known(known).events();
    for _ in 0..2 {
        match next(&mut events).await {
            Event::Delta { delta, .. } => {
                assert_eq!((&delta.from, delta.to.version), (&first, 6));
                assert_eq!(delta.changes[0].action, Action::Modified { value: json!(5), old: None });
            }
            event => {
                let (id, position) = (gone.clone(), elsewhere.clone());
                assert_eq!(event, Event::Deleted { id, position, reason: DeletedReason::Unknown, more: false });
            }
        }
    }
    assert_eq!(next(&mut events).await, Event::CaughtUp);
}

#[tokio::test]
async fn of_a_slow_reader() {
    const WRITES: usize = 150;
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    client.set(&id, json!({})).await.unwrap();
    let mut events = client.watch([&id]).events();
    let Event::Full { full, .. } = next(&mut events).await else { panic!("no full") };
    let mut copy = full.context.value;
    for i in 0..WRITES {
        client.update(&id).merge(json!({ "n": i, "blob": (i % 10).to_string().repeat(16 << 10) })).await.unwrap();
    }
    let mut taken = 0;
    while copy.get("n") != Some(&json!(WRITES - 1)) {
        match next(&mut events).await {
            Event::Full { full, .. } => copy = full.context.value,
            Event::Delta { delta, .. } => apply(&mut copy, &delta.changes).unwrap(),
            Event::CaughtUp => {}
            event => panic!("{event:?}"),
        }
        taken += 1;
    }
    assert_eq!(copy, client.get(&id).await.unwrap().value);
    assert!(taken < WRITES / 2, "{taken} events for {WRITES} writes: nothing was merged");
}

/// All streams of a client share one connection, and so its flow control.
#[tokio::test]
async fn that_stall_do_not_stop_the_others() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    client.set(&id, json!({})).await.unwrap();
    let mut stalled = Vec::new();
    for _ in 0..40 {
        let mut events = client.watch([&id]).events();
        next(&mut events).await;
        stalled.push(events);
    }
    for i in 0..8 {
        client.update(&id).merge(json!({ "blob": i.to_string().repeat(64 << 10) })).await.unwrap();
    }
    let mut last = String::new();
    for mut events in stalled {
        while last != "7" {
            last = match next(&mut events).await {
                Event::Full { full, .. } => full.context.value["blob"].as_str().unwrap()[..1].to_owned(),
                Event::Delta { delta, .. } => match &delta.changes[0].action {
                    Action::Added { value } | Action::Modified { value, .. } => value.as_str().unwrap()[..1].to_owned(),
                    action => panic!("{action:?}"),
                },
                _ => last,
            };
        }
        last.clear();
    }
}

#[tokio::test]
async fn of_nothing() {
    let Some(stage) = Stage::new() else { return };
    let mut events = stage.client.watch([""]).events();
    failure(async { patient(events.next()).await.unwrap() }, Reason::InvalidArgument).await;
    assert!(events.next().await.is_none());
    let mut events = stage.client.watch(["a"]).heartbeat_interval(Duration::MAX).events();
    failure(async { patient(events.next()).await.unwrap() }, Reason::InvalidArgument).await;
}

#[tokio::test]
async fn nothing_is_left_behind() {
    let Some(stage) = Stage::new() else { return };
    let Stage { client, server, .. } = stage;
    let mut events = client.watch(["some"]).events();
    assert_eq!(next(&mut events).await, Event::Absent { id: "some".into() });
    let (closed, dropped) = (client.replica(["some"]).start(), client.replica(["some"]).start());
    dropped.ready().await.unwrap();
    closed.ready().await.unwrap();
    closed.close().await;
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    assert!(tasks() > 0);
    drop((client, events, dropped));
    patient(async {
        while tasks() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    drop(server);
}

/// A server on LMDB goes and comes back on the same port, twice; a watch, a replica and calls go on.
#[tokio::test]
async fn across_restarts() {
    let data = tempfile::tempdir().unwrap();
    let on = |address: &str| {
        Server::start(&["--backend", "lmdb", "--data-dir", data.path().to_str().unwrap(), "--listen", address])
    };
    let Some(mut server) = on("127.0.0.1:0") else { return };
    let address = server.address.clone();
    let client = Client::connect(&address).unwrap();
    for id in ["a", "p:1", "p:2"] {
        client.set(id, json!({ "n": 1, "rest": REST })).await.unwrap();
    }
    let (broken, breaks) = mpsc::channel();
    let watch = client.watch([Target::id("a"), Target::prefix("p:")]);
    let mut events = watch.on_disconnect(move |error, _| broken.send(error.clone()).unwrap()).events();
    for _ in 0..3 {
        assert!(matches!(next(&mut events).await, Event::Full { full: _, .. }));
    }
    assert_eq!(next(&mut events).await, Event::CaughtUp);
    let replica = client.replica([Target::prefix("")]).start();
    replica.ready().await.unwrap();

    for round in 1..=2 {
        if round == 1 {
            server.terminate().await
        } else {
            server.kill()
        }
        server = on(&address).unwrap();
        client.update("a").increment(["n"], 1.0).await.unwrap();
        client.delete(format!("p:{round}")).await.unwrap();
        let created = client.set(format!("p:{}", round + 2), json!({ "n": round })).await.unwrap().position;
        let mut seen = HashMap::new();
        for _ in 0..4 {
            let what = match next(&mut events).await {
                Event::Delta { delta, .. } => {
                    assert_eq!(delta.changes[0].action, Action::Modified { value: json!(round + 1), old: None });
                    format!("delta {}", delta.id)
                }
                Event::Full { full, .. } => {
                    assert_eq!(full.context.position, created);
                    format!("full {}", full.context.id)
                }
                Event::Deleted { id, .. } => format!("deleted {id}"),
                event => format!("{event:?}"),
            };
            *seen.entry(what).or_insert(0) += 1;
        }
        let want = ["delta a", &format!("full p:{}", round + 2), &format!("deleted p:{round}"), "CaughtUp"];
        assert_eq!(seen, want.map(|what| (what.to_owned(), 1)).into());
        assert!(breaks.recv().unwrap().is_transient());
    }

    let last = client.update("a").set(["last"], true).await.unwrap().position;
    assert!(matches!(next(&mut events).await, Event::Delta { delta, .. } if delta.to == last));
    let want = BTreeSet::from(["a", "p:3", "p:4"].map(str::to_owned));
    patient(async {
        while replica.position("a").as_ref() != Some(&last) || BTreeSet::from_iter(replica.ids()) != want {
            tokio::task::yield_now().await;
        }
    })
    .await;
    for id in want {
        let copy = (*replica.get(&id).unwrap()).clone();
        assert_eq!(Value::from(copy), Value::from(client.get(&id).await.unwrap().value));
    }
}

/// Each stream that is dropped is a reset, and servers bound those: the watch beside them goes on from where it is.
#[tokio::test]
async fn that_close_do_not_end_the_others() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    client.set(&id, json!({ "n": 0, "rest": REST })).await.unwrap();
    let (sender, breaks) = mpsc::channel();
    let watch = client.watch([&id]).on_disconnect(move |error, _| _ = sender.send(error.clone()));
    let mut long = watch.events();
    for _ in 0..2 {
        next(&mut long).await;
    }
    for _ in 0..1500 {
        next(&mut client.watch([&id]).events()).await;
    }
    client.update(&id).increment(["n"], 1.0).await.unwrap();
    loop {
        match next(&mut long).await {
            Event::CaughtUp => {}
            Event::Delta { delta, .. } => break assert_eq!(delta.to.version, 2),
            event => panic!("{event:?} after {:?}", breaks.try_iter().collect::<Vec<_>>()),
        }
    }
    eprintln!("disconnected {} times", breaks.try_iter().count());
}
