//! What a client is made of.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tonic::metadata::{Ascii, MetadataValue};

use crate::channel::{self, TlsOption};
use crate::client::Client;
use crate::error::Error;
use crate::retry::Retry;

/// Sets up a [`Client`].
#[derive(Debug, Clone)]
#[must_use = "nothing happens until it connects"]
pub struct ClientBuilder {
    address: String,
    tls: Option<TlsOption>,
    token: Option<Result<Authorization, Error>>,
    deadline: Duration,
    retry: Retry,
}

impl ClientBuilder {
    pub(crate) fn new(address: String) -> Self {
        Self { address, tls: None, token: None, deadline: Duration::from_secs(10), retry: Retry::default() }
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

    /// The connection itself is made by the first call.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub fn connect(self) -> Result<Client, Error> {
        let authorization = self.token.transpose()?;
        let channel = channel::open(&self.address, self.retry.attempt_timeout, self.tls.as_ref())?;
        Ok(Client { channel, authorization, deadline: self.deadline, retry: Arc::new(self.retry) })
    }
}

/// What is sent with each call.
#[derive(Clone)]
pub(crate) enum Authorization {
    Fixed(MetadataValue<Ascii>),
    Source(Arc<TokenSource>),
}

type TokenSource = dyn Fn() -> Result<String, Box<dyn std::error::Error + Send + Sync>> + Send + Sync;

impl Authorization {
    fn fixed(token: &str) -> Result<Self, Error> {
        let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
            .parse()
            .map_err(|_| Error::unsendable("token", "has characters that no header may have"))?;
        value.set_sensitive(true);
        Ok(Self::Fixed(value))
    }

    pub(crate) fn value(&self) -> Result<MetadataValue<Ascii>, Error> {
        match self {
            Self::Fixed(value) => Ok(value.clone()),
            Self::Source(source) => {
                let token = source().map_err(|error| Error::unavailable(&format!("there is no token: {error}")))?;
                Self::fixed(&token)?.value()
            }
        }
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization")
    }
}
