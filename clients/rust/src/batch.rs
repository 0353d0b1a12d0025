//! Several writes as one.

use std::pin::Pin;

use crate::connection::{Connection, contexts};
use crate::error::Error;
use crate::model::BatchResult;
use crate::proto::chord::v1::write::Write as Kind;
use crate::proto::chord::v1::{self as wire};

/// Several writes as one: see [`Client::batch`](crate::Client::batch). Where one of them is refused, so is the batch; the
/// violations of its error name the write, as `writes[2]`. Answers in the order of the writes.
///
/// On Redis all contexts must lie in one partition: ids with the same part in braces do, as `{room:1}:members` and
/// `{room:1}:topic`.
#[derive(Debug, Clone)]
#[must_use = "a batch is sent when it is awaited"]
pub struct Batch {
    connection: Connection,
    writes: Vec<Batched>,
    request_id: String,
}

/// A write of a [`Batch`]: made from [`Set`](crate::Set), [`Update`](crate::Update), [`Revert`](crate::Revert),
/// [`Delete`](crate::Delete) or [`Touch`](crate::Touch), of any client.
#[derive(Debug, Clone)]
pub struct Batched {
    pub(crate) kind: &'static str,
    pub(crate) write: Result<Kind, Error>,
}

impl Batch {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, writes: Vec::new(), request_id: String::new() }
    }

    /// Adds a write, of a context that no other write of the batch names: 1 to 100. It must have no request id of its own.
    pub fn write(mut self, write: impl Into<Batched>) -> Self {
        self.writes.push(write.into());
        self
    }

    /// Names the batch: a repeat answers what the first one did, and writes nothing. Without it the batch has a random one, for
    /// the tries of this call.
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = id.into();
        self
    }

    async fn sent(self) -> Result<Vec<BatchResult>, Error> {
        let mut writes = Vec::with_capacity(self.writes.len());
        for (index, Batched { kind, write }) in self.writes.into_iter().enumerate() {
            let write = write.map_err(|error| in_batch(index, kind, &error))?;
            writes.push(wire::Write { write: Some(write) });
        }
        let touches: Vec<bool> = writes.iter().map(|each| matches!(each.write, Some(Kind::Touch(_)))).collect();
        let named = !self.request_id.is_empty();
        let request_id = if named { self.request_id } else { uuid::Uuid::new_v4().to_string() };
        let request = wire::BatchWriteRequest { writes, request_id };
        let answer = self.connection.call(request, |c, r| async move { contexts(c).batch_write(r).await }).await?;
        Ok(answer.results.into_iter().zip(touches).map(|(result, touch)| BatchResult::of(result, touch)).collect())
    }
}

/// The error of a write that cannot be sent, with the place of the write before its field.
fn in_batch(index: usize, kind: &str, error: &Error) -> Error {
    match error.violations() {
        [fault, ..] => {
            let field = format!("writes[{index}].{}.{}", kind.to_lowercase(), fault.field);
            Error::unsendable(field, fault.description.clone())
        }
        [] => error.clone(),
    }
}

impl IntoFuture for Batch {
    type Output = Result<Vec<BatchResult>, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.sent())
    }
}
