//! Conditions of writes, and what expires, on a real server.

use std::time::{Duration, SystemTime};

use chordstate::{Check, Client, FullReason, Mismatch, Position, Reason, Test, UnmetCondition, json};
use serde_json::Value;

use crate::support::{Stage, failure};

fn touched(path: &str, at: u64) -> UnmetCondition {
    UnmetCondition::Touched { path: vec![path.to_owned()], at, author: None }
}

#[tokio::test]
async fn if_unchanged() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let since = client.set(&id, json!({ "a": 1, "b": 1, "l": [1, 2, 3] })).await.unwrap().position;
    client.update(&id).merge(json!({ "a": 2 })).await.unwrap();
    let since = || since.clone();
    let kept = client.update(&id).set(["b"], 2).if_unchanged(since(), [["b"], ["none"]]).await.unwrap().position;

    for error in [
        failure(client.update(&id).set(["b"], 3).if_unchanged(since(), [["a"]]), Reason::Aborted).await,
        failure(client.set(&id, json!({})).if_unchanged(since(), [["a"]]), Reason::Aborted).await,
        failure(client.delete(&id).if_unchanged(since(), [["a"]]), Reason::Aborted).await,
    ] {
        let unmet = error.unmet().unwrap();
        assert_eq!((unmet.current.as_ref(), unmet.since_reason), (Some(&kept), None));
        assert_eq!((&unmet.conditions, unmet.conditions[0].path()), (&vec![touched("a", 2)], &["a".to_owned()][..]));
        assert_eq!((error.mismatch(), error.context_id()), (None, Some(&*id)));
    }

    // Splices name places of the list as it was.
    let nothing: [[&str; 1]; 0] = [];
    client.update(&id).splice(["l"], 0, 0, ["first"]).await.unwrap();
    client.update(&id).splice(["l"], 2, 1, ["three"]).if_unchanged(since(), nothing).await.unwrap();
    assert_eq!(client.get(&id).await.unwrap().value["l"], json!(["first", 1, 2, "three"]));
    let lost = client.update(&id).splice(["l"], 2, 1, ["again"]).if_unchanged(since(), nothing);
    assert_eq!(failure(lost, Reason::Aborted).await.unmet().unwrap().conditions, [touched("l", 5)]);

    client.delete(&id).await.unwrap();
    client.set(&id, json!({})).await.unwrap();
    let late = client.update(&id).set(["b"], 3).if_unchanged(since(), [["b"]]);
    let error = failure(late, Reason::Aborted).await;
    assert_eq!(error.unmet().unwrap().since_reason, Some(FullReason::EpochChanged));
}

#[tokio::test]
async fn if_checks() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let at = client.set(&id, json!({ "seats": 1, "o": { "x": null } })).await.unwrap().position;
    let hold = [
        Check::at_least(["seats"], 1.0),
        Check::at_most(["seats"], 1.0),
        Check::exists(["o", "x"]),
        Check::missing(["o", "y"]),
        Check::equals(["o"], json!({ "x": null })),
        Check::equals(["o", "x"], Value::Null),
    ];
    let fail = [
        Check::at_least(["seats"], 1.5),
        Check::at_most(["o"], 1.0),
        Check::exists(["o", "y"]),
        Check::missing(["o", "x"]),
        Check::equals(["seats"], "1"),
    ];
    let take = || client.update(&id).increment(["seats"], -1.0);
    // Checks stand beside a position, in any order.
    let both = take().if_checks(hold.clone()).if_position(at.clone()).if_checks(fail.clone());
    let error = failure(both, Reason::Aborted).await;
    assert_eq!(error.unmet().unwrap().conditions, fail.map(UnmetCondition::Failed));
    assert_eq!(error.current(), Some(&at));
    take().if_checks(hold.clone()).if_position(at.clone()).await.unwrap();
    client.update(&id).merge(json!({})).if_checks([]).await.unwrap();
    let error = failure(take().if_checks(hold.clone()).if_position(at), Reason::Aborted).await;
    assert!(matches!(error.mismatch(), Some(Mismatch { current: Some(_) })) && error.unmet().is_none());
    let error = failure(take().if_checks(hold), Reason::Aborted).await;
    assert_eq!(error.unmet().unwrap().conditions[0].to_string(), r#"["seats"]>=1 does not hold"#);
    let none = stage.id("none");
    let missing = client.update(&none).set(["n"], 1).allow_missing().if_checks([Check::exists(["n"])]);
    assert_eq!(failure(missing, Reason::Aborted).await.unmet().unwrap().current, None);
}

#[tokio::test]
async fn conditions_that_are_never_sent() {
    let client = Client::connect("127.0.0.1:1").unwrap(); // no server listens there
    let long = json!([u64::MAX]);
    for (check, field) in [
        (Check::equals(["a"], long), "expected.checks[1].equals[0]"),
        (Check::at_least(["a"], f64::NAN), "expected.checks[1].at_least"),
        (Check::at_most(["a"], f64::INFINITY), "expected.checks[1].at_most"),
        (Check { path: Vec::new(), test: Test::Unknown }, "expected.checks[1]"),
    ] {
        let delete = client.delete("a").if_checks([Check::exists(["a"]), check.clone()]);
        assert_eq!(failure(delete, Reason::InvalidArgument).await.violations()[0].field, field);
        let wait = client.wait("a", [Check::exists(["a"]), check]);
        let until = field.replace("expected.checks", "until");
        assert_eq!(failure(wait, Reason::InvalidArgument).await.violations()[0].field, until);
    }
}

#[tokio::test]
async fn what_expires_when() {
    let Some(stage) = Stage::new() else { return };
    let (client, id) = (&stage.client, stage.id("a"));
    let (minute, before) = (Duration::from_secs(60), SystemTime::now());
    let update = client.update(&id).set_for(["m", "b"], 1, minute).set_for(["m", "a.b"], 1, 60 * minute);
    let Position { version, .. } = update.set(["x"], 1).allow_missing().await.unwrap().position;
    let (context, expiries) = client.get_with_expiries(&id).await.unwrap();
    assert_eq!((context.position.version, &context.value["x"]), (version, &json!(1)));
    let paths: Vec<_> = expiries.iter().map(|each| each.path.join("/")).collect();
    assert_eq!(paths, ["m/a.b", "m/b"]);
    for (expiry, ttl) in expiries.iter().zip([60 * minute, minute]) {
        // The server's clock counts milliseconds.
        let (from, to) = (before + ttl - Duration::from_millis(1), SystemTime::now() + ttl + Duration::from_millis(1));
        assert!((from..=to).contains(&expiry.expires_at), "{:?} is not in {from:?}..{to:?}", expiry.expires_at);
    }
}
