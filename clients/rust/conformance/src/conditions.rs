//! Checks, edits and waits.

use std::time::Duration;

use chordstate::{Check, Document, Edit, Test, Unmet, UnmetCondition};
use serde_json::{Value, json};

use crate::args::{Args, Optioned};
use crate::forms::{self, Failure};
use crate::live::Driver;

pub fn check(value: &Value) -> Check {
    let path = path(&value["path"]);
    // An equal null is one.
    let test = match value.get("equals") {
        Some(equals) => Test::Equals(equals.clone()),
        None => match (value["atLeast"].as_f64(), value["atMost"].as_f64()) {
            (Some(limit), _) => Test::AtLeast(limit),
            (_, Some(limit)) => Test::AtMost(limit),
            _ if value["exists"] == true => Test::Exists,
            _ => Test::Missing,
        },
    };
    Check { path, test }
}

pub fn path(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn check_form(Check { path, test }: &Check) -> Option<Value> {
    Some(match test {
        Test::Equals(value) => json!({ "path": path, "equals": value }),
        Test::Exists => json!({ "path": path, "exists": true }),
        Test::Missing => json!({ "path": path, "exists": false }),
        Test::AtLeast(limit) => json!({ "path": path, "atLeast": limit }),
        Test::AtMost(limit) => json!({ "path": path, "atMost": limit }),
        _ => return None,
    })
}

pub fn unmet(unmet: &Unmet) -> Value {
    let condition = |condition: &UnmetCondition| match condition {
        UnmetCondition::Touched { path, at, .. } => json!({ "path": path, "touchedAt": at }),
        UnmetCondition::Failed(check) => json!({ "path": check.path, "check": check_form(check) }),
        other => json!({ "path": other.path() }),
    };
    let conditions: Vec<Value> = unmet.conditions.iter().map(condition).collect();
    json!({ "sinceReason": unmet.since_reason.map(|reason| reason.as_str()), "conditions": conditions })
}

impl Driver {
    pub async fn get(&self, args: &Args) -> Result<Value, Failure> {
        if !args.flag("includeExpiries") {
            let mut get = self.client()?.get(args.id()).version(args.number("version").unwrap_or_default());
            if let Some(at) = args.time("at") {
                get = get.at(std::time::UNIX_EPOCH + at);
            }
            return Ok(forms::context(&get.await?));
        }
        let (context, expiries) = self.client()?.get_with_expiries(args.id()).await?;
        let mut form = forms::context(&context);
        let since_1970 = |at: std::time::SystemTime| at.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        form["expiries"] = expiries
            .iter()
            .map(|each| json!({ "path": each.path, "expiresAt": since_1970(each.expires_at).as_millis() as u64 }))
            .collect();
        Ok(form)
    }

    pub async fn edit(&self, args: &Args) -> Result<Value, Failure> {
        let client = self.client()?;
        let mut seen: Vec<Value> = Vec::new();
        let edit: Edit<'_, Failure> = client.try_edit(args.id(), |document| {
            seen.push(Value::from(document.clone()));
            if let Some(other) = args.list("meanwhile").nth(seen.len() - 1) {
                let other = Args(other.clone());
                let update = other.edited(client.update(other.id()))?.optioned(&other);
                tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(update.into_future()))?;
            }
            args.list("add").for_each(|each| add_one(document, &path(each)));
            Ok(())
        });
        let mut form = forms::written(&edit_options(edit, args).await?);
        form["seen"] = Value::from(seen);
        Ok(form)
    }

    pub async fn wait(&self, args: &Args) -> Result<Value, Failure> {
        let wait = self.client()?.wait(args.id(), args.list("until").map(check));
        let mut wait = wait.timeout(args.time("timeout").unwrap_or(Duration::from_secs(10)));
        if let Some(known) = args.known_position() {
            wait = wait.known(known);
        }
        let answer = wait.await?;
        Ok(json!({ "result": forms::sync(&answer.result), "heldAt": answer.held_at }))
    }
}

fn edit_options<'a, E>(mut edit: Edit<'a, E>, args: &Args) -> Edit<'a, E> {
    if args.flag("allowMissing") {
        edit = edit.allow_missing();
    }
    if let Some(ttl) = args.time("ttl") {
        edit = edit.ttl(ttl);
    }
    for (key, value) in args.0["annotations"].as_object().into_iter().flatten() {
        edit = edit.annotate(key, value.as_str().unwrap_or_default());
    }
    let asked = |name: &str| args.0["returning"][name] == Value::Bool(true);
    if asked("context") {
        edit = edit.return_context();
    }
    if asked("delta") {
        edit = edit.return_delta();
    }
    if let Some(attempts) = args.number("attempts") {
        edit = edit.attempts(attempts as u32);
    }
    match args.text("reads") {
        Some(_) => edit.reads_document(),
        None => edit.reads(args.list("reads").map(path)),
    }
}

fn add_one(document: &mut Document, path: &[String]) {
    let Some((key, parents)) = path.split_last() else { return };
    let mut parent = document;
    for step in parents {
        let child = parent.entry(step.clone()).or_insert_with(|| json!({}));
        parent = child.as_object_mut().expect("an object");
    }
    let number = parent.get(key).and_then(Value::as_f64).unwrap_or_default();
    parent.insert(key.clone(), json!(number + 1.0));
}
