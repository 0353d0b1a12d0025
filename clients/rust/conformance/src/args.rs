//! What a line of the protocol says. What is absent, and what is null, is `None`.

use std::collections::HashMap;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chordstate::{Delete, Document, Position, Revert, Set, Target, Tls, Touch, Update};
use serde_json::Value;

use crate::conditions::{check, path};
use crate::forms::Failure;

pub struct Args(pub Value);

impl Args {
    pub fn text(&self, name: &str) -> Option<&str> {
        self.0[name].as_str()
    }

    pub fn id(&self) -> &str {
        self.text("contextId").unwrap_or_default()
    }

    pub fn path(&self) -> impl Iterator<Item = &str> {
        self.list("path").filter_map(Value::as_str)
    }

    pub fn number(&self, name: &str) -> Option<u64> {
        self.0[name].as_u64()
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0[name] == Value::Bool(true)
    }

    pub fn time(&self, name: &str) -> Option<Duration> {
        self.0[name].as_f64().map(|milliseconds| Duration::from_secs_f64(milliseconds / 1000.0))
    }

    pub fn document(&self, name: &str) -> Document {
        self.0[name].as_object().cloned().unwrap_or_default()
    }

    pub fn list(&self, name: &str) -> impl Iterator<Item = &Value> {
        self.0[name].as_array().into_iter().flatten()
    }

    pub fn targets(&self) -> Vec<Target> {
        let target = |form: &Value| {
            let target = match form["id"].as_str() {
                Some(id) => Target::id(id),
                None => Target::prefix(form["prefix"].as_str().unwrap_or_default()),
            };
            target.only(form["paths"].as_array().into_iter().flatten().map(path))
        };
        self.list("targets").map(target).collect()
    }

    /// Paths of PEM files, and the name in the server's certificate.
    pub fn tls(&self) -> Result<Option<Tls>, Failure> {
        let text = |name: &str| self.0["tls"][name].as_str();
        let read = |path: &str| std::fs::read(path).map_err(|error| Failure::from(format!("{path}: {error}")));
        let Some(ca) = text("ca") else { return Ok(None) };
        let mut tls = Tls::ca(read(ca)?);
        if let (Some(certificate), Some(key)) = (text("cert"), text("key")) {
            tls = tls.identity(read(certificate)?, read(key)?);
        }
        if let Some(name) = text("serverName") {
            tls = tls.server_name(name);
        }
        Ok(Some(tls))
    }

    /// Of a sync or a wait.
    pub fn known_position(&self) -> Option<Position> {
        self.0["known"].is_object().then(|| position(&self.0["known"]))
    }

    /// Of a watch.
    pub fn known(&self) -> HashMap<String, Position> {
        let known = self.0["known"].as_object().into_iter().flatten();
        known.map(|(id, at)| (id.clone(), position(at))).collect()
    }

    pub fn edited(&self, mut update: Update) -> Result<Update, Failure> {
        if self.0["changes"].is_object() {
            update = update.merge(self.0["changes"].clone());
        }
        for mutation in self.list("mutations") {
            update = mutated(update, mutation)?;
        }
        Ok(update)
    }
}

pub fn bytes(value: &Value) -> Result<Vec<u8>, Failure> {
    let text = value.as_str().ok_or_else(|| Failure::from("no bytes".to_owned()))?;
    BASE64_STANDARD.decode(text).map_err(|error| Failure::from(error.to_string()))
}

pub fn position(value: &Value) -> Position {
    let text = |name: &str| value[name].as_str().unwrap_or_default().to_owned();
    Position { epoch: text("epoch"), version: value["version"].as_u64().unwrap_or_default(), digest: text("digest") }
}

fn mutated(update: Update, mutation: &Value) -> Result<Update, Failure> {
    let elements = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let small = |value: &Value| value.as_u64().unwrap_or_default() as u32;
    let path: Vec<&str> = mutation["path"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    // A set of null is one.
    if let Some(value) = mutation.get("set") {
        return Ok(update.set(path, value.clone()));
    }
    if mutation["remove"] == Value::Bool(true) {
        return Ok(update.remove(path));
    }
    if let Some(by) = mutation["increment"].as_f64() {
        return Ok(update.increment(path, by));
    }
    if mutation["append"].is_array() {
        return Ok(update.append(path, elements(&mutation["append"])));
    }
    let splice = &mutation["splice"];
    if splice.is_object() {
        let (index, remove_count) = (small(&splice["index"]), small(&splice["removeCount"]));
        return Ok(update.splice(path, index, remove_count, elements(&splice["insert"])));
    }
    if let Some(text) = mutation["appendText"].as_str() {
        return Ok(update.append_text(path, text));
    }
    let edit = &mutation["spliceText"];
    if let Some(insert) = edit["insert"].as_str() {
        return Ok(update.splice_text(path, small(&edit["index"]), small(&edit["removeCount"]), insert));
    }
    Err(Failure::from(format!("no operation in {mutation}")))
}

/// The write options of a line, put on a call.
pub trait Optioned: Sized {
    fn optioned(self, args: &Args) -> Self;
}

macro_rules! optioned {
    ($call:ty: $($option:ident)*) => {
        impl Optioned for $call {
            fn optioned(mut self, args: &Args) -> Self {
                $(optioned!($option self args);)*
                self
            }
        }
    };
    (expected $call:ident $args:ident) => {
        if let Some(version) = $args.0["expected"]["version"].as_u64() {
            $call = $call.if_version(version);
        }
        if $args.0["expected"]["position"].is_object() {
            $call = $call.if_position(position(&$args.0["expected"]["position"]));
        }
        let unchanged = &$args.0["expected"]["unchanged"];
        if unchanged.is_object() {
            let paths = unchanged["paths"].as_array().into_iter().flatten().map(path);
            $call = $call.if_unchanged(position(&unchanged["since"]), paths);
        }
        $call = $call.if_checks($args.list("checks").map(check));
    };
    (absent $call:ident $args:ident) => {
        if $args.0["expected"]["absent"] == Value::Bool(true) {
            $call = $call.if_absent();
        }
    };
    (request_id $call:ident $args:ident) => {
        if let Some(id) = $args.text("requestId") {
            $call = $call.request_id(id);
        }
    };
    (annotations $call:ident $args:ident) => {
        for (key, value) in $args.0["annotations"].as_object().into_iter().flatten() {
            $call = $call.annotate(key, value.as_str().unwrap_or_default());
        }
    };
    (ttl $call:ident $args:ident) => {
        if let Some(ttl) = $args.time("ttl") {
            $call = $call.ttl(ttl);
        }
    };
    (allow_missing $call:ident $args:ident) => {
        if $args.flag("allowMissing") {
            $call = $call.allow_missing();
        }
    };
    (returning $call:ident $args:ident) => {
        let asked = |name: &str| $args.0["returning"][name] == Value::Bool(true);
        if asked("context") {
            $call = $call.return_context();
        }
        if asked("delta") {
            $call = $call.return_delta();
        }
        if asked("oldValues") {
            $call = $call.return_old_values();
        }
        if let Some(format) = $args.0["returning"]["format"].as_str() {
            $call = $call.return_format(format);
        }
    };
}

optioned!(Set: expected absent request_id annotations ttl returning);
optioned!(Update: expected absent request_id annotations ttl allow_missing returning);
optioned!(Revert: expected request_id annotations ttl returning);
optioned!(Delete: expected request_id annotations allow_missing);
optioned!(Touch: ttl);
