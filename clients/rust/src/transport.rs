//! What calls go over: a connection, and what the program has put around it.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::TryFutureExt;
use futures_util::future::{BoxFuture, Either, ErrInto};
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, Bytes, StdError, http};
use tonic::transport::channel::ResponseFuture;
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceExt};

use crate::balance::Turns;

type Request = http::Request<Body>;
type Response = http::Response<Body>;
type Layered = BoxCloneSyncService<Request, Response, StdError>;
type Sent = Either<ErrInto<ResponseFuture, StdError>, BoxFuture<'static, Result<Response, StdError>>>;

/// What the generated stubs of [`proto`](crate::proto) call over: a connection of the client, with its layers.
#[derive(Debug, Clone)]
pub struct Channel(Way);

#[derive(Debug, Clone)]
enum Way {
    Plain(tonic::transport::Channel),
    Layered(Layered),
    /// The one whose turn it is, once it has been taken.
    Several(Turns, Arc<[Channel]>, Option<(usize, Box<Channel>)>),
}

impl Channel {
    /// One of these for each call, in turn.
    pub(crate) fn several(all: Vec<Self>) -> Self {
        Self(Way::Several(Turns::new(all.len()), all.into(), None))
    }

    fn send(&mut self, request: Request) -> Sent {
        match &mut self.0 {
            Way::Plain(channel) => Either::Left(channel.call(request).err_into()),
            Way::Layered(service) => Either::Right(service.call(request)),
            Way::Several(turns, _, taken) => {
                let (number, mut channel) = taken.take().expect("it is asked whether it is ready before");
                let (turns, sent) = (turns.clone(), channel.send(request));
                Either::Right(Box::pin(async move {
                    let answer = sent.await;
                    turns.note(number, answer.is_err());
                    answer
                }))
            }
        }
    }
}

impl Service<Request> for Channel {
    type Response = Response;
    type Error = StdError;
    #[cfg(feature = "tracing")]
    type Future = tracing::instrument::Instrumented<Sent>;
    #[cfg(not(feature = "tracing"))]
    type Future = Sent;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), StdError>> {
        match &mut self.0 {
            Way::Plain(channel) => channel.poll_ready(context).map_err(Into::into),
            Way::Layered(service) => service.poll_ready(context),
            Way::Several(turns, all, taken) => {
                let (_, channel) = taken.get_or_insert_with(|| {
                    let number = turns.take();
                    (number, Box::new(all[number].clone()))
                });
                channel.poll_ready(context)
            }
        }
    }

    fn call(&mut self, request: Request) -> Self::Future {
        #[cfg(feature = "tracing")]
        let span = tracing::debug_span!("chord.call", rpc.method = request.uri().path());
        let sent = {
            // What layers do belongs to the span, too.
            #[cfg(feature = "tracing")]
            let _entered = span.enter();
            self.send(request)
        };
        #[cfg(feature = "tracing")]
        let sent = tracing::Instrument::instrument(sent, span);
        sent
    }
}

/// Puts the program's layer around each connection.
#[derive(Clone, Default)]
pub(crate) struct Around(Option<Arc<dyn Fn(tonic::transport::Channel) -> Layered + Send + Sync>>);

impl Around {
    pub(crate) fn layer<L, B>(layer: L) -> Self
    where
        L: Layer<tonic::transport::Channel> + Send + Sync + 'static,
        L::Service: Service<Request, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<Request>>::Error: Into<StdError>,
        <L::Service as Service<Request>>::Future: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        Self(Some(Arc::new(move |channel| {
            let service = layer.layer(channel).map_err(Into::into);
            BoxCloneSyncService::new(service.map_response(|response: http::Response<B>| response.map(Body::new)))
        })))
    }

    pub(crate) fn channel(&self, channel: tonic::transport::Channel) -> Channel {
        Channel(match &self.0 {
            None => Way::Plain(channel),
            Some(layer) => Way::Layered(layer(channel)),
        })
    }
}

impl fmt::Debug for Around {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Around")
    }
}
