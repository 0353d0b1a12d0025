//! Streams that callers take from.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Stream, stream};

use crate::error::Error;

/// A `Stream` of results. It ends after its first error. What is dropped is cancelled.
#[must_use = "nothing happens until it is asked for items"]
pub struct ResultStream<T>(Pin<Box<dyn Stream<Item = Result<T, Error>> + Send>>);

impl<T> ResultStream<T> {
    /// The next item; `None` at the end. Nothing is lost where the future is dropped before it is ready.
    pub async fn next(&mut self) -> Option<Result<T, Error>> {
        std::future::poll_fn(|context| self.0.as_mut().poll_next(context)).await
    }

    /// All items, up to the first error.
    pub async fn collect_all(mut self) -> Result<Vec<T>, Error> {
        let mut items = Vec::new();
        while let Some(item) = self.next().await {
            items.push(item?);
        }
        Ok(items)
    }
}

impl<T: Send + 'static> ResultStream<T> {
    /// Asks `step` for items until it answers `None` or an error.
    pub(crate) fn unfold<S, F>(state: S, mut step: impl FnMut(S) -> F + Send + 'static) -> Self
    where
        S: Send + 'static,
        F: Future<Output = Option<(Result<T, Error>, S)>> + Send + 'static,
    {
        let until_error = stream::unfold(Some(state), move |state| {
            let item = state.map(&mut step);
            async move {
                let (result, state) = item?.await?;
                let state = result.is_ok().then_some(state);
                Some((result, state))
            }
        });
        Self(Box::pin(until_error))
    }
}

impl<T> Stream for ResultStream<T> {
    type Item = Result<T, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.as_mut().poll_next(context)
    }
}
