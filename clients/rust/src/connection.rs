//! What all calls, watches and replicas of a client share: connections, token, retries, and a bound on calls.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tonic::metadata::MetadataMap;
use tonic::{Response, Status};

use crate::channel::Channels;
use crate::error::{Error, is_of_transport};
use crate::proto::chord::v1 as wire;
use crate::proto::chord::v1::context_service_client::ContextServiceClient;
use crate::proto::chord::v1::sync_service_client::SyncServiceClient;
use crate::retry::{Retry, retrying};
use crate::time::{TIMEOUT_MAX, after};
use crate::token::Authorization;
use crate::transport::Channel;

#[derive(Debug, Clone)]
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) deadline: Duration,
    /// Of pages; 0: the server's.
    pub(crate) page_size: i32,
    /// Its calls go on when the client is closed: of presences, which remove their members then.
    pub(crate) outlives: bool,
    /// The program's headers of each call.
    pub(crate) metadata: Option<Arc<MetadataMap>>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) channels: Channels,
    pub(crate) authorization: Option<Authorization>,
    pub(crate) retry: Retry,
    /// As many tries may be under way at once.
    pub(crate) calls: Semaphore,
    pub(crate) outage: Outage,
    /// True for good once the client is closed.
    pub(crate) closed: watch::Sender<bool>,
    /// How many presences are open.
    pub(crate) presences: watch::Sender<usize>,
}

impl Connection {
    /// One call with all its tries.
    pub(crate) async fn call<Req, Res, F>(
        &self,
        message: Req,
        attempt: impl Fn(Channel, tonic::Request<Req>) -> F,
    ) -> Result<Res, Error>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        self.tried(&self.shared.retry, message, attempt).await
    }

    /// One call with as many tries as the policy has.
    pub(crate) async fn tried<Req, Res, F>(
        &self,
        retry: &Retry,
        message: Req,
        attempt: impl Fn(Channel, tonic::Request<Req>) -> F,
    ) -> Result<Res, Error>
    where
        Req: Clone,
        F: Future<Output = Result<Response<Res>, Status>>,
    {
        let shared = &*self.shared;
        let end = after(self.deadline);
        let tries = retrying(retry, end, || async {
            // The wait for other calls takes from the deadline, but not from the time of a try.
            let permit = timeout_at(end, shared.calls.acquire()).await;
            let permit =
                permit.map_err(|_| Error::deadline_exceeded("no answer in time to the calls before this one"))?;
            let late = end.min(after(retry.attempt_timeout));
            let mut request = self.request(message.clone())?;
            // tonic heeds this, too, and would call it CANCELLED: our own clock has to come first.
            let timeout = late.saturating_duration_since(Instant::now()) + Duration::from_secs(1);
            request.set_timeout(timeout.min(TIMEOUT_MAX));
            let answer = timeout_at(late, attempt(shared.channels.for_calls(), request)).await;
            drop(permit);
            let answer = answer.map_err(|_| Error::deadline_exceeded("no answer in time"))?;
            Ok(shared.outage.noted(answer)?.into_inner())
        });
        self.unless_closed(tries).await
    }

    /// One try that lasts until `end`, and needs no turn among the calls: it lasts as a watch does, and takes the place of one.
    pub(crate) async fn long_call(
        &self,
        message: wire::WaitContextRequest,
        channel: &Channel,
        end: Instant,
    ) -> Result<wire::WaitContextResponse, Error> {
        let mut request = self.request(message)?;
        // tonic heeds this, too, and would call it CANCELLED: our own clock has to come first.
        let timeout = end.saturating_duration_since(Instant::now()) + Duration::from_secs(1);
        request.set_timeout(timeout.min(TIMEOUT_MAX));
        let answer = timeout_at(end, syncs(channel.clone()).wait_context(request)).await;
        let answer = answer.map_err(|_| Error::deadline_exceeded("the checks were not met in time"))?;
        Ok(self.shared.outage.noted(answer)?.into_inner())
    }

    /// The work, but for a client that is closed, or becomes so meanwhile.
    pub(crate) async fn unless_closed<T>(&self, work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        if self.outlives {
            return work.await;
        }
        let mut closed = self.shared.closed.subscribe();
        let closing = pin!(closed.wait_for(|closed| *closed));
        match select(closing, pin!(work)).await {
            Either::Left(_) => Err(Error::closed("the client is closed")),
            Either::Right((result, _)) => result,
        }
    }

    pub(crate) async fn open_watch(
        &self,
        message: wire::WatchContextsRequest,
        channel: Channel,
    ) -> Result<tonic::Streaming<wire::WatchContextsResponse>, Error> {
        let answer = syncs(channel).watch_contexts(self.request(message)?).await;
        Ok(self.shared.outage.noted(answer)?.into_inner())
    }

    /// Whether a new token may be had for one that was refused.
    pub(crate) fn renews_token(&self) -> bool {
        matches!(self.shared.authorization, Some(Authorization::Source(_)))
    }

    pub(crate) fn request<T>(&self, message: T) -> Result<tonic::Request<T>, Error> {
        let mut request = tonic::Request::new(message);
        if let Some(headers) = &self.metadata {
            *request.metadata_mut() = (**headers).clone();
        }
        if let Some(authorization) = &self.shared.authorization {
            request.metadata_mut().insert("authorization", authorization.value()?);
        }
        Ok(request)
    }
}

/// Knows when the server can be reached again: watches that wait to connect need not wait longer than calls.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    is_on: AtomicBool,
    over: watch::Sender<()>,
}

impl Outage {
    /// Only failures of the connection begin one. A server that refuses can be reached.
    pub(crate) fn noted<T>(&self, answer: Result<T, Status>) -> Result<T, Status> {
        match &answer {
            Err(status) if is_of_transport(status) => self.is_on.store(true, Ordering::Relaxed),
            _ if self.is_on.load(Ordering::Relaxed) => {
                self.is_on.store(false, Ordering::Relaxed);
                self.over.send_replace(());
            }
            _ => {}
        }
        answer
    }

    /// Changes at the end of each outage.
    pub(crate) fn ends(&self) -> watch::Receiver<()> {
        self.over.subscribe()
    }
}

// A delta with its old values may be larger than a document: no limit on what is received.

pub(crate) fn contexts(channel: Channel) -> ContextServiceClient<Channel> {
    ContextServiceClient::new(channel).max_decoding_message_size(usize::MAX)
}

pub(crate) fn syncs(channel: Channel) -> SyncServiceClient<Channel> {
    SyncServiceClient::new(channel).max_decoding_message_size(usize::MAX)
}
