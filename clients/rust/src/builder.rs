//! What a client is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::watch::Sender;
use tonic::body::Body;
use tonic::codegen::{Body as HttpBody, Bytes, StdError, http};
use tonic::metadata::{AsciiMetadataKey, MetadataMap};
use tonic::transport::Endpoint;
use tower::{Layer, Service};

use crate::channel::{Channels, TlsOption, Way, endpoint};
use crate::client::Client;
use crate::connection::{Connection, Outage, Shared};
use crate::error::Error;
use crate::retry::Retry;
use crate::token::Authorization;
use crate::transport::Around;

impl Client {
    /// A client with the defaults. The address is `HOST:PORT`; see [`ClientBuilder::connect`].
    pub fn connect(address: impl Into<String>) -> Result<Self, Error> {
        Self::builder(address).connect()
    }

    /// Sets up a client. The address is `HOST:PORT`.
    pub fn builder(address: impl Into<String>) -> ClientBuilder {
        ClientBuilder::new(address.into())
    }
}

/// Sets up a [`Client`].
#[derive(Debug, Clone)]
#[must_use = "nothing happens until it connects"]
pub struct ClientBuilder {
    address: String,
    tls: Option<TlsOption>,
    token: Option<Result<Authorization, Error>>,
    deadline: Duration,
    retry: Retry,
    calls_in_flight: usize,
    watches_per_connection: usize,
    endpoints: Vec<String>,
    user_agent: Option<String>,
    metadata: Result<MetadataMap, Error>,
    configure: Configure,
    around: Around,
}

/// Of each connection.
#[derive(Clone)]
struct Configure(Arc<dyn Fn(Endpoint) -> Endpoint + Send + Sync>);

impl fmt::Debug for Configure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Configure")
    }
}

impl ClientBuilder {
    fn new(address: String) -> Self {
        Self {
            address,
            tls: None,
            token: None,
            deadline: Duration::from_secs(10),
            retry: Retry::default(),
            calls_in_flight: 100,
            watches_per_connection: 90,
            endpoints: Vec::new(),
            user_agent: None,
            metadata: Ok(MetadataMap::new()),
            configure: Configure(Arc::new(|endpoint| endpoint)),
            around: Around::default(),
        }
    }

    /// Encrypts the connection. Without this there is no TLS.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, tls: crate::Tls) -> Self {
        self.tls = Some(tls);
        self
    }

    /// Sends `authorization: Bearer <token>` with every call.
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(Authorization::fixed(&token.into()));
        self
    }

    /// A token that changes: the source is asked for each try of a call and each connection of a watch, and must not
    /// block. Where it fails, that is UNAVAILABLE, and tried again.
    pub fn token_source<S>(mut self, source: S) -> Self
    where
        S: Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync + 'static,
    {
        self.token = Some(Ok(Authorization::Source(Arc::new(source))));
        self
    }

    /// For one call with all its tries. Default 10 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How often and how fast calls are tried again, and watches connect again. Default: [`Retry::default`].
    pub fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Calls that are under way at once; further ones wait for them, in their order, as long as their deadlines last.
    /// Default 100, at least 1.
    pub fn calls_in_flight(mut self, calls: usize) -> Self {
        self.calls_in_flight = calls;
        self
    }

    /// Watches, those of replicas included, that share a connection; further ones get another. Together with
    /// `calls_in_flight` it must stay below the server's `maxStreamsPerConnection` (1000). Default 90, at least 1.
    pub fn watches_per_connection(mut self, watches: usize) -> Self {
        self.watches_per_connection = watches;
        self
    }

    /// Further addresses of the same service, `HOST:PORT`. Calls and watches go to all of them, in turn (round robin); one whose
    /// connection fails is left out for a second, and the next try of the call goes to another.
    pub fn endpoints(mut self, addresses: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.endpoints.extend(addresses.into_iter().map(Into::into));
        self
    }

    /// Names the program in the header user-agent, before the client: `shop/1.2 chordstate-rust/0.1.0 tonic/...`.
    pub fn user_agent(mut self, program: impl Into<String>) -> Self {
        self.user_agent = Some(program.into());
        self
    }

    /// Sends this header with each try of a call and each connection of a watch. For some calls alone:
    /// [`Client::with_metadata`].
    pub fn metadata(mut self, name: &str, value: &str) -> Self {
        self.metadata = self.metadata.and_then(|headers| with_header(headers, name, value));
        self
    }

    /// Changes how each connection is made, after the client's own settings.
    pub fn configure_endpoint(mut self, change: impl Fn(Endpoint) -> Endpoint + Send + Sync + 'static) -> Self {
        self.configure = Configure(Arc::new(change));
        self
    }

    /// Puts a layer of tower around each connection, which sees each try of a call and each connection of a watch as a request of
    /// HTTP: an interceptor of tonic (`InterceptorLayer`), that of OpenTelemetry, metrics. `tower::ServiceBuilder` makes one of
    /// several.
    pub fn layer<L, B>(mut self, layer: L) -> Self
    where
        L: Layer<tonic::transport::Channel> + Send + Sync + 'static,
        L::Service: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + Sync + 'static,
        <L::Service as Service<http::Request<Body>>>::Error: Into<StdError>,
        <L::Service as Service<http::Request<Body>>>::Future: Send + 'static,
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<StdError>,
    {
        self.around = Around::layer(layer);
        self
    }

    /// The connection itself is made by the first call.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn connect(self) -> Result<Client, Error> {
        let addresses = std::iter::once(&self.address).chain(&self.endpoints);
        let endpoints = addresses.map(|address| self.endpoint(address)).collect::<Result<Vec<_>, _>>()?;
        let metadata = Some(self.metadata?).filter(|headers| !headers.is_empty()).map(Arc::new);
        let way = Way { endpoints, around: self.around };
        let shared = Shared {
            channels: Channels::new(way, self.watches_per_connection),
            authorization: self.token.transpose()?,
            retry: self.retry,
            calls: Semaphore::new(self.calls_in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            outage: Outage::default(),
            closed: Sender::new(false),
            presences: Sender::new(0),
        };
        let shared = Arc::new(shared);
        Ok(Client(Connection { shared, deadline: self.deadline, page_size: 0, outlives: false, metadata }))
    }

    fn endpoint(&self, address: &str) -> Result<Endpoint, Error> {
        let program = self.user_agent.as_ref().map(|program| format!("{program} ")).unwrap_or_default();
        let agent = format!("{program}chordstate-rust/{}", env!("CARGO_PKG_VERSION"));
        let endpoint = endpoint(address, self.retry.attempt_timeout, self.tls.as_ref())?
            .user_agent(agent)
            .map_err(|_| Error::unsendable("user_agent", "has characters that no header may have"))?;
        Ok((self.configure.0)(endpoint))
    }
}

impl Client {
    /// The same client, with a further header for its calls, watches and replicas: of a request, of a tenant.
    /// INVALID_ARGUMENT for what no header may have.
    pub fn with_metadata(&self, name: &str, value: &str) -> Result<Self, Error> {
        let headers = self.0.metadata.as_deref().cloned().unwrap_or_default();
        let metadata = Some(Arc::new(with_header(headers, name, value)?));
        Ok(Self(Connection { metadata, ..self.0.clone() }))
    }
}

fn with_header(mut headers: MetadataMap, name: &str, value: &str) -> Result<MetadataMap, Error> {
    let refused = || Error::unsendable("metadata", format!("{name:?} or its value is none of a header"));
    let name_of_header = AsciiMetadataKey::from_bytes(name.as_bytes()).map_err(|_| refused())?;
    headers.append(name_of_header, value.parse().map_err(|_| refused())?);
    Ok(headers)
}
