//! What a client is made of.

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
    token: Option<String>,
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
        self.token = Some(token.into());
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
        let authorization = self.token.map(|token| bearer(&token)).transpose()?;
        let channel = channel::open(&self.address, self.retry.attempt_timeout, self.tls.as_ref())?;
        Ok(Client { channel, authorization, deadline: self.deadline, retry: Arc::new(self.retry) })
    }
}

fn bearer(token: &str) -> Result<MetadataValue<Ascii>, Error> {
    let mut value: MetadataValue<Ascii> = format!("Bearer {token}")
        .parse()
        .map_err(|_| Error::unsendable("token", "has characters that no header may have"))?;
    value.set_sensitive(true);
    Ok(value)
}
