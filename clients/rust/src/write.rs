//! The writes: each is a builder that is sent when it is awaited.

use std::collections::btree_map::Entry;
use std::pin::Pin;
use std::time::Duration;

use prost_types::Struct;
use prost_types::value::Kind as ValueKind;
use serde_json::Value;

use crate::batch::Batched;
use crate::conditions::Check;
use crate::connection::{Connection, contexts};
use crate::convert::{to_checks, to_duration, to_paths};
use crate::error::Error;
use crate::model::{DeleteResult, Head, Position, WriteResult};
use crate::proto::chord::v1::expected::Condition;
use crate::proto::chord::v1::mutation::Operation;
use crate::proto::chord::v1::write::Write as Kind;
use crate::proto::chord::v1::{self as wire};
use crate::value::{Unsendable, to_list, to_struct, to_value};

/// Creates a context, or replaces its document: see [`Client::set`](crate::Client::set).
#[derive(Debug, Clone)]
#[must_use = "a write is sent when it is awaited"]
pub struct Set(Pending<wire::SetContextRequest>);

/// Changes parts of a document: see [`Client::update`](crate::Client::update). What is merged comes first, then all else in its order.
///
/// Paths are object keys from the root, never empty; each is one key as it stands. Objects that are missing on them are
/// created.
#[derive(Debug, Clone)]
#[must_use = "a write is sent when it is awaited"]
pub struct Update(Pending<wire::UpdateContextRequest>);

/// Writes the document of an earlier version: see [`Client::revert`](crate::Client::revert).
#[derive(Debug, Clone)]
#[must_use = "a write is sent when it is awaited"]
pub struct Revert(Pending<wire::RevertContextRequest>);

/// Removes a context: see [`Client::delete`](crate::Client::delete).
#[derive(Debug, Clone)]
#[must_use = "a write is sent when it is awaited"]
pub struct Delete(Pending<wire::DeleteContextRequest>);

/// Renews a time to live: see [`Client::touch`](crate::Client::touch).
#[derive(Debug, Clone)]
#[must_use = "a write is sent when it is awaited"]
pub struct Touch(Pending<wire::TouchContextRequest>);

#[derive(Debug, Clone)]
struct Pending<R> {
    connection: Connection,
    /// Or the first thing in it that cannot be sent.
    request: Result<R, Error>,
}

impl<R> Pending<R> {
    fn with(self, edit: impl FnOnce(&mut R)) -> Self {
        self.try_with(|request| {
            edit(request);
            Ok(())
        })
    }

    fn try_with(mut self, edit: impl FnOnce(&mut R) -> Result<(), Error>) -> Self {
        if let Ok(request) = &mut self.request
            && let Err(error) = edit(request)
        {
            self.request = Err(error);
        }
        self
    }
}

impl Set {
    pub(crate) fn new(connection: Connection, context_id: String, value: Value) -> Self {
        let request = to_document("value", value).map(|value| wire::SetContextRequest {
            context_id,
            value: Some(value),
            ..Default::default()
        });
        Self(Pending { connection, request })
    }
}

impl Update {
    pub(crate) fn new(connection: Connection, context_id: String) -> Self {
        let request = wire::UpdateContextRequest { context_id, ..Default::default() };
        Self(Pending { connection, request: Ok(request) })
    }

    /// Starts from {} where the context is missing. Else that is NOT_FOUND.
    pub fn allow_missing(self) -> Self {
        Self(self.0.with(|request| request.allow_missing = true))
    }

    /// Merges objects member by member; everything else replaces. `null` stores null. Of several, each is merged into
    /// those before; one that puts an object in place of a value of another kind is refused, since the document may hold
    /// an object there that had to go first: use [`set`](Self::set).
    pub fn merge(self, changes: impl Into<Value>) -> Self {
        Self(self.0.try_with(|request| {
            let changes = to_document("changes", changes.into())?;
            match &mut request.changes {
                None => request.changes = Some(changes),
                Some(before) => merge(before, changes).map_err(|problem| unsendable("changes", problem))?,
            }
            Ok(())
        }))
    }

    /// Stores a value, null included, in place of whatever is there.
    pub fn set(self, path: impl IntoIterator<Item = impl Into<String>>, value: impl Into<Value>) -> Self {
        self.mutate(path, "set", || Ok(Operation::Set(to_value(value.into(), 1)?)))
    }

    /// Stores a value that removes itself when this time has passed, unless it is set or touched again: 1 s to 365 days.
    pub fn set_for(
        self,
        path: impl IntoIterator<Item = impl Into<String>>,
        value: impl Into<Value>,
        ttl: Duration,
    ) -> Self {
        Self(self.set(path, value).0.try_with(|request| {
            let field = format!("mutations[{}].ttl", request.mutations.len() - 1);
            if let Some(mutation) = request.mutations.last_mut() {
                mutation.ttl = Some(to_duration(&field, ttl)?);
            }
            Ok(())
        }))
    }

    /// Removes a member; nothing happens where it is missing.
    pub fn remove(self, path: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.mutate(path, "remove", || Ok(Operation::Remove(true)))
    }

    /// Adds to a number; a missing member counts as 0.
    pub fn increment(self, path: impl IntoIterator<Item = impl Into<String>>, by: f64) -> Self {
        let problem = || Unsendable::new(format!("{by} is not a number of JSON"));
        self.mutate(path, "increment", || if by.is_finite() { Ok(Operation::Increment(by)) } else { Err(problem()) })
    }

    /// Adds elements at the end of a list; a missing member counts as the empty list.
    pub fn append(
        self,
        path: impl IntoIterator<Item = impl Into<String>>,
        values: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Self {
        self.mutate(path, "append", || Ok(Operation::Append(wire::ListValues { values: elements(values)? })))
    }

    /// Removes elements of a list at `index`, then inserts others there.
    pub fn splice(
        self,
        path: impl IntoIterator<Item = impl Into<String>>,
        index: u32,
        remove_count: u32,
        insert: impl IntoIterator<Item = impl Into<Value>>,
    ) -> Self {
        self.mutate(path, "splice.insert", || {
            Ok(Operation::Splice(wire::ListSplice { index, remove_count, insert: elements(insert)? }))
        })
    }

    /// Adds text at the end of a string; a missing member counts as the empty string.
    pub fn append_text(self, path: impl IntoIterator<Item = impl Into<String>>, text: impl Into<String>) -> Self {
        self.mutate(path, "append_text", || Ok(Operation::AppendText(text.into())))
    }

    /// Removes code points of a string at `index`, then inserts text there. Index and count are in code points (`char`s).
    pub fn splice_text(
        self,
        path: impl IntoIterator<Item = impl Into<String>>,
        index: u32,
        remove_count: u32,
        insert: impl Into<String>,
    ) -> Self {
        self.mutate(path, "splice_text", || {
            Ok(Operation::SpliceText(wire::TextEdit { index, remove_count, insert: insert.into() }))
        })
    }

    fn mutate(
        self,
        path: impl IntoIterator<Item = impl Into<String>>,
        field: &str,
        operation: impl FnOnce() -> Result<Operation, Unsendable>,
    ) -> Self {
        Self(self.0.try_with(|request| {
            let field = || format!("mutations[{}].{field}", request.mutations.len());
            let operation = Some(operation().map_err(|problem| unsendable(&field(), problem))?);
            let path = path.into_iter().map(Into::into).collect();
            request.mutations.push(wire::Mutation { path, operation, ..Default::default() });
            Ok(())
        }))
    }
}

impl Delete {
    pub(crate) fn new(connection: Connection, context_id: String) -> Self {
        let request = wire::DeleteContextRequest { context_id, ..Default::default() };
        Self(Pending { connection, request: Ok(request) })
    }

    /// Succeeds also where the context is missing.
    pub fn allow_missing(self) -> Self {
        Self(self.0.with(|request| request.allow_missing = true))
    }
}

impl Revert {
    pub(crate) fn new(connection: Connection, context_id: String, version: u64) -> Self {
        let request = wire::RevertContextRequest { context_id, version, ..Default::default() };
        Self(Pending { connection, request: Ok(request) })
    }
}

impl Touch {
    pub(crate) fn new(connection: Connection, context_id: String) -> Self {
        Self(Pending { connection, request: Ok(wire::TouchContextRequest { context_id, ..Default::default() }) })
    }

    /// Of these members, and not of the context. FAILED_PRECONDITION where one does not expire, or has expired.
    pub fn paths(self, paths: impl IntoIterator<Item = impl IntoIterator<Item = impl Into<String>>>) -> Self {
        Self(self.0.with(|request| request.paths.extend(to_paths(paths))))
    }
}

macro_rules! conditional_and_named {
    ($($call:ident)*) => {$(
        impl $call {
            /// Writes only where the context stands exactly here. Else ABORTED, with a mismatch.
            pub fn if_position(self, position: Position) -> Self {
                self.expecting(Condition::Position(position.into()))
            }

            /// Weaker than `if_position`: it does not tell two lives of a context apart.
            pub fn if_version(self, version: u64) -> Self {
                self.expecting(Condition::Version(version))
            }

            /// Writes only where no version after `since` touched one of the paths, one above or one below it. Else
            /// ABORTED: see [`Error::unmet`]. Splices of the same write name places of the lists and strings at `since`, and
            /// an overlap with later splices is a conflict; without paths nothing else is guarded.
            pub fn if_unchanged(
                self,
                since: Position,
                paths: impl IntoIterator<Item = impl IntoIterator<Item = impl Into<String>>>,
            ) -> Self {
                let unchanged = wire::Unchanged { since: Some(since.into()), paths: to_paths(paths) };
                self.expecting(Condition::Unchanged(unchanged))
            }

            /// Writes only where all checks hold on the document that the write meets, before its own changes. Else
            /// ABORTED: see [`Error::unmet`]. Given more than once, all hold; they stand beside the other conditions, of
            /// which the last one counts.
            pub fn if_checks(self, checks: impl IntoIterator<Item = Check>) -> Self {
                Self(self.0.try_with(|request| {
                    let checks = to_checks("expected.checks", checks)?;
                    // A condition that names nothing is refused.
                    if !checks.is_empty() {
                        request.expected.get_or_insert_default().checks.extend(checks);
                    }
                    Ok(())
                }))
            }

            fn expecting(self, condition: Condition) -> Self {
                Self(self.0.with(|request| request.expected.get_or_insert_default().condition = Some(condition)))
            }

            /// Kept with the version, for its history: at most 32 texts, 1 KiB in all. Of a delete, in the audit log alone.
            pub fn annotate(self, key: impl Into<String>, value: impl Into<String>) -> Self {
                Self(self.0.with(|request| {
                    request.annotations.insert(key.into(), value.into());
                }))
            }

            /// Names the write: a repeat answers what the first one did, and writes nothing. Without it the write has
            /// a random one, for the tries of this call.
            pub fn request_id(self, id: impl Into<String>) -> Self {
                Self(self.0.with(|request| request.request_id = id.into()))
            }
        }
    )*};
}
conditional_and_named!(Set Update Revert Delete);

macro_rules! with_ttl {
    ($($call:ident)*) => {$(
        impl $call {
            /// How long the context lives from now on, renewed by each write and touch; zero: until it is deleted.
            /// Without it that stays as before.
            pub fn ttl(self, ttl: Duration) -> Self {
                Self(self.0.try_with(|request| {
                    request.ttl = Some(to_duration("ttl", ttl)?);
                    Ok(())
                }))
            }
        }
    )*};
}
with_ttl!(Set Update Revert Touch);

macro_rules! creating {
    ($($call:ident)*) => {$(
        impl $call {
            /// Writes only where the context does not exist. Else ABORTED, with a mismatch.
            pub fn if_absent(self) -> Self {
                self.expecting(Condition::Absent(true))
            }
        }
    )*};
}
creating!(Set Update);

macro_rules! returning {
    ($($call:ident)*) => {$(
        impl $call {
            /// Asks for the context as it is after this write.
            pub fn return_context(self) -> Self {
                self.returning(|options| options.context = true)
            }

            /// Asks for what this write changed.
            pub fn return_delta(self) -> Self {
                self.returning(|options| options.delta = true)
            }

            /// Asks for what this write changed, with the old values.
            pub fn return_old_values(self) -> Self {
                self.returning(|options| (options.delta, options.old_values) = (true, true))
            }

            /// Asks for what this write changed, in a format: see [`Watch::format`](crate::Watch::format).
            pub fn return_format(self, name: impl Into<String>) -> Self {
                self.returning(|options| (options.delta, options.format) = (true, name.into()))
            }

            fn returning(self, ask: impl FnOnce(&mut wire::ReturnOptions)) -> Self {
                Self(self.0.with(|request| ask(request.returning.get_or_insert_default())))
            }
        }
    )*};
}
returning!(Set Update Revert);

/// A name of its own for each write that is sent, the same for all its tries.
macro_rules! name {
    (Touch $request:ident) => {};
    ($call:ident $request:ident) => {
        if $request.request_id.is_empty() {
            $request.request_id = uuid::Uuid::new_v4().to_string();
        }
    };
}

macro_rules! sent_when_awaited {
    ($call:ident, $method:ident, $answer:ty, $from:expr) => {
        impl IntoFuture for $call {
            type Output = Result<$answer, Error>;
            type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(async move {
                    let Pending { connection, request } = self.0;
                    #[allow(unused_mut, reason = "a touch has no name")]
                    let mut request = request?;
                    name!($call request);
                    let answer = connection.call(request, |c, r| async move { contexts(c).$method(r).await });
                    Ok($from(answer.await?))
                })
            }
        }
    };
}
sent_when_awaited!(Set, set_context, WriteResult, WriteResult::from);
sent_when_awaited!(Update, update_context, WriteResult, WriteResult::from);
sent_when_awaited!(Revert, revert_context, WriteResult, WriteResult::from);
sent_when_awaited!(Delete, delete_context, DeleteResult, DeleteResult::from);
sent_when_awaited!(Touch, touch_context, Head, |answer: wire::TouchContextResponse| {
    Head::from(answer.context.unwrap_or_default())
});

macro_rules! batched {
    ($($call:ident)*) => {$(
        impl From<$call> for Batched {
            fn from(write: $call) -> Self {
                Self { kind: stringify!($call), write: write.0.request.map(Kind::$call) }
            }
        }
    )*};
}
batched!(Set Update Revert Delete Touch);

fn to_document(field: &str, value: Value) -> Result<Struct, Error> {
    match value {
        Value::Object(document) => to_struct(document).map_err(|problem| unsendable(field, problem)),
        _ => Err(Error::unsendable(field, "must be an object")),
    }
}

fn unsendable(field: &str, Unsendable { path, problem }: Unsendable) -> Error {
    Error::unsendable(field.to_owned() + &path, problem)
}

fn elements(values: impl IntoIterator<Item = impl Into<Value>>) -> Result<Vec<prost_types::Value>, Unsendable> {
    to_list(values.into_iter().map(Into::into).collect(), 1)
}

/// As the server merges, so that one request says what several would.
fn merge(before: &mut Struct, changes: Struct) -> Result<(), Unsendable> {
    for (key, change) in changes.fields {
        let member = match before.fields.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(change);
                continue;
            }
            Entry::Occupied(entry) => entry,
        };
        let key = member.key().clone();
        match (&mut member.into_mut().kind, change.kind) {
            (Some(ValueKind::StructValue(before)), Some(ValueKind::StructValue(change))) => {
                merge(before, change).map_err(|problem| problem.in_member(&key))?;
            }
            (_, Some(ValueKind::StructValue(_))) => {
                let problem = "an object cannot be merged over a value of another kind that is merged before it";
                return Err(Unsendable::new(problem.to_owned()).in_member(&key));
            }
            (before, change) => *before = change,
        }
    }
    Ok(())
}
