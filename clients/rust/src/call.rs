//! Calls that have no method of their own, by the generated stubs.

use std::sync::Arc;
use std::time::Duration;

use tonic::{Request, Response, Status, Streaming};

use crate::client::Client;
use crate::connection::Connection;
use crate::error::Error;
use crate::retry::Retry;
use crate::stream::ResultStream;
use crate::transport::Channel;

impl Client {
    /// Any call with one answer, by the stubs of [`proto`](crate::proto), for what has no method here: with the connection, token,
    /// deadline and errors of this client, as one of its calls in flight. It has one try.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// use chordstate::proto::chord::v1::{RunCleanupRequest, cleanup_service_client::CleanupServiceClient};
    ///
    /// let request = RunCleanupRequest { dry_run: true, ..Default::default() };
    /// let due = client
    ///     .call(request, |channel, request| async move { CleanupServiceClient::new(channel).run_cleanup(request).await })
    ///     .await?;
    /// println!("{:?}", due.result);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn call<Req, Res, F>(
        &self,
        request: Req,
        attempt: impl Fn(Channel, Request<Req>) -> F,
    ) -> Result<Res, Error>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        // All the time of the call is that of its try.
        let once = Retry { attempts: 1, attempt_timeout: Duration::MAX, ..self.0.shared.retry.clone() };
        self.0.tried(&once, request, attempt).await
    }

    /// As [`call`](Self::call), tried again as the client's own calls are: for reads, and for writes with a request id, whose
    /// repeat does no harm.
    pub async fn call_repeatable<Req, Res, F>(
        &self,
        request: Req,
        attempt: impl Fn(Channel, Request<Req>) -> F,
    ) -> Result<Res, Error>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        self.0.call(request, attempt).await
    }

    /// As [`call`](Self::call), for those that answer a stream. It has no deadline, counts as a watch, begins when its first
    /// message is asked for, and is closed by dropping it.
    ///
    /// ```no_run
    /// # async fn run(client: chordstate::Client) -> Result<(), chordstate::Error> {
    /// use chordstate::proto::chord::v1::{ExportContextsRequest, transfer_service_client::TransferServiceClient};
    ///
    /// let request = ExportContextsRequest { prefix: "room:".into(), history: true };
    /// let mut progress = client.stream(request, |channel, request| async move {
    ///     TransferServiceClient::new(channel).export_contexts(request).await
    /// });
    /// while let Some(message) = progress.next().await {
    ///     println!("{:?}", message?.progress);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream<Req, Res, F>(
        &self,
        request: Req,
        open: impl FnOnce(Channel, Request<Req>) -> F + Send + 'static,
    ) -> ResultStream<Res>
    where
        Req: Send + 'static,
        Res: Send + 'static,
        F: Future<Output = Result<Response<Streaming<Res>>, Status>> + Send + 'static,
    {
        let start = Answers::Start { connection: self.0.clone(), request, open };
        ResultStream::unfold(start, |answers| async move {
            let (connection, channel, mut stream) = match answers {
                Answers::Open { connection, channel, stream } => (connection, channel, stream),
                Answers::Start { connection, request, open } => {
                    let channel = connection.shared.channels.for_watch();
                    let opening = async {
                        let answer = open((*channel).clone(), connection.request(request)?).await;
                        Ok(Box::new(connection.shared.outage.noted(answer)?.into_inner()))
                    };
                    match connection.unless_closed(opening).await {
                        Ok(stream) => (connection, channel, stream),
                        Err(error) => return Some((Err(error), Answers::End)),
                    }
                }
                Answers::End => return None,
            };
            let message = async { Ok(connection.shared.outage.noted(stream.message().await)?) };
            let message = connection.unless_closed(message).await.transpose()?;
            Some((message, Answers::Open { connection, channel, stream }))
        })
    }
}

enum Answers<Req, Res, O> {
    Start { connection: Connection, request: Req, open: O },
    Open { connection: Connection, channel: Arc<Channel>, stream: Box<Streaming<Res>> },
    End,
}
