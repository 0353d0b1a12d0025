//! Edits: a document changed by a function of it, made again where other writes came in between.

use std::fmt;
use std::ops::ControlFlow::{self, Break, Continue};
use std::pin::Pin;
use std::time::Duration;

use serde_json::Value;
use tokio::time::{Instant, sleep};
use tonic::Code;

use crate::client::Client;
use crate::error::{Error, Reason};
use crate::model::{Document, Position, WriteResult};
use crate::time::after;
use crate::value::{from_struct, to_struct};
use crate::write::Update;

type Function<'a, E> = Box<dyn FnMut(&mut Document) -> Result<(), E> + Send + 'a>;

/// Changes a document by a function of it: see [`Client::edit`].
#[must_use = "an edit is made when it is awaited"]
pub struct Edit<'a, E = Error> {
    client: Client,
    id: String,
    change: Function<'a, E>,
    reads: Vec<Vec<String>>,
    reads_document: bool,
    allow_missing: bool,
    attempts: u32,
    deadline: Duration,
    /// What each write of the edit has.
    write: Vec<fn(Update) -> Update>,
    ttl: Option<Duration>,
    annotations: Vec<(String, String)>,
}

impl Client {
    /// Changes a document by a function of it, and loses no write of others.
    ///
    /// Reads the document, calls `change` with a copy, and writes the paths that differ, on the condition that no other write
    /// has touched these since: edits of different paths do not disturb each other. Otherwise it begins again, after a
    /// backoff. What `change` reads but does not change is guarded only where [`Edit::reads`] names it.
    ///
    /// `change` is called once or more. Lists and strings are written as a whole; where nothing differs, nothing is written.
    /// NOT_FOUND where the context is missing, unless that is allowed. ABORTED after the last attempt. Where the deadline comes
    /// while a write is under way, DEADLINE_EXCEEDED, and the outcome is unknown; where it comes elsewhere after a conflict,
    /// ABORTED.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// # use chordstate::json;
    /// client.edit("room:1", |room| _ = room.insert("topic".into(), json!("weekly"))).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn edit<'a>(&self, id: impl Into<String>, mut change: impl FnMut(&mut Document) + Send + 'a) -> Edit<'a> {
        self.try_edit(id, move |document| {
            change(document);
            Ok(())
        })
    }

    /// As [`edit`](Self::edit), with a function that may fail: then the edit ends with its error, and nothing is written.
    pub fn try_edit<'a, E: From<Error>>(
        &self,
        id: impl Into<String>,
        change: impl FnMut(&mut Document) -> Result<(), E> + Send + 'a,
    ) -> Edit<'a, E> {
        Edit {
            client: self.clone(),
            id: id.into(),
            change: Box::new(change),
            reads: Vec::new(),
            reads_document: false,
            allow_missing: false,
            attempts: self.0.shared.retry.attempts,
            deadline: self.0.deadline,
            write: Vec::new(),
            ttl: None,
            annotations: Vec::new(),
        }
    }
}

impl<E> Edit<'_, E> {
    /// Paths that the function reads without changing them: where others change one, the edit is made again.
    pub fn reads(mut self, paths: impl IntoIterator<Item = impl IntoIterator<Item = impl Into<String>>>) -> Self {
        self.reads.extend(paths.into_iter().map(|path| path.into_iter().map(Into::into).collect()));
        self
    }

    /// All paths: any other write of the context makes the edit again.
    pub fn reads_document(mut self) -> Self {
        self.reads_document = true;
        self
    }

    /// Where the context is missing, the function gets an empty document. Else that is NOT_FOUND.
    pub fn allow_missing(mut self) -> Self {
        self.allow_missing = true;
        self
    }

    /// How often the function is called at most. Default: the attempts of the client's [`Retry`](crate::Retry).
    pub fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Of the whole edit. Default: the client's.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// As [`Update::ttl`].
    pub fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = Some(ttl);
        self
    }

    /// As [`Update::annotate`].
    pub fn annotate(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.push((key.into(), value.into()));
        self
    }

    /// Asks for the context as it is after the write.
    pub fn return_context(mut self) -> Self {
        self.write.push(Update::return_context);
        self
    }

    /// Asks for what the write changed.
    pub fn return_delta(mut self) -> Self {
        self.write.push(Update::return_delta);
        self
    }

    /// Asks for what the write changed, with the old values.
    pub fn return_old_values(mut self) -> Self {
        self.write.push(Update::return_old_values);
        self
    }
}

impl<E: From<Error>> Edit<'_, E> {
    async fn run(mut self) -> Result<WriteResult, E> {
        let end = after(self.deadline);
        let mut conflict: Option<Error> = None;
        for made in 1.. {
            let update = match self.prepare(end).await? {
                Ok(Continue(update)) => update,
                Ok(Break(result)) => return Ok(result),
                Err(error) => {
                    // Nothing was written: after a conflict, that is why the time was not enough.
                    let late = error.code() == Code::DeadlineExceeded;
                    return Err(conflict.filter(|_| late).unwrap_or(error).into());
                }
            };
            let error = match update.await {
                Ok(result) => return Ok(result),
                Err(error) => error,
            };
            if error.code() != Code::Aborted || made >= self.attempts {
                return Err(error.into());
            }
            conflict = Some(error);
            let left = end.saturating_duration_since(Instant::now());
            sleep(self.client.0.shared.retry.backoff(made - 1).min(left / 2)).await;
        }
        unreachable!("the attempts have an end")
    }

    /// The write of one attempt, or the result where nothing differs. The outer error is the function's.
    async fn prepare(&mut self, end: Instant) -> Result<Result<ControlFlow<WriteResult, Update>, Error>, E> {
        let client = self.client.with_deadline(end.saturating_duration_since(Instant::now()));
        let (before, position) = match client.get(&self.id).await {
            Ok(context) => (context.value, Some(context.position)),
            Err(error) if self.allow_missing && error.reason() == &Reason::NotFound => (Document::new(), None),
            Err(error) => return Ok(Err(error)),
        };
        let mut changed = before.clone();
        (self.change)(&mut changed)?;
        // As it would come back, to be compared: 1.0 is 1.
        let changed = match to_struct(changed) {
            Ok(message) => from_struct(message),
            Err(problem) => return Ok(Err(Error::unsendable(format!("value{}", problem.path), problem.problem))),
        };
        let mut differences = Vec::new();
        compare(&before, changed, &[], &mut differences);
        if let Some(position) = &position
            && differences.is_empty()
        {
            let position = position.clone();
            return Ok(Ok(Break(WriteResult { position, changed: false, context: None, delta: None })));
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Err(Error::deadline_exceeded("the function has taken all the time of the edit")));
        }
        let client = self.client.with_deadline(left);
        Ok(Ok(Continue(self.update(&client, position, differences))))
    }

    fn update(&self, client: &Client, position: Option<Position>, differences: Vec<Difference>) -> Update {
        let mut guarded = self.reads.clone();
        let mut update = client.update(&self.id);
        for (path, value) in differences {
            update = match value {
                Some(value) => update.set(&path, value),
                None => update.remove(&path),
            };
            guarded.push(path);
        }
        update = match position {
            None => update.if_absent().allow_missing(),
            Some(position) if self.reads_document => update.if_position(position),
            Some(position) => update.if_unchanged(position, guarded),
        };
        if let Some(ttl) = self.ttl {
            update = update.ttl(ttl);
        }
        for (key, value) in &self.annotations {
            update = update.annotate(key, value);
        }
        self.write.iter().fold(update, |update, ask| ask(update))
    }
}

impl<'a, E: From<Error> + Send + 'a> IntoFuture for Edit<'a, E> {
    type Output = Result<WriteResult, E>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<E> fmt::Debug for Edit<'_, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Edit").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A path, and the value to set there, or to remove it.
type Difference = (Vec<String>, Option<Value>);

/// At the deepest paths at which both have objects. Numbers of JSON: 0 is not -0.
fn compare(before: &Document, after: Document, path: &[String], differences: &mut Vec<Difference>) {
    let member = |key: &str| path.iter().cloned().chain([key.to_owned()]).collect::<Vec<_>>();
    let gone = before.keys().filter(|key| !after.contains_key(*key));
    differences.extend(gone.map(|key| (member(key), None)));
    for (key, value) in after {
        match (before.get(&key), value) {
            (Some(Value::Object(before)), Value::Object(value)) => compare(before, value, &member(&key), differences),
            (Some(old), value) if *old == value => {}
            (_, value) => differences.push((member(&key), Some(value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_at_the_deepest_objects() {
        let object = |value: Value| value.as_object().unwrap().clone();
        let before = object(json!({ "same": [1], "n": 0, "l": [1], "gone": null, "o": { "x": 1, "p": {} }, "to": {} }));
        let after = object(json!({ "same": [1], "n": -0.0, "l": [1, 2], "o": { "x": 1, "p": { "q": 1 } }, "to": [] }));
        let mut found = Vec::new();
        compare(&before, after, &[], &mut found);
        found.sort_by_key(|(path, _)| path.clone());
        let path = |keys: &[&str]| keys.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            found,
            [
                (path(&["gone"]), None),
                (path(&["l"]), Some(json!([1, 2]))),
                (path(&["n"]), Some(json!(-0.0))),
                (path(&["o", "p", "q"]), Some(json!(1))),
                (path(&["to"]), Some(json!([]))),
            ]
        );
    }
}
