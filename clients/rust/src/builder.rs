//! What a client is made of.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::sync::watch::Sender;

use crate::channel::{Channels, TlsOption, endpoint};
use crate::client::Client;
use crate::connection::{Connection, Outage, Shared};
use crate::error::Error;
use crate::retry::Retry;
use crate::token::Authorization;

impl Client {
    /// A client with the defaults. The address is `HOST:PORT`; see [`ClientBuilder::connect`].
    pub fn connect(address: impl Into<String>) -> Result<Self, Error> {
        Self::builder(address).connect()
    }

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

    /// The connection itself is made by the first call.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn connect(self) -> Result<Client, Error> {
        let endpoint = endpoint(&self.address, self.retry.attempt_timeout, self.tls.as_ref())?;
        let shared = Shared {
            channels: Channels::new(endpoint, self.watches_per_connection),
            authorization: self.token.transpose()?,
            retry: self.retry,
            calls: Semaphore::new(self.calls_in_flight.clamp(1, Semaphore::MAX_PERMITS)),
            outage: Outage::default(),
            closed: Sender::new(false),
            presences: Sender::new(0),
        };
        Ok(Client(Connection { shared: Arc::new(shared), deadline: self.deadline, page_size: 0, outlives: false }))
    }
}
