//! Ops on a server, through one client.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chordstate::{Client, Error, Presence, Retry};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::args::{Args, Optioned};
use crate::conditions::path;
use crate::forms::{self, Failure};
use crate::handles::{CopyHandle, WatchHandle};

#[derive(Default)]
pub struct Driver {
    client: Option<Client>,
    pub watches: HashMap<String, WatchHandle>,
    pub copies: HashMap<String, CopyHandle>,
    presences: HashMap<String, Presence>,
    handles: usize,
}

impl Driver {
    pub async fn run(&mut self, args: &Args) -> Result<Value, Failure> {
        match args.text("op").unwrap_or_default() {
            "connect" => self.connect(args),
            "set" => {
                let set = self.client()?.set(args.id(), args.document("value")).optioned(args);
                Ok(forms::written(&set.await?))
            }
            "update" => {
                let update = args.edited(self.client()?.update(args.id()))?.optioned(args);
                Ok(forms::written(&update.await?))
            }
            "revert" => {
                let version = args.number("version").unwrap_or_default();
                Ok(forms::written(&self.client()?.revert(args.id(), version).optioned(args).await?))
            }
            "batch" => self.batch(args).await,
            "get" => self.get(args).await,
            "edit" => self.edit(args).await,
            "wait" => self.wait(args).await,
            "delete" => {
                let deleted = self.client()?.delete(args.id()).optioned(args).await?;
                Ok(json!({ "position": deleted.position.as_ref().map(forms::position), "changed": deleted.changed }))
            }
            "touch" => Ok(forms::head(&self.client()?.touch(args.id()).optioned(args).await?)),
            "presence" => self.presence(args).await,
            "list" => self.list(args).await,
            "sync" => {
                let mut sync =
                    self.client()?.sync(args.id(), args.known_position()).paths(args.list("paths").map(path));
                if args.flag("includeOldValues") {
                    sync = sync.include_old_values();
                }
                let result = sync.format(args.text("format").unwrap_or_default()).await?;
                Ok(json!({ "result": forms::sync(&result) }))
            }
            "deltas" => self.deltas(args).await,
            "blame" => self.blame(args).await,
            "burst" => self.burst(args).await,
            "watch" => self.watch(args),
            "next" => self.next(args).await,
            "replica" => self.copy(args).await,
            "read" => self.read(args).await,
            "seen" => self.seen(args).await,
            "ended" => self.ended(args).await,
            "close" => self.close(args).await,
            op => Err(Failure::from(format!("no op {op:?}"))),
        }
    }

    pub fn client(&self) -> Result<&Client, Failure> {
        self.client.as_ref().ok_or_else(|| Failure::from("not connected".to_owned()))
    }

    pub fn new_handle(&mut self) -> String {
        self.handles += 1;
        format!("h{}", self.handles)
    }

    fn connect(&mut self, args: &Args) -> Result<Value, Failure> {
        let mut builder = Client::builder(args.text("address").unwrap_or_default());
        builder = builder.deadline(args.time("deadline").unwrap_or(Duration::from_secs(10)));
        if let Some(token) = args.text("token") {
            builder = builder.token(token);
        }
        if let Some(path) = args.text("tokenFile").map(str::to_owned) {
            builder = builder.token_source(move || Ok(std::fs::read_to_string(&path)?));
        }
        if let Some(tls) = args.tls()? {
            builder = builder.tls(tls);
        }
        if let Some(attempts) = args.number("attempts") {
            builder = builder.retry(Retry { attempts: attempts as u32, ..Retry::default() });
        }
        self.client = Some(builder.connect()?);
        Ok(json!({}))
    }

    async fn list(&self, args: &Args) -> Result<Value, Failure> {
        let prefix = args.text("prefix").unwrap_or_default();
        let contexts: Vec<Value> = if args.flag("includeValues") {
            self.client()?.list_values(prefix).collect_all().await?.iter().map(forms::context).collect()
        } else {
            self.client()?.list(prefix).collect_all().await?.iter().map(forms::head).collect()
        };
        Ok(json!({ "contexts": contexts }))
    }

    async fn deltas(&self, args: &Args) -> Result<Value, Failure> {
        let from_version = args.number("fromVersion").unwrap_or_default();
        let client = self.client()?.with_page_size(args.number("pageSize").unwrap_or_default() as u16);
        let mut deltas = client.deltas(args.id(), from_version).format(args.text("format").unwrap_or_default());
        if args.flag("includeOldValues") {
            deltas = deltas.include_old_values();
        }
        let pages = deltas.pages().collect_all().await?;
        let deltas: Vec<Value> = pages.iter().flat_map(|page| &page.deltas).map(forms::delta).collect();
        let truncated = pages.iter().any(|page| page.truncated);
        Ok(
            json!({ "deltas": deltas, "truncated": truncated, "head": pages.last().map(|page| forms::position(&page.head)) }),
        )
    }

    async fn blame(&self, args: &Args) -> Result<Value, Failure> {
        let pages = self.client()?.blame_paths(args.id(), args.list("paths").map(path)).collect_all().await?;
        let lines: Vec<Value> = pages.iter().flat_map(|page| &page.lines).map(forms::line).collect();
        let last = pages.last();
        let older_than = last.and_then(|page| page.older_than).unwrap_or_default();
        Ok(
            json!({ "lines": lines, "position": last.map(|page| forms::position(&page.position)), "olderThan": older_than }),
        )
    }

    async fn batch(&self, args: &Args) -> Result<Value, Failure> {
        let client = self.client()?;
        let mut batch = client.batch().request_id(args.text("requestId").unwrap_or_default());
        for form in args.list("writes") {
            let write = Args(form.clone());
            let id = write.id();
            batch = match write.text("op").unwrap_or_default() {
                "set" => batch.write(client.set(id, write.document("value")).optioned(&write)),
                "update" => batch.write(write.edited(client.update(id))?.optioned(&write)),
                "revert" => {
                    batch.write(client.revert(id, write.number("version").unwrap_or_default()).optioned(&write))
                }
                "delete" => batch.write(client.delete(id).optioned(&write)),
                _ => batch.write(client.touch(id).optioned(&write)),
            };
        }
        let results = batch.await?;
        Ok(json!({ "results": results.iter().map(forms::batched).collect::<Vec<_>>() }))
    }

    async fn burst(&self, args: &Args) -> Result<Value, Failure> {
        let next = Arc::new(AtomicU64::new(0));
        let count = args.number("count").unwrap_or_default();
        let (id, name) = (args.id().to_owned(), args.text("name").unwrap_or_default().to_owned());
        let mut workers = JoinSet::new();
        for _ in 0..args.number("concurrency").unwrap_or(1) {
            workers.spawn(work(self.client()?.clone(), id.clone(), name.clone(), count, next.clone()));
        }
        let (versions, errors): (Vec<_>, Vec<_>) =
            workers.join_all().await.into_iter().flatten().partition(Result::is_ok);
        let versions: Vec<u64> = versions.into_iter().flatten().collect();
        Ok(json!({ "versions": versions, "failed": errors.len() }))
    }

    async fn presence(&mut self, args: &Args) -> Result<Value, Failure> {
        let ttl = Duration::from_millis(args.number("ttl").unwrap_or_default());
        let report = |error| eprintln!("{error}");
        let presence = self.client()?.presence(args.id(), args.path(), args.0["value"].clone(), ttl, report).await?;
        let handle = self.new_handle();
        self.presences.insert(handle.clone(), presence);
        Ok(json!({ "handle": handle }))
    }

    async fn close(&mut self, args: &Args) -> Result<Value, Failure> {
        let handle = args.text("handle");
        self.watches.retain(|own, _| handle.is_some_and(|handle| handle != own));
        for (_, copy) in self.copies.extract_if(|own, _| handle.is_none_or(|handle| handle == own)) {
            copy.replica.close().await;
        }
        for (_, presence) in self.presences.extract_if(|own, _| handle.is_some_and(|handle| handle == own)) {
            presence.close().await?;
        }
        if handle.is_none() {
            self.client()?.close().await; // and its presences with it
            self.presences.clear();
        }
        Ok(json!({}))
    }
}

/// Takes numbers as long as there are some.
async fn work(client: Client, id: String, name: String, count: u64, next: Arc<AtomicU64>) -> Vec<Result<u64, Error>> {
    let mut results = Vec::new();
    loop {
        let i = next.fetch_add(1, Ordering::Relaxed);
        if i >= count {
            return results;
        }
        let update = client.update(&id).allow_missing().set([name.clone(), i.to_string()], i).increment(["total"], 1.0);
        let result = update.await.map(|written| written.position.version);
        if let Err(error) = &result {
            eprintln!("{error}");
        }
        results.push(result);
    }
}
