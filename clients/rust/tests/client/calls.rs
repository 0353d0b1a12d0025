//! Calls on a real server.

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use chordstate::{Action, Client, DeleteResult, Mismatch, Position, Reason, SyncResult, Target, json};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::support::{REST, Stage, document, failure};

#[tokio::test]
async fn set_and_get() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let value = json!({ "__proto__": { "": 1 }, "a.b": [null, {}, -1.5, -0.0], "é": "x" });
    let first = client.set(&id, value.clone()).return_context().return_old_values().await.unwrap();
    assert!(first.changed);
    assert_eq!(first.position.version, 1);
    assert_eq!(first.context.unwrap().value, document(value.clone()));
    assert_eq!(first.delta.unwrap().changes.len(), 3);
    let again = client.set(&id, value.clone()).await.unwrap();
    assert!(!again.changed && again.position == first.position && again.context.is_none() && again.delta.is_none());

    let read = client.get(&id).await.unwrap();
    assert_eq!((&read.id, &read.position, read.expires_at), (&id, &first.position, None));
    assert_eq!(Value::from(read.value), value);
    assert!(read.created_at > SystemTime::UNIX_EPOCH && read.updated_at >= read.created_at);
    assert_eq!(failure(client.get(stage.id("none")), Reason::NotFound).await.context_id(), Some(&*stage.id("none")));
}

#[tokio::test]
async fn update() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    failure(client.update(&id).merge(json!({ "n": 1 })), Reason::NotFound).await;
    client.update(&id).merge(json!({ "n": 1, "o": { "a": 1 } })).allow_missing().await.unwrap();
    let update = client.update(&id).merge(json!({ "o": { "b": null } }));
    let update = update.set(["set"], Value::Null).remove(["o", "a"]).increment(["n"], 1.5);
    let update = update.append(["l"], [json!(1), json!("2"), json!(null)]).splice(["l"], 1, 1, ["two", "three"]);
    let updated = update.return_context().return_delta().await.unwrap();
    let want = json!({ "o": { "b": null }, "set": null, "n": 2.5, "l": [1, "two", "three", null] });
    assert_eq!(Value::from(updated.context.unwrap().value), want);
    let changes = updated.delta.unwrap().changes;
    let modified = changes.iter().find(|change| change.path == ["n"]).unwrap();
    assert_eq!(modified.action, Action::Modified { value: json!(2.5), old: None });
}

#[tokio::test]
async fn expected() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let error = failure(client.set(&id, json!({})).if_version(1), Reason::Aborted).await;
    assert_eq!((error.mismatch(), error.context_id()), (Some(&Mismatch { current: None }), Some(&*id)));
    let at = client.set(&id, json!({})).if_absent().await.unwrap().position;
    assert_eq!(failure(client.set(&id, json!({})).if_absent(), Reason::Aborted).await.current(), Some(&at));
    let elsewhere = Position { epoch: "other".into(), version: 1, digest: "other".into() };
    let error = failure(client.update(&id).merge(json!({})).if_position(elsewhere), Reason::Aborted).await;
    assert_eq!(error.current(), Some(&at));
    client.update(&id).merge(json!({ "n": 1 })).if_position(at.clone()).await.unwrap();
    let error = failure(client.delete(&id).if_position(at), Reason::Aborted).await;
    assert_eq!(error.current().unwrap().version, 2);
}

#[tokio::test]
async fn a_request_id_is_repeated() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let update = |by| client.update(&id).increment(["n"], by).allow_missing().request_id(stage.id("request"));
    let first = update(1.0).await.unwrap();
    assert_eq!(update(1.0).await.unwrap(), first);
    assert_eq!(Value::from(client.get(&id).await.unwrap().value), json!({ "n": 1 }));
    failure(update(2.0), Reason::InvalidArgument).await;
}

#[tokio::test]
async fn delete() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let at = client.set(&id, json!({})).await.unwrap().position;
    assert_eq!(client.delete(&id).await.unwrap(), DeleteResult { position: Some(at), changed: true });
    failure(client.delete(&id), Reason::NotFound).await;
    let missing = client.delete(&id).allow_missing().await.unwrap();
    assert_eq!(missing, DeleteResult { position: None, changed: false });
}

#[tokio::test]
async fn touch() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let hour = Duration::from_secs(3600);
    let set = client.set(&id, json!({})).ttl(hour).await.unwrap();
    let touched = client.touch(&id).ttl(3 * hour).await.unwrap();
    assert_eq!(touched.position, set.position);
    let left = touched.expires_at.unwrap().duration_since(SystemTime::now()).unwrap();
    assert!(left > 2 * hour && left <= 3 * hour, "{left:?}");
    assert!(client.touch(&id).await.unwrap().expires_at.is_some());
    assert_eq!(client.touch(&id).ttl(Duration::ZERO).await.unwrap().expires_at, None);
}

#[tokio::test]
async fn list() {
    let Some(stage) = Stage::new() else { return };
    let ids: Vec<String> = (0..120).map(|i| stage.id(&format!("{i:03}"))).collect();
    for (i, id) in ids.iter().enumerate() {
        stage.client.set(id, json!({ "i": i })).await.unwrap();
    }
    let contexts = stage.client.list_values(stage.id("")).collect_all().await.unwrap();
    let got: Vec<&String> = contexts.iter().map(|context| &context.id).collect();
    assert_eq!(got, ids.iter().collect::<Vec<_>>());
    assert!(contexts.iter().enumerate().all(|(i, context)| context.value["i"] == i));
    let mut heads = stage.client.list(stage.id(""));
    assert_eq!(heads.next().await.unwrap().unwrap().id, ids[0]);
    assert_eq!(stage.client.list(stage.id("none")).collect_all().await.unwrap(), []);
}

#[tokio::test]
async fn sync_and_deltas() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let at = client.set(&id, json!({ "n": 1, "rest": REST })).await.unwrap().position;
    let SyncResult::Full(full) = client.sync(&id, None).await.unwrap() else { panic!("no full") };
    assert_eq!((full.reason.as_str(), &full.context.value["n"]), ("INITIAL", &json!(1)));
    assert_eq!(client.sync(&id, Some(at.clone())).await.unwrap(), SyncResult::NoChange(at.clone()));

    let mut head = at.clone();
    for _ in 0..130 {
        head = client.update(&id).increment(["n"], 1.0).await.unwrap().position;
    }
    let before = Position { version: 100, ..Position::default() };
    let SyncResult::Delta(delta) = client.sync(&id, Some(before)).include_old_values().await.unwrap() else {
        panic!("no delta")
    };
    assert_eq!(delta.to, head);
    assert_eq!(delta.changes[0].action, Action::Modified { value: json!(131), old: Some(json!(100)) });

    let pages = client.deltas(&id, 40).include_old_values().pages().collect_all().await.unwrap();
    assert!(pages.iter().all(|page| page.head == head && !page.truncated));
    let versions: Vec<u64> = pages.iter().flat_map(|page| &page.deltas).map(|delta| delta.to.version).collect();
    assert_eq!(versions, (41..=131).collect::<Vec<_>>());
    failure(client.sync(stage.id("none"), None), Reason::NotFound).await;
    assert!(client.deltas(stage.id("none"), 0).pages().collect_all().await.is_err());
}

#[tokio::test]
async fn error_details() {
    let Some(stage) = Stage::new() else { return };
    let error = failure(stage.client.set("x".repeat(600), json!({})), Reason::InvalidArgument).await;
    assert_eq!(error.violations()[0].field, "context_id");
    let nowhere: [&str; 0] = [];
    let error = failure(stage.client.update("a").remove(nowhere).allow_missing(), Reason::InvalidArgument).await;
    assert_eq!(error.violations()[0].field, "mutations[0].path");
    assert!(error.to_string().starts_with("INVALID_ARGUMENT: "));
}

#[tokio::test]
async fn what_is_never_sent() {
    let client = Client::connect("127.0.0.1:1").unwrap(); // no server listens there
    let deep = (0..32).fold(json!({}), |value, _| json!({ "a": value }));
    let by = f64::NAN;
    const DEEP: &str = "mutations[0].append[0].a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a";
    let long = json!({ "members": [{ "id": 9007199254740993u64 }] });
    for (error, field) in [
        (failure(client.set("a", json!([])), Reason::InvalidArgument).await, "value"),
        (
            failure(client.set("a", deep.clone()), Reason::InvalidArgument).await,
            "value.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a.a",
        ),
        (failure(client.update("a").merge(1), Reason::InvalidArgument).await, "changes"),
        (
            failure(client.update("a").set(["x"], 1).increment(["n"], by), Reason::InvalidArgument).await,
            "mutations[1].increment",
        ),
        (failure(client.update("a").append(["l"], [deep]), Reason::InvalidArgument).await, DEEP),
        (failure(client.set("a", long.clone()), Reason::InvalidArgument).await, "value.members[0].id"),
        (failure(client.update("a").merge(long), Reason::InvalidArgument).await, "changes.members[0].id"),
        (failure(client.touch("a").ttl(Duration::MAX), Reason::InvalidArgument).await, "ttl"),
        (Client::connect("127.0.0.1").unwrap_err(), "address"),
        (Client::connect("http://127.0.0.1:1").unwrap_err(), "address"),
        (Client::builder("127.0.0.1:1").token("a\nb").connect().unwrap_err(), "token"),
    ] {
        let fields: Vec<&str> = error.violations().iter().map(|violation| &*violation.field).collect();
        assert_eq!(fields, [field]);
    }
}

/// 32 levels are near the limit of prost's decoder, which counts messages.
#[tokio::test]
async fn deep_documents_come_every_way() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let nested = |levels: usize, leaf: Value| (0..levels).fold(leaf, |value, _| json!({ "o": value }));
    let mut events = client.watch([Target::id(&id)]).include_old_values().events();
    let written = client.set(&id, nested(32, json!(1))).return_context().return_old_values().await.unwrap();
    assert_eq!(Value::from(written.context.unwrap().value), nested(32, json!(1)));
    let replica = client.replica([&id]).start();
    replica.ready().await.unwrap();
    assert_eq!(*replica.get(&id).unwrap(), document(nested(32, json!(1))));
    let chordstate::Event::Full { full, .. } = crate::support::next(&mut events).await else { panic!("no full") };
    assert_eq!(Value::from(full.context.value), nested(32, json!(1)));

    client.set(&id, json!({ "o": [nested(29, json!({}))] })).await.unwrap();
    client.set(&id, json!({ "o": [[nested(28, json!({}))]] })).await.unwrap();
    let pages = client.deltas(&id, 0).include_old_values().pages().collect_all().await.unwrap();
    assert_eq!(pages.iter().map(|page| page.deltas.len()).sum::<usize>(), 3);
    assert_eq!(Value::from(client.get(&id).await.unwrap().value), json!({ "o": [[nested(28, json!({}))]] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_updates() {
    let Some(stage) = Stage::new() else { return };
    let (id, mut writers) = (stage.id("a"), JoinSet::new());
    for i in 0..200 {
        let update = stage.client.update(&id).set(["fields".to_owned(), i.to_string()], i).increment(["total"], 1.0);
        writers.spawn(update.allow_missing().into_future());
    }
    let versions: HashSet<u64> =
        writers.join_all().await.into_iter().map(|result| result.unwrap().position.version).collect();
    assert_eq!(versions.len(), 200);
    let value = stage.client.get(&id).await.unwrap().value;
    assert_eq!(value["total"], 200);
    let fields = value["fields"].as_object().unwrap();
    assert!(fields.len() == 200 && (0..200).all(|i| fields[&i.to_string()] == i));
}

#[tokio::test]
async fn merges_add_up() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let update = client.update(&id).merge(json!({ "a": 1, "o": { "x": 1, "y": {} } })).merge(json!({ "b": 2 }));
    update.merge(json!({ "o": { "x": null, "y": { "z": 1 } } })).allow_missing().await.unwrap();
    let merged = json!({ "a": 1, "b": 2, "o": { "x": null, "y": { "z": 1 } } });
    assert_eq!(Value::from(client.get(&id).await.unwrap().value), merged);

    // The document may hold an object there, which the first merge would remove.
    let lost = client.update(&id).merge(json!({ "o": { "y": 1 } })).merge(json!({ "o": { "y": { "k": 1 } } }));
    let error = failure(lost, Reason::InvalidArgument).await;
    assert_eq!(error.violations()[0].field, "changes.o.y");
}
