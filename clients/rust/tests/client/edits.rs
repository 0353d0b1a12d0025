//! Edits on a real server.

use std::time::Duration;

use chordstate::{Client, Document, Error, Reason, Retry, UnmetCondition, json};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::task::{JoinSet, block_in_place};

use crate::support::{Stage, document, failure, in_enough_time};

/// What others do while the function of an edit runs.
fn meanwhile<T>(work: impl IntoFuture<Output = Result<T, Error>>) -> T {
    block_in_place(|| Handle::current().block_on(work.into_future())).unwrap()
}

/// A function that increments n, after others have written so often.
fn after_others<'a>(
    client: &'a Client,
    id: &'a str,
    key: &'a str,
    mut times: u32,
    seen: &'a mut Vec<Value>,
) -> impl FnMut(&mut Document) + Send + 'a {
    move |document| {
        seen.push(document.get("n").cloned().unwrap_or_default());
        if times > 0 {
            times -= 1;
            meanwhile(client.update(id).increment([key], 10.0));
        }
        let n = document.get("n").and_then(Value::as_i64).unwrap_or_default();
        document.insert("n".into(), json!(n + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn edit() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let before = json!({ "n": 1, "gone": true, "l": [1], "o": { "x": 1, "y": 1 }, "to": {} });
    client.set(&id, before).await.unwrap();
    let mut calls = 0;
    let edit = client.edit(&id, |document| {
        calls += 1;
        // Of other paths: no conflict.
        meanwhile(client.update(&id).set(["o", "y"], 2).set(["new"], calls));
        document["n"] = json!(2.0);
        document["l"] = json!([1, 2]);
        document["to"] = json!("text");
        document["o"]["x"] = json!(-0.0);
        document.remove("gone");
    });
    let edited = edit.return_context().return_delta().await.unwrap();
    assert_eq!((calls, edited.position.version, edited.delta.unwrap().changes.len()), (1, 3, 5));
    let want = json!({ "n": 2, "l": [1, 2], "o": { "x": -0.0, "y": 2 }, "to": "text", "new": 1 });
    assert_eq!(edited.context.unwrap().value, document(want));

    let none = client.edit(&id, |document| document["n"] = json!(2.0)).await.unwrap();
    assert_eq!((none.changed, &none.position), (false, &edited.position));
    let refused = client.try_edit(&id, |document| {
        document["n"] = json!(3);
        Err(Refusal("not today".into()))
    });
    assert_eq!(refused.await.unwrap_err().0, "not today");
    assert_eq!(client.get(&id).await.unwrap().position, edited.position);
    let long = client.edit(&id, |document| document["o"]["x"] = json!([u64::MAX]));
    assert_eq!(failure(long, Reason::InvalidArgument).await.violations()[0].field, "value.o.x[0]");
}

/// What a program's own function fails with.
#[derive(Debug)]
struct Refusal(String);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn is_made_again() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    client.set(&id, json!({ "n": 0 })).await.unwrap();
    let mut seen = Vec::new();
    client.edit(&id, after_others(client, &id, "n", 2, &mut seen)).await.unwrap();
    assert_eq!(seen, [0, 10, 20]);
    for whole in [false, true] {
        let mut seen = Vec::new();
        let edit = client.edit(&id, after_others(client, &id, "m", 1, &mut seen));
        let edit = if whole { edit.reads_document() } else { edit.reads([["m"]]) };
        edit.await.unwrap();
        assert_eq!(seen.len(), 2);
    }
    assert_eq!(client.get(&id).await.unwrap().value, document(json!({ "n": 23, "m": 20 })));

    let mut seen = Vec::new();
    let error = failure(client.edit(&id, after_others(client, &id, "n", 9, &mut seen)).attempts(2), Reason::Aborted);
    let conditions = error.await.unmet().unwrap().conditions.clone();
    let touched = UnmetCondition::Touched { path: vec!["n".into()], at: 10, author: None };
    assert_eq!((conditions, seen.len()), (vec![touched], 2));
    // The deadline ends it after a conflict: the conflict is the error.
    let error = in_enough_time(async |deadline| {
        let mut seen = Vec::new();
        let mut change = after_others(client, &id, "n", 1, &mut seen);
        let mut calls = 0;
        let edit = client.edit(&id, |document| {
            change(document);
            calls += 1;
            if calls == 2 {
                block_in_place(|| std::thread::sleep(deadline));
            }
        });
        edit.deadline(deadline).await.unwrap_err()
    });
    let error = error.await;
    assert!(error.reason() == &Reason::Aborted && error.unmet().is_some(), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_what_is_missing() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    failure(client.edit(&id, |_| ()), Reason::NotFound).await;
    let mut seen = Vec::new();
    let edit = client.edit(&id, |document| {
        seen.push(Value::from(document.clone()));
        match seen.len() {
            1 => _ = meanwhile(client.set(&id, json!({ "n": 5 }))),
            2 => _ = meanwhile(client.delete(&id)),
            _ => {}
        }
        document.insert("n".into(), json!(seen.len()));
    });
    edit.allow_missing().ttl(Duration::from_secs(3600)).await.unwrap();
    assert_eq!(seen, [json!({}), json!({ "n": 5 }), json!({})]);
    let context = client.get(&id).await.unwrap();
    assert!(context.value == document(json!({ "n": 3 })) && context.expires_at.is_some());
    let none = client.edit(stage.id("b"), |_| ()).allow_missing().await.unwrap();
    assert_eq!((none.changed, none.position.version), (true, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_edits() {
    let Some(stage) = Stage::new() else { return };
    let retry = Retry { attempts: 1000, backoff_min: Duration::from_millis(1), ..Retry::default() };
    let client =
        Client::builder(&stage.server.address).retry(retry).deadline(Duration::from_secs(30)).connect().unwrap();
    let (id, mut edits) = (stage.id("a"), JoinSet::new());
    client.set(&id, json!({ "n": 0 })).await.unwrap();
    for _ in 0..20 {
        edits.spawn(
            client.edit(&id, |document| document["n"] = json!(document["n"].as_i64().unwrap() + 1)).into_future(),
        );
    }
    assert!(edits.join_all().await.into_iter().all(|result| result.is_ok()));
    assert_eq!(client.get(&id).await.unwrap().value["n"], 20);
}
