//! All of the service.

use std::time::{Duration, SystemTime};

use chordstate::proto::chord::v1::admin_service_client::AdminServiceClient;
use chordstate::proto::chord::v1::cleanup_service_client::CleanupServiceClient;
use chordstate::proto::chord::v1::transfer_service_client::TransferServiceClient;
use chordstate::proto::chord::v1::{
    BackupRequest, ExportContextsRequest, GetCleanupRequest, RestoreContextRequest, RunCleanupRequest,
    WatchStatsRequest, backup_response::Part,
};
use chordstate::{Action, Batched, Check, Client, Event, Reason, ResultStream, SyncResult, Target, WriteResult, json};
use serde_json::{Map, Value};

use crate::support::{REST, Server, Stage, document, failure, next, patient};

#[tokio::test]
async fn batch() {
    let Some(stage) = Stage::new() else { return };
    let client = &stage.client;
    for name in ["update", "revert", "delete", "touch"] {
        client.set(stage.id(name), json!({ "n": 1 })).ttl(Duration::from_secs(3600)).await.unwrap();
    }
    client.set(stage.id("revert"), json!({ "n": 2 })).await.unwrap();
    let batch = client
        .batch()
        .write(client.set(stage.id("set"), json!({ "n": 1 })).if_absent().return_context())
        .write(
            client.update(stage.id("update")).increment(["n"], 1.0).if_checks([Check::equals(["n"], 1)]).return_delta(),
        )
        .write(client.revert(stage.id("revert"), 1).return_context())
        .write(client.delete(stage.id("delete")))
        .write(client.delete(stage.id("missing")).allow_missing())
        .write(client.touch(stage.id("touch")).ttl(Duration::ZERO))
        .request_id("once");
    let results = batch.clone().await.unwrap();
    let versions = results.iter().map(|each| each.position.as_ref().map_or(0, |position| position.version));
    assert_eq!(versions.collect::<Vec<_>>(), [1, 2, 3, 1, 0, 1]);
    assert_eq!(results[0].context.as_ref().unwrap().value, document(json!({ "n": 1 })));
    let changes = &results[1].delta.as_ref().unwrap().changes;
    assert_eq!(changes[0].action, Action::Modified { value: json!(2), old: None });
    assert_eq!(results[2].context.as_ref().unwrap().value, document(json!({ "n": 1 })));
    assert!(!results[4].changed && results[5].context.is_none());
    assert_eq!(results[5].touched.as_ref().unwrap().expires_at, None);
    // A repeat answers what the first one did, and touches nothing.
    let again = batch.await.unwrap();
    assert!(again[..5] == results[..5] && again[5].touched.is_none());
    failure(client.get(stage.id("delete")), Reason::NotFound).await;
}

#[tokio::test]
async fn a_batch_is_done_whole_or_not() {
    let Some(stage) = Stage::new() else { return };
    let (client, b) = (&stage.client, stage.id("b"));
    let set = client.set(stage.id("a"), json!({ "n": 1 }));
    let batch = client.batch().write(set.clone()).write(client.update(&b).merge(json!({ "n": 1 })));
    assert_eq!(failure(batch, Reason::NotFound).await.context_id(), Some(&*b));
    failure(client.get(stage.id("a")), Reason::NotFound).await;

    let refused: [(Batched, &str); 3] = [
        (client.set(&b, json!([])).into(), "writes[1].set.value"),
        (client.update(&b).increment(["n"], f64::NAN).into(), "writes[1].update.mutations[0].increment"),
        (client.set(&b, json!({})).request_id("own").into(), "writes[1].set.request_id"),
    ];
    for (write, field) in refused {
        let error = failure(client.batch().write(set.clone()).write(write), Reason::InvalidArgument).await;
        assert_eq!(error.violations()[0].field, field);
    }
}

#[tokio::test]
async fn the_past() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let first = client.set(&id, json!({ "n": 1 })).return_context().await.unwrap();
    client.set(&id, json!({ "n": 2 })).await.unwrap();
    let was = client.get(&id).version(1).await.unwrap();
    assert_eq!((was.value, was.position), (document(json!({ "n": 1 })), first.position.clone()));
    let later = SystemTime::now() + Duration::from_secs(3600);
    assert_eq!(client.get(&id).at(later).await.unwrap().value, document(json!({ "n": 2 })));
    let before = first.context.unwrap().created_at - Duration::from_secs(1);
    failure(client.get(&id).at(before), Reason::NotFound).await;

    let revert = client.revert(&id, 1).return_context().return_old_values().request_id("once");
    let reverted: WriteResult = revert.clone().await.unwrap();
    assert_eq!(reverted.position.version, 3);
    assert_eq!(reverted.context.as_ref().unwrap().value, document(json!({ "n": 1 })));
    let changes = &reverted.delta.as_ref().unwrap().changes;
    assert_eq!(changes[0].action, Action::Modified { value: json!(1), old: Some(json!(2)) });
    assert_eq!(revert.await.unwrap(), reverted);
    let error = failure(client.revert(&id, 2).if_position(first.position), Reason::Aborted).await;
    assert_eq!(error.current(), Some(&reverted.position));
}

#[tokio::test]
async fn formats_and_paths() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let value = json!({ "members": { "ann": 1, "bob": 1 }, "rest": REST });
    let first = client.set(&id, value).await.unwrap().position;
    let written =
        client.update(&id).set(["members", "ann"], 2).return_format("json_patch").await.unwrap().delta.unwrap();
    let replaced = json!({ "op": "replace", "path": "/members/ann", "value": 2 });
    assert_eq!((&written.formatted, written.changes.len()), (&Some(json!([replaced])), 0));

    let synced = client.sync(&id, Some(first.clone())).format("json_patch").include_old_values().await.unwrap();
    let test = json!({ "op": "test", "path": "/members/ann", "value": 1 });
    assert_eq!(delta_of(synced), Some(json!([test, replaced])));
    let merged = Some(json!({ "members": { "ann": 2 } }));
    let exists = || [Check::exists(["rest"])];
    let met = client.wait(&id, exists()).known(first).format("merge_patch").await.unwrap();
    assert_eq!(delta_of(met.result), merged);
    let pages = client.with_page_size(1).deltas(&id, 1).format("merge_patch").pages().collect_all().await.unwrap();
    assert_eq!((pages.len(), &pages[0].deltas[0].formatted), (1, &merged));
    client.set(stage.id("null"), json!({ "n": 1 })).await.unwrap();
    let lost = client.update(stage.id("null")).set(["n"], Value::Null).return_format("merge_patch").await.unwrap();
    let lost = lost.delta.unwrap();
    assert!(lost.formatted.is_none() && lost.inexpressible.is_some(), "{lost:?}");
    for delta in [written, lost] {
        assert_eq!(delta.apply_to(&mut Map::new()).unwrap_err().problem, "the changes came in another format");
    }

    let part = document(json!({ "members": { "bob": 1 } }));
    let synced = client.sync(&id, None).paths([["members", "bob"]]).await.unwrap();
    let met = client.wait(&id, exists()).paths([["members", "bob"]]).await.unwrap();
    for result in [synced, met.result] {
        let SyncResult::Full(full) = result else { panic!("{result:?}") };
        assert_eq!(full.context.value, part);
    }
}

fn delta_of(result: SyncResult) -> Option<Value> {
    match result {
        SyncResult::Delta(delta) => delta.formatted,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn watches_and_replicas_of_parts() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let first = client.set(&id, json!({ "members": { "ann": 1 }, "rest": REST })).await.unwrap().position;
    let target = || [Target::id(&id).only([["members"]])];
    let mut events = client.watch(target()).format("merge_patch").events();
    let Event::Full { full, .. } = next(&mut events).await else { panic!("no full") };
    assert_eq!(full.context.value, document(json!({ "members": { "ann": 1 } })));
    assert_eq!(next(&mut events).await, Event::CaughtUp);
    let replica = client.replica(target()).start();
    patient(replica.ready()).await.unwrap();

    let second = client.update(&id).set(["members", "bob"], 2).set(["rest"], "other").await.unwrap().position;
    let Event::Delta { delta, .. } = next(&mut events).await else { panic!("no delta") };
    assert_eq!(delta.formatted, Some(json!({ "members": { "bob": 2 } })));
    patient(replica.wait_for(&id, &second)).await.unwrap();
    assert_eq!(*replica.get(&id).unwrap(), document(json!({ "members": { "ann": 1, "bob": 2 } })));

    // One that resumes has the same parts.
    let mut resumed = client.watch(target()).known([(&id, first)]).events();
    let Event::Delta { delta, .. } = next(&mut resumed).await else { panic!("no delta") };
    assert_eq!(delta.changes.len(), 1);
}

#[tokio::test]
async fn pages() {
    let Some(stage) = Stage::new() else { return };
    for n in 0..5 {
        stage.client.set(stage.id(&n.to_string()), json!({})).await.unwrap();
    }
    let heads = stage.client.with_page_size(2).list(stage.id("")).collect_all().await.unwrap();
    let ids: Vec<String> = heads.into_iter().map(|head| head.id).collect();
    assert_eq!(ids, ["0", "1", "2", "3", "4"].map(|name| stage.id(name)));
    failure(stage.client.with_page_size(1001).list(stage.id("")).collect_all(), Reason::InvalidArgument).await;
}

/// Every call that has no method of its own, on a server of its own.
#[tokio::test]
async fn every_other_call() {
    let (data, exports) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let url = format!("file:{}", exports.path().display());
    let data = data.path().to_str().unwrap();
    let Some(server) = Server::start(&["--listen", "127.0.0.1:0", "--data-dir", data, "--export-url", &url]) else {
        return;
    };
    let client = Client::connect(&server.address).unwrap();
    client.set("room:1", json!({ "n": 1 })).await.unwrap();

    let sweep = RunCleanupRequest { dry_run: true, ..Default::default() };
    let swept = client.call_repeatable(sweep, |channel, request| async move {
        CleanupServiceClient::new(channel).run_cleanup(request).await
    });
    assert!(swept.await.unwrap().result.unwrap().dry_run);

    let all = ExportContextsRequest { history: true, ..Default::default() };
    let progress = client.stream(all, |channel, request| async move {
        TransferServiceClient::new(channel).export_contexts(request).await
    });
    let done = progress.collect_all().await.unwrap().into_iter().map(|each| each.progress.unwrap().done);
    assert_eq!(done.collect::<Vec<_>>(), [0, 1]);
    let restore = RestoreContextRequest { context_id: "room:1".into(), ..Default::default() };
    let restored = client.call(restore, |channel, request| async move {
        TransferServiceClient::new(channel).restore_context(request).await
    });
    failure(restored, Reason::AlreadyExists).await;

    let mut backup = client.stream(BackupRequest {}, |channel, request| async move {
        AdminServiceClient::new(channel).max_decoding_message_size(usize::MAX).backup(request).await
    });
    let Some(Part::Start(start)) = backup.next().await.unwrap().unwrap().part else { panic!("no start") };
    assert!(start.format > 0);
    drop(backup);

    let too_often = Some(prost_types::Duration { seconds: 0, nanos: 1 });
    let error = stats(&client, too_often).next().await.unwrap().unwrap_err();
    assert_eq!(error.reason(), &Reason::InvalidArgument);
    let mut stats = stats(&client, None);
    let ending = tokio::spawn(async move { stats.next().await });
    tokio::task::yield_now().await;
    client.close().await;
    assert_eq!(patient(ending).await.unwrap().unwrap().unwrap_err().message(), "the client is closed");
    let closed = client.call(GetCleanupRequest {}, |channel, request| async move {
        CleanupServiceClient::new(channel).get_cleanup(request).await
    });
    assert_eq!(failure(closed, Reason::Cancelled).await.message(), "the client is closed");
}

fn stats(
    client: &Client,
    interval: Option<prost_types::Duration>,
) -> ResultStream<chordstate::proto::chord::v1::WatchStatsResponse> {
    client.stream(WatchStatsRequest { interval }, |channel, request| async move {
        AdminServiceClient::new(channel).watch_stats(request).await
    })
}
